package bulk_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/bulk"
)

// slowDeletes takes its time to remove a blob.
type slowDeletes struct {
	bulk.BlobStore
	takes time.Duration
}

func (b *slowDeletes) Delete(ctx context.Context, key string) error {
	if err := sleep(ctx, b.takes); err != nil {
		return err
	}
	return b.BlobStore.Delete(ctx, key)
}

// TestEndedJobIsTidied takes longer to remove the blobs of an ended job than the
// worker waits before it asks for the job again.
func TestEndedJobIsTidied(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.cfg.Blobs = &slowDeletes{f.blobs, 2 * time.Second}
		job := f.submit(2000, bulk.DefaultOptions())
		require.NoError(t, f.worker().RunJob(t.Context(), job.ID))
		done := f.get(job.ID)
		assert.Len(t, f.blobs.Keys(), 2, "the payload and the results of %s", done.ID)
	})
}
