package dynamostore

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/smithy-go"
)

// A demand is calls to a table, by several callers at once, of so many units each.
type demand struct {
	*bucket
	asks    float64 // units
	whole   bool    // a call is done as a whole or not at all, as a transaction; else in part
	latency time.Duration

	mu               sync.Mutex
	done             float64 // units
	calls, throttled int
}

// call makes a call and returns how much of it is left.
func (d *demand) call(units float64) (left float64) {
	time.Sleep(d.latency/4 + rand.N(d.latency/2))
	d.mu.Lock()
	for n := units; n > 0 && d.bucket != nil; n-- {
		if !d.take(1) {
			left = n
			break
		}
	}
	if left > 0 && d.whole {
		d.giveBack((units - left) / 2)
		left = units
	}
	d.done += units - left
	d.calls++
	if left > 0 {
		d.throttled++
	}
	d.mu.Unlock()
	time.Sleep(d.latency/4 + rand.N(d.latency/2))
	return left
}

// share is the share of calls that were throttled since it was asked last.
func (d *demand) share() float64 {
	share := float64(d.throttled) / float64(d.calls)
	d.calls, d.throttled = 0, 0
	return share
}

// run makes calls, so many at once, while more says so, and returns how many gave up.
func (d *demand) run(ctx context.Context, r *repeater, parallel int, more func() bool) (failed int) {
	var callers sync.WaitGroup
	var mu sync.Mutex
	for range parallel {
		callers.Go(func() {
			for {
				mu.Lock()
				goes := more()
				mu.Unlock()
				if !goes {
					return
				}
				left := d.asks
				err := r.repeat(ctx, load{parts: 1, users: left}, func() (answer, error) {
					if left = d.call(left); left == 0 {
						return answer{}, nil
					}
					return notProcessed(load{parts: 1, users: left}), nil
				})
				if err != nil {
					mu.Lock()
					failed++
					mu.Unlock()
				}
			}
		})
	}
	callers.Wait()
	return failed
}

// times says so often that there is more.
func times(n int) func() bool {
	return func() bool { n--; return n >= 0 }
}

// during says that there is more until some time has gone by.
func during(d time.Duration) func() bool {
	end := time.Now().Add(d)
	return func() bool { return time.Now().Before(end) }
}

func testRepeater() *repeater {
	return newRepeater(newTableWrites, &Options{MaxConcurrency: DefaultMaxConcurrency, MaxAttempts: DefaultMaxAttempts})
}

// Whatever a table takes, calls come to use nearly all of it, and few are throttled.
func TestLimiterFindsTheRate(t *testing.T) {
	const ms = time.Millisecond
	for _, c := range []struct {
		rate, seconds        float64 // so much capacity, of which so much is asked for
		burst                time.Duration
		parallel             int
		latency              time.Duration
		whole                bool
		mostRatio, mostShare float64
	}{
		{4000, 2.5, 100 * ms, 8, 10 * ms, false, 1.10, 0.03},
		{4000, 2.5, 100 * ms, 32, 10 * ms, true, 1.10, 0.03},
		{4000, 2.5, 100 * ms, 32, 50 * ms, true, 1.15, 0.10},
		{4000, 10, 100 * ms, 8, 10 * ms, false, 1.03, 0.02},
		{4000, 10, time.Second, 32, 5 * ms, true, 1.05, 0.05},
		{4000, 10, 100 * ms, 32, 10 * ms, true, 1.03, 0.02},
		{4000, 10, 100 * ms, 128, 20 * ms, false, 1.06, 0.04},
		{4000, 25, time.Second, 256, 100 * ms, true, 1.08, 0.10},
		{1000, 25, 100 * ms, 32, 10 * ms, false, 1.05, 0.06},
		{100, 100, time.Second, 8, 10 * ms, true, 1.25, 0.35},
		{12_000, 5, 100 * ms, 32, 10 * ms, true, 1.06, 0.03},
		{40_000, 5, 100 * ms, 128, 10 * ms, true, 1.25, 0.03},
	} {
		t.Run(fmt.Sprintf("%v_for_%vs/burst=%v/parallel=%d/latency=%v/whole=%t", c.rate, c.seconds, c.burst, c.parallel, c.latency, c.whole), func(t *testing.T) {
			// Time is virtual, so the load of the machine is of no account; chance is.
			// The middle one of several runs says what to expect.
			var ratios, shares []float64
			for range 5 {
				synctest.Test(t, func(t *testing.T) {
					d := &demand{bucket: newBucket(c.rate, c.rate*c.burst.Seconds()), asks: 25, whole: c.whole, latency: c.latency}
					n, start := int(c.rate*(c.seconds+c.burst.Seconds())/d.asks), time.Now()
					if failed := d.run(t.Context(), testRepeater(), c.parallel, times(n)); failed > 0 {
						t.Errorf("%d calls gave up", failed)
					}
					ratios = append(ratios, time.Since(start).Seconds()/c.seconds)
					shares = append(shares, d.share())
				})
			}
			ratio, share := median(ratios), median(shares)
			t.Logf("%.3f of the ideal time, %.1f %% throttled", ratio, 100*share)
			if ratio > c.mostRatio || share > c.mostShare {
				t.Errorf("%.3f of the ideal time and %.1f %% throttled, want at most %.2f and %.0f %%", ratio, 100*share, c.mostRatio, 100*c.mostShare)
			}
		})
	}
}

