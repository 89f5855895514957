package bulk_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/bulk"
)

// TestManyRowsInARowThatTheStoreRefuses has more rows refused for good than there
// are in all batches at once: they are results, wherever they stand.
func TestManyRowsInARowThatTheStoreRefuses(t *testing.T) {
	for name, first := range map[string]int{"First": 0, "Middle": 700, "Last": 1400} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, f *fixture) {
				f.store.takes = time.Millisecond
				refused := func(i int) bool { return i >= first && i < first+600 }
				f.failWrites(func(w bulk.Write) error {
					var i int
					if _, err := fmt.Sscanf(w.User.Email, "u%d@", &i); err != nil || refused(i) {
						return errDenied
					}
					return nil
				})
				job := f.submit(2000, bulk.DefaultOptions())
				require.NoError(t, f.worker().RunJob(t.Context(), job.ID))
				done := f.get(job.ID)
				assert.Equal(t, bulk.JobCompleted, done.Status)
				assert.Equal(t, int64(1), done.Token, "one attempt")
				for i, r := range f.results(done).Results {
					if refused(i) {
						require.Equal(t, bulk.StatusFailed, r.Status, "row %d", i)
						require.Equal(t, bulk.CodeStoreError, r.Errors[0].Code)
						require.False(t, r.Errors[0].Retryable)
					} else {
						require.Equal(t, bulk.StatusCreated, r.Status, "row %d", i)
					}
				}
			})
		})
	}
}

// TestRequestsThatTheStoreRefuses is not told that the store is down.
func TestRequestsThatTheStoreRefuses(t *testing.T) {
	for name, refused := range map[string]int{"All": 99, "AllButTheLast": 98, "First": 1} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, f *fixture) {
				f.failWrites(func(w bulk.Write) error {
					if w.User.Email < fmt.Sprintf("v%02d", refused) {
						return errDenied
					}
					return nil
				})
				users := make([]bulk.User, 99)
				for i := range users {
					users[i] = bulk.User{ID: fmt.Sprint(i), Email: fmt.Sprintf("v%02d@x.io", i)}
				}
				report, err := f.importer().Import(t.Context(), request(users...))
				require.NoError(t, err)
				assert.Equal(t, bulk.Summary{Created: 99 - refused, Failed: refused}, report.Summary)
			})
		})
	}
}

// unreadable cannot read one user.
type unreadable struct {
	bulk.Store
	id  string
	err error
}

func (s unreadable) Lookup(ctx context.Context, tenant string, refs []bulk.Ref) ([]bulk.Found, error) {
	found, err := s.Store.Lookup(ctx, tenant, refs)
	for i, ref := range refs {
		if ref.ID == s.id && err == nil {
			found[i] = bulk.Found{Err: s.err}
		}
	}
	return found, err
}

// TestUserThatCannotBeReadFailsAlone checks that the other rows of its batch do not
// suffer, in a job and in a request.
func TestUserThatCannotBeReadFailsAlone(t *testing.T) {
	for name, failure := range map[string]error{"Passing": errors.New("throttled at db-7"), "ForGood": errDenied} {
		t.Run(name, func(t *testing.T) {
			check := func(t *testing.T, summary bulk.Summary, results []bulk.RowResult) {
				t.Helper()
				assert.Equal(t, bulk.Summary{Created: len(results) - 1, Failed: 1}, summary)
				for i, r := range results {
					if i != 3 {
						require.Equal(t, bulk.StatusCreated, r.Status, "row %d", i)
						continue
					}
					require.Equal(t, bulk.StatusFailed, r.Status)
					require.Len(t, r.Errors, 1)
					assert.Equal(t, bulk.CodeStoreError, r.Errors[0].Code)
					assert.Equal(t, bulk.Retryable(failure), r.Errors[0].Retryable)
					assert.NotContains(t, r.Errors[0].Message, "db-7")
				}
			}
			bubble(t, func(t *testing.T, f *fixture) {
				f.cfg.Store = unreadable{f.store, "u00003", failure}
				report, err := f.importer().Import(t.Context(), request(people(60)...))
				require.NoError(t, err)
				check(t, report.Summary, report.Results)
			})
			bubble(t, func(t *testing.T, f *fixture) {
				f.cfg.Store = unreadable{f.store, "u00003", failure}
				job := f.submit(150, bulk.DefaultOptions())
				require.NoError(t, f.worker().RunJob(t.Context(), job.ID))
				done := f.get(job.ID)
				assert.Equal(t, bulk.JobCompleted, done.Status)
				check(t, done.Summary(), f.results(done).Results)
			})
		})
	}
}
