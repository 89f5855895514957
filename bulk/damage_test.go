package bulk_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/bulk"
)

// TestJournalThatCannotBeRead has a chunk that is damaged: the job ends, and says of
// no row that it was not applied which may have been.
func TestJournalThatCannotBeRead(t *testing.T) {
	for _, cancelled := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(t)
			job := f.submit(250, bulk.DefaultOptions())
			c := newChaos(1)
			c.dieAt, c.applied = 22, true
			cfg := f.cfg
			cfg.Store, cfg.Blobs, cfg.Jobs = chaosStore{f.mem, c}, chaosBlobs{f.blobs, c}, chaosJobs{f.jobs, c}
			w, err := bulk.NewWorker(cfg)
			require.NoError(t, err)
			require.Error(t, w.RunJob(t.Context(), job.ID))
			require.NotZero(t, f.mem.Len(tenant), "something was written")
			chunk := ""
			for _, key := range f.blobs.Keys() {
				if strings.Contains(key, "/journal/") {
					chunk = key
				}
			}
			require.NotEmpty(t, chunk)
			require.NoError(t, f.blobs.Delete(t.Context(), chunk))
			require.NoError(t, f.blobs.Put(t.Context(), chunk, strings.NewReader("{damaged"), bulk.BlobInfo{}))
			if cancelled {
				_, err := f.importer().Cancel(t.Context(), admin, job.ID)
				require.NoError(t, err)
			}
			for range 10 {
				time.Sleep(10 * time.Minute)
				f.worker().RunJob(t.Context(), job.ID)
			}
			done := f.get(job.ID)
			assert.Equal(t, bulk.JobFailed, done.Status)
			assert.Equal(t, bulk.JobErrorInternal, done.Error.Code)
			file := f.results(done)
			assert.Equal(t, 250, file.Summary.Failed+file.Summary.Created)
			for _, r := range file.Results[file.Summary.Created:] {
				assert.Equal(t, bulk.CodeOutcomeUnknown, r.Errors[0].Code, "row %d", r.Index)
			}
		})
	}
}
