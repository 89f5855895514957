package bulk_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/bulk"
)

// TestRowThatFailedIsNotAppliedLater fails the first row of an entry whose rows are
// in two segments, crashes once that result is durable, and lets the store work.
func TestRowThatFailedIsNotAppliedLater(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.cfg.SegmentRows = bulk.MaxBatch - 1
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
				time.Sleep(25 * time.Second)
			}
			return nil
		})
		f.cfg.Blobs = &hookedBlobs{f.blobs, func(op, key string) error {
			if op == "Put" && strings.Contains(key, "/journal/") && failed.Load() > 0 {
				time.Sleep(time.Second) // the checkpoint is faster
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
