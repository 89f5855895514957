package bulk

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/bulkops/bulkops/internal/redact"
)

// An attempt is one claim of a job: the work on it from the last checkpoint until
// the job ends, the worker stops, or something fails.
type attempt struct {
	cfg     *Config
	blobs   guardedBlobs
	job     *Job       // as it was claimed, with the progress made since
	at      checkpoint // of job.Progress
	begun   int        // the rows that were durable when it was claimed
	lease   *lease
	journal *journal // nil in a dry run
	ledger  *ledger
	engine  *engine
	recent  *recent
	// patience is that of all calls but those to the store.
	patience backoff

	stopped      atomic.Bool // the worker is to stop
	cancelled    atomic.Bool // the job is to be cancelled
	mailerSilent bool        // the mailer let the time for a batch of messages run out
	known        bool        // what earlier claims wrote is known
	failure      *JobError   // what the job failed with, if another attempt will not help
}

// errOutage is why an attempt ends in which the store did not answer.
var errOutage = errors.New("bulk: the store does not answer")

// errStopped is why work ends that did not end within [Config.StopGrace].
var errStopped = errors.New("bulk: the worker was stopped")

// runClaimed works on a claimed job. The lease was asked for at that time. It
// returns nil if the job has ended.
func (w *Worker) runClaimed(stop context.Context, job *Job, asked time.Time) (err error) {
	// The work goes on for a while after stop ends, to stop gracefully.
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(stop))
	defer cancel(nil)
	ctx, end := observe(ctx, w.cfg.Observer, &AttemptEvent{Job: job})
	defer func() { end(err) }()
	a, err := newAttempt(&w.cfg, job)
	if err != nil {
		return err
	}
	a.lease = &lease{
		jobs: w.cfg.jobs(), id: job.ID, token: job.Token, lasts: w.cfg.Lease, poll: w.cfg.Poll,
		lost:      cancel,
		cancelled: func() { a.cancelled.Store(true); a.engine.halt() },
	}
	var keeper sync.WaitGroup
	keep, release := context.WithCancel(ctx)
	keeper.Go(func() { a.lease.keep(keep, asked) })
	keeper.Go(func() { a.stopAfter(keep, stop, cancel) })
	defer keeper.Wait()
	defer release()

	if job.CancelRequested {
		a.lease.cancelled()
	}
	return a.conclude(ctx, a.run(ctx))
}

func newAttempt(cfg *Config, job *Job) (*attempt, error) {
	a := &attempt{cfg: cfg, blobs: cfg.blobs(), job: job, begun: job.Progress.Rows, recent: newRecent(job.TotalRecords), known: job.Token == 1 || job.Options.DryRun}
	if err := a.at.parse(job.Progress.Checkpoint); err != nil {
		return nil, fmt.Errorf("bulk: checkpoint of %s: %w", job.ID, err)
	}
	a.at.Paces = []pace{{time.Now().UnixMilli(), job.Progress.Rows}}
	if !job.Options.DryRun {
		owned := func(ctx context.Context) error { return a.lease.check(ctx) }
		a.journal = newJournal(a.blobs, blobFolder(job.Tenant, job.ID), job.Token, jobBackoff, owned)
	}
	a.ledger = newLedger(job.SegmentRows, job.TotalRecords, job.Progress.Rows, a.window())
	a.engine = newEngine(cfg, job.Tenant, job.ID, job.Options, a.ledger, a.journal)
	a.patience = jobBackoff
	a.patience.halted = a.engine.halted
	a.engine.backoff, a.engine.patient, a.engine.abreast = a.patience, true, jobCallsAhead*cfg.Parallel
	if a.journal != nil {
		a.journal.patience = a.patience
	}
	a.engine.failures.resume(job.Progress.Rows, job.Progress.Summary.Failed)
	if job.Progress.Rows > 0 {
		a.engine.health.met()
	}
	return a, nil
}

// maxWindow bounds the results of a job that a worker has in memory.
const maxWindow = 20_000

// window is how many rows may be read and without durable results: enough that the
// calls to the store never wait for segments of the results, which take several times
// as long. Those under way are fewer, see [jobCallsAhead], and take more memory.
func (a *attempt) window() int {
	rows := min(20*BatchSize(a.cfg.Store)*a.cfg.Parallel, maxWindow)
	return max(4*a.job.SegmentRows, 2*a.job.SegmentRows+rows)
}

