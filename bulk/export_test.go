package bulk

// What tests outside of the package see of its inside.
var (
	GeneratedUserID = generatedUserID
	NewID           = newID
)
