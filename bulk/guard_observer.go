package bulk

import (
	"context"
	"log/slog"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bulkops/bulkops/internal/redact"
)

// A guardedObserver is an [Observer] whose panics do no harm.
type guardedObserver struct {
	Observer
	log  *slog.Logger
	once sync.Once // logs the first panic, of what may be thousands a second
}

func (o *guardedObserver) Begin(ctx context.Context, e Event) (within context.Context) {
	within = ctx
	defer o.catch("Observer.Begin")
	if derived := o.Observer.Begin(ctx, e); derived != nil {
		within = derived
	}
	return within
}

func (o *guardedObserver) End(ctx context.Context, e Event) {
	defer o.catch("Observer.End")
	o.Observer.End(ctx, e)
}

// catch catches a panic. It is to be deferred.
func (o *guardedObserver) catch(op string) {
	if v := recover(); v != nil {
		err := &panicError{op: op, value: v, stack: debug.Stack()}
		o.once.Do(func() { o.log.Error("observer panicked; its next panics are not logged", redact.Error(err)) })
	}
}

// An observedCall is a call to a backend of which an observer is told. A nil one is
// told to nobody.
type observedCall struct {
	observer  Observer
	ctx       context.Context // what the observer's Begin returned
	event     CallEvent
	began     time.Time
	throttles atomic.Int64 // a call that was given up may still add to it
}

// observe tells the guard's observer, if there is one, of a call to a backend with so
// many elements. op names interface and method; what has no such name is no call of
// its own.
func (g guard) observe(ctx context.Context, op string, size int) (context.Context, *observedCall) {
	if g.observer == nil {
		return ctx, nil
	}
	backend, operation, ok := strings.Cut(op, ".")
	if !ok {
		return ctx, nil
	}
	c := &observedCall{observer: g.observer, event: CallEvent{Backend: backend, Operation: operation, Size: size}}
	c.ctx = g.observer.Begin(ctx, &c.event)
	c.began = time.Now()
	return WatchThrottles(c.ctx, func(parts int) { c.throttles.Add(int64(parts)) }), c
}

// end tells that the call has ended with an error or with outcomes of its elements.
func (c *observedCall) end(outcomes []error, err error) {
	if c == nil {
		return
	}
	c.endAfter(time.Since(c.began), outcomes, err)
}

func (c *observedCall) endAfter(took time.Duration, outcomes []error, err error) {
	if c == nil {
		return
	}
	c.event.ended(took, err)
	c.event.Throttled = int(c.throttles.Load())
	for _, err := range outcomes {
		if err != nil {
			c.event.Failed++
		}
	}
	c.observer.End(c.ctx, &c.event)
}
