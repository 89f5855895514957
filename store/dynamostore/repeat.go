package dynamostore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/backoff"
)

// A repeater makes calls when its limiter lets them, and makes them again for what
// DynamoDB did not do.
type repeater struct {
	*limiter
	attempts int // how often a call is made at most
}

// An answer is what came of a call that did not fail as a whole. The zero value says
// that all was done.
type answer struct {
	left      int   // the parts that are to be sent again
	throttled int   // how many parts were throttled
	cause     error // why parts are left
}

// errNotProcessed is the throttle that BatchGetItem reports by doing only a part.
var errNotProcessed = errors.New("DynamoDB left a part of the call undone")

// notProcessed is the answer of a call that left so many parts undone.
func notProcessed(parts int) answer {
	return answer{left: parts, throttled: parts, cause: errNotProcessed}
}

// repeat makes a call of so many parts (items, statements, actions), and again for
// the parts that its answer leaves, until none is left. A call that failed as a
// whole is made again if that was for a throttle or conflict; any other error is
// returned as it is. So is that of ctx if it ended, and one that wraps the last cause
// if the call was made often enough. Between calls is a wait.
func (r *repeater) repeat(ctx context.Context, parts int, call func() (answer, error)) error {
	for attempt := 1; parts > 0; attempt++ {
		var a answer
		err := r.do(ctx, parts, func() (throttles int, err error) {
			if a, err = call(); faultOf(err) == throttled {
				a.throttled = parts
			}
			bulk.ReportThrottle(ctx, a.throttled)
			return a.throttled, err
		})
		switch f := faultOf(err); {
		case f.again():
			a = answer{left: parts, cause: err}
		case f != none:
			return err
		}
		if parts = a.left; parts == 0 {
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
