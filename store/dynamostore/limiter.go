package dynamostore

import (
	"context"
	"math"
	"sync"
	"time"

	"github.com/bulkops/bulkops/internal/backoff"
)

// Capacity units a second that a new table with on-demand capacity takes. Source:
// DynamoDB developer guide, "On-demand capacity mode", initial throughput.
const (
	newTableWrites = 4000
	newTableReads  = 12_000
)

// The rules by which a [limiter] moves. Its tests try them on simulated tables.
const (
	// mostGrowth is the most that the rate grows, as the exponent of a second: it
	// doubles within a quarter of a second. So it grows until the first throttle.
	mostGrowth = 2.8
	// acceleration is how much the exponent rises for each second since the rate was
	// cut: after one second the rate has grown by a tenth, after three it has more than
	// doubled.
	acceleration = 0.2
	// mostStep is the exponent of the most that it grows for one call: it doubles.
	mostStep = math.Ln2
	// headroom is how far below what the table takes the rate is cut, so that what
	// is sent again finds room.
	headroom = 0.97
	// deepest is the deepest cut, as a throttle after a few calls says little, and
	// deepestFirst that of a rate that was growing as fast as it may.
	deepest, deepestFirst = 0.8, 0.6
	// leastRate is where the rate stops to fall, so that it is known soon when
	// throttles cease: creates of a whole batch go once a second.
	leastRate = 50
	// mostSpace is the most that calls are apart, for those of the largest users.
	mostSpace = 5 * time.Second
)

// A limiter spaces calls in time so that one table gets about as many capacity units
// a second as it takes, of writes or of reads. It begins with what a new table takes,
// and grows ever faster while calls have to wait for it and none is throttled. A
// throttle says that the table has nothing left, so what was done between two of
// them is what it takes: the rate is cut to a little less than that.
//
// Calls begin in order.
type limiter struct {
	turn chan struct{} // is full while a call waits for its time

	mu   sync.Mutex
	rate float64   // units a second
	next time.Time // when the next call may begin
	cut  time.Time // when the rate was cut the last time
	done float64   // units of calls that began since and were not throttled
}

func newLimiter(rate float64) *limiter {
	return &limiter{turn: make(chan struct{}, 1), rate: rate}
}

// wait returns when a call that takes so many units may begin, or the error of ctx
// if that ended before.
func (l *limiter) wait(ctx context.Context, units float64) error {
	if units == 0 {
		return nil
	}
	select {
	case l.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-l.turn }()
	waited := false
	for {
		// A throttle may put off meanwhile what was to begin now.
		left := l.begin(units, waited)
		if left <= 0 {
			return nil
		}
		if err := backoff.Sleep(ctx, left); err != nil {
			return err
		}
		waited = true
	}
}

// begin begins a call, unless it has to wait: then it returns how long. A rate for
// which nobody had to wait is not used up, and does not grow.
func (l *limiter) begin(units float64, waited bool) (left time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if left := l.next.Sub(now); left > 0 {
		return left
	}
	if waited {
		l.rate *= math.Exp(min(mostStep, l.growth(now)*units/l.rate))
	}
	// One that came late may be followed at once.
	space := l.space(units)
	if late := now.Add(-space); l.next.Before(late) {
		l.next = late
	}
	l.next = l.next.Add(space)
	return 0
}

// growth is how fast the rate grows, as the exponent of a second.
func (l *limiter) growth(now time.Time) float64 {
	return min(mostGrowth, acceleration*now.Sub(l.cut).Seconds())
}

// space is how long after a call of so many units the next one may begin.
func (l *limiter) space(units float64) time.Duration {
	return min(mostSpace, time.Duration(units/l.rate*float64(time.Second)))
}

// learn takes what became of a call: how many of its units were throttled. What
// began before the rate was cut says nothing about it.
func (l *limiter) learn(began time.Time, units, throttled float64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if units == 0 || !began.After(l.cut) {
		return
	}
	l.done += units - throttled
	if throttled == 0 {
		return
	}
	now := time.Now()
	least := deepest
	if l.growth(began) == mostGrowth {
		least = deepestFirst
	}
	// The table had something left, though less than the call asked for.
	taken := (l.done + throttled/2) / now.Sub(l.cut).Seconds()
	l.rate = max(leastRate, headroom*min(l.rate, max(taken, least*l.rate)))
	l.cut, l.done = now, 0
	l.next = l.next.Add(l.space(units)) // the table has nothing: let it get something
}
