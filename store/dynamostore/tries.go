package dynamostore

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

// The waits between attempts: random between nothing and a bound that doubles from
// firstPause to longestPause, so that calls that were throttled together do not
// come back together.
const (
	firstPause   = 50 * time.Millisecond
	longestPause = time.Second
)

// tries counts the attempts of one batch. Each batch has its own: a shared count
// would make one that meets throttles slow down, or fail, all others.
type tries struct {
	made, most int
}

func (s *Store) newTries() *tries { return &tries{most: s.opts.MaxAttempts} }

// wait waits before the next attempt. It returns an error if there is none: that of
// ctx if it has ended, or one that wraps why another attempt would be needed.
func (t *tries) wait(ctx context.Context, cause error) error {
	t.made++
	if t.made >= t.most {
		return fmt.Errorf("gave up after %d attempts: %w", t.made, cause)
	}
	timer := time.NewTimer(t.pause())
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (t *tries) pause() time.Duration {
	bound := longestPause
	if t.made < 10 {
		bound = min(bound, firstPause<<(t.made-1))
	}
	return rand.N(bound) + 1
}
