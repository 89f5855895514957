package bulk

import "context"

// MaxWelcomeBatch is how many messages one call of a [Mailer] gets at most: the
// number of destinations that Amazon SES takes in one call.
const MaxWelcomeBatch = 50

// A Mailer sends welcome emails.
type Mailer interface {
	// SendWelcome sends 1 to [MaxWelcomeBatch] messages and returns one outcome
	// for each, by index: nil if it was accepted for delivery. Any error makes
	// the row's welcomeEmail "failed"; it never fails the row or the job. The text
	// of an error is neither shown nor logged, for it may name the address: what is
	// logged is what its method ErrorCode() string returns, if it or one that it
	// wraps has that, as errors of the AWS SDK have, and else its type.
	//
	// After a crash one call may be repeated, with the same keys: a mailer that
	// can tell a repeated key from a new one sends a message once.
	//
	// It must be safe for concurrent use and return soon after ctx is cancelled.
	SendWelcome(ctx context.Context, messages []Welcome) []error
}

// A Welcome is one welcome email to send.
type Welcome struct {
	// Key is the message's idempotency key: the import and the row.
	Key    string
	Tenant string
	// User is the user that was created, as it is after the last row of the import.
	// Its email has no control characters.
	User User
}
