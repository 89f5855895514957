package bulk

import (
	"context"
	"errors"
	"time"

	waits "github.com/bulkops/bulkops/internal/backoff"
)

// A backoff is how often and how patiently a failed call is repeated. Each call
// counts for itself: a shared one would let a single bad batch slow all others.
type backoff struct {
	waits.Backoff
	attempts int // calls in all
	// halted is closed when there is no time to repeat a call that took until its
	// deadline; nil is never.
	halted <-chan struct{}
}

var (
	// A caller waits for a synchronous request, so it gives up within seconds.
	syncBackoff = backoff{waits.Backoff{Base: 50 * time.Millisecond, Cap: time.Second}, 5, closed()}
	// A job can wait out a longer disturbance.
	jobBackoff = backoff{waits.Backoff{Base: 50 * time.Millisecond, Cap: 5 * time.Second}, 9, nil}
	// A conflict means that somebody else got on, so it is tried again soon.
	conflictBackoff = backoff{waits.Backoff{Base: 2 * time.Millisecond, Cap: 250 * time.Millisecond}, 30, nil}
)

func closed() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

// wait waits before call n+1, n counting from 1. It reports false if ctx or stop
// ended first.
func (b backoff) wait(ctx context.Context, stop <-chan struct{}, n int) bool {
	timer := time.NewTimer(b.Delay(n))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-stop:
		return false
	case <-ctx.Done():
		return false
	}
}

// retry calls f until it succeeds, fails for good, or was called often enough.
func (b backoff) retry(ctx context.Context, f func() error) error {
	return b.retryUntil(ctx, nil, f)
}

// retryUntil is retry that does not call f again once stop is closed.
func (b backoff) retryUntil(ctx context.Context, stop <-chan struct{}, f func() error) error {
	for n := 1; ; n++ {
		err := f()
		if err == nil || n == b.attempts || ctx.Err() != nil || !Retryable(err) || b.tooSlow(err) || !b.wait(ctx, stop, n) {
			return err
		}
	}
}

// tooSlow reports whether a call that failed with err took so long that there is no
// time for another.
func (b backoff) tooSlow(err error) bool {
	select {
	case <-b.halted:
		return errors.Is(err, errSilent)
	default:
		return false
	}
}
