package bulk_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/bulk"
)

// A queue that is wrapped still counts, if the wrapper lets it.
func TestCountJobs(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		job := f.submit(200, bulk.DefaultOptions())
		time.Sleep(time.Minute)
		f.submit(200, bulk.DefaultOptions())
		want := bulk.JobCounts{Ready: 2, OldestReady: job.CreatedAt}
		for _, queue := range []bulk.JobQueue{f.jobs, &claimCounter{JobQueue: f.jobs}} {
			counts, err := bulk.CountJobs(t.Context(), queue)
			require.NoError(t, err)
			assert.Equal(t, want, counts)
		}
		_, err := bulk.CountJobs(t.Context(), struct{ bulk.JobQueue }{f.jobs})
		assert.ErrorIs(t, err, errors.ErrUnsupported)
	})
}
