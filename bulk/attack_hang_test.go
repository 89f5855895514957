package bulk_test

import (
	"context"
	"io"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/bulk"
)

// hungStore does not answer any more from its first commit on.
type hungStore struct {
	bulk.Store
	hung atomic.Bool
}

func (s *hungStore) Lookup(ctx context.Context, tenant string, refs []bulk.Ref) ([]bulk.Found, error) {
	if s.hung.Load() {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return s.Store.Lookup(ctx, tenant, refs)
}

func (s *hungStore) Commit(ctx context.Context, tenant string, writes []bulk.Write) []error {
	s.hung.Store(true)
	<-ctx.Done()
	return same(ctx.Err(), len(writes))
}

// TestCancelWithAStoreThatHangs cancels a job whose store does not answer.
func TestCancelWithAStoreThatHangs(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		store := &hungStore{Store: f.store}
		f.cfg.Store = store
		job := f.submit(3000, bulk.DefaultOptions())
		cancelled := make(chan time.Time, 1)
		time.AfterFunc(100*time.Millisecond, func() {
			time.Sleep(5 * time.Second)
			_, err := f.importer().Cancel(t.Context(), admin, job.ID)
			assert.NoError(t, err)
			cancelled <- time.Now()
		})
		require.NoError(t, f.worker().RunJob(t.Context(), job.ID))
		assert.Equal(t, bulk.JobCancelled, f.get(job.ID).Status)
		assert.LessOrEqual(t, f.get(job.ID).Summary().Failed, 4*bulk.MaxBatch, "only those whose calls were under way")
		assert.Less(t, time.Since(<-cancelled), time.Minute)
	})
}

// deafBlobs and deafJobs do not mind their context.
type (
	deafBlobs struct{ bulk.BlobStore }
	deafJobs  struct{ bulk.JobQueue }
)

func (b deafBlobs) Put(ctx context.Context, key string, r io.Reader, info bulk.BlobInfo) error {
	return b.BlobStore.Put(context.WithoutCancel(ctx), key, r, info)
}

func (q deafJobs) Save(ctx context.Context, id string, token int64, change bulk.JobChange) (bulk.Job, error) {
	return q.JobQueue.Save(context.WithoutCancel(ctx), id, token, change)
}

// TestStopWhileACancelledJobEnds stops a worker hard while it finds out what became
// of the last writes of a cancelled job.
func TestStopWhileACancelledJobEnds(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		store := &hungStore{Store: f.store}
		f.cfg.Store, f.cfg.Blobs, f.cfg.Jobs = store, deafBlobs{f.blobs}, deafJobs{f.jobs}
		job := f.submit(3000, bulk.DefaultOptions())
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		time.AfterFunc(time.Second, func() {
			_, err := f.importer().Cancel(t.Context(), admin, job.ID)
			assert.NoError(t, err)
			time.Sleep(5 * time.Second)
			stop()
		})
		assert.Error(t, f.worker().RunJob(ctx, job.ID))
		f.cfg.Store = f.store
		_, file := f.finish(job.ID)
		assert.Zero(t, file.Summary.Failed, "the next worker finds out")
	})
}
