package bulk

import (
	"context"
	"errors"
	"sync"
	"time"

	waits "github.com/bulkops/bulkops/internal/backoff"
	"github.com/bulkops/bulkops/internal/redact"
)

const (
	// notifySweep is how often ends are looked for that nobody has heard of: those of
	// workers that died, and of jobs that were cancelled while they waited.
	notifySweep = time.Minute
	// notifyCalls is how many calls of a [Notifier] a worker makes at a time, so that one
	// receiver that is slow does not hold up all others.
	notifyCalls = 8
	// notifyAttempts is how often somebody is called about one end: for about a day,
	// by notifyBackoff.
	notifyAttempts = 42
	// notifyLongest bounds a call for the sake of the lease, if Config.CallTimeout does
	// not.
	notifyLongest = 24 * time.Hour
)

var notifyBackoff = waits.Backoff{Base: 5 * time.Second, Cap: time.Hour}

// Notify tells [Config.Notifier] of all ends of jobs that are to be told now, and
// returns when it has, or when ctx ends; what is left then is told by the next call.
// It is for those who run jobs one by one, with [Worker.RunJob] or [Worker.RunNext]:
// call it after each with its id, as it may come a little late otherwise, and from time
// to time, once a minute say, for ends that nobody has told: of those that died, and of
// jobs that were cancelled while they waited. [Worker.Run] does so by itself.
//
// A deadline of ctx is kept as RunJob keeps it. The error is that of the queue. That
// the notifier failed is logged, and it is called again, by this worker or another,
// when its time has come.
func (w *Worker) Notify(ctx context.Context, ended ...string) error {
	if w.cfg.Notifier == nil {
		return nil
	}
	w, stop, cancel := w.inTime(ctx)
	defer cancel()
	t := newTeller(&w.cfg, stop)
	t.ended = ended
	defer t.close()
	return t.round(stop)
}

// tellEnds begins to tell of ends until ctx ends. It returns what is to be called when a
// job of this worker has ended, and what waits for all calls under way, once ctx has
// ended.
func (w *Worker) tellEnds(ctx context.Context) (ended func(id string), wait func()) {
	if w.cfg.Notifier == nil {
		return func(string) {}, func() {}
	}
	t := newTeller(&w.cfg, ctx)
	var running sync.WaitGroup
	running.Go(func() { t.run(ctx) })
	return t.told, func() {
		running.Wait()
		t.close()
	}
}

// A teller tells a [Notifier] of the ends of jobs, several at a time.
type teller struct {
	cfg   *Config
	jobs  guardedJobs
	slots chan struct{} // one for each call under way

	// Calls of the notifier end halfway through the time to stop, so that what became
	// of them can still be saved.
	calls, saves context.Context
	close        func() // waits for what is under way

	group sync.WaitGroup
	woken chan struct{}
	mu    sync.Mutex
	ended []string  // jobs of this worker that have ended since
	next  time.Time // when the first of those is due that were given back, zero for none
}

// newTeller returns a teller whose calls are told to end when stop does.
func newTeller(cfg *Config, stop context.Context) *teller {
	t := &teller{cfg: cfg, jobs: cfg.jobs(), slots: make(chan struct{}, notifyCalls), woken: make(chan struct{}, 1)}
	saves, endSaves := context.WithCancel(context.WithoutCancel(stop))
	calls, endCalls := context.WithCancel(saves)
	t.saves, t.calls = saves, calls
	var watch sync.WaitGroup
	watch.Go(func() {
		select {
		case <-saves.Done():
			return
		case <-stop.Done():
		}
		half := (cfg.StopGrace - t.jobs.grace) / 2
		if waits.Sleep(saves, half) == nil {
			endCalls()
			_ = waits.Sleep(saves, half)
			endSaves()
		}
	})
	t.close = func() {
		t.group.Wait()
		endSaves()
		watch.Wait()
	}
	return t
}

