package bulk

import (
	"context"
	"time"

	waits "github.com/bulkops/bulkops/internal/backoff"
)

// A backoff is how often and how patiently a failed call is repeated. Each call
// counts for itself: a shared one would let a single bad batch slow all others.
type backoff struct {
	waits.Backoff
	attempts int // calls in all
}

var (
	// A caller waits for a synchronous request, so it gives up within seconds.
	syncBackoff = backoff{waits.Backoff{Base: 50 * time.Millisecond, Cap: time.Second}, 5}
	// A job can wait out a longer disturbance.
	jobBackoff = backoff{waits.Backoff{Base: 50 * time.Millisecond, Cap: 5 * time.Second}, 9}
	// A conflict means that somebody else got on, so it is tried again soon.
	conflictBackoff = backoff{waits.Backoff{Base: 2 * time.Millisecond, Cap: 250 * time.Millisecond}, 30}
)

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
		if err == nil || n == b.attempts || ctx.Err() != nil || !Retryable(err) || !b.wait(ctx, stop, n) {
			return err
		}
	}
}