// A table that gets more capacity, or less, is used so within seconds.
func TestLimiterFollowsTheTable(t *testing.T) {
	const burst = 0.1
	for name, rates := range map[string][]float64{
		"scaled down":           {4000, 800},
		"scaled up":             {800, 4000},
		"doubled by and by":     {1000, 2000, 4000, 8000, 16_000},
		"taken away and again":  {4000, 10, 4000},
		"shared and left alone": {4000, 1000, 4000, 1000},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := testRepeater()
				d := &demand{asks: 50, whole: true, latency: 10 * time.Millisecond}
				for _, rate := range rates {
					d.bucket = newBucket(rate, max(d.asks, rate*burst))
					d.bucket.units = 0
					d.run(t.Context(), r, 32, during(10*time.Second)) // to find out
					before, start := d.done, time.Now()
					d.share()
					d.run(t.Context(), r, 32, during(10*time.Second))
					got := (d.done - before) / time.Since(start).Seconds()
					share := d.share()
					t.Logf("%.0f of %.0f units a second, %.1f %% throttled", got, rate, 100*share)
					if rate > 10 && (got < 0.85*rate || share > 0.1) {
						t.Errorf("%.0f of %.0f units a second are used 10 seconds later, and %.1f %% throttled", got, rate, 100*share)
					}
				}
			})
		})
	}
}

// Processes that write to one table share it: together they use nearly all of it, and
// none is left behind, whoever came first.
func TestLimitersShareATable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const workers, rate = 4, 4000
		table := newBucket(rate, rate/10)
		demands := make([]*demand, workers)
		var running sync.WaitGroup
		for i := range demands {
			demands[i] = &demand{bucket: table, asks: 50, whole: true, latency: 10 * time.Millisecond}
			running.Go(func() {
				time.Sleep(time.Duration(i) * 2 * time.Second) // one comes after the other
				demands[i].run(t.Context(), testRepeater(), 8, during(time.Minute))
			})
		}
		used := func() (each []float64, calls, throttled int) {
			for _, d := range demands {
				d.mu.Lock()
				each = append(each, d.done)
				calls, throttled = calls+d.calls, throttled+d.throttled
				d.mu.Unlock()
			}
			return each, calls, throttled
		}
		time.Sleep(20 * time.Second)
		before, _, _ := used()
		time.Sleep(30 * time.Second)
		after, calls, throttled := used()
		sum := 0.0
		for i := range after {
			after[i] = (after[i] - before[i]) / 30
			sum += after[i]
		}
		t.Logf("%.0f units a second each, %.0f together, %.1f %% throttled", after, sum, 100*float64(throttled)/float64(calls))
		if sum < 0.93*rate || slices.Min(after) < 0.3*rate/workers {
			t.Errorf("%.0f units a second each and %.0f together, of %d", after, sum, rate)
		}
		running.Wait()
	})
}

