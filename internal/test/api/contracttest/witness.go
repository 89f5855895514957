package contracttest

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"

	"github.com/bulkops/bulkops/bulk"
)

// A witness sees what is asked of the backends. It signs no URLs, keeps no
// idempotency keys and tells nobody of new jobs.
type witness struct {
	Backends
	commits atomic.Int64 // calls of Commit
	batch   atomic.Int64 // the most elements of one call of the store

	mu   sync.Mutex
	jobs []string // ids of jobs that were created, or were to be
	keys []string // keys of blobs that were put, or were to be
}

// witnessed makes a world whose backends are seen by the witness.
func witnessed(s *suite) (*witness, change) {
	v := &witness{Backends: s.backends}
	return v, func(s *setup) {
		s.bulk.Store, s.bulk.Blobs, s.bulk.Jobs = witnessStore{v.Store, v}, witnessBlobs{v.Blobs, v}, witnessJobs{v.Jobs, v}
	}
}

// runWitnessed runs a case in a world of its own, with a witness.
func (s *suite) runWitnessed(name string, test func(*world, *witness), changes ...change) {
	s.Helper()
	v, watch := witnessed(s)
	s.run(name, func(w *world) { test(w, v) }, append(changes, watch)...)
}

// sawNothing checks the promise for a request that is refused: it has written
// nothing, created no job and left no blob behind.
func (v *witness) sawNothing(w *world, a *answer) {
	w.Helper()
	if n := v.commits.Load(); n != 0 {
		a.errorf("a refused request has committed %d times", n)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, id := range v.jobs {
		if _, err := v.Jobs.Get(w.ctx, id); !errors.Is(err, bulk.ErrJobNotFound) {
			a.errorf("a refused request has created a job")
		}
	}
	for _, key := range v.keys {
		r, err := v.Blobs.Get(w.ctx, key)
		if err == nil {
			r.Close()
		}
		if !errors.Is(err, bulk.ErrBlobNotFound) {
			a.errorf("a refused request has left a blob behind")
		}
	}
}

type witnessStore struct {
	bulk.Store
	v *witness
}

func (s witnessStore) Lookup(ctx context.Context, tenant string, refs []bulk.Ref) ([]bulk.Found, error) {
	s.v.saw(len(refs))
	return s.Store.Lookup(ctx, tenant, refs)
}

func (s witnessStore) Commit(ctx context.Context, tenant string, writes []bulk.Write) []error {
	s.v.commits.Add(1)
	s.v.saw(len(writes))
	return s.Store.Commit(ctx, tenant, writes)
}

func (v *witness) saw(elements int) {
	for {
		most := v.batch.Load()
		if int64(elements) <= most || v.batch.CompareAndSwap(most, int64(elements)) {
			return
		}
	}
}

type witnessBlobs struct {
	bulk.BlobStore
	v *witness
}

func (b witnessBlobs) Put(ctx context.Context, key string, r io.Reader, info bulk.BlobInfo) error {
	b.v.mu.Lock()
	b.v.keys = append(b.v.keys, key)
	b.v.mu.Unlock()
	return b.BlobStore.Put(ctx, key, r, info)
}

type witnessJobs struct {
	bulk.JobQueue
	v *witness
}

func (q witnessJobs) Create(ctx context.Context, job bulk.JobSpec) error {
	q.v.mu.Lock()
	q.v.jobs = append(q.v.jobs, job.ID)
	q.v.mu.Unlock()
	return q.JobQueue.Create(ctx, job)
}
