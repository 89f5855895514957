package dynamostore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/backoff"
)

// A repeater makes calls when the limiters of their tables let them, and makes them
// again for what DynamoDB did not do.
type repeater struct {
	slots         chan struct{} // each call has one
	users, claims *limiter
	attempts      int // how often a call is made at most
}

// newRepeater returns a repeater for calls to tables which take so many units a
// second, as far as is known.
func newRepeater(rate float64, opts *Options) *repeater {
	return &repeater{make(chan struct{}, opts.MaxConcurrency), newLimiter(rate), newLimiter(rate), opts.MaxAttempts}
}

// An answer is what came of a call that did not fail as a whole. The zero value says
// that all was done.
type answer struct {
	left      load  // what is to be sent again
	throttled load  // what was throttled
	cause     error // why something is left
}

// errNotProcessed is the throttle that BatchGetItem reports by doing only a part.
var errNotProcessed = errors.New("DynamoDB left a part of the call undone")

// errNoTurn is for what was not sent, as the time of its caller is nearly over.
var errNoTurn = errors.New("throttled: not sent, as the tables take too little to do it in time")

// notProcessed is the answer of a call that left so much undone.
func notProcessed(left load) answer {
	return answer{left: left, throttled: left, cause: errNotProcessed}
}

// repeat makes a call with such a load, and again for what its answer leaves, until
// nothing is left. A call that failed as a whole is made again if that was for a
// throttle or conflict; any other error is returned as it is. So is that of ctx if it
// ended, and one that wraps the last cause if the call was made often enough. Between
// calls is a wait.
func (r *repeater) repeat(ctx context.Context, asked load, call func() (answer, error)) error {
	for attempt := 1; asked.parts > 0; attempt++ {
		var a answer
		err := r.do(ctx, asked, func() (throttles load, err error) {
			if a, err = call(); faultOf(err) == throttled {
				a.throttled = asked
			}
			bulk.ReportThrottle(ctx, a.throttled.parts)
			return a.throttled, err
		})
		switch f := faultOf(err); {
		case f.again():
			a = answer{left: asked, cause: err}
		case f != none:
			return err
		}
		if asked = a.left; asked.parts == 0 {
			return nil
		}
		if attempt >= r.attempts {
			return fmt.Errorf("gave up after %d attempts: %w", attempt, a.cause)
		}
		if err := pause.Wait(ctx, attempt); err != nil {
			return err
		}
	}
	return nil
}

// pause is the wait between attempts.
var pause = backoff.Backoff{Base: 50 * time.Millisecond, Cap: time.Second}

// do makes a call when it may begin. The call says what of its load was throttled. do
// returns the error of the call, or [errNoTurn], or the error of ctx if it ended
// before.
func (r *repeater) do(ctx context.Context, asked load, call func() (throttled load, err error)) error {
	if err := r.admit(ctx, asked); err != nil {
		return err
	}
	defer func() { <-r.slots }()
	began := time.Now()
	throttled, err := call()
	r.users.learn(began, asked.users, throttled.users)
	r.claims.learn(began, asked.claims, throttled.claims)
	return err
}

// admit takes a slot and waits until the tables may be asked. A quarter of the time
// that ctx has left is for the call itself: one that ends while it waits has had no
// effect, which would not be known of it any more when that time is over.
func (r *repeater) admit(ctx context.Context, asked load) error {
	waiting := ctx
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		waiting, cancel = context.WithDeadline(ctx, deadline.Add(-time.Until(deadline)/4))
		defer cancel()
	}
	err := func() error {
		if err := waiting.Err(); err != nil {
			return err
		}
		select {
		case r.slots <- struct{}{}:
		case <-waiting.Done():
			return waiting.Err()
		}
		err := r.users.wait(waiting, asked.users)
		if err == nil {
			err = r.claims.wait(waiting, asked.claims)
		}
		if err != nil {
			<-r.slots
		}
		return err
	}()
	if err != nil && ctx.Err() == nil {
		return errNoTurn
	}
	return err
}
