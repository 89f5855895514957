package dynamostore

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/smithy-go"

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
		"parts are left":              {func(n int) (answer, error) { return answer{left: load{parts: 3 - n}, cause: part}, nil }, 3, nil, 2},
		"parts are left to the end":   {func(int) (answer, error) { return answer{left: load{parts: 1}, cause: part}, nil }, 4, part, 3},
		"throttled":                   {func(n int) (answer, error) { return answer{}, []error{fault("ThrottlingException"), nil}[n-1] }, 2, nil, 1},
		"conflict":                    {func(n int) (answer, error) { return answer{}, []error{fault("TransactionConflictException"), nil}[n-1] }, 2, nil, 1},
		"nobody knows whether it was": {func(int) (answer, error) { return answer{}, part }, 1, part, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRepeater(newTableWrites, &Options{MaxConcurrency: 1, MaxAttempts: 4})
				calls, began := 0, time.Now()
				err := r.repeat(t.Context(), load{parts: 10}, func() (answer, error) {
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

// A call that is throttled as a whole is throttled in all its parts. The limiters of
// the tables that refused are told, and who watches the throttles.
func TestRepeatTellsOfThrottles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, test := range map[string]struct {
			answer        answer
			err           error
			watched       int
			users, claims bool // are slowed down
		}{
			"as a whole":   {answer{}, &smithy.GenericAPIError{Code: "ThrottlingException"}, 10, true, true},
			"in part":      {notProcessed(load{4, 8, 0}), nil, 4, true, false},
			"of claims":    {notProcessed(load{3, 0, 3}), nil, 3, false, true},
			"not, but bad": {answer{}, &smithy.GenericAPIError{Code: "InternalServerError"}, 0, false, false},
			"not at all":   {answer{}, nil, 0, false, false},
		} {
			watched := 0
			ctx := bulk.WatchThrottles(t.Context(), func(parts int) { watched += parts })
			r := newRepeater(newTableWrites, &Options{MaxConcurrency: 1, MaxAttempts: 1})
			r.repeat(ctx, load{10, 20, 3}, func() (answer, error) {
				time.Sleep(10 * time.Millisecond)
				return test.answer, test.err
			})
			users, claims := r.users.rate < newTableWrites, r.claims.rate < newTableWrites
			if watched != test.watched || users != test.users || claims != test.claims {
				t.Errorf("throttled %s: %d parts were watched, users are slowed down: %t, claims: %t; want %d, %t, %t",
					name, watched, users, claims, test.watched, test.users, test.claims)
			}
		}
	})
}
