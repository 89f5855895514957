package bulk

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/bulkops/bulkops/internal/redact"
)

// A Worker runs jobs, one at a time: it claims a job, imports its rows segment by
// segment, and writes the results file. Run several for several jobs at once, in
// one process or in many.
//
// For a job it holds in memory the rows and results of up to four segments
// ([Config.SegmentRows]), the batches under way ([Config.Parallel]) and up to 4 MiB
// of results, and not the payload. A dry run holds in addition every user that it would have written.
type Worker struct {
	cfg Config
}

// NewWorker returns a worker, or a [*ConfigError] that names the field at fault.
// It starts nothing: see [Worker.Run].
func NewWorker(cfg Config) (*Worker, error) {
	cfg, err := cfg.complete()
	if err != nil {
		return nil, err
	}
	return &Worker{cfg: cfg}, nil
}

// Run claims and runs jobs until ctx is cancelled, and then returns nil. Without
// a job it asks again every [Config.Poll], or at once if the queue is a
// [JobNotifier] and says so.
//
// When ctx is cancelled it stops gracefully: it ends the rows under way, saves
// the progress and gives up the lease, so that another worker can go on at once.
// That takes at most [Config.StopGrace]; then it stops hard, which the next worker
// makes good. When Run returns, all its goroutines have ended.
func (w *Worker) Run(ctx context.Context) error {
	jobs := w.cfg.jobs()
	for ctx.Err() == nil {
		changed, err := jobs.changed() // before the claim, so that no job is missed
		if err != nil {
			w.cfg.Logger.ErrorContext(ctx, "queue does not notify", redact.Error(err))
		}
		asked := time.Now()
		job, err := jobs.Claim(ctx, w.claim(""))
		switch {
		case err == nil:
			w.log(ctx, &job, w.runClaimed(ctx, &job, asked))
			continue
		case !errors.Is(err, ErrNoJob) && ctx.Err() == nil:
			w.cfg.Logger.WarnContext(ctx, "claim failed", redact.Error(err))
		}
		timer := time.NewTimer(w.cfg.Poll)
		select {
		case <-ctx.Done():
		case <-changed:
		case <-timer.C:
		}
		timer.Stop()
	}
	return nil
}

// RunJob claims one job and runs it to its end, or until ctx is cancelled, which
// stops it as it does [Worker.Run]. It returns nil if the job has ended, and
// [ErrJobLeft] if it was left in good order, for another worker to go on with at
// once. It returns [ErrNoJob] if the job does not exist, has ended before, or is
// claimed by another. Any other error is what the attempt failed with; the queue
// then offers the job again.
func (w *Worker) RunJob(ctx context.Context, id string) error {
	asked := time.Now()
	job, err := w.cfg.jobs().Claim(ctx, w.claim(id))
	if err != nil {
		return fmt.Errorf("bulk: claim %s: %w", id, err)
	}
	err = w.runClaimed(ctx, &job, asked)
	w.log(ctx, &job, err)
	return err
}

func (w *Worker) claim(id string) Claim {
	return Claim{JobID: id, Lease: w.cfg.Lease, Worker: w.cfg.WorkerName}
}

func (w *Worker) log(ctx context.Context, job *Job, err error) {
	if err != nil && !errors.Is(err, ErrJobLeft) {
		w.cfg.Logger.ErrorContext(ctx, "attempt failed", "job", job.ID, "attempt", job.Attempts, redact.Error(err))
	}
}

// workerName is the default of [Config.WorkerName].
func workerName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%s/%d", host, os.Getpid())
}
