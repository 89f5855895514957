package bulk_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/jobs/memjobs"
)

func (f *fixture) keyed(key string, users ...bulk.User) bulk.Request {
	return bulk.Request{Principal: admin, Rows: bulk.Users(users...), Options: bulk.DefaultOptions(), IdempotencyKey: key}
}

func TestIdempotencyKeyReplays(t *testing.T) {
	for name, n := range map[string]int{"Sync": 30, "Job": 150} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				im := f.importer()
				first := f.keyed("k", people(n)...)
				report, job, replayed, err := accept(im, t.Context(), first)
				require.NoError(t, err)
				assert.False(t, replayed)
				blobs := f.blobs.Keys()

				again := f.keyed("k", people(n)...)
				report2, job2, replayed, err := accept(f.importer(), t.Context(), again)
				require.NoError(t, err)
				assert.True(t, replayed)
				assert.Equal(t, report, report2)
				if job != nil {
					assert.Equal(t, job.ID, job2.ID)
				}
				assert.Equal(t, blobs, f.blobs.Keys(), "a replay leaves nothing behind")

				other := f.keyed("k", people(n+1)...)
				_, _, _, err = accept(im, t.Context(), other)
				assert.ErrorIs(t, err, bulk.ErrIdempotencyKeyReused)
				options := f.keyed("k", people(n)...)
				options.Options.SkipDuplicates = true
				_, _, _, err = accept(im, t.Context(), options)
				assert.ErrorIs(t, err, bulk.ErrIdempotencyKeyReused)

				elsewhere := f.keyed("k", people(n)...)
				elsewhere.Principal.Tenant = "other"
				_, _, replayed, err = accept(im, t.Context(), elsewhere)
				require.NoError(t, err)
				assert.False(t, replayed, "keys belong to tenants")

				time.Sleep(bulk.IdempotencyKeyRetention)
				late := f.keyed("k", people(n)...)
				_, _, replayed, err = accept(im, t.Context(), late)
				require.NoError(t, err)
				assert.False(t, replayed, "a key is forgotten after 24 hours")
			})
		})
	}
}

func TestIdempotencyKeyOfRefusedRequestIsFree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.cfg.MaxUsers = 200
		im := f.importer()
		for _, n := range []int{0, 201} {
			_, _, _, err := accept(im, t.Context(), f.keyed("k", people(max(n, 10))[:n]...))
			var refused *bulk.RequestError
			require.ErrorAs(t, err, &refused)
		}
		req := f.keyed("k", people(30)...)
		_, _, replayed, err := accept(im, t.Context(), req)
		require.NoError(t, err)
		assert.False(t, replayed)
		for _, key := range []string{"ä", "a\nb", string(make([]byte, 256))} {
			var refused *bulk.RequestError
			_, _, _, err := accept(im, t.Context(), f.keyed(key, people(30)...))
			require.ErrorAs(t, err, &refused)
			assert.Equal(t, bulk.CodeInvalidRequest, refused.Code)
		}
		type plain struct{ bulk.JobQueue }
		f.cfg.Jobs = plain{f.jobs}
		var refused *bulk.RequestError
		_, _, _, err = accept(f.importer(), t.Context(), f.keyed("k", people(30)...))
		require.ErrorAs(t, err, &refused, "a key that cannot be kept is not passed over in silence")
	})
}

func TestConcurrentRequestsOfOneKeyMakeOneImport(t *testing.T) {
	for name, n := range map[string]int{"Sync": 30, "Job": 150} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				im := f.importer()
				var (
					all                      sync.WaitGroup
					mu                       sync.Mutex
					made, replayed, underWay int
				)
				for range 100 {
					all.Go(func() {
						req := f.keyed("k", people(n)...)
						_, _, again, err := accept(im, t.Context(), req)
						mu.Lock()
						defer mu.Unlock()
						switch {
						case errors.Is(err, bulk.ErrIdempotencyKeyInProgress):
							underWay++
						case assert.NoError(t, err) && again:
							replayed++
						default:
							made++
						}
					})
				}
				all.Wait()
				assert.Equal(t, 1, made)
				assert.Equal(t, 99, replayed+underWay)
				jobs, _, err := im.Jobs(t.Context(), admin, "", 100, "")
				require.NoError(t, err)
				assert.Len(t, jobs, n/100)
			})
		})
	}
}

// dyingQueue is a queue whose process dies at some call.
type dyingQueue struct {
	*memjobs.Queue
	calls   int
	dieAt   int
	applied bool
}

func (q *dyingQueue) call(op func() error) error {
	q.calls++
	switch {
	case q.calls > q.dieAt, q.calls == q.dieAt && !q.applied:
		return errDead
	}
	err := op()
	if q.calls == q.dieAt {
		return errDead
	}
	return err
}