// jobCallsAhead is [callsAhead] for jobs, whose batches wait for chunks of the journal too,
// which take several times as long as a call to the store.
const jobCallsAhead = 12

// stopAfter stops the work when stop ends: gracefully, then hard, in time for calls
// that mind their context to return within [Config.StopGrace], and for others to be
// given up.
func (a *attempt) stopAfter(ctx, stop context.Context, cancel context.CancelCauseFunc) {
	select {
	case <-ctx.Done():
		return
	case <-stop.Done():
	}
	a.stopped.Store(true)
	a.engine.halt()
	timer := time.NewTimer(a.cfg.StopGrace - a.blobs.grace)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
		cancel(errStopped)
	}
}

// run does the rows that remain. It returns nil if all have results, or if it was
// told to stop.
func (a *attempt) run(ctx context.Context) error {
	if err := a.takeOver(ctx); err != nil {
		return err
	}
	if a.job.Attempts > a.cfg.MaxAttempts {
		a.failure = &JobError{JobErrorAttempts, fmt.Sprintf("the job was begun %d times without progress", a.cfg.MaxAttempts)}
		return nil
	}
	if a.job.Progress.Rows < a.job.TotalRecords && !a.engine.isHalted() {
		if err := a.inheritTaints(ctx); err != nil {
			return err
		}
		if err := a.importRows(ctx); err != nil {
			return err
		}
	}
	if !a.ledger.complete() || !a.mails() {
		return nil
	}
	if err := a.closeBooks(ctx); err != nil {
		return err
	}
	return a.mail(ctx)
}

// takeOver finds out what earlier claims of the job did, makes sure that they do no
// more, and ends what they have begun.
func (a *attempt) takeOver(ctx context.Context) error {
	if a.known {
		return nil
	}
	h, err := a.journal.takeOver(ctx, a.at.Chunk, a.job.Progress.Rows)
	if err != nil {
		return err
	}
	a.known = true
	a.engine.inherit(h)
	return a.engine.settleSent(ctx)
}

// inheritTaints reads for which rows with durable results the outcome is unknown: the
// journal does not say so.
func (a *attempt) inheritTaints(ctx context.Context) error {
	for _, r := range a.at.Unknown {
		for number := r.From; number < r.Until && !a.engine.isHalted(); number++ {
			rows, err := a.readSegment(ctx, number)
			if err != nil {
				return err
			}
			for _, row := range rows {
				if unknownOutcome(row) {
					a.engine.taints.add(row.Index, row.UserID, row.Email)
				}
			}
		}
	}
	return nil
}

// importRows runs the rows of the payload through the engine.
func (a *attempt) importRows(ctx context.Context) error {
	source := &rowSource{next: a.start()}
	read, stopReading := context.WithCancel(ctx)
	defer stopReading()
	payload, err := a.open(read, source.next)
	if err != nil {
		return err
	}
	defer payload.Close()
	source.rows = payload

	group, ctx := errgroup.WithContext(ctx)
	done := make(chan struct{})
	group.Go(func() error {
		defer close(done)
		// The results of what was done are saved whatever ended the work.
		defer a.ledger.close()
		return a.runEngine(ctx, source)
	})
	group.Go(func() error {
		select {
		case <-a.engine.halted:
			stopReading() // a payload may be silent for long
		case <-done:
		}
		return nil
	})
	group.Go(func() error { return a.save(ctx) })
	return group.Wait()
}

// errCut is why the calls of a job end that is to be cancelled.
var errCut = errors.New("bulk: the job is to be cancelled")

// runEngine runs the engine and, once it was halted, gives the calls under way as
// long to end as a worker has that is to stop.
func (a *attempt) runEngine(ctx context.Context, source *rowSource) error {
	work, cut := context.WithCancelCause(ctx)
	var watch sync.WaitGroup
	watch.Go(func() {
		select {
		case <-a.engine.halted:
		case <-work.Done():
			return
		}
		timer := time.NewTimer(a.cfg.StopGrace)
		defer timer.Stop()
		select {
		case <-timer.C:
			cut(errCut)
		case <-work.Done():
		}
	})
	err := a.engine.do(work, source)
	if context.Cause(work) == errCut && !untrusted(err) {
		err = nil // what was sent is settled as the job ends
	}
	cut(nil)
	watch.Wait()
	return err
}

