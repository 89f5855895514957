package bulk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// An attempt is one claim of a job: the work on it from the last checkpoint until
// the job ends, the worker stops, or something fails.
type attempt struct {
	cfg   *Config
	blobs guardedBlobs
	job   *Job // as it was claimed, with the progress made since
	begun int  // the rows that were durable when it was claimed
	lease *lease

	order  *order
	ledger *ledger
	recent recent

	stop      atomic.Int32 // a stopMode
	cancelled atomic.Bool  // the job is to be cancelled
	failure   *JobError    // what the job failed with, if an attempt more will not help

	// progress is held while job.Progress is read, or changed and saved, so that
	// no older progress overtakes a newer one.
	progress turn
	whole    Summary // of the whole segments
	answered int     // rows of this attempt that the store answered
	unmet    int     // rows of this attempt that it failed
	mailable *signal // whole segments changed, or there will be no more
}

// errOutage is why an attempt ends in which the store did not answer.
var errOutage = errors.New("bulk: the store did not answer for any row of a segment")

// runClaimed works on a claimed job. The lease was asked for at that time.
func (w *Worker) runClaimed(stop context.Context, job *Job, asked time.Time) error {
	// The work goes on for a while after stop ends, to stop gracefully.
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(stop))
	defer cancel(nil)
	a := &attempt{
		cfg: &w.cfg, blobs: guardedBlobs{w.cfg.Blobs}, job: job, begun: job.Progress.Rows,
		order: newOrder(), mailable: newSignal(), progress: newTurn(),
	}
	a.lease = &lease{
		jobs: guardedJobs{w.cfg.Jobs}, id: job.ID, token: job.Token, lasts: w.cfg.Lease, poll: w.cfg.Poll,
		lost:      cancel,
		cancelled: func() { a.cancelled.Store(true); a.stopAt(halt) },
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
	err := a.run(ctx)
	if errors.Is(err, ErrLeaseLost) || errors.Is(err, errLeaseEnded) {
		return err // somebody else's by now
	}
	return a.conclude(ctx, err)
}

// stopAfter stops the work when stop ends: gracefully, then hard.
func (a *attempt) stopAfter(ctx, stop context.Context, cancel context.CancelCauseFunc) {
	select {
	case <-ctx.Done():
		return
	case <-stop.Done():
	}
	a.stopAt(finish)
	timer := time.NewTimer(a.cfg.StopGrace)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
		cancel(errStopped)
	}
}

// errStopped is why work ends that did not end within [Config.StopGrace].
var errStopped = errors.New("bulk: the worker was stopped")

// stopAt stops the engine in that mode, or a stricter one that it was told before.
func (a *attempt) stopAt(mode stopMode) {
	for {
		old := a.stop.Load()
		if old >= int32(mode) || a.stop.CompareAndSwap(old, int32(mode)) {
			break
		}
	}
	a.order.wake()
}

func (a *attempt) stopping() stopMode { return stopMode(a.stop.Load()) }

