package bulk_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
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

// latency is how long each call to a store or queue takes.
const latency = 10 * time.Millisecond

// latentBlobs takes a while for each call, like [slowStore].
type latentBlobs struct {
	bulk.BlobStore
	takes time.Duration
}

func (b latentBlobs) Put(ctx context.Context, key string, r io.Reader, info bulk.BlobInfo) error {
	if err := sleep(ctx, b.takes); err != nil {
		return err
	}
	return b.BlobStore.Put(ctx, key, r, info)
}

func (b latentBlobs) Get(ctx context.Context, key string) (io.ReadCloser, error) {
	if err := sleep(ctx, b.takes); err != nil {
		return nil, err
	}
	return b.BlobStore.Get(ctx, key)
}

// TestJobOverhead measures in virtual time what a job of 10,000 users takes from
// its claim to its end, against two bare loops with the same number of calls to the
// store in parallel: one of these calls alone, and one with the four calls around
// them that no job can do without: the claim, the reading of the payload, the
// writing of the results, and the end.
func TestJobOverhead(t *testing.T) {
	for _, test := range []struct {
		parallel    int
		blobs       time.Duration
		alone, most float64 // what is reached, a call or two of slack included
	}{
		{8, latency, 1.06, 1.02}, {32, latency, 1.16, 1.01},
		{8, 4 * latency, 1.15, 1.04}, {32, 4 * latency, 1.39, 1.01},
	} {
		t.Run(fmt.Sprintf("%d/%v", test.parallel, test.blobs), func(t *testing.T) {
			bare := bareLoop(t, test.parallel)
			whole := bare + 2*latency + 2*test.blobs
			// Where chunks are cut depends on which goroutine comes first, so the
			// best of a few is what the journal costs.
			jobs := make([]time.Duration, 5)
			calls := make(map[string][]int)
			for i := range jobs {
				counter := &callCounter{of: make(map[string]int)}
				jobs[i] = latentJob(t, test.parallel, test.blobs, counter)
				for _, of := range []string{"JobQueue.Get", "JobQueue.Save", "BlobStore.Put", "BlobStore.Get"} {
					calls[of] = append(calls[of], counter.of[of])
				}
			}
			job := slices.Min(jobs)
			for of, counts := range calls {
				t.Attr(of, fmt.Sprint(middle(counts)))
			}
			alone, ratio := job.Seconds()/bare.Seconds(), job.Seconds()/whole.Seconds()
			t.Logf("%d in parallel, blobs %v: job %v; bare loop %v, ratio %.3f; with the calls around it %v, ratio %.3f; %.0f users/s",
				test.parallel, test.blobs, job, bare, alone, whole, ratio, latentRows/job.Seconds())
			t.Attr("job/loop", fmt.Sprintf("%.3f", middle(jobs).Seconds()/bare.Seconds()))
			assert.LessOrEqual(t, alone, test.alone)
			assert.LessOrEqual(t, ratio, test.most)
		})
	}
}

// TestShortJobSavesItsEndAlone: a job that is through within a second writes no
// segments, and its record once.
func TestShortJobSavesItsEndAlone(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.cfg.SegmentRows = 10
		job := f.submit(1000, bulk.DefaultOptions())
		saves := 0
		f.cfg.Jobs = &hookedJobs{JobQueue: f.jobs, before: func(op string) error {
			if op == "Save" {
				saves++
				for _, key := range f.blobs.Keys() {
					assert.NotContains(t, key, "/segments/")
				}
			}
			return nil
		}}
		require.NoError(t, f.worker().RunJob(t.Context(), job.ID))
		assert.Equal(t, 1, saves)
		assert.Equal(t, 1000, f.results(f.get(job.ID)).Summary.Created)
	})
}

const latentRows = 10_000

// bareLoop looks up and commits users in batches, and nothing else.
func bareLoop(t *testing.T, parallel int) (took time.Duration) {
	synctest.Test(t, func(t *testing.T) {
		store := &slowStore{Store: memstore.New(), takes: latency}
		start := time.Now()
		group, ctx := errgroup.WithContext(t.Context())
		group.SetLimit(parallel)
		for users := range slices.Chunk(people(latentRows), bulk.MaxBatch) {
			group.Go(func() error {
				refs, writes := make([]bulk.Ref, len(users)), make([]bulk.Write, len(users))
				for i, user := range users {
					user.ID = cmp.Or(user.ID, user.Email)
					refs[i], writes[i] = bulk.Ref{ID: user.ID, Email: user.Email}, bulk.Write{User: user}
				}
				if _, err := store.Lookup(ctx, tenant, refs); err != nil {
					return err
				}
				return errors.Join(store.Commit(ctx, tenant, writes)...)
			})
		}
		require.NoError(t, group.Wait())
		took = time.Since(start)
	})
	return took
}

// A callCounter is an observer that counts calls to backends.
type callCounter struct {
	mu sync.Mutex
	of map[string]int
}

func (c *callCounter) Begin(ctx context.Context, _ bulk.Event) context.Context { return ctx }

func (c *callCounter) End(_ context.Context, e bulk.Event) {
	if call, ok := e.(*bulk.CallEvent); ok {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.of[call.Backend+"."+call.Operation]++
	}
}

// latentJob runs a job from its claim to its end.
func latentJob(t *testing.T, parallel int, blobs time.Duration, counter *callCounter) (took time.Duration) {
	synctest.Test(t, func(t *testing.T) {
		wait := func(string) error { return sleep(t.Context(), latency) }
		cfg := bulk.Config{
			Store: &slowStore{Store: memstore.New(), takes: latency}, Blobs: latentBlobs{memblob.New(), blobs},
			Jobs: &hookedJobs{JobQueue: memjobs.New(), before: wait}, Parallel: parallel, Observer: counter,
		}
		im, err := bulk.NewImporter(cfg)
		require.NoError(t, err)
		w, err := bulk.NewWorker(cfg)
		require.NoError(t, err)
		submitted, err := im.Submit(t.Context(), request(people(latentRows)...))
		require.NoError(t, err)
		start := time.Now()
		counter.of = make(map[string]int) // without those of the request
		require.NoError(t, w.RunJob(t.Context(), submitted.ID))
		done, err := im.Job(t.Context(), admin, submitted.ID)
		require.NoError(t, err)
		assert.Equal(t, bulk.Summary{Created: latentRows}, done.Summary())
		took = done.CompletedAt.Sub(start)
	})
	return took
}

// TestBatchesOfAJobAreBounded: where the journal takes long, batches that wait for it are not
// to fill the memory.
func TestBatchesOfAJobAreBounded(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		batches := &batchCounter{}
		f.cfg.Observer, f.cfg.Parallel = batches, 2
		job := f.submit(2000, bulk.DefaultOptions())
		f.cfg.Blobs = latentBlobs{f.blobs, time.Second}
		require.NoError(t, f.worker().RunJob(t.Context(), job.ID))
		assert.Equal(t, 2000, f.results(f.get(job.ID)).Summary.Created)
		assert.Equal(t, 24, batches.most, "of 80")
	})
}
