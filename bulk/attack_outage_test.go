package bulk_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/bulk"
)

// TestStopInAnOutageFailsNoRow stops a worker gracefully while the store is down.
func TestStopInAnOutageFailsNoRow(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		job := f.submit(2000, bulk.DefaultOptions())
		start := time.Now()
		f.store.hook = func(_ context.Context, w []bulk.Write) []error {
			if since := time.Since(start); since > 100*time.Millisecond && since < time.Minute {
				return same(errReset, len(w))
			}
			return nil
		}
		ctx, stop := context.WithTimeout(t.Context(), 2*time.Second)
		defer stop()
		f.worker().RunJob(ctx, job.ID)
		require.False(t, f.get(job.ID).Status.Ended())
		_, file := f.finish(job.ID)
		assert.Equal(t, bulk.Summary{Created: 2000}, file.Summary)
	})
}
