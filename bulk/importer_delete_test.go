package bulk_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/bulk"
)

// Nothing is left of a job that was deleted, wherever its workers died.
func TestDeleteLeavesNothing(t *testing.T) {
	for dieAt, calls := 1, 1; dieAt <= calls; dieAt += 2 {
		bubble(t, func(t *testing.T, f *fixture) {
			name := fmt.Sprintf("death at call %d", dieAt)
			f.cfg.SegmentRows = 20
			job := f.submit(60, bulk.Options{Upsert: true, SendWelcomeEmail: true})
			c := &chaos{rand: rand.New(rand.NewPCG(5, uint64(dieAt))), dieAt: dieAt, applied: true}
			cfg := f.cfg
			cfg.Store, cfg.Blobs, cfg.Jobs = chaosStore{f.mem, c}, chaosBlobs{f.blobs, c}, chaosJobs{f.jobs, c}
			w, err := bulk.NewWorker(cfg)
			require.NoError(t, err)
			_ = w.RunJob(t.Context(), job.ID)
			calls = max(calls, c.calls)
			time.Sleep(time.Hour)
			if job := f.get(job.ID); !job.Status.Ended() {
				assert.ErrorIs(t, f.importer().Delete(t.Context(), admin, job.ID), bulk.ErrJobNotEnded, name)
			}
			f.finish(job.ID)
			require.NoError(t, f.importer().Delete(t.Context(), admin, job.ID), name)
			assert.Empty(t, f.blobs.Keys(), name)
			_, err = f.importer().Job(t.Context(), admin, job.ID)
			assert.ErrorIs(t, err, bulk.ErrJobNotFound, name)
		})
	}
}

// Workers that could not remove what they left behind leave it to Delete, that of
// earlier claims included.
func TestDeleteRemovesWhatWorkersLeft(t *testing.T) {
	for _, dieAt := range []int{0, 10, 20, 30} {
		bubble(t, func(t *testing.T, f *fixture) {
			f.cfg.SegmentRows, f.cfg.Blobs = 20, &fewDeletes{BlobStore: f.blobs}
			job := f.submit(60, bulk.Options{Upsert: true, SendWelcomeEmail: true})
			c := &chaos{rand: rand.New(rand.NewPCG(5, 5)), dieAt: dieAt, applied: true}
			cfg := f.cfg
			cfg.Store, cfg.Blobs, cfg.Jobs = chaosStore{f.mem, c}, chaosBlobs{f.cfg.Blobs, c}, chaosJobs{f.jobs, c}
			w, err := bulk.NewWorker(cfg)
			require.NoError(t, err)
			_ = w.RunJob(t.Context(), job.ID)
			time.Sleep(time.Hour)
			f.finish(job.ID)
			require.Greater(t, len(f.blobs.Keys()), 5)
			f.cfg.Blobs = f.blobs
			require.NoError(t, f.importer().Delete(t.Context(), admin, job.ID))
			assert.Empty(t, f.blobs.Keys(), "death at call %d", dieAt)
		})
	}
}

func TestDeleteOfAPendingJobThatWasCancelled(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		job := f.submit(30, bulk.DefaultOptions())
		_, err := f.importer().Cancel(t.Context(), admin, job.ID)
		require.NoError(t, err)
		require.NoError(t, f.importer().Delete(t.Context(), admin, job.ID))
		f.clean(t)
	})
}

// fewDeletes is a blob store that fails to delete once it has deleted as many as are
// left.
type fewDeletes struct {
	bulk.BlobStore
	left atomic.Int32
}

func (b *fewDeletes) Delete(ctx context.Context, key string) error {
	if b.left.Add(-1) < 0 {
		return bulk.Permanent(errors.New("access denied"))
	}
	return b.BlobStore.Delete(ctx, key)
}

// A job is there as long as any of its blobs may be, so that its owner can try again.
func TestDeleteThatFailsCanBeRepeated(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		job := f.submit(30, bulk.DefaultOptions())
		f.finish(job.ID)
		cfg := f.cfg
		cfg.Blobs = &fewDeletes{BlobStore: f.blobs}
		im, err := bulk.NewImporter(cfg)
		require.NoError(t, err)
		require.Error(t, im.Delete(t.Context(), admin, job.ID))
		assert.Equal(t, bulk.JobCompleted, f.get(job.ID).Status)
		require.NoError(t, f.importer().Delete(t.Context(), admin, job.ID))
		assert.Empty(t, f.blobs.Keys())
	})
}
