package bulk_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/bulk"
)

// fleet starts n workers, and returns what stops them.
func (f *fixture) fleet(t *testing.T, n int) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for range n {
		w := f.worker()
		running.Go(func() { assert.NoError(t, w.Run(ctx)) })
	}
	return func() {
		cancel()
		running.Wait()
	}
}

// TestFleet measures in virtual time what many jobs take with 1, 2 and 4 workers,
// each of which has its own calls to the store, queue and blobs, of 100 ms.
func TestFleet(t *testing.T) {
	const (
		jobs, rows = 48, 500
		takes      = 100 * time.Millisecond
	)
	took := map[int]time.Duration{}
	for _, n := range []int{1, 2, 4} {
		bubble(t, func(t *testing.T, f *fixture) {
			wait := func(string) error { return sleep(t.Context(), takes) }
			ids := make([]string, jobs)
			for i := range ids {
				users := make([]bulk.User, rows)
				for k := range users {
					users[k].ID = fmt.Sprintf("u%d-%d", i, k)
				}
				job, err := f.importer().Submit(t.Context(), request(users...))
				require.NoError(t, err)
				ids[i] = job.ID
			}
			f.cfg.Blobs = latentBlobs{f.blobs, takes}
			f.cfg.Jobs = &hookedJobs{JobQueue: f.jobs, before: wait}
			f.store.takes = takes
			begun := time.Now()
			stop := f.fleet(t, n)
			last := begun
			for _, id := range ids {
				for !f.get(id).Status.Ended() {
					time.Sleep(time.Millisecond)
				}
				job := f.get(id)
				assert.Equal(t, rows, job.Summary().Created)
				if job.CompletedAt.After(last) {
					last = job.CompletedAt
				}
			}
			took[n] = last.Sub(begun)
			stop()
		})
	}
	t.Logf("%d jobs: %v with 1 worker, %v with 2 (%.2f times as fast), %v with 4 (%.2f)", jobs,
		took[1], took[2], took[1].Seconds()/took[2].Seconds(), took[4], took[1].Seconds()/took[4].Seconds())
	t.Attr("speed-up-of-2", fmt.Sprintf("%.2f", took[1].Seconds()/took[2].Seconds()))
	t.Attr("speed-up-of-4", fmt.Sprintf("%.2f", took[1].Seconds()/took[4].Seconds()))
	assert.GreaterOrEqual(t, took[1].Seconds()/took[2].Seconds(), 1.9)
	assert.GreaterOrEqual(t, took[1].Seconds()/took[4].Seconds(), 3.6)
}

// TestManyJobsOfOneTenantHoldUpNoOther has 2,000 jobs of one tenant wait when
// another makes one: it is the next but one at most.
func TestManyJobsOfOneTenantHoldUpNoOther(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		im := f.importer()
		for i := range 2000 {
			_, err := im.Submit(ctx, request(bulk.User{ID: fmt.Sprintf("u%d", i)}))
			require.NoError(t, err)
		}
		begun := time.Now()
		w := f.worker()
		_, err := w.RunNext(ctx)
		require.NoError(t, err)
		one := time.Since(begun)
		stop := f.fleet(t, 1)
		defer stop()
		time.Sleep(one / 2) // the worker is in the middle of a job
		small := request(bulk.User{ID: "u"})
		small.Principal.Tenant = "another"
		job, err := im.Submit(ctx, small)
		require.NoError(t, err)
		made := time.Now()
		for {
			now, err := im.Job(ctx, small.Principal, job.ID)
			require.NoError(t, err)
			if now.Status.Ended() {
				break
			}
			time.Sleep(time.Millisecond)
		}
		assert.LessOrEqual(t, time.Since(made), 2*one+time.Millisecond, "it waits for the rest of one job, and then takes as long itself")
	})
}
