package dynamojobs

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/bulkops/bulkops/bulk"
)

// A call is sent this often in all, on top of what the client's own retryer does.
// It is few: whoever uses a queue tries again anyway, but only here is it known
// that two calls are the same.
const (
	maxAttempts = 4
	backoffBase = 50 * time.Millisecond
	backoffCap  = time.Second
)

// retry calls f until it succeeds, fails for good or was called often enough. The
// error is classified for [bulk.Retryable], and that of ctx if it has ended.
func (q *Queue) retry(ctx context.Context, f func() error) error {
	for n := 1; ; n++ {
		err := classify(f())
		if err == nil {
			return nil
		}
		if n < maxAttempts && bulk.Retryable(err) && backoff(ctx, n) == nil {
			continue
		}
		if ctx.Err() != nil && !errors.Is(err, ctx.Err()) {
			err = fmt.Errorf("%w: %w", ctx.Err(), err)
		}
		return err
	}
}

// backoff waits before call n+1. Half of the time is random, so that those who
// failed together do not come back together.
func backoff(ctx context.Context, n int) error {
	d := min(backoffCap, backoffBase<<(n-1))
	timer := time.NewTimer(d/2 + rand.N(d/2+1))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
