package dynamojobs

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/smithy-go"

	"github.com/bulkops/bulkops/bulk"
)

func TestRetry(t *testing.T) {
	passing := errors.New("passing")
	for name, test := range map[string]struct {
		fails int // calls that fail
		err   error
		calls int
		ok    bool
	}{
		"success":   {calls: 1, ok: true},
		"passing":   {fails: 2, err: passing, calls: 3, ok: true},
		"lasting":   {fails: 100, err: passing, calls: maxAttempts},
		"permanent": {fails: 100, err: bulk.Permanent(passing), calls: 1},
		"refusal":   {fails: 100, err: bulk.ErrLeaseLost, calls: 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				calls := 0
				err := new(Queue).retry(t.Context(), func() error {
					if calls++; calls <= test.fails {
						return test.err
					}
					return nil
				})
				if (err == nil) != test.ok || !test.ok && !errors.Is(err, test.err) || calls != test.calls {
					t.Errorf("%d calls, error %v", calls, err)
				}
			})
		})
	}
}

// Throttles are told to who watches them, and nothing else is.
func TestRetryTellsOfThrottles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		watched := 0
		ctx := bulk.WatchThrottles(t.Context(), func(parts int) { watched += parts })
		calls := 0
		err := new(Queue).retry(ctx, func() error {
			calls++
			return []error{&smithy.GenericAPIError{Code: "ThrottlingException"}, errors.New("passing"), errUnprocessed, nil}[calls-1]
		})
		if err != nil || watched != 2 {
			t.Errorf("error %v, %d throttles; want none, and 2", err, watched)
		}
	})
}

// The wait before the next call ends with the context. The errors of both are in
// the chain.
func TestRetryEndsWithContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		passing := errors.New("passing")
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		start := time.Now()
		err := new(Queue).retry(ctx, func() error { return passing })
		if d := time.Since(start); d != time.Millisecond || !errors.Is(err, passing) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v after %v", err, d)
		}
	})
}

// The stamps of a process rise, whatever it has seen of others.
func TestStamps(t *testing.T) {
	var s stamps
	last := int64(0)
	for i := range 1000 {
		next := s.next()
		if i == 500 {
			next = s.above(last + 1_000_000_000)
		}
		if next <= last {
			t.Fatalf("stamp %d follows %d", next, last)
		}
		last = next
	}
}
