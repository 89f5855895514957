package sqsjobs

import (
	"context"
	"errors"

	"github.com/bulkops/bulkops/bulk"
)

// jobQueue is embedded by a [Queue], which so has no field of that name to be seen.
type jobQueue = bulk.JobQueue

// A Queue is a [bulk.JobQueue] that rings when a job may be claimed, and else is the
// queue that it wraps. It is safe for concurrent use and has no goroutines of its
// own. Make one with [New].
type Queue struct {
	jobQueue
	client Client
	opts   Options
}

var _ bulk.JobQueue = (*Queue)(nil)

// New returns jobs with a doorbell, or a [*bulk.ConfigError]. It calls nothing.
func New(jobs bulk.JobQueue, client Client, opts Options) (*Queue, error) {
	switch {
	case jobs == nil:
		return nil, &bulk.ConfigError{Field: "jobs", Problem: "is required"}
	case client == nil:
		return nil, &bulk.ConfigError{Field: "client", Problem: "is required"}
	}
	if err := opts.fill(); err != nil {
		return nil, err
	}
	return &Queue{jobQueue: jobs, client: client, opts: opts}, nil
}

// Unwrap returns the queue that is wrapped, whose optional abilities stay: it may
// keep idempotency keys, or be a [bulk.JobNotifier].
func (q *Queue) Unwrap() bulk.JobQueue { return q.jobQueue }

// Create implements [bulk.JobQueue]. Its result is that of the wrapped queue,
// whether the ring succeeds or not.
func (q *Queue) Create(ctx context.Context, spec bulk.JobSpec) error {
	err := q.jobQueue.Create(ctx, spec)
	if mayBeDone(err) {
		q.ring(ctx, bell{job: spec.ID, tenant: spec.Tenant})
	}
	return err
}

// Save implements [bulk.JobQueue]. It rings for a lease that is given up, at once or
// after RetryAfter, but not for that of a job that has ended: it is not to be run.
func (q *Queue) Save(ctx context.Context, id string, token int64, change bulk.JobChange) (bulk.Job, error) {
	job, err := q.jobQueue.Save(ctx, id, token, change)
	ended := change.End != "" || change.Notified || job.Status.Ended()
	if !ended && change.Lease <= 0 && mayBeDone(err) {
		q.ring(ctx, bell{job: id, tenant: job.Tenant, after: change.RetryAfter})
	}
	return job, err
}

// mayBeDone reports whether a call that returned err may have had its effect. One
// ring too many is a claim that finds nothing, one too few a job that waits for a
// sweep.
func mayBeDone(err error) bool {
	return err == nil || bulk.Retryable(err) || errors.Is(err, context.Canceled)
}
