package bulk

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"time"

	"github.com/bulkops/bulkops/internal/redact"
)

// A Worker runs jobs, one at a time: it claims a job, imports its rows segment by
// segment, and writes the results file. Run several for several jobs at once, in
// one process or in many.
//
// For a job it holds in memory the rows of the batches under way, which are up to 12 for
// each call ([Config.Parallel]), the results of up to 20 such batches or four segments
// ([Config.SegmentRows]), and up to 4 MiB of the journal and of results, and not the
// payload. At the end of a large job it holds the results of up to eight segments more. A
// dry run holds in addition every user that it would have written.
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

// Run claims and runs jobs until ctx ends, and then returns nil. Without a job it
// asks again every [Config.Poll], more rarely when nothing happens for a while, or at
// once if the queue is a [JobNotifier] and says so.
//
// When ctx is cancelled it stops gracefully: it ends the rows under way, saves the
// progress and gives up the lease, so that another worker can go on at once. That
// takes at most [Config.StopGrace]; then it stops hard, which the next worker makes
// good. When Run returns, all its goroutines have ended.
//
// Beside that it tells [Config.Notifier], if there is one, of the ends of jobs: of its
// own at once, and of others as it finds them, at the latest after a minute. That holds
// up no job.
func (w *Worker) Run(ctx context.Context) error {
	jobs := w.cfg.jobs()
	ended, wait := w.tellEnds(ctx)
	defer wait()
	busy := time.Now() // when there last was a job, or word of one
	for ctx.Err() == nil {
		changed, err := jobs.changed() // before the claim, so that no job is missed
		if err != nil {
			w.cfg.Logger.ErrorContext(ctx, "queue does not notify", redact.Error(err))
		}
		job, err := w.run(ctx, "")
		switch {
		case job != nil:
			if err == nil {
				ended(job.ID)
			}
			busy = time.Now()
			continue
		case !errors.Is(err, ErrNoJob) && ctx.Err() == nil:
			w.cfg.Logger.WarnContext(ctx, "claim failed", redact.Error(err))
		}
		timer := time.NewTimer(w.pause(time.Since(busy)))
		select {
		case <-ctx.Done():
		case <-changed:
			busy = time.Now() // the next claim may be too early to see the job
		case <-timer.C:
		}
		timer.Stop()
	}
	return nil
}

// A worker that had nothing to do for quietAfter asks quietFactor times as rarely.
const (
	quietAfter  = time.Minute
	quietFactor = 12
)

// pause returns how long a worker that has been idle for so long waits before it asks
// again.
func (w *Worker) pause(idle time.Duration) time.Duration {
	if idle < quietAfter || w.cfg.Poll > math.MaxInt64/quietFactor {
		return w.cfg.Poll
	}
	return quietFactor * w.cfg.Poll
}

// RunJob claims one job and runs it to its end, or until ctx is cancelled, which
// stops it as it does [Worker.Run]. If ctx has a deadline, as that of a function
// has, RunJob begins to stop so early that it has returned by then: a little more
// than [Config.StopGrace] before, or when half of the time has gone, whichever is
// later.
//
// Several may be asked to run the same job at once: one does. What RunJob returns
// says how the job stands:
//
//   - nil: it has ended.
//   - [ErrJobLeft]: it was left in good order, for another worker to go on with at
//     once.
//   - [ErrNoJob]: it cannot be claimed. The error is [ErrJobEnded] too if it has ended
//     before, and [ErrJobNotFound] if it does not exist; otherwise another worker has
//     it, or it waits for its next attempt.
//   - Any other error is that of ctx, of the call to the queue, or what the attempt
//     failed with. If the job was claimed, the queue offers it again.
func (w *Worker) RunJob(ctx context.Context, id string) error {
	w, ctx, cancel := w.inTime(ctx)
	defer cancel()
	job, err := w.run(ctx, id)
	if job == nil && errors.Is(err, ErrNoJob) {
		return w.whyNot(ctx, id)
	}
	return err
}

// RunNext is [Worker.RunJob] for the job whose turn it is. It returns the id of the
// job that it claimed, "" for none: with [ErrNoJob] if there is none that can be
// claimed now.
func (w *Worker) RunNext(ctx context.Context) (id string, err error) {
	w, ctx, cancel := w.inTime(ctx)
	defer cancel()
	job, err := w.run(ctx, "")
	if job == nil {
		return "", err
	}
	return job.ID, err
}

// inTime returns a context that ends early enough for work to stop by the deadline of
// ctx, if it has one, and the worker to do it: one that stops sooner than this one if
// little time is left.
func (w *Worker) inTime(ctx context.Context) (*Worker, context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		ctx, cancel := context.WithCancel(ctx)
		return w, ctx, cancel
	}
	stopping := w.cfg.StopGrace + w.cfg.guard().grace
	if half := time.Until(deadline) / 2; half < stopping {
		short := *w
		short.cfg.StopGrace = max(half*10/11, time.Millisecond) // the grace of a call is up to a tenth of it
		w, stopping = &short, half
	}
	ctx, cancel := context.WithDeadline(ctx, deadline.Add(-stopping))
	return w, ctx, cancel
}

// run claims the job of that id, the next one for "", and runs it. The job is nil if
// none was claimed.
func (w *Worker) run(ctx context.Context, id string) (*Job, error) {
	asked := time.Now()
	job, err := w.cfg.jobs().Claim(ctx, w.claim(id))
	if err != nil {
		return nil, fmt.Errorf("bulk: claim %q: %w", id, err)
	}
	err = w.runClaimed(ctx, &job, asked)
	if err != nil && !errors.Is(err, ErrJobLeft) {
		w.cfg.Logger.ErrorContext(ctx, "attempt failed", "job", job.ID, "attempt", job.Attempts, redact.Error(err))
	}
	return &job, err
}

// whyNot says why a job cannot be claimed.
func (w *Worker) whyNot(ctx context.Context, id string) error {
	job, err := w.cfg.jobs().Get(ctx, id)
	switch {
	case errors.Is(err, ErrJobNotFound):
		return fmt.Errorf("bulk: claim %q: %w: %w", id, ErrNoJob, ErrJobNotFound)
	case err == nil && job.Status.Ended():
		return fmt.Errorf("bulk: claim %q: %w: %w", id, ErrNoJob, ErrJobEnded)
	default: // also if the queue does not tell
		return fmt.Errorf("bulk: claim %q: %w", id, ErrNoJob)
	}
}

func (w *Worker) claim(id string) Claim {
	return Claim{JobID: id, Lease: w.cfg.Lease, Worker: w.cfg.WorkerName}
}

// workerName is the default of [Config.WorkerName].
func workerName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%s/%d", host, os.Getpid())
}
