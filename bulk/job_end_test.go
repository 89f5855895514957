package bulk_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/bulk"
)

// lostSaves loses the answers of saves.
type lostSaves struct {
	bulk.JobQueue
	lose  func(change bulk.JobChange) bool
	saves []bulk.JobChange
}

func (q *lostSaves) Save(ctx context.Context, id string, token int64, change bulk.JobChange) (bulk.Job, error) {
	q.saves = append(q.saves, change)
	job, err := q.JobQueue.Save(ctx, id, token, change)
	if err == nil && q.lose(change) {
		return bulk.Job{}, errReset
	}
	return job, err
}

// TestLostAnswerOfTheLastSave ends a job by a call whose answer is lost: the worker
// knows it for its own, and tidies up.
func TestLostAnswerOfTheLastSave(t *testing.T) {
	for _, cancel := range []bool{false, true} {
		bubble(t, func(t *testing.T, f *fixture) {
			f.cfg.Jobs = &lostSaves{JobQueue: f.jobs, lose: func(change bulk.JobChange) bool { return change.End != "" }}
			job := f.submit(150, bulk.DefaultOptions())
			if cancel {
				f.store.hook = func(context.Context, []bulk.Write) []error {
					_, err := f.jobs.Cancel(t.Context(), job.ID, bulk.Cancellation{})
					assert.NoError(t, err)
					f.store.heal()
					return nil
				}
				f.cfg.Parallel = 1
			}
			require.NoError(t, f.worker().RunJob(t.Context(), job.ID))
			assert.True(t, f.get(job.ID).Status.Ended())
			f.tidied(t, job)
		})
	}
}

// TestJobThatAnotherEnded is not taken for its own.
func TestJobThatAnotherEnded(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		job := f.submit(150, bulk.DefaultOptions())
		other := bulk.JobChange{End: bulk.JobFailed, Error: &bulk.JobError{Code: bulk.JobErrorInternal}}
		f.cfg.Jobs = &usurped{f.jobs, other}
		assert.ErrorIs(t, f.worker().RunJob(t.Context(), job.ID), bulk.ErrLeaseLost)
		assert.Contains(t, f.blobs.Keys(), job.Payload[:len(job.Payload)-len("payload")]+"journal/000000", "it is not its to tidy up")
	})
}

// usurped has a job that another ends before its worker does.
type usurped struct {
	bulk.JobQueue
	end bulk.JobChange
}

func (q *usurped) Save(ctx context.Context, id string, token int64, change bulk.JobChange) (bulk.Job, error) {
	if change.End != "" {
		if _, err := q.JobQueue.Save(ctx, id, token, q.end); err != nil && !errors.Is(err, bulk.ErrLeaseLost) {
			return bulk.Job{}, err
		}
	}
	return q.JobQueue.Save(ctx, id, token, change)
}

// TestLeaseIsRenewedWhileRowsTakeLong has a job without a checkpoint in several
// leases: nobody else gets it.
func TestLeaseIsRenewedWhileRowsTakeLong(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.cfg.Lease, f.cfg.SegmentRows, f.cfg.Parallel = 3*time.Second, 5000, 1
		f.store.takes = time.Second
		job := f.submit(500, bulk.DefaultOptions())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			assert.NoError(t, f.worker().RunJob(t.Context(), job.ID))
		}()
		time.Sleep(time.Millisecond)
		for {
			select {
			case <-ended:
				assert.Equal(t, int64(1), f.get(job.ID).Token)
				return
			case <-time.After(100 * time.Millisecond):
			}
			_, err := f.jobs.Claim(t.Context(), bulk.Claim{JobID: job.ID, Lease: time.Second})
			require.ErrorIs(t, err, bulk.ErrNoJob)
		}
	})
}
