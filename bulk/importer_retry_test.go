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

// failFor makes the store fail some users, by their ids.
func (f *fixture) failFor(errs map[string]error) {
	f.store.hook = func(ctx context.Context, writes []bulk.Write) []error {
		outcomes := make([]error, len(writes))
		for i, w := range writes {
			if outcomes[i] = errs[w.User.ID]; outcomes[i] == nil {
				outcomes[i] = f.mem.Commit(ctx, tenant, writes[i:i+1])[0]
			}
		}
		return outcomes
	}
}

func manyRows(n int) (list []bulk.Row) {
	for i := range n {
		list = append(list, bulk.Row{JSON: fmt.Appendf(nil, `{"userId":"many%d"}`, i)})
	}
	return list
}

// errThrottled is retryable, and says that nothing was done.
var errThrottled = errors.New("throttled")

// retried runs a retry to its end and returns the places in the parent of its rows.
func (f *fixture) retried(t *testing.T, parent string, only bulk.RetrySelection) (*bulk.Job, []int) {
	t.Helper()
	accepted, err := f.importer().Retry(t.Context(), bulk.RetryRequest{Principal: admin, JobID: parent, Only: only})
	require.NoError(t, err)
	assert.Equal(t, parent, accepted.Job.ParentID)
	job, file := f.finish(accepted.Job.ID)
	assert.Equal(t, parent, job.ParentID)
	var places []int
	for _, r := range file.Results {
		require.NotNil(t, r.ParentIndex)
		places = append(places, *r.ParentIndex)
	}
	return job, places
}

func TestRetrySelectsRows(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		job, err := f.importer().Submit(t.Context(), bulk.Request{Principal: admin, Options: bulk.Options{Upsert: true, MaxFailed: new(1)}, Rows: &rowSlice{append([]bulk.Row{
			{JSON: []byte(`{"userId":"a"}`)},
			{JSON: []byte(`{"userId":"later"}`), Line: 7},
			{JSON: []byte(`{"userId":"never"}`)},
			{JSON: []byte(`{"userId":"b"}`), Errors: []bulk.RowError{{Code: bulk.CodeInvalidUser, Message: "broken"}}},
		}, manyRows(30)...)}})
		require.NoError(t, err)
		f.failFor(map[string]error{"later": errThrottled, "never": errDenied})
		parent, file := f.finish(job.ID)
		require.Equal(t, bulk.JobCancelled, parent.Status)
		unreached := file.Summary.NotProcessed
		require.Positive(t, unreached)

		var left []int
		for _, r := range file.Results {
			if r.Status == bulk.StatusNotProcessed {
				left = append(left, r.Index)
			}
		}
		f.store.heal()
		_, places := f.retried(t, job.ID, bulk.RetryRetryable)
		assert.Equal(t, []int{1}, places)
		_, places = f.retried(t, job.ID, bulk.RetryFailed)
		assert.Equal(t, []int{1, 2, 3}, places)
		_, places = f.retried(t, job.ID, bulk.RetryNotProcessed)
		assert.Equal(t, left, places)
		again, places := f.retried(t, job.ID, bulk.RetryAll)
		assert.Equal(t, append([]int{1, 2, 3}, left...), places)
		results := f.results(again).Results
		assert.Equal(t, 7, results[0].Line, "rule: lines are those of the text that was sent")
		assert.Equal(t, bulk.StatusFailed, results[2].Status, "rule: what its reader found wrong with a row stays wrong")
		assert.Equal(t, new(1), again.Options.MaxFailed)

		// A retry can be retried: places are those of its own parent.
		_, places = f.retried(t, again.ID, bulk.RetryAll)
		assert.Equal(t, []int{2}, places)
		_, err = f.importer().Retry(t.Context(), bulk.RetryRequest{Principal: admin, JobID: again.ID, Only: bulk.RetryNotProcessed})
		assert.ErrorIs(t, err, bulk.ErrNothingToRetry)
	})
}

func TestRetryLeavesNothingWhereItIsRefused(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		job := f.submit(30, bulk.DefaultOptions())
		im := f.importer()
		_, err := im.Retry(t.Context(), bulk.RetryRequest{Principal: admin, JobID: job.ID})
		require.ErrorIs(t, err, bulk.ErrJobNotEnded)
		f.finish(job.ID)
		before := f.blobs.Keys()
		_, err = im.Retry(t.Context(), bulk.RetryRequest{Principal: admin, JobID: job.ID})
		require.ErrorIs(t, err, bulk.ErrNothingToRetry)
		var refused *bulk.RequestError
		_, err = im.Retry(t.Context(), bulk.RetryRequest{Principal: admin, JobID: job.ID, Only: "all"})
		require.ErrorAs(t, err, &refused)
		super := bulk.Principal{ID: "sue", Tenant: "elsewhere", Role: bulk.RoleSuperAdmin}
		_, err = im.Job(t.Context(), super, job.ID)
		require.NoError(t, err)
		_, err = im.Retry(t.Context(), bulk.RetryRequest{Principal: super, JobID: job.ID})
		require.ErrorIs(t, err, bulk.ErrJobNotFound, "rule: only jobs of the caller's own tenant")
		assert.Equal(t, before, f.blobs.Keys())
		require.False(t, errors.Is(err, bulk.ErrForbidden))
	})
}

// A retry under a key is answered again when the job that it was made of is gone, also
// if it died before its key had the answer.
func TestRetryUnderAKey(t *testing.T) {
	for _, die := range []int{1, 2, 3, 100} { // the last one lives
		t.Run(fmt.Sprint(die), func(t *testing.T) {
			bubble(t, func(t *testing.T, f *fixture) {
				job, err := f.importer().Submit(t.Context(), bulk.Request{Principal: admin, Options: bulk.DefaultOptions(), Rows: rows(`{"userId":"a"}`, `{}`, `{}`)})
				require.NoError(t, err)
				f.finish(job.ID)
				req := bulk.RetryRequest{Principal: admin, JobID: job.ID, IdempotencyKey: "k"}
				cfg := f.cfg
				cfg.Jobs = &dyingQueue{Queue: f.jobs, dieAt: die, applied: true}
				im, err := bulk.NewImporter(cfg)
				require.NoError(t, err)
				first, _ := im.Retry(t.Context(), req)
				time.Sleep(10 * time.Minute)
				if die == 1 { // before the job was made
					_, err = f.importer().Retry(t.Context(), req)
					require.NoError(t, err)
				}
				require.NoError(t, f.importer().Delete(t.Context(), admin, job.ID))

				again, err := f.importer().Retry(t.Context(), req)
				require.NoError(t, err)
				assert.True(t, again.Replayed)
				assert.Equal(t, job.ID, again.Job.ParentID)
				if die == 100 {
					assert.Equal(t, first.Job.ID, again.Job.ID)
				}
				_, file := f.finish(again.Job.ID)
				assert.Equal(t, bulk.Summary{Failed: 2}, file.Summary)

				req.Only = bulk.RetryFailed
				_, err = f.importer().Retry(t.Context(), req)
				assert.ErrorIs(t, err, bulk.ErrIdempotencyKeyReused, "rule: the selection belongs to what a key stands for")
				req.IdempotencyKey = ""
				_, err = f.importer().Retry(t.Context(), req)
				assert.ErrorIs(t, err, bulk.ErrJobNotFound)
			})
		})
	}
}
