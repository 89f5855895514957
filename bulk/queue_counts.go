package bulk

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A JobCounter is a [JobQueue] that can tell how much work is waiting.
type JobCounter interface {
	// CountJobs counts the jobs of all tenants that have not ended. Like Claim
	// without an id it may see a job a little late. It must not read jobs that have
	// ended, however many of them are kept; an implementation says what it costs.
	CountJobs(ctx context.Context) (JobCounts, error)
}

// JobCounts are the jobs that have not ended, at one time.
type JobCounts struct {
	// Ready is how many jobs can be claimed now: those that nobody has begun, were
	// given up, or are due to be tried again, and those whose worker is silent for
	// longer than its lease.
	Ready int
	// Held is how many jobs are leased to a worker, or wait for their next attempt.
	Held int
	// OldestReady is when the oldest of the Ready ones, by its id, was created; zero
	// if there is none.
	OldestReady time.Time
}

// CountJobs counts the jobs of a queue. It returns [errors.ErrUnsupported] if neither
// the queue nor what it unwraps to is a [JobCounter].
func CountJobs(ctx context.Context, queue JobQueue) (JobCounts, error) {
	counter, ok := ability[JobCounter](queue)
	if !ok {
		return JobCounts{}, fmt.Errorf("bulk: count jobs of a %T: %w", queue, errors.ErrUnsupported)
	}
	return counter.CountJobs(ctx)
}
