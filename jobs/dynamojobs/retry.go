package dynamojobs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/awsconf"
	"github.com/bulkops/bulkops/internal/backoff"
)

// A call is sent this often in all, on top of what the client's own retryer does.
// It is few: whoever uses a queue tries again anyway, but only here is it known
// that two calls are the same.
const maxAttempts = 4

var pause = backoff.Backoff{Base: 50 * time.Millisecond, Cap: time.Second}

// retry calls f until it succeeds, fails for good or was called often enough. The
// error is classified for [bulk.Retryable], and that of ctx if it has ended.
func (q *Queue) retry(ctx context.Context, f func() error) error {
	for n := 1; ; n++ {
		err := classify(f())
		if err == nil {
			return nil
		}
		if awsconf.Throttled(err) || errors.Is(err, errUnprocessed) {
			bulk.ReportThrottle(ctx, 1)
		}
		if n < maxAttempts && bulk.Retryable(err) && pause.Wait(ctx, n) == nil {
			continue
		}
		if ctx.Err() != nil && !errors.Is(err, ctx.Err()) {
			err = fmt.Errorf("%w: %w", ctx.Err(), err)
		}
		return err
	}
}