// A table that throttles nothing is asked as fast as the callers can, once that is
// known.
func TestLimiterDoesNotLimitWhatIsNotThrottled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const parallel, each = 64, 50
		r := testRepeater()
		d := &demand{asks: 25, latency: 10 * time.Millisecond}
		for i, most := range []time.Duration{3 * each * d.latency, each * d.latency * 11 / 10} {
			start := time.Now()
			d.run(t.Context(), r, parallel, times(parallel*each))
			if took := time.Since(start); took > most {
				t.Errorf("run %d took %v, and %v without a limiter", i+1, took, each*d.latency)
			}
		}
	})
}

// A rate for which nobody waits does not grow: it says nothing about the table.
func TestLimiterGrowsByUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := testRepeater()
		d := &demand{asks: 25, latency: 10 * time.Millisecond}
		d.run(t.Context(), r, 1, times(1000))
		if rate := r.users.rate; rate != newTableWrites {
			t.Errorf("the rate is %v after calls that were slower, want %v as before", rate, newTableWrites)
		}
	})
}

// The limiter slows down for what a call began with, and not again for the calls that
// began before it knew.
func TestLimiterCutsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(4000)
		began := time.Now()
		time.Sleep(10 * time.Millisecond)
		for range 10 {
			l.learn(began, 50, 50)
		}
		if want := headroom * deepestFirst * 4000; l.rate != want {
			t.Errorf("after throttles of ten calls at once the rate is %v, want %v", l.rate, want)
		}
	})
}

// Between two throttles the limiter measures what the table takes, and cuts the rate to
// a little less.
func TestLimiterMeasures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(1000)
		l.cut = time.Now()
		for n, want := range []float64{
			headroom * 900,                  // 875 in a second, and half of 50
			headroom * headroom * 900,       // which is less than 1000 in a second
			headroom * headroom * 900 * 0.8, // 25 in a second would be less
		} {
			began := time.Now().Add(time.Millisecond)
			time.Sleep(time.Second)
			for range []int{35, 40, 0}[n] {
				l.learn(began, 25, 0)
			}
			l.learn(began, 50, 50)
			if n == 2 {
				want *= headroom
			}
			if math.Abs(l.rate-want) > 1e-6*want {
				t.Errorf("after throttle %d the rate is %v, want %v", n+1, l.rate, want)
			}
		}
	})
}

// A call of which a table has no part says nothing about it.
func TestLimiterIsForItsTable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(1000)
		l.cut = time.Now()
		time.Sleep(time.Second)
		began := time.Now()
		l.learn(began, 0, 1)
		if l.rate != 1000 {
			t.Errorf("the rate is %v after a throttle of another table", l.rate)
		}
	})
}

// A throttle puts off also the call that waits for its time, until the table has got
// something.
func TestLimiterPutsOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, start := newLimiter(100), time.Now()
		l.cut = start.Add(-time.Millisecond)
		l.wait(t.Context(), 50)
		l.wait(t.Context(), 50) // the next one may begin half a second later
		begun := make(chan time.Duration)
		go func() {
			l.wait(t.Context(), 50)
			begun <- time.Since(start)
		}()
		time.Sleep(100 * time.Millisecond)
		l.learn(start, 50, 50)
		l.mu.Lock()
		want := 500*time.Millisecond + l.space(50)
		l.mu.Unlock()
		if got := <-begun; got != want {
			t.Errorf("the call began after %v, want %v", got, want)
		}
	})
}

// A call that comes late may be followed by one at once, so that none is lost; but a
// long rest is no reason for many at once.
func TestLimiterRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(100)
		l.cut = time.Now() // or it would grow
		var began []time.Duration
		for _, rest := range []time.Duration{0, 700 * time.Millisecond, 0, 0, time.Minute, 0, 0} {
			time.Sleep(rest)
			start := time.Now()
			l.wait(t.Context(), 50)
			began = append(began, time.Since(start).Round(10*time.Millisecond))
			l.rate, l.cut = 100, time.Now()
		}
		half := 500 * time.Millisecond
		if want := []time.Duration{0, 0, 0, half, 0, 0, half}; !slices.Equal(began, want) {
			t.Errorf("calls waited %v, want %v", began, want)
		}
	})
}