// start returns the row at which the work starts. A dry run starts from the
// first, since what earlier rows would have done is nowhere but in its memory.
func (a *attempt) start() int {
	if a.job.Options.DryRun {
		return 0
	}
	return a.job.Progress.Rows
}

// open opens the job's rows from that one on.
func (a *attempt) open(ctx context.Context, from int) (*payload, error) {
	return openPayload(ctx, syncBackoff, a.blobs, a.job, from)
}

// conclude ends the job, or leaves it to another attempt.
func (a *attempt) conclude(ctx context.Context, err error) error {
	var abandoned *abandonedError
	switch {
	case errors.Is(err, ErrLeaseLost), errors.As(err, &abandoned), err != nil && context.Cause(ctx) != nil:
		// It is somebody else's by now, or nothing can be saved any more: the lease
		// ends by itself. What a call failed with is less than why it was cancelled.
		if cause := context.Cause(ctx); cause != nil && !errors.Is(err, cause) {
			err = fmt.Errorf("%w: %w", cause, err)
		}
		return err
	case err != nil && a.hopeless(err):
		a.cfg.Logger.ErrorContext(ctx, "job failed", "job", a.job.ID, redact.Error(err))
		a.failure = jobError(err)
	case err != nil && a.known && a.cancelled.Load() && !errors.Is(err, context.DeadlineExceeded):
		// It need not be waited for what failed: the rows are not wanted any more. A
		// backend that is silent would be silent at the end of the job too.
		a.cfg.Logger.WarnContext(ctx, "rows of a cancelled job failed", "job", a.job.ID, redact.Error(err))
	case err != nil:
		return errors.Join(err, a.giveBack(ctx, a.retryAfter()))
	}
	switch {
	case a.failure != nil:
		return a.end(ctx, JobFailed)
	case a.ledger.complete() && a.mailed() && !a.cutShort():
		return a.end(ctx, JobCompleted)
	case a.cancelled.Load(), a.engine.failures.passed():
		return a.end(ctx, JobCancelled)
	default:
		if err := errors.Join(a.journal.close(ctx), a.giveBack(ctx, 0)); err != nil {
			return err
		}
		return ErrJobLeft
	}
}

// cutShort reports whether the results of all rows are durable, and some of them
// are that the row was not processed: an earlier claim was about to end the job as
// cancelled.
func (a *attempt) cutShort() bool {
	p := &a.job.Progress
	return p.Rows == a.job.TotalRecords && p.Summary.Processed() < p.Rows
}

// hopeless reports whether another attempt will not help. As long as it is not known
// what earlier claims did, that is so only if it cannot be found out.
func (a *attempt) hopeless(err error) bool {
	exhausted := a.job.Attempts >= a.cfg.MaxAttempts && a.job.Progress.Rows == a.begun
	if exhausted || !a.known {
		return exhausted && (a.known || !Retryable(err))
	}
	var (
		panicked *panicError
		broken   *contractError
		payload  *payloadError
	)
	return errors.As(err, &panicked) || errors.As(err, &broken) || errors.As(err, &payload) ||
		errors.Is(err, ErrBlobNotFound)
}

// jobError says to the job's owner what err means. The cause is in the log.
func jobError(err error) *JobError {
	if errors.Is(err, errOutage) || Retryable(err) {
		return &JobError{JobErrorUnavailable, "a backend did not answer; no more attempts are made"}
	}
	return &JobError{JobErrorInternal, "the job could not be run; the service's log has the cause"}
}

// retryAfter grows with the attempts.
func (a *attempt) retryAfter() time.Duration {
	return min(time.Duration(a.job.Attempts)*a.cfg.Lease/2, 5*time.Minute)
}

// giveBack gives up the lease. A worker that is told to stop has made progress if
// any row has ended, as the journal knows of it.
func (a *attempt) giveBack(ctx context.Context, after time.Duration) error {
	change := JobChange{RetryAfter: after}
	if after == 0 {
		change.Progress = &a.job.Progress
	}
	err := syncBackoff.retry(ctx, func() error { return a.lease.save(ctx, change) })
	if err != nil && !errors.Is(err, ErrLeaseLost) {
		return fmt.Errorf("bulk: release %s: %w", a.job.ID, err)
	}
	return nil // lost or given up: it is no longer ours
}
