package bulk

// A Status is what became of a row.
type Status string

// The statuses of a row.
const (
	StatusCreated      Status = "created"      // the user is new
	StatusUpdated      Status = "updated"      // the user existed and was changed
	StatusUnchanged    Status = "unchanged"    // the user is as the row wants it; nothing was written
	StatusSkipped      Status = "skipped"      // the user exists and [Options.SkipDuplicates] is set
	StatusFailed       Status = "failed"       // nothing was written; the result has the errors
	StatusNotProcessed Status = "notProcessed" // the job ended before it reached the row
)

// A RowCode says what is wrong with a row. Codes are part of the wire format.
type RowCode string

// The codes of row errors.
const (
	CodeInvalidUser         RowCode = "INVALID_USER"          // the row is not a JSON object, or cannot be read in its format
	CodeMissingIdentifier   RowCode = "MISSING_IDENTIFIER"    // neither userId nor email is there and not empty
	CodeInvalidUserID       RowCode = "INVALID_USER_ID"       // not a string as [User.ID] says
	CodeInvalidEmail        RowCode = "INVALID_EMAIL"         // not an address, see [validEmail]
	CodeInvalidCustomFields RowCode = "INVALID_CUSTOM_FIELDS" // not an object, or a field breaks a limit of [Fields]
	CodeInvalidMetadata     RowCode = "INVALID_METADATA"      // likewise
	CodeUnknownField        RowCode = "UNKNOWN_FIELD"         // a key that would be lost in silence
	CodeDuplicateKey        RowCode = "DUPLICATE_KEY"         // a key twice in one object
	CodeFieldRule           RowCode = "FIELD_RULE"            // a custom field or metadata breaks a rule of the host, see [FieldChecker]
	CodeUserTooLarge        RowCode = "USER_TOO_LARGE"        // larger than [MaxUser], or than the store's item with what the host keeps in it
	CodeUserExists          RowCode = "USER_EXISTS"           // the user exists and [Options.Upsert] is off
	CodeUserNotFound        RowCode = "USER_NOT_FOUND"        // the user does not exist and [Options.UpdateOnly] is on
	CodeEmailTaken          RowCode = "EMAIL_TAKEN"           // the email belongs to another user, see [RowError.ConflictsWith]
	CodeStoreError          RowCode = "STORE_ERROR"           // the store failed, all retries included; nothing was written
	CodeOutcomeUnknown      RowCode = "OUTCOME_UNKNOWN"       // whether the row was applied cannot be told any more; it was not applied twice
)

// A RowError is one thing that is wrong with a row.
type RowError struct {
	Code RowCode `json:"code"`
	// Field is the field at fault, with dots for nested ones, if there is one.
	Field string `json:"field,omitempty"`
	// Message is for people. It says what is wrong and where, and holds nothing
	// of a backend's own error text.
	Message string `json:"message"`
	// Retryable is set where the same row may succeed later as it is.
	Retryable bool `json:"retryable,omitempty"`
	// ConflictsWith is the id of the user that has the email of a row which failed
	// with [CodeEmailTaken]. It is "" if that is a user whose id a dry run made up, or
	// whom the store refuses to find.
	ConflictsWith string `json:"conflictsWith,omitempty"`
}

// WelcomeStatus says what became of a created user's welcome email.
type WelcomeStatus string

// What became of a welcome email.
const (
	WelcomeSent   WelcomeStatus = "sent"   // the mailer took it
	WelcomeFailed WelcomeStatus = "failed" // the mailer refused it, or could not be reached
)

// A RowResult is what became of one row. An import has exactly one for each row,
// in order.
type RowResult struct {
	// Index is the row's place in the request, from 0.
	Index int `json:"index"`
	// ParentIndex is the row's place in the job whose rows a retry tries again, nil
	// in other imports.
	ParentIndex *int `json:"parentIndex,omitempty"`
	// Line is the line of the row in the text that it was sent in, from 1, or 0
	// where the format has no lines.
	Line int `json:"line,omitempty"`
	// UserID is the id that the row gave, or else the id of the user that was
	// found or created.
	UserID string `json:"userId,omitempty"`
	// Email is the email that the row gave.
	Email  string `json:"email,omitempty"`
	Status Status `json:"status"`
	// Errors says why the row failed. A row that breaks several rules has
	// several: at most 100 in the first 100 rows of a request and 10 in the others. The
	// last message says how many more there are.
	Errors []RowError `json:"errors,omitempty"`
	// Changes names what an updated row of a dry run would change, given what the rows
	// before it would: "email", "customFields.NAME" and "metadata.NAME", the first 100.
	// Other rows have none.
	Changes []string `json:"changes,omitempty"`
	// WelcomeEmail is set on created rows if the request asked for welcome emails
	// and the user had an address after the last row.
	WelcomeEmail WelcomeStatus `json:"welcomeEmail,omitempty"`
}

// A Summary counts the rows of an import by status. Its numbers always add up to
// the number of rows.
type Summary struct {
	Created      int `json:"created"`
	Updated      int `json:"updated"`
	Unchanged    int `json:"unchanged"`
	Skipped      int `json:"skipped"`
	Failed       int `json:"failed"`
	NotProcessed int `json:"notProcessed"`
}

// Processed returns the number of rows that were reached.
func (s Summary) Processed() int {
	return s.Created + s.Updated + s.Unchanged + s.Skipped + s.Failed
}

// Total returns the number of rows.
func (s Summary) Total() int { return s.Processed() + s.NotProcessed }

// minus returns the rows that s counts and other does not, which s contains.
func (s Summary) minus(other Summary) Summary {
	return Summary{
		Created: s.Created - other.Created, Updated: s.Updated - other.Updated, Unchanged: s.Unchanged - other.Unchanged,
		Skipped: s.Skipped - other.Skipped, Failed: s.Failed - other.Failed, NotProcessed: s.NotProcessed - other.NotProcessed,
	}
}

// add counts one row of a status.
func (s *Summary) add(status Status) { s.count(status, 1) }

// count counts n rows of a status.
func (s *Summary) count(status Status, n int) {
	switch status {
	case StatusCreated:
		s.Created += n
	case StatusUpdated:
		s.Updated += n
	case StatusUnchanged:
		s.Unchanged += n
	case StatusSkipped:
		s.Skipped += n
	case StatusFailed:
		s.Failed += n
	case StatusNotProcessed:
		s.NotProcessed += n
	}
}

// A Report is the outcome of a synchronous import.
type Report struct {
	Summary Summary `json:"summary"`
	// Results has one result for each row, in order.
	Results []RowResult `json:"results"`
	// Error is set if the import stopped before its last row:
	// [JobErrorTooManyFailed].
	Error *JobError `json:"error,omitempty"`
}
