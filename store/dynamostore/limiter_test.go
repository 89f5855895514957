package dynamostore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A table takes so many writes a second, and burst writes at once. What is above
// that is throttled: of a call that can be done in part, what does not fit; of
// another, the whole.
type table struct {
	rate, burst float64
	latency     time.Duration
	whole       bool

	mu               sync.Mutex
	tokens           float64
	filled           time.Time
	calls, throttled int
}

// write makes a call of n writes and returns how many were throttled.
func (t *table) write(n int) int {
	time.Sleep(t.someTime())
	t.mu.Lock()
	now := time.Now()
	t.tokens = min(t.burst, t.tokens+t.rate*now.Sub(t.filled).Seconds())
	t.filled = now
	taken := min(n, int(t.tokens))
	if t.whole && taken < n {
		taken = 0
	}
	t.tokens -= float64(taken)
	t.calls++
	if taken < n {
		t.throttled++
	}
	t.mu.Unlock()
	time.Sleep(t.someTime())
	return n - taken
}

// someTime is about half of the latency.
func (t *table) someTime() time.Duration {
	return t.latency/4 + rand.N(t.latency/2)
}

// A job of 10,000 writes is over in 2.5 seconds, of which the limiter takes the
// first half to find the rate; a long one shows how it keeps it.
func TestLimiterFindsTheRate(t *testing.T) {
	const rate, batch = 4000, 25
	for _, c := range []struct {
		writes, parallel     int
		latency              time.Duration
		whole                bool
		burst                float64
		mostRatio, mostShare float64
	}{
		{10_000, 8, 10 * time.Millisecond, false, 400, 1.15, 0.15},
		{10_000, 32, 10 * time.Millisecond, true, 400, 1.15, 0.15},
		{10_000, 32, 50 * time.Millisecond, true, 400, 1.15, 0.15},
		{100_000, 8, 10 * time.Millisecond, false, 400, 1.05, 0.05},
		{100_000, 32, 5 * time.Millisecond, true, 4000, 1.05, 0.05},
		{100_000, 32, 10 * time.Millisecond, true, 400, 1.05, 0.05},
		{100_000, 128, 20 * time.Millisecond, false, 400, 1.08, 0.06},
		{100_000, 256, 100 * time.Millisecond, true, 4000, 1.08, 0.10},
	} {
		name := fmt.Sprintf("writes=%d/parallel=%d/latency=%v/whole=%t/burst=%v", c.writes, c.parallel, c.latency, c.whole, c.burst)
		t.Run(name, func(t *testing.T) {
			// Time is virtual, so the load of the machine is of no account; chance is.
			// The middle one of several runs says what to expect: now and then one
			// ends with a batch that waits for its last attempt.
			const runs = 15
			var ratios, shares []float64
			for range runs {
				synctest.Test(t, func(t *testing.T) {
					tab := &table{rate: rate, burst: c.burst, latency: c.latency, whole: c.whole, tokens: c.burst, filled: time.Now()}
					took, failed := tab.load(t.Context(), c.writes, batch, c.parallel)
					if failed > 0 {
						t.Errorf("%d batches gave up", failed)
					}
					ratios = append(ratios, took.Seconds()/((float64(c.writes)-c.burst)/rate))
					shares = append(shares, float64(tab.throttled)/float64(tab.calls))
				})
			}
			slices.Sort(ratios)
			slices.Sort(shares)
			ratio, share := ratios[runs/2], shares[runs/2]
			t.Logf("makespan %.3f of ideal, %.1f %% throttled", ratio, 100*share)
			if ratio > c.mostRatio || share > c.mostShare {
				t.Errorf("want at most %.2f of the ideal time and %.0f %% of calls throttled", c.mostRatio, 100*c.mostShare)
			}
		})
	}
}

// load writes to the table as the batches of a store do, and returns how long it
// took and how many batches gave up.
func (t *table) load(ctx context.Context, writes, batch, parallel int) (took time.Duration, failed int) {
	r := &repeater{newLimiter(DefaultMaxConcurrency), DefaultMaxAttempts}
	began := time.Now()
	work := make(chan int, writes/batch)
	for range writes / batch {
		work <- batch
	}
	close(work)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range parallel {
		wg.Go(func() {
			for n := range work {
				err := r.repeat(ctx, n, func() (answer, error) {
					n = t.write(n)
					return notProcessed(n), nil
				})
				if err != nil {
					mu.Lock()
					failed++
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	return time.Since(began), failed
}

func TestLimiterDoesNotLimitWhatIsNotThrottled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const parallel, each = 64, 50
		tab := &table{rate: 1e9, burst: 1e9, latency: 10 * time.Millisecond, tokens: 1e9, filled: time.Now()}
		took, _ := tab.load(t.Context(), parallel*each*25, 25, parallel)
		if ideal := each * tab.latency; took > ideal*6/5 {
			t.Errorf("took %v, and %v without a limiter", took, ideal)
		}
	})
}

func TestLimiterRecovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(DefaultMaxConcurrency)
		run := func(throttled int) (took time.Duration) {
			began := time.Now()
			var wg sync.WaitGroup
			for range 32 {
				wg.Go(func() {
					for range 20 {
						l.do(t.Context(), 25, func() (int, error) {
							time.Sleep(10 * time.Millisecond)
							return throttled, nil
						})
					}
				})
			}
			wg.Wait()
			return time.Since(began)
		}
		run(0)
		before := run(0)
		if throttled := run(25); throttled < 10*before {
			t.Errorf("640 calls took %v while all were throttled, and %v when none was: the limit did not fall", throttled, before)
		}
		for range 4 {
			run(0)
		}
		if after := run(0); after > 2*before {
			t.Errorf("640 calls took %v a while after throttles, and %v before: the limit did not recover", after, before)
		}
	})
}

func TestLimiterCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(1)
		hold := make(chan struct{})
		go l.do(t.Context(), 1, func() (int, error) { <-hold; return 0, nil })
		synctest.Wait()

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		err := l.do(ctx, 1, func() (int, error) { t.Error("called without a slot"); return 0, nil })
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
			t.Errorf("a call that waits returned %v after %v, want the context's error after 1s", err, time.Since(began))
		}

		close(hold)
		called := false
		if err := l.do(t.Context(), 1, func() (int, error) { called = true; return 0, nil }); err != nil || !called {
			t.Errorf("after that the slot is lost: %v", err)
		}
	})
}
