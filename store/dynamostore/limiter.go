package dynamostore

import (
	"context"
	"math"
	"slices"
	"sync"
	"time"
)

// The rules by which a [limiter] moves. Its tests try them on a simulated table.
const (
	// firstLimit is the limit at first, and firstStep the share by which it grows
	// until calls are throttled.
	firstLimit = 8
	firstStep  = 0.5
	// leastLimit is where the limit stops to fall: one call in twenty times its own
	// duration.
	leastLimit = 0.05
	// windowCalls is how many calls a window has at least: so many that a single
	// throttled one does not weigh much.
	windowCalls = 20
	// enough is how many throttled calls end a window before its time.
	enough = 6
	// leastTaken is the most that the limit falls at once: a short window sees too
	// little to tell an outage from a burst.
	leastTaken = 0.3
	// headroom is how far below what the table takes the limit falls, so that what
	// has to be sent again finds room.
	headroom = 0.97
	// growth is the share of the limit that a window without throttles adds after
	// one with, and acceleration how much more each further one adds.
	growth       = 0.005
	acceleration = 1.2
	// mostSpace is the most, in seconds, that the beginnings of calls are apart, so
	// that the limit is tried again soon after an outage.
	mostSpace = 1.0
	// smoothing is the weight of the last call in the averages.
	smoothing = 0.1
)

// A limiter bounds how many calls are under way at once, so that a table gets about
// as many as it takes. It learns the bound: the share of what is throttled says how
// far above the table's capacity the calls are, and the limit falls by that share;
// while nothing is throttled it rises, slowly at first.
//
// The limit is no whole number: a table may take more than one large call at a time
// and less than two. So, from the first throttle on, the beginnings of calls are
// also kept apart, by what makes that limit the average. That spreads the calls in
// time, too: many that begin at once are throttled where the same in a row are not.
//
// Calls are begun in order.
type limiter struct {
	mu      sync.Mutex
	limit   float64
	most    float64
	step    float64         // the share that the next window without throttles adds
	spaced  bool            // beginnings are kept apart
	next    time.Time       // when the next call may begin, if spaced
	busy    int             // slots taken
	waiting []chan struct{} // closed when a slot is given

	// Averages of calls that were done.
	duration float64 // in seconds
	size     float64 // in parts

	// A window is calls that began under the same limit.
	window                int
	used                  int // the most slots that were taken
	calls, throttledCalls int // that ended
	parts, throttledParts int // of these calls
}

func newLimiter(most int) *limiter {
	return &limiter{limit: min(firstLimit, float64(most)), most: float64(most), step: firstStep}
}

// do makes a call when there is room for it. The call has so many parts (items,
// statements, …), and says how many of these were throttled. do returns the error
// of the call, or that of ctx if it ended before.
func (l *limiter) do(ctx context.Context, parts int, call func() (throttled int, err error)) error {
	if err := l.acquire(ctx); err != nil {
		return err
	}
	window, wait := l.begin(parts)
	if wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			l.free()
			return ctx.Err()
		}
	}
	began, throttled := time.Now(), 0
	defer func() { l.end(window, time.Since(began), parts, throttled) }() // also if it panics
	var err error
	throttled, err = call()
	return err
}

// acquire takes a slot.
func (l *limiter) acquire(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	l.mu.Lock()
	if len(l.waiting) == 0 && l.busy < l.slots() {
		l.take()
		l.mu.Unlock()
		return nil
	}
	slot := make(chan struct{})
	l.waiting = append(l.waiting, slot)
	l.mu.Unlock()
	select {
	case <-slot:
		return nil
	case <-ctx.Done():
	}
	l.mu.Lock()
	i := slices.Index(l.waiting, slot)
	if i >= 0 {
		l.waiting = slices.Delete(l.waiting, i, i+1)
	}
	l.mu.Unlock()
	if i < 0 {
		l.free() // it was given meanwhile
	}
	return ctx.Err()
}

// slots is how many calls may be under way. The space between their beginnings
// keeps the average; a slot more lets a call begin while a slow one is under way.
func (l *limiter) slots() int {
	n := int(math.Ceil(l.limit))
	if l.spaced {
		n++
	}
	return n
}

// free gives a slot back.
func (l *limiter) free() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.busy--
	l.admit()
}

func (l *limiter) take() {
	l.busy++
	l.used = max(l.used, l.busy)
}

func (l *limiter) admit() {
	for len(l.waiting) > 0 && l.busy < l.slots() {
		l.take()
		close(l.waiting[0])
		l.waiting = l.waiting[1:]
	}
}

// begin returns the window that a call belongs to and how long it is to wait.
func (l *limiter) begin(parts int) (window int, wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.spaced {
		return l.window, 0
	}
	now := time.Now()
	if l.next.Before(now) {
		l.next = now
	}
	wait = l.next.Sub(now)
	space := min(mostSpace, l.duration/l.limit*float64(parts)/l.size)
	l.next = l.next.Add(time.Duration(space * float64(time.Second)))
	return l.window, wait
}

// end ends a call of the window that took so long.
func (l *limiter) end(window int, took time.Duration, parts, throttled int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	average(&l.duration, took.Seconds())
	average(&l.size, float64(parts))
	if window == l.window {
		l.learn(parts, throttled)
	}
	l.busy--
	l.admit()
}

func average(mean *float64, value float64) {
	if *mean == 0 {
		*mean = value
	}
	*mean += smoothing * (value - *mean)
}

// learn counts a call of the window, and moves the limit if it is the last one.
func (l *limiter) learn(parts, throttled int) {
	l.calls++
	l.parts += parts
	l.throttledParts += throttled
	if throttled > 0 {
		l.throttledCalls++
	}
	if l.calls < max(windowCalls, l.slots()) && l.throttledCalls < enough && (l.spaced || l.calls < firstLimit) {
		return
	}
	switch {
	case l.throttledParts > 0:
		taken := 1 - float64(l.throttledParts)/float64(l.parts)
		// What was allowed and not used says nothing about the table.
		l.limit = max(leastLimit, min(l.limit, float64(l.used))*max(leastTaken, taken)*headroom)
		l.step = growth
		l.spaced = true
	case l.used >= int(math.Ceil(l.limit)):
		l.limit = min(l.most, l.limit*(1+l.step))
		l.step = min(firstStep, l.step*acceleration)
	}
	l.window++
	l.used = l.busy
	l.calls, l.throttledCalls, l.parts, l.throttledParts = 0, 0, 0, 0
}
