// Package backoff is the waiting between the tries of a call.
package backoff

import (
	"context"
	"math/rand/v2"
	"time"
)

// A Backoff is how long to wait before a call is tried again: Base after the first
// failure and twice as long after each further one, up to Cap. Half of that is
// random, so that those who failed together do not come back together.
type Backoff struct{ Base, Cap time.Duration }

// Delay returns the wait after that many failures, from 1.
func (b Backoff) Delay(failures int) time.Duration {
	d := b.Cap
	if n := failures - 1; n < 32 && b.Base <= b.Cap>>n {
		d = b.Base << n
	}
	return d/2 + rand.N(d/2+1)
}

// Wait waits after that many failures. It returns the error of ctx if that ends
// first.
func (b Backoff) Wait(ctx context.Context, failures int) error {
	return Sleep(ctx, b.Delay(failures))
}

// Sleep waits, or returns the error of ctx if that ends first.
func Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