// run tells of ends until ctx ends.
func (t *teller) run(ctx context.Context) {
	for ctx.Err() == nil {
		changed, err := t.jobs.changed() // before the round, so that no end is missed
		if err == nil {
			err = t.round(ctx)
		}
		if err != nil && ctx.Err() == nil {
			t.cfg.Logger.WarnContext(ctx, "ends of jobs not claimed", redact.Error(err))
		}
		timer := time.NewTimer(t.pause())
		select {
		case <-ctx.Done():
		case <-changed:
		case <-t.woken:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// told says that a job of this worker has ended. An index of the queue may not have it
// yet, so it is asked for by its id.
func (t *teller) told(id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended = append(t.ended, id)
	t.wake()
}

// wake lets run go on.
func (t *teller) wake() {
	select {
	case t.woken <- struct{}{}:
	default:
	}
}

// pause returns how long to wait for the next round.
func (t *teller) pause() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.next.IsZero() {
		return notifySweep
	}
	return min(notifySweep, max(0, time.Until(t.next)))
}

// due notes when an end that was given back is to be told again.
func (t *teller) due(after time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if at := time.Now().Add(after); t.next.IsZero() || at.Before(t.next) {
		t.next = at
		t.wake()
	}
}

// round begins to tell of all ends that are due: those that this worker knows, and
// whichever others there are.
func (t *teller) round(ctx context.Context) error {
	t.mu.Lock()
	known := t.ended
	t.ended = nil
	if !t.next.After(time.Now()) {
		t.next = time.Time{}
	}
	t.mu.Unlock()
	for _, id := range known {
		if err := t.begin(ctx, id); err != nil && !errors.Is(err, ErrNoJob) {
			return notCancelled(ctx, err) // it is found when there is a queue again
		}
	}
	for {
		switch err := t.begin(ctx, ""); {
		case errors.Is(err, ErrNoJob):
			return nil
		case err != nil:
			return notCancelled(ctx, err)
		}
	}
}

// notCancelled returns err, unless it is due to the end of ctx.
func notCancelled(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// begin claims the end of that job, of any for "", and tells of it in a goroutine.
func (t *teller) begin(ctx context.Context, id string) error {
	select {
	case t.slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	free := func() { <-t.slots }
	job, err := t.jobs.Claim(ctx, Claim{
		JobID: id, Lease: t.cfg.Lease + min(t.cfg.CallTimeout, notifyLongest), Worker: t.cfg.WorkerName, Ended: true,
	})
	if err != nil {
		free()
		return err
	}
	t.group.Go(func() {
		defer free()
		t.tell(&job)
	})
	return nil
}

// tell calls the notifier and saves what became of it. The lease lasts longer than
// that takes. Should the save fail, the lease ends by itself, and it is told again.
func (t *teller) tell(job *Job) {
	change := t.call(job)
	err := syncBackoff.retry(t.saves, func() error {
		_, err := t.jobs.Save(t.saves, job.ID, job.Token, change)
		return err
	})
	switch {
	case errors.Is(err, ErrLeaseLost): // it was deleted, or the answer of a save was lost
	case err != nil:
		t.cfg.Logger.WarnContext(t.saves, "end of a job will be told again", "job", job.ID, redact.Error(err))
	case change.RetryAfter > 0:
		t.due(change.RetryAfter)
	}
}

// call calls the notifier and returns what is to be saved.
func (t *teller) call(job *Job) JobChange {
	ctx, log := t.calls, t.cfg.Logger.With("job", job.ID, "tenant", job.Tenant, "attempt", job.Attempts)
	if job.Attempts > notifyAttempts { // whoever made the last one died of it
		log.ErrorContext(ctx, "end of a job is not told: too many attempts")
		return JobChange{Notified: true}
	}
	err := t.cfg.notifier().NotifyEnded(ctx, job)
	if err == nil {
		return JobChange{Notified: true}
	}
	if job.Attempts == notifyAttempts || refusedForGood(err) {
		log.ErrorContext(ctx, "end of a job is not told", redact.Error(err))
		return JobChange{Notified: true}
	}
	delay := max(notifyBackoff.Delay(job.Attempts), min(retryDelay(err), notifyBackoff.Cap))
	log.WarnContext(ctx, "end of a job not told yet", "again", delay, redact.Error(err))
	return JobChange{RetryAfter: delay}
}

// refusedForGood reports whether the notifier itself says so. A call that was cut off or
// panicked may succeed the next time.
func refusedForGood(err error) bool {
	var says interface{ Retryable() bool }
	return errors.As(err, &says) && !says.Retryable() && !untrusted(err)
}
