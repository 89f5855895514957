package bulk_test

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/bulk"
)

// slowPuts takes its time to store a blob.
type slowPuts struct {
	bulk.BlobStore
	takes time.Duration
}

func (b *slowPuts) Put(ctx context.Context, key string, r io.Reader, info bulk.BlobInfo) error {
	if err := sleep(ctx, b.takes); err != nil {
		return err
	}
	return b.BlobStore.Put(ctx, key, r, info)
}

// TestRowsWaitForSlowCheckpoints lets the rows run as far ahead of what is durable
// as they may, and end there: the work goes on once more is durable.
func TestRowsWaitForSlowCheckpoints(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.store.takes = time.Millisecond
		f.cfg.Blobs = &slowPuts{f.blobs, time.Second}
		job := f.submit(2000, bulk.DefaultOptions())
		require.NoError(t, f.worker().RunJob(t.Context(), job.ID))
		done := f.get(job.ID)
		assert.Equal(t, bulk.JobCompleted, done.Status)
		assert.Equal(t, bulk.Summary{Created: 2000}, done.Summary())
		assert.Equal(t, int64(1), done.Token, "one claim is enough")
	})
}

// TestManyInvalidRows has more rows in a row that fail at once than may be between
// their reading and their durability.
func TestManyInvalidRows(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.cfg.Blobs = &slowPuts{f.blobs, time.Second}
		texts := make([]string, 3000)
		for i := range texts {
			texts[i] = `{}`
		}
		job, err := f.importer().Submit(t.Context(), bulk.Request{Principal: admin, Rows: rows(texts...)})
		require.NoError(t, err)
		require.NoError(t, f.worker().RunJob(t.Context(), job.ID))
		done := f.get(job.ID)
		assert.Equal(t, bulk.JobCompleted, done.Status)
		assert.Equal(t, bulk.Summary{Failed: 3000}, done.Summary())
	})
}
