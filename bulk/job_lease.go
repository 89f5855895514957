package bulk

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// A lease is a worker's right to a job while it works. It renews itself, cancels
// the work before it would end, and learns on the way that the job is to be
// cancelled.
type lease struct {
	jobs  guardedJobs
	id    string
	token int64
	lasts time.Duration
	poll  time.Duration

	// lost ends the work, with the reason. It is not called once the lease is to
	// be given up.
	lost context.CancelCauseFunc
	// cancelled is called once the job is to be cancelled, maybe several times.
	cancelled func()

	over  atomic.Bool // the lease is to be given up
	mu    sync.Mutex
	until time.Time // when the lease ends, by our own clock, counted from before the call that renewed it
	timer *time.Timer
}

// errLeaseEnded is why work stops whose lease could not be renewed in time.
var errLeaseEnded = fmt.Errorf("bulk: the lease could not be renewed in time: %w", ErrLeaseLost)

// lose ends the work, unless it is ending by itself.
func (l *lease) lose(reason error) {
	if !l.over.Load() {
		l.lost(reason)
	}
}

// margin is the part of a lease that is kept for stopping before it ends.
func (l *lease) margin() time.Duration { return l.lasts / 6 }

// keep renews the lease until ctx ends. asked is when the claim was sent.
func (l *lease) keep(ctx context.Context, asked time.Time) {
	l.renewed(asked)
	defer l.timer.Stop()
	// A poll that takes long must not hold up a renewal, nor the other way round.
	var asking sync.WaitGroup
	defer asking.Wait()
	asking.Go(func() { every(ctx, l.poll, func() { l.check(ctx) }) })
	// A failed renewal is tried again by the next tick; the timer sees to the end.
	every(ctx, l.lasts/3, func() { l.save(ctx, JobChange{Lease: l.lasts}) })
}

// every calls f again and again until ctx ends.
func every(ctx context.Context, pause time.Duration, f func()) {
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if ctx.Err() == nil { // both may have come
				f()
			}
		}
	}
}

// check asks whether the job is still ours and has not ended. It returns
// [ErrLeaseLost] if not, and stops the work then.
func (l *lease) check(ctx context.Context) error {
	job, err := l.jobs.Get(ctx, l.id)
	switch {
	case errors.Is(err, ErrJobNotFound), err == nil && (job.Token != l.token || job.Status.Ended()):
		l.lose(ErrLeaseLost)
		return ErrLeaseLost
	case err == nil && job.CancelRequested:
		l.cancelled()
	}
	return err
}

// renewed notes that the lease was renewed by a call that was sent at that time.
func (l *lease) renewed(asked time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	until := asked.Add(l.lasts)
	if !until.After(l.until) {
		return
	}
	l.until = until
	left := time.Until(until) - l.margin()
	if l.timer == nil {
		l.timer = time.AfterFunc(left, func() { l.lose(errLeaseEnded) })
	} else {
		l.timer.Reset(left)
	}
}

// save saves a change once. It renews the lease if the change does.
func (l *lease) save(ctx context.Context, change JobChange) error {
	asked := time.Now()
	if change.Lease == 0 {
		l.over.Store(true) // by this call, which is the last of the work
	}
	job, err := l.jobs.Save(ctx, l.id, l.token, change)
	switch {
	case change.Lease == 0:
	case errors.Is(err, ErrLeaseLost):
		l.lose(ErrLeaseLost)
	case err == nil:
		l.renewed(asked)
		if job.CancelRequested {
			l.cancelled()
		}
	}
	return err
}