// Where calls are far apart, each one but doubles the rate.
func TestLimiterGrowsStepByStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(50)
		for range 3 { // the third one waits
			l.wait(t.Context(), 100)
		}
		if l.rate < 99.9 || l.rate > 100.1 {
			t.Errorf("the rate is %v after a wait of two seconds, want 100", l.rate)
		}
	})
}

// It never falls so low that nothing is tried any more.
func TestLimiterKeepsTrying(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := testRepeater()
		d := &demand{bucket: newBucket(0, 0), asks: 1, latency: 10 * time.Millisecond}
		d.run(t.Context(), r, 8, during(time.Minute))
		if rate := r.users.rate; rate < leastRate || rate > 1.5*leastRate {
			t.Errorf("the rate is %v while all is throttled, want nearly %v", r.users.rate, leastRate)
		}
		d.share()
		d.run(t.Context(), r, 8, during(time.Minute))
		if d.calls < 30 {
			t.Errorf("%d calls in a minute, want one in two seconds at least", d.calls)
		}
		l := newLimiter(leastRate)
		l.wait(t.Context(), 4096) // two megabytes in a transaction
		l.wait(t.Context(), 4096)
		start := time.Now()
		l.wait(t.Context(), 4096)
		if took := time.Since(start); took != mostSpace {
			t.Errorf("large calls are %v apart, want %v", took, mostSpace)
		}
	})
}

// What waits goes on when its context ends, and leaves its slot and its turn.
func TestLimiterCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one := load{parts: 1, users: 1}
		for name, hold := range map[string]func(r *repeater) (release func()){
			"slot": func(r *repeater) func() {
				done := make(chan struct{})
				go r.do(t.Context(), one, func() (load, error) { <-done; return load{}, nil })
				return func() { close(done) }
			},
			"time": func(r *repeater) func() {
				r.users.next = time.Now().Add(time.Hour)
				return func() { r.users.next = time.Time{} }
			},
			"turn": func(r *repeater) func() {
				r.users.turn <- struct{}{}
				return func() { <-r.users.turn }
			},
		} {
			r := newRepeater(newTableWrites, &Options{MaxConcurrency: 1, MaxAttempts: 1})
			release := hold(r)
			synctest.Wait()
			for _, end := range []func() (context.Context, context.CancelFunc, time.Duration, error){
				func() (context.Context, context.CancelFunc, time.Duration, error) {
					ctx, cancel := context.WithCancel(t.Context())
					time.AfterFunc(time.Second, cancel)
					return ctx, cancel, time.Second, context.Canceled
				},
				// So that it is known that there was no effect.
				func() (context.Context, context.CancelFunc, time.Duration, error) {
					ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
					return ctx, cancel, 3 * time.Second, errNoTurn
				},
			} {
				ctx, cancel, after, want := end()
				start := time.Now()
				err := r.do(ctx, one, func() (load, error) { t.Errorf("%s: called without it", name); return load{}, nil })
				if took := time.Since(start); !errors.Is(err, want) || took != after {
					t.Errorf("%s: a call that waits for it returned %v after %v, want %v after %v", name, err, took, want, after)
				}
				cancel()
			}
			release()
			synctest.Wait()
			called := false
			if err := r.do(t.Context(), one, func() (load, error) { called = true; return load{}, nil }); err != nil || !called {
				t.Errorf("%s: it is lost after that: %v", name, err)
			}
		}
	})
}

// A call that panics gives its slot back.
func TestRepeaterSurvivesPanics(t *testing.T) {
	r := newRepeater(newTableWrites, &Options{MaxConcurrency: 1, MaxAttempts: 1})
	func() {
		defer func() { recover() }()
		r.do(t.Context(), load{parts: 1}, func() (load, error) { panic("bad client") })
	}()
	if len(r.slots) > 0 {
		t.Error("the slot is lost")
	}
}

// What was never sent can be tried again, and nobody waits for its effect.
func TestNoTurnIsNoThrottle(t *testing.T) {
	if f := faultOf(errNoTurn); f.again() || errors.Is(errNoTurn, context.DeadlineExceeded) {
		t.Error("a call without a turn is made again at once, or counts as under way")
	}
	if faultOf(&smithy.GenericAPIError{Code: "ThrottlingException"}) != throttled {
		t.Error("a throttle is none")
	}
}
