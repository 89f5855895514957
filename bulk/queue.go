package bulk

import (
	"context"
	"time"
)

// A JobQueue keeps the records of jobs and hands them to workers. The record is
// the queue entry: there is nothing else that could be lost or doubled.
//
// A worker that claims a job gets a lease, which ends by itself, and a fencing
// token, which rises with every claim of that job. Whatever the worker saves is
// refused once a later claim was made, so a worker that was cut off for a while
// cannot undo what its successor did.
//
// Rules for every implementation, which [bulktest.TestJobQueue] checks:
//
//   - Methods are safe for concurrent use, by any number of processes.
//   - What a method reported as done is durable and seen by all later calls,
//     except that Claim without an id and List may see a job a little late.
//   - A job whose ExpiresAt has passed does not exist, for every method, even
//     while the database still holds it. Its id is not used again.
//   - Arguments are not modified and not kept after the return, and results are
//     the caller's.
//   - A cancelled context ends a call soon, with an error for which
//     errors.Is(err, ctx.Err()) holds.
//   - Errors are classified by [Retryable]. A call that failed with a retryable
//     error may have had its effect.
//
// A queue that can tell when a job becomes claimable or ends also implements
// [JobNotifier], and one that can tell how much is waiting [JobCounter]. One that wraps
// another keeps such abilities of it by a method Unwrap() JobQueue.
//
// [bulktest.TestJobQueue]: https://pkg.go.dev/github.com/bulkops/bulkops/bulk/bulktest#TestJobQueue
type JobQueue interface {
	// Create adds a job with the status [JobPending] and UpdatedAt as its CreatedAt;
	// all else that the queue or a worker sets is zero. It returns [ErrJobExists] if
	// the id is in use.
	Create(ctx context.Context, spec JobSpec) error

	// Get returns a job, or [ErrJobNotFound]. It is strongly consistent.
	Get(ctx context.Context, id string) (Job, error)

	// List returns the jobs of a tenant, newest first (by id, descending), and a
	// cursor to what follows, "" if nothing does. A page may have fewer jobs than
	// the limit, even none, and still a cursor. It must not read much more than
	// it returns, whatever other tenants have. A job that exists throughout a
	// walk over all pages is listed exactly once. A cursor that it did not make
	// for this tenant is [ErrBadCursor].
	List(ctx context.Context, filter JobFilter) (jobs []Job, cursor string, err error)

	// Claim gives the caller the lease of a job and returns the job, or
	// [ErrNoJob]. It sets the status to [JobProcessing] and StartedAt if it is
	// zero, LeaseUntil to now and claim.Lease, and adds one to Token and
	// Attempts.
	//
	// A job can be claimed if it has not ended, NotBefore has passed and nobody
	// holds its lease. Of several claims at once one wins. Without an id the
	// oldest job of a tenant, by its id, is taken, and the tenants take turns: one
	// with many jobs does not keep the others waiting, not even one that comes
	// later. After a job of one tenant comes one of another that has any.
	//
	// With claim.Ended it gives the lease of a job that has ended and whose Notify is
	// set, in place of one to be run, if NotBefore has passed and nobody holds its
	// lease. It leaves Status and StartedAt. No turns are promised among these, but
	// one that waits for its NotBefore does not keep others waiting.
	Claim(ctx context.Context, claim Claim) (Job, error)

	// Save changes a job for the worker that holds its lease and returns the
	// changed job. It returns [ErrLeaseLost] and changes nothing if token is not
	// the job's, the job has ended, the lease was given up, or the job does not
	// exist any more. A lease whose time is over, but which nobody else has
	// claimed, still serves.
	//
	// One Save may be a heartbeat, a checkpoint, the release of the lease or the
	// end of the job: see [JobChange]. A job that was claimed by [Claim.Ended] can be
	// renewed, given back, or noted as Notified; a checkpoint or an end is
	// [ErrLeaseLost] then, as Notified is for a job that has not ended.
	Save(ctx context.Context, id string, token int64, change JobChange) (Job, error)

	// Cancel ends a pending job at once as [JobCancelled], as the cancellation says,
	// and sets CancelRequested, and nothing else, on one that is processing. It
	// returns the changed job, [ErrJobEnded] with the unchanged job if it had ended,
	// or [ErrJobNotFound].
	Cancel(ctx context.Context, id string, cancellation Cancellation) (Job, error)

	// Delete removes a job that has ended: from then on it does not exist, for every
	// method, and nothing is kept of it but its id, if that. It returns
	// [ErrJobNotEnded] for a job that has not ended, and [ErrJobNotFound]; then it
	// changes nothing. A job whose Notify is set, leased or not, is removed like any
	// other, and nobody is told of its end any more.
	Delete(ctx context.Context, id string) error
}

// A JobNotifier is a [JobQueue] that tells those who wait of new jobs and of the end
// of jobs.
type JobNotifier interface {
	// Changed returns a channel that is closed when a job may have become
	// claimable, by any kind of [Claim], or have ended, after the call. It is a hint:
	// workers, and callers who wait for the end of a job, also ask from time to time.
	Changed() <-chan struct{}
}

// A JobFilter says which jobs List returns.
type JobFilter struct {
	Tenant string
	// Status selects the jobs of one status; "" selects all.
	Status JobStatus
	// Limit is the most jobs to return, from 1 to 100; others are an error.
	Limit int
	// Cursor is where the page before this one ended, "" for the first page.
	Cursor string
}

// A Claim says what a worker wants.
type Claim struct {
	// JobID is the job to claim, "" for whichever is next.
	JobID string
	// Lease is how long the lease lasts unless it is renewed.
	Lease time.Duration
	// Worker names the worker, for people.
	Worker string
	// Ended claims a job that has ended, to tell of its end: one whose Notify is set.
	// Without it none that has ended is claimed.
	Ended bool
}

// A JobChange is what [JobQueue.Save] changes. UpdatedAt becomes now in any case.
type JobChange struct {
	// Lease renews the lease, to last this long from now. Zero gives the lease
	// up: the job stays processing and can be claimed by others at once, or after
	// RetryAfter.
	Lease time.Duration
	// RetryAfter delays the next claim of a job whose lease is given up.
	RetryAfter time.Duration
	// Progress is a new checkpoint, nil if there is none. It sets Attempts to 0.
	Progress *Progress
	// End ends the job: one of [JobCompleted], [JobFailed], [JobCancelled]. The
	// lease ends with it. Zero does not end the job.
	End JobStatus
	// Results and Error are set on a job that End ends.
	Results string
	Error   *JobError
	// Notify is set on a job that End ends: somebody is to be told of it. It also sets
	// Attempts to 0. The job has ended for everybody, told or not.
	Notify bool
	// Notified clears the job's Notify, and gives the lease up for good. It is for
	// jobs that have ended.
	Notified bool
}

// A Cancellation is what [JobQueue.Cancel] sets on a pending job, which it ends.
type Cancellation struct {
	Results string
	// Notify is as in [JobChange].
	Notify bool
}
