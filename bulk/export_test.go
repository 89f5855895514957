package bulk

// What tests outside of the package see of its inside.
var (
	GeneratedUserID = generatedUserID
	NewID           = newID
	CompleteConfig  = Config.complete
	ValidEmail      = validEmail
	ValidUserID     = validUserID
	AppendResult    = RowResult.appendJSON
)
