package bulk_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/bulk"
)

func TestRunJobSaysHowTheJobStands(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		err := f.worker().RunJob(t.Context(), "job_none")
		assert.ErrorIs(t, err, bulk.ErrNoJob)
		assert.ErrorIs(t, err, bulk.ErrJobNotFound)

		job := f.submit(150, bulk.DefaultOptions())
		held, err := f.jobs.Claim(t.Context(), bulk.Claim{JobID: job.ID, Lease: time.Minute})
		require.NoError(t, err)
		err = f.worker().RunJob(t.Context(), job.ID)
		assert.ErrorIs(t, err, bulk.ErrNoJob)
		assert.NotErrorIs(t, err, bulk.ErrJobEnded)
		assert.NotErrorIs(t, err, bulk.ErrJobNotFound)
		_, err = f.jobs.Save(t.Context(), job.ID, held.Token, bulk.JobChange{})
		require.NoError(t, err)

		assert.NoError(t, f.worker().RunJob(t.Context(), job.ID))
		err = f.worker().RunJob(t.Context(), job.ID)
		assert.ErrorIs(t, err, bulk.ErrNoJob)
		assert.ErrorIs(t, err, bulk.ErrJobEnded)
	})
}

// TestOneOfManyRunsAJob asks many workers at once for one job.
func TestOneOfManyRunsAJob(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		job := f.submit(500, bulk.DefaultOptions())
		errs := make([]error, 8)
		var group sync.WaitGroup
		for i := range errs {
			group.Go(func() { errs[i] = f.worker().RunJob(t.Context(), job.ID) })
		}
		group.Wait()
		ran := 0
		for _, err := range errs {
			if err == nil {
				ran++
				continue
			}
			assert.ErrorIs(t, err, bulk.ErrNoJob)
		}
		assert.Equal(t, 1, ran)
		done := f.get(job.ID)
		assert.Equal(t, int64(1), done.Token)
		assert.Equal(t, 500, f.results(done).Summary.Created)
	})
}

// TestDeadline gives a worker less time than its job takes, again and again. It has
// stopped by then, what it did is kept, and the next can go on at once.
func TestDeadline(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.cfg.StopGrace = 2 * time.Second
		f.store.takes = 100 * time.Millisecond
		job := f.submit(10_000, bulk.DefaultOptions())
		rows, calls := 0, 0
		for ; ; calls++ {
			ctx, cancel := context.WithTimeout(t.Context(), 6*time.Second)
			deadline, _ := ctx.Deadline()
			id, err := f.worker().RunNext(ctx)
			cancel()
			assert.Equal(t, job.ID, id)
			assert.False(t, time.Now().After(deadline))
			if err == nil {
				break
			}
			require.ErrorIs(t, err, bulk.ErrJobLeft)
			left := f.get(job.ID)
			assert.Greater(t, left.Progress.Rows, rows, "it is not done again")
			rows = left.Progress.Rows
		}
		assert.Greater(t, calls, 2)
		done := f.get(job.ID)
		assert.Equal(t, int64(calls+1), done.Token)
		assert.Equal(t, 10_000, f.results(done).Summary.Created)
	})
}

// TestDeadlineOfSilentStore has a store that does not answer and does not mind its
// context: the deadline is kept all the same, by leaving the call behind.
func TestDeadlineOfSilentStore(t *testing.T) {
	for _, left := range []time.Duration{time.Second, 15 * time.Second, time.Minute} {
		bubble(t, func(t *testing.T, f *fixture) {
			silent := make(chan struct{})
			defer close(silent)
			f.store.hook = func(context.Context, []bulk.Write) []error { <-silent; return nil }
			job := f.submit(150, bulk.DefaultOptions())
			ctx, cancel := context.WithTimeout(t.Context(), left)
			defer cancel()
			require.Error(t, f.worker().RunJob(ctx, job.ID))
			assert.NoError(t, ctx.Err(), "there is time left of %v", left)
		})
	}
}

// TestLittleTime uses half of what there is.
func TestLittleTime(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.store.takes = 100 * time.Millisecond
		job := f.submit(5000, bulk.DefaultOptions())
		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
		defer cancel()
		begun := time.Now()
		require.ErrorIs(t, f.worker().RunJob(ctx, job.ID), bulk.ErrJobLeft)
		assert.GreaterOrEqual(t, time.Since(begun), 2*time.Second)
		assert.NoError(t, ctx.Err())
		assert.Positive(t, f.get(job.ID).Progress.Rows)
	})
}

func TestRunNext(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		var want []string
		for range 3 {
			want = append(want, f.submit(120, bulk.DefaultOptions()).ID)
			time.Sleep(time.Millisecond) // ids rise with time
		}
		for _, job := range want {
			id, err := f.worker().RunNext(t.Context())
			assert.NoError(t, err)
			assert.Equal(t, job, id)
			assert.Equal(t, bulk.JobCompleted, f.get(id).Status)
		}
		id, err := f.worker().RunNext(t.Context())
		assert.ErrorIs(t, err, bulk.ErrNoJob)
		assert.Empty(t, id)
	})
}
