package bulk

import (
	"context"
	"errors"
	"time"
)

// A Notifier tells somebody that a job has ended: the host's own code, a queue of
// messages, or the tenant, as httpapi/webhook does.
type Notifier interface {
	// NotifyEnded is called at least once for each job that has ended, completed,
	// failed or cancelled, also if the process dies in between. The job is as it
	// ended, and the notifier's own. It has no users and no rows.
	//
	// An error means that it was not told, and it is called again, after seconds at
	// first and later once an hour, for about a day; then the log says that nobody was
	// told. An error that wraps one by [Permanent], or has a method Retryable() bool
	// that returns false, gives up at once. One with a method RetryAfter()
	// time.Duration puts the next call off for as long, up to an hour.
	//
	// Calls may come twice for one end, and in any order. Job.ID is a key by which
	// repetitions can be told, as a job ends once. NotifyEnded must be safe for
	// concurrent use. A call has [Config.CallTimeout] to return.
	NotifyEnded(ctx context.Context, job *Job) error
}

// retryDelay returns for how long an error asks not to try again, 0 if it does not.
func retryDelay(err error) time.Duration {
	var asks interface{ RetryAfter() time.Duration }
	if errors.As(err, &asks) {
		return asks.RetryAfter()
	}
	return 0
}
