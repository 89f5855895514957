package browser

import (
	"context"
	"sync"

	"github.com/bulkops/bulkops/bulk"
)

// A queue is the jobs of a host, which notes when a worker knows that its job is to be
// cancelled.
type queue struct {
	bulk.JobQueue

	mu    sync.Mutex
	told  int           // how often a worker was told
	knows chan struct{} // closed when one knows for sure
}

func newQueue(jobs bulk.JobQueue) *queue {
	return &queue{JobQueue: jobs, knows: make(chan struct{})}
}

// Unwrap keeps what the queue can do beyond a JobQueue.
func (q *queue) Unwrap() bulk.JobQueue { return q.JobQueue }

func (q *queue) Get(ctx context.Context, id string) (bulk.Job, error) {
	job, err := q.JobQueue.Get(ctx, id)
	if ctx.Value(ofWorker{}) != nil && err == nil && job.CancelRequested {
		q.mu.Lock()
		defer q.mu.Unlock()
		// A worker asks again when it has acted on the answer before.
		if q.told++; q.told == 2 {
			close(q.knows)
		}
	}
	return job, err
}

// ofWorker is the key of what the contexts of workers' calls have.
type ofWorker struct{}

// An observer marks the calls of workers.
type observer struct{}

func (observer) Begin(ctx context.Context, e bulk.Event) context.Context {
	if _, ok := e.(*bulk.AttemptEvent); ok {
		return context.WithValue(ctx, ofWorker{}, true)
	}
	return ctx
}

func (observer) End(context.Context, bulk.Event) {}