// run does the rows that remain. It returns nil if all have durable results, or
// if it was told to stop.
func (a *attempt) run(ctx context.Context) error {
	job := a.job
	if job.Attempts > a.cfg.MaxAttempts {
		a.failure = &JobError{JobErrorAttempts, fmt.Sprintf("the job was begun %d times without progress", a.cfg.MaxAttempts)}
		return nil
	}
	a.ledger = newLedger(job.SegmentRows, job.TotalRecords, job.Progress.Rows)
	a.ledger.keepLast = !a.mails()
	if err := a.restore(ctx); err != nil {
		return err
	}
	payload, err := a.open(ctx, a.start())
	if err != nil {
		return err
	}
	defer payload.Close()

	group, ctx := errgroup.WithContext(ctx)
	defer context.AfterFunc(ctx, a.ledger.wake)()
	group.Go(func() error {
		// The results of what was done are saved whatever ended the work.
		defer a.ledger.close()
		return a.engine().do(ctx, &rowSource{rows: payload, next: a.start()})
	})
	group.Go(func() error {
		defer a.mailable.close()
		return a.save(ctx)
	})
	if a.mails() {
		group.Go(func() error { return a.mailSegments(ctx) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return a.judgeLast()
}

// judgeLast judges the rows that go into the results file without a checkpoint.
func (a *attempt) judgeLast() error {
	if !a.ledger.complete() {
		return nil
	}
	for _, s := range a.ledger.last() {
		for i := range s.rows {
			if s.rows[i].Index >= a.job.Progress.Rows {
				a.judge(&s.rows[i])
			}
		}
	}
	if a.outage(a.job.TotalRecords) {
		return errOutage
	}
	return nil
}

// start returns the row at which the work starts. A dry run starts from the
// first, since what earlier rows would have done is nowhere but in its memory.
func (a *attempt) start() int {
	if a.job.Options.DryRun {
		return 0
	}
	return a.job.Progress.Rows
}

func (a *attempt) engine() *engine {
	store := a.cfg.Store
	if a.job.Options.DryRun {
		store = newDryStore(guardedStore{store})
	}
	return &engine{
		store: guardedStore{store}, tenant: a.job.Tenant, run: a.job.ID, opts: a.job.Options,
		parallel: a.cfg.Parallel, window: a.window(), backoff: jobBackoff, log: a.cfg.Logger,
		out: a.ledger, order: a.order, checkpoints: true, stopping: a.stopping,
	}
}

// window is how many rows may be under way: enough that batches can run while
// segments are made durable, and no more.
func (a *attempt) window() int {
	return max(4*a.job.SegmentRows, 2*a.job.SegmentRows+2*MaxBatch*a.cfg.Parallel)
}

// restore takes up where the attempt before ended.
func (a *attempt) restore(ctx context.Context) error {
	p := &a.job.Progress
	a.order.durable = p.Rows
	a.whole = p.Summary
	if p.Partial == "" {
		return nil
	}
	r, err := a.blobs.open(ctx, jobBackoff, p.Partial)
	if err != nil {
		return err
	}
	defer r.Close()
	return readResults(r, func(result RowResult) error {
		a.ledger.restore(result)
		a.whole.count(result.Status, -1)
		return nil
	})
}

// open opens the job's rows from that one on.
func (a *attempt) open(ctx context.Context, from int) (*payload, error) {
	return openPayload(ctx, a.blobs, a.job, from)
}

// save makes results durable as they come, until there are no more.
func (a *attempt) save(ctx context.Context) error {
	for {
		segments, until := a.ledger.next(ctx)
		if segments == nil {
			return context.Cause(ctx)
		}
		if err := a.checkpoint(ctx, segments, until); err != nil {
			return err
		}
	}
}

// checkpoint writes the results of segments, the last of which may be a part, and
// then saves the progress.
func (a *attempt) checkpoint(ctx context.Context, segments []*segment, until int) error {
	puts, putCtx := errgroup.WithContext(ctx)
	puts.SetLimit(a.cfg.Parallel)
	partial := ""
	var wholes, part Summary
	for _, s := range segments {
		number := s.first / a.job.SegmentRows
		key := segmentKey(a.job, number, a.job.Token)
		counts := &wholes
		if end := s.first + len(s.rows); end < a.job.TotalRecords && end%a.job.SegmentRows != 0 {
			key = partialKey(a.job, until, a.job.Token)
			partial = key
			counts = &part
		}
		for i := range s.rows {
			counts.add(s.rows[i].Status)
			a.judge(&s.rows[i])
		}
		puts.Go(func() error {
			text := appendResults(make([]byte, 0, 128*len(s.rows)), s.rows)
			return a.put(putCtx, key, text)
		})
	}
	if a.outage(until) {
		puts.Wait()
		return errOutage
	}
	if err := puts.Wait(); err != nil {
		return err
	}

	a.progress.lock()
	defer a.progress.unlock()
	a.whole.merge(wholes)
	p := a.job.Progress
	p.Rows = until
	p.Summary = a.whole
	p.Summary.merge(part)
	p.Partial = partial
	if n := a.wholeSegments(until); n > wholeUntil(p.Spans) {
		p.Spans = extend(p.Spans, a.job.Token, n)
	}
	if err := a.saveProgress(ctx, p); err != nil {
		return err
	}
	a.ledger.saved(until)
	a.order.setDurable(until)
	a.mailable.set()
	return nil
}

// put writes the results of a segment.
func (a *attempt) put(ctx context.Context, key string, text []byte) error {
	err := jobBackoff.retry(ctx, func() error {
		return putOnce(ctx, a.blobs, key, bytes.NewReader(text), segmentType)
	})
	if err == nil {
		a.recent.keep(key, text)
	}
	return err
}

// wholeSegments returns how many segments the first rows make: the last one
// counts although it may be short.
func (a *attempt) wholeSegments(rows int) int {
	if rows == a.job.TotalRecords {
		return (rows + a.job.SegmentRows - 1) / a.job.SegmentRows
	}
	return rows / a.job.SegmentRows
}

func wholeUntil(spans []Span) int {
	if len(spans) == 0 {
		return 0
	}
	return spans[len(spans)-1].Until
}

// saveProgress saves a checkpoint. progress is held.
func (a *attempt) saveProgress(ctx context.Context, p Progress) error {
	err := jobBackoff.retry(ctx, func() error {
		return a.lease.save(ctx, JobChange{Lease: a.cfg.Lease, Progress: &p})
	})
	if err != nil {
		return fmt.Errorf("bulk: save progress of %s: %w", a.job.ID, err)
	}
	a.job.Progress = p
	return nil
}

// judge counts what the row says about the store.
func (a *attempt) judge(r *RowResult) {
	if r.Status != StatusFailed {
		a.answered++
		a.unmet = 0
		return
	}
	for _, e := range r.Errors {
		switch e.Code {
		case CodeStoreError:
			a.unmet++
		case CodeUserExists, CodeEmailTaken:
			a.answered++
			a.unmet = 0
		}
	}
}

// outage reports whether the store is down rather than at odds with some rows: a
// batch or more of rows failed one after the other, or, at the end of the job,
// every row that the store was asked about.
func (a *attempt) outage(until int) bool {
	return a.unmet >= MaxBatch || a.unmet > 0 && until == a.job.TotalRecords && a.answered == 0 && a.job.Progress.Rows == 0
}

// conclude ends the job, or leaves it to another attempt.
func (a *attempt) conclude(ctx context.Context, err error) error {
	switch {
	case err != nil && context.Cause(ctx) != nil:
		// Stopped hard: nothing can be saved any more, the lease ends by itself.
		return err
	case err != nil && a.hopeless(err):
		a.cfg.Logger.ErrorContext(ctx, "job failed", "job", a.job.ID, "error", err)
		a.failure = jobError(err)
	case err != nil:
		return errors.Join(err, a.giveBack(ctx, a.retryAfter()))
	}
	switch {
	case a.failure != nil:
		return a.end(ctx, JobFailed)
	case a.ledger.complete() && a.mailed():
		return a.end(ctx, JobCompleted)
	case a.cancelled.Load():
		return a.end(ctx, JobCancelled)
	default:
		return a.giveBack(ctx, 0)
	}
}

// hopeless reports whether another attempt will not help.
func (a *attempt) hopeless(err error) bool {
	if a.job.Attempts >= a.cfg.MaxAttempts && a.job.Progress.Rows == a.begun {
		return true
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

// giveBack gives up the lease.
func (a *attempt) giveBack(ctx context.Context, after time.Duration) error {
	err := syncBackoff.retry(ctx, func() error {
		return a.lease.save(ctx, JobChange{RetryAfter: after})
	})
	if err != nil && !errors.Is(err, ErrLeaseLost) {
		return fmt.Errorf("bulk: release %s: %w", a.job.ID, err)
	}
	return nil // lost or given up: it is no longer ours
}

// end writes the results file and ends the job.
func (a *attempt) end(ctx context.Context, status JobStatus) error {
	var rest map[int]*segment
	if a.ledger != nil {
		rest = a.ledger.rest()
	}
	if status == JobCancelled && a.mails() {
		if err := a.mailRest(ctx, rest); err != nil {
			return errors.Join(err, a.giveBack(ctx, a.retryAfter()))
		}
	}
	key, summary, err := putResults(ctx, jobBackoff, a.blobs, a.job, status, rest, &a.recent)
	if err != nil {
		if status != JobFailed {
			return errors.Join(err, a.giveBack(ctx, a.retryAfter()))
		}
		// It failed already; it need not fail for want of a file for ever.
		a.cfg.Logger.ErrorContext(ctx, "no results file", "job", a.job.ID, "error", err)
		key = ""
	}
	p := a.job.Progress
	p.Summary = summary
	p.Summary.NotProcessed = 0
	if status == JobCompleted {
		p.Rows = a.job.TotalRecords
	}
	err = jobBackoff.retry(ctx, func() error {
		return a.lease.save(ctx, JobChange{Progress: &p, End: status, Results: key, Error: a.failure})
	})
	if errors.Is(err, ErrLeaseLost) && a.ended(ctx, status) {
		return nil // by our own call, whose answer was lost
	}
	if err != nil {
		return fmt.Errorf("bulk: end %s: %w", a.job.ID, err)
	}
	return nil
}

// ended reports whether this claim has ended the job.
func (a *attempt) ended(ctx context.Context, status JobStatus) bool {
	job, err := a.lease.jobs.Get(ctx, a.job.ID)
	return err == nil && job.Token == a.job.Token && job.Status == status
}