func (q *dyingQueue) PutIdempotencyKey(ctx context.Context, key bulk.IdempotencyKey) error {
	return q.call(func() error { return q.Queue.PutIdempotencyKey(ctx, key) })
}

func (q *dyingQueue) Create(ctx context.Context, job bulk.JobSpec) error {
	return q.call(func() error { return q.Queue.Create(ctx, job) })
}

// TestIdempotencyKeySurvivesEveryCrash kills a request at every call to the queue:
// the same request later gives the first request's results and makes one import.
func TestIdempotencyKeySurvivesEveryCrash(t *testing.T) {
	for name, n := range map[string]int{"Sync": 30, "Job": 150} {
		for die := 1; die <= 4; die++ {
			for _, applied := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%d/%t", name, die, applied), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						f := newFixture(t)
						users := people(n)
						users[20] = users[3] // a row that is unchanged
						users[21] = bulk.User{ID: users[3].ID, Email: users[3].Email, CustomFields: fields(t, `{"a":1}`)}
						dying := f.cfg
						dying.Jobs = &dyingQueue{Queue: f.jobs, dieAt: die, applied: applied}
						im, err := bulk.NewImporter(dying)
						require.NoError(t, err)
						req := func() bulk.Request {
							r := f.keyed("k", users...)
							r.Options.Label = "november"
							return r
						}
						accept(im, t.Context(), req())

						time.Sleep(10 * time.Minute)
						report, job, _, err := accept(f.importer(), t.Context(), req())
						require.NoError(t, err)
						want := bulk.Summary{Created: n - 2, Updated: 1, Unchanged: 1}
						if report != nil {
							assert.Equal(t, want, report.Summary)
						} else {
							_, file := f.finish(job.ID)
							assert.Equal(t, want, file.Summary)
							assert.Equal(t, "november", job.Label)
							jobs, _, err := f.importer().Jobs(t.Context(), admin, "", 100, "")
							require.NoError(t, err)
							assert.Len(t, jobs, 1)
						}
						_, _, _, err = accept(f.importer(), t.Context(), f.keyed("k", people(n+1)...))
						assert.ErrorIs(t, err, bulk.ErrIdempotencyKeyReused)
					})
				})
			}
		}
	}
}

// TestDeadRequestIsNotContinuedWithOtherRows lets a request die after it wrote.
func TestDeadRequestIsNotContinuedWithOtherRows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		dying := f.cfg
		dying.Jobs = &dyingQueue{Queue: f.jobs, dieAt: 3}
		im, err := bulk.NewImporter(dying)
		require.NoError(t, err)
		accept(im, t.Context(), f.keyed("k", people(30)...))
		time.Sleep(10 * time.Minute)
		_, _, _, err = accept(f.importer(), t.Context(), f.keyed("k", people(31)...))
		assert.ErrorIs(t, err, bulk.ErrIdempotencyKeyReused)
		report, _, _, err := accept(f.importer(), t.Context(), f.keyed("k", people(30)...))
		require.NoError(t, err)
		assert.Equal(t, bulk.Summary{Created: 30}, report.Summary)
	})
}

func fields(t *testing.T, text string) bulk.Fields {
	t.Helper()
	f, err := bulk.ParseFields([]byte(text))
	require.NoError(t, err)
	return f
}

// TestKeyedImportOfEverySize has sizes that fill the last batch and ones that do
// not.
func TestKeyedImportOfEverySize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		for n := 1; n < bulk.DefaultSyncThreshold; n++ {
			report, _, _, err := accept(f.importer(), t.Context(), f.keyed(fmt.Sprint(n), people(max(n, 10))[:n]...))
			require.NoError(t, err, "%d users", n)
			assert.Len(t, report.Results, n)
		}
	})
}

// TestKeyOfASmallJobThatDied lets a request die behind the making of its job, and
// repeats it as one that is imported at once.
func TestKeyOfASmallJobThatDied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		dying := f.cfg
		dying.Jobs = &dyingQueue{Queue: f.jobs, dieAt: 2, applied: true}
		im, err := bulk.NewImporter(dying)
		require.NoError(t, err)
		req := f.keyed("k", people(30)...)
		req.Async = true
		im.Accept(t.Context(), req)
		time.Sleep(10 * time.Minute)
		report, job, replayed, err := accept(f.importer(), t.Context(), f.keyed("k", people(30)...))
		require.NoError(t, err)
		assert.True(t, replayed)
		assert.Nil(t, report)
		require.NotNil(t, job)
		_, file := f.finish(job.ID)
		assert.Equal(t, bulk.Summary{Created: 30}, file.Summary)
	})
}
