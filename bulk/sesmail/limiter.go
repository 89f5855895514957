package sesmail

import (
	"context"
	"sync"
	"time"

	"github.com/bulkops/bulkops/internal/backoff"
)

// A limiter spaces emails in time: those of one call go together, and the next
// call waits for as long as they take at the rate.
type limiter struct {
	interval time.Duration // between two emails, 0 for no limit

	mu   sync.Mutex
	next time.Time // when the next call may go
}

func newLimiter(perSecond float64) *limiter {
	if perSecond < 0 {
		return &limiter{}
	}
	return &limiter{interval: time.Duration(float64(time.Second) / perSecond)}
}

// wait waits until n emails may be sent, or returns the error of ctx.
func (l *limiter) wait(ctx context.Context, n int) error {
	if err := ctx.Err(); err != nil || l.interval == 0 {
		return err
	}
	l.mu.Lock()
	now := time.Now()
	at := l.next
	if at.Before(now) {
		at = now
	}
	l.next = at.Add(time.Duration(n) * l.interval)
	l.mu.Unlock()
	return backoff.Sleep(ctx, at.Sub(now))
}
