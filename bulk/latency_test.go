package bulk_test

import (
	"context"
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/bulkops/bulkops/blob/memblob"
	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/jobs/memjobs"
	"github.com/bulkops/bulkops/store/memstore"
)

// latency is how long each call to a backend takes.
const latency = 10 * time.Millisecond

// latentBlobs takes a while for each call, like [slowStore].
type latentBlobs struct{ bulk.BlobStore }

func (b latentBlobs) Put(ctx context.Context, key string, r io.Reader, info bulk.BlobInfo) error {
	if err := sleep(ctx, latency); err != nil {
		return err
	}
	return b.BlobStore.Put(ctx, key, r, info)
}

func (b latentBlobs) Get(ctx context.Context, key string) (io.ReadCloser, error) {
	if err := sleep(ctx, latency); err != nil {
		return nil, err
	}
	return b.BlobStore.Get(ctx, key)
}

// TestJobOverhead measures in virtual time what a job of 10,000 users takes when
// every call to a backend takes 10 ms, against a bare loop of the same calls to the
// store with the same number in parallel.
func TestJobOverhead(t *testing.T) {
	const rows = 10_000
	for _, test := range []struct {
		parallel   int
		goal, most float64 // most guards what is reached, a call or two of slack included
	}{{8, 1.05, 1.08}, {32, 1.16, 1.32}} {
		t.Run(fmt.Sprint(test.parallel), func(t *testing.T) {
			var bare, job time.Duration
			synctest.Test(t, func(t *testing.T) {
				store := &slowStore{Store: memstore.New(), takes: latency}
				users := people(rows)
				start := time.Now()
				group, ctx := errgroup.WithContext(t.Context())
				group.SetLimit(test.parallel)
				for first := 0; first < rows; first += bulk.MaxBatch {
					group.Go(func() error {
						refs, writes := make([]bulk.Ref, bulk.MaxBatch), make([]bulk.Write, bulk.MaxBatch)
						for i, user := range users[first : first+bulk.MaxBatch] {
							if user.ID == "" {
								user.ID = user.Email
							}
							refs[i], writes[i] = bulk.Ref{ID: user.ID, Email: user.Email}, bulk.Write{User: user}
						}
						if _, err := store.Lookup(ctx, tenant, refs); err != nil {
							return err
						}
						for _, err := range store.Commit(ctx, tenant, writes) {
							if err != nil {
								return err
							}
						}
						return nil
					})
				}
				require.NoError(t, group.Wait())
				bare = time.Since(start)
			})
			synctest.Test(t, func(t *testing.T) {
				wait := func(string) error { return sleep(t.Context(), latency) }
				cfg := bulk.Config{
					Store: &slowStore{Store: memstore.New(), takes: latency}, Blobs: latentBlobs{memblob.New()},
					Jobs: &hookedJobs{JobQueue: memjobs.New(), before: wait}, Parallel: test.parallel,
				}
				im, err := bulk.NewImporter(cfg)
				require.NoError(t, err)
				w, err := bulk.NewWorker(cfg)
				require.NoError(t, err)
				submitted, err := im.Submit(t.Context(), request(people(rows)...))
				require.NoError(t, err)
				start := time.Now()
				require.NoError(t, w.RunJob(t.Context(), submitted.ID))
				took := time.Since(start)
				done, err := im.Job(t.Context(), admin, submitted.ID)
				require.NoError(t, err)
				assert.Equal(t, bulk.Summary{Created: rows}, done.Summary())
				job = took
			})
			ratio := job.Seconds() / bare.Seconds()
			t.Logf("%d in parallel: job %v, bare loop %v, ratio %.3f (goal %.2f), %.0f users/s",
				test.parallel, job, bare, ratio, test.goal, rows/job.Seconds())
			assert.LessOrEqual(t, ratio, test.most)
		})
	}
}
