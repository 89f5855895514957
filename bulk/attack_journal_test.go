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
		f.cfg.SegmentRows = 10
		require.NoError(t, f.mem.Put(tenant, bulk.User{ID: "x"}))
		var texts []string
		for i := range 9 {
			texts = append(texts, fmt.Sprintf(`{"userId":"u%d"}`, i))
		}
		texts = append(texts, `{"userId":"x","customFields":{"a":1}}`, `{"userId":"x","customFields":{"b":2}}`)
		job, err := f.importer().Submit(t.Context(), &bulk.Request{Principal: admin, Rows: rows(texts...), Options: bulk.DefaultOptions()})
		require.NoError(t, err)
		var failed atomic.Int64
		f.failWrites(func(w bulk.Write) error {
			if w.User.ID == "x" {
				failed.Add(1)
				return errReset
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
		require.Error(t, f.worker().RunJob(t.Context(), job.ID))
		f.cfg.Blobs, f.store.hook = f.blobs, nil
		_, file := f.finish(job.ID)
		x, _ := f.mem.Get(tenant, "x")
		if file.Results[9].Status == bulk.StatusFailed {
			assert.Equal(t, `{"b":2}`, x.CustomFields.String(), "row 9 has failed")
		} else {
			assert.Equal(t, `{"a":1,"b":2}`, x.CustomFields.String())
		}
	})
}
