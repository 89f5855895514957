package bulk

// Options say what an import does with users that exist. They are the wire
// format's options of the same names. [DefaultOptions] has the defaults; the
// zero value has Upsert off.
type Options struct {
	// Upsert updates a user that exists. Without it such a row fails with
	// [CodeUserExists]. Defaults to true.
	Upsert bool `json:"upsert"`
	// SkipDuplicates leaves a user that exists as it is: the row is
	// [StatusSkipped]. It wins over Upsert. Defaults to false.
	SkipDuplicates bool `json:"skipDuplicates"`
	// SendWelcomeEmail sends one welcome email to each user that the import
	// created, after the last row and to the address that the user has then. A user
	// without one gets none. It needs a [Mailer]. Defaults to false.
	SendWelcomeEmail bool `json:"sendWelcomeEmail"`
	// DryRun decides and reports every row and writes and sends nothing.
	// Defaults to false.
	DryRun bool `json:"dryRun"`
}

// DefaultOptions returns the options of a request that gives none.
func DefaultOptions() Options { return Options{Upsert: true} }
