package dynamostore

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/bulkops/bulkops/bulk"
)

func TestRepeat(t *testing.T) {
	fault := func(code string) error { return &smithy.GenericAPIError{Code: code} }
	part := errors.New("a part was not done")
	for name, test := range map[string]struct {
		call  func(n int) (answer, error) // the nth
		calls int
		want  error // nil for done
		waits int
	}{
		"done":                        {func(int) (answer, error) { return answer{}, nil }, 1, nil, 0},
		"parts are left":              {func(n int) (answer, error) { return answer{left: 3 - n, cause: part}, nil }, 3, nil, 2},
		"parts are left to the end":   {func(int) (answer, error) { return answer{left: 1, cause: part}, nil }, 4, part, 3},
		"throttled":                   {func(n int) (answer, error) { return answer{}, []error{fault("ThrottlingException"), nil}[n-1] }, 2, nil, 1},
		"conflict":                    {func(n int) (answer, error) { return answer{}, []error{fault("TransactionConflictException"), nil}[n-1] }, 2, nil, 1},
		"nobody knows whether it was": {func(int) (answer, error) { return answer{}, part }, 1, part, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := &repeater{newLimiter(1), 4}
				calls, began := 0, time.Now()
				err := r.repeat(t.Context(), 10, func() (answer, error) {
					calls++
					return test.call(calls)
				})
				if calls != test.calls || !errors.Is(err, test.want) || (err == nil) != (test.want == nil) {
					t.Errorf("%d calls and %v, want %d and %v", calls, err, test.calls, test.want)
				}
				if waited := time.Since(began); waited > time.Duration(test.waits)*pause.Cap || (waited > 0) != (test.waits > 0) {
					t.Errorf("waited %v, want %d waits", waited, test.waits)
				}
			})
		})
	}
}

// A call that is throttled as a whole is throttled in all its parts. The limiter is
// told, and who watches the throttles.
func TestRepeatTellsOfThrottles(t *testing.T) {
	watched := 0
	ctx := bulk.WatchThrottles(t.Context(), func(parts int) { watched += parts })
	r := &repeater{newLimiter(1), 1}
	r.repeat(ctx, 10, func() (answer, error) { return answer{}, &smithy.GenericAPIError{Code: "ThrottlingException"} })
	r.repeat(ctx, 10, func() (answer, error) { return notProcessed(4), nil })
	r.repeat(ctx, 10, func() (answer, error) { return answer{}, &smithy.GenericAPIError{Code: "InternalServerError"} })
	if got := []int{r.parts, r.throttledParts, watched}; !cmp.Equal(got, []int{30, 14, 14}) {
		t.Errorf("the limiter saw %d parts, %d of them throttled, and %d were watched; want 30, 14 and 14", got[0], got[1], got[2])
	}
}
