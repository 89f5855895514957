package bulk_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/bulk"
)

// TestRowThatFailedIsNotAppliedLater fails the first row of an entry whose rows are
// in two segments, crashes once that result is durable, and lets the store work.
func TestRowThatFailedIsNotAppliedLater(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.cfg.SegmentRows, f.cfg.CallTimeout = bulk.MaxBatch-1, time.Hour
		require.NoError(t, f.mem.Put(tenant, bulk.User{ID: "x"}))
		var texts []string
		for i := range bulk.MaxBatch - 2 {
			texts = append(texts, fmt.Sprintf(`{"userId":"u%d"}`, i))
		}
		texts = append(texts, `{"userId":"x","customFields":{"a":1}}`, `{"userId":"x","customFields":{"b":2}}`)
		for i := range 30 { // in batches of which the first takes its time
			texts = append(texts, fmt.Sprintf(`{"userId":"v%d"}`, i))
		}
		job, err := f.importer().Submit(t.Context(), bulk.Request{Principal: admin, Rows: rows(texts...), Options: bulk.DefaultOptions()})
		require.NoError(t, err)
		var failed atomic.Int64
		f.failWrites(func(w bulk.Write) error {
			if w.User.ID == "x" {
				failed.Add(1)
				return errReset
			}
			if w.User.ID == "v0" {
				time.Sleep(2 * time.Minute)
			}
			return nil
		})
		f.cfg.Blobs = &hookedBlobs{f.blobs, func(op, key string) error {
			if op == "Put" && strings.Contains(key, "/journal/") && failed.Load() > 0 {
				time.Sleep(5 * time.Second) // the checkpoint is faster
				return errDead
			}
			return nil
		}}
		f.cfg.Jobs = &savedJobs{f.jobs, func(change bulk.JobChange) error {
			if change.End != "" {
				return errDead
			}
			return nil
		}}
		require.Error(t, f.worker().RunJob(t.Context(), job.ID))
		f.cfg.Blobs, f.cfg.Jobs = f.blobs, f.jobs
		f.store.heal()
		_, file := f.finish(job.ID)
		x, _ := f.mem.Get(tenant, "x")
		if file.Results[bulk.MaxBatch-2].Status == bulk.StatusFailed {
			assert.NotContains(t, x.CustomFields.String(), `"a"`, "its row has failed")
		} else {
			assert.Equal(t, `{"a":1,"b":2}`, x.CustomFields.String())
		}
	})
}

// TestRefusedCreateIsKnownToASuccessor stops a worker when a create was refused,
// since another user had the address, and nothing took its place yet. The next
// claim knows that it was refused: the row is decided afresh.
func TestRefusedCreateIsKnownToASuccessor(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.mem.Put(tenant, bulk.User{ID: "a", Email: "x@x.io"}))
		job, err := f.importer().Submit(t.Context(), bulk.Request{
			Principal: admin, Options: bulk.DefaultOptions(),
			Rows: rows(`{"userId":"a","email":"x@x.io","customFields":{"n":1}}`, `{"email":"y@x.io","customFields":{"n":2}}`),
		})
		require.NoError(t, err)
		var taken sync.Once
		f.store.hook = func(context.Context, []bulk.Write) []error {
			taken.Do(func() { assert.NoError(t, f.mem.Put(tenant, bulk.User{ID: "a", Email: "y@x.io"})) })
			return nil
		}
		running, stop := context.WithCancel(t.Context())
		defer stop()
		f.cfg.Blobs = &hookedBlobs{f.blobs, func(op, key string) error {
			if op == "Put" && strings.HasSuffix(key, "/journal/000001") {
				stop()
				synctest.Wait()
			}
			return nil
		}}
		require.ErrorIs(t, f.worker().RunJob(running, job.ID), bulk.ErrJobLeft)
		f.cfg.Blobs = f.blobs
		f.store.heal()
		_, file := f.finish(job.ID)
		assert.Equal(t, []string{"updated", "created"}, codes(file.Results))
		user, _ := f.mem.Get(tenant, "a")
		assert.Equal(t, "x@x.io", user.Email)
	})
}
