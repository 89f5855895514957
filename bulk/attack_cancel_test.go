package bulk_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/bulk"
)

// savedJobs runs a hook before each Save, which may fail it.
type savedJobs struct {
	bulk.JobQueue
	before func(change bulk.JobChange) error
}

func (q *savedJobs) Save(ctx context.Context, id string, token int64, change bulk.JobChange) (bulk.Job, error) {
	if err := q.before(change); err != nil {
		return bulk.Job{}, err
	}
	return q.JobQueue.Save(ctx, id, token, change)
}

// cancelAtFirstCommit cancels the job with its first commit, and keeps all commits
// waiting until the worker has seen that.
func (f *fixture) cancelAtFirstCommit(id string) {
	var once sync.Once
	f.store.hook = func(context.Context, []bulk.Write) []error {
		once.Do(func() {
			_, err := f.importer().Cancel(f.t.Context(), admin, id)
			assert.NoError(f.t, err)
		})
		time.Sleep(2 * time.Second)
		return nil
	}
}

// TestCancelledJobWithMailsStaysCancelled crashes a worker between the last
// results of a cancelled job and its end.
func TestCancelledJobWithMailsStaysCancelled(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		opts := bulk.DefaultOptions()
		opts.SendWelcomeEmail = true
		job := f.submit(3000, opts)
		f.cancelAtFirstCommit(job.ID)
		f.cfg.Jobs = &savedJobs{f.jobs, func(change bulk.JobChange) error {
			if change.End != "" {
				return errDead
			}
			return nil
		}}
		require.Error(t, f.worker().RunJob(t.Context(), job.ID))
		require.False(t, f.get(job.ID).Status.Ended())
		f.cfg.Jobs = f.jobs
		f.store.heal()
		done, file := f.finish(job.ID)
		require.NotZero(t, file.Summary.NotProcessed)
		assert.Equal(t, bulk.JobCancelled, done.Status)
	})
}

// TestStoppedWorkerLeavesMailsOfCancelledJob stops the worker while it sends the
// welcome emails of a cancelled job.
func TestStoppedWorkerLeavesMailsOfCancelledJob(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		opts := bulk.DefaultOptions()
		opts.SendWelcomeEmail = true
		job := f.submit(3000, opts)
		f.cancelAtFirstCommit(job.ID)
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		f.post.hook = func(bulk.Welcome) error { stop(); return nil }
		require.ErrorIs(t, f.worker().RunJob(ctx, job.ID), bulk.ErrJobLeft)
		f.post.hook = nil
		f.store.heal()
		done, file := f.finish(job.ID)
		assert.Equal(t, bulk.JobCancelled, done.Status)
		assert.Equal(t, file.Summary.Created, len(f.post.sent), "each created user has its email")
	})
}

// TestRowNotProcessedIsNotAppliedLater cancels a job whose decisions are written
// down and not yet carried out, and crashes while its results are made durable.
func TestRowNotProcessedIsNotAppliedLater(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.cfg.SegmentRows = 10
		texts := make([]string, 40)
		for i := range texts {
			texts[i] = fmt.Sprintf(`{"userId":"u%d"}`, i)
		}
		texts[9], texts[10] = `{"userId":"x","customFields":{"a":1}}`, `{"userId":"x","customFields":{"b":2}}`
		opts := bulk.DefaultOptions()
		opts.SendWelcomeEmail = true
		job, err := f.importer().Submit(t.Context(), bulk.Request{Principal: admin, Rows: rows(texts...), Options: opts})
		require.NoError(t, err)
		var once sync.Once
		f.cfg.Blobs = &hookedBlobs{f.blobs, func(op, key string) error {
			if op == "Put" && strings.Contains(key, "/journal/") {
				once.Do(func() {
					_, err := f.importer().Cancel(t.Context(), admin, job.ID)
					assert.NoError(t, err)
					time.Sleep(3 * time.Second)
				})
			}
			return nil
		}}
		saves := 0
		f.cfg.Jobs = &savedJobs{f.jobs, func(change bulk.JobChange) error {
			if change.Progress != nil {
				if saves++; saves > 1 {
					return errDead
				}
			}
			return nil
		}}
		f.worker().RunJob(t.Context(), job.ID)
		require.False(t, f.get(job.ID).Status.Ended())
		f.cfg.Blobs, f.cfg.Jobs = f.blobs, f.jobs
		_, file := f.finish(job.ID)
		_, exists := f.mem.Get(tenant, "x")
		assert.Equal(t, exists, file.Results[9].Status == bulk.StatusCreated, "row 9 is %s", file.Results[9].Status)
	})
}
