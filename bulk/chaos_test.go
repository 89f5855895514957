package bulk_test

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/bulkops/bulkops/bulk"
)

// chaos stands between a worker and its backends. It gives every call a random
// duration, and can kill the worker at any call, or make calls fail.
type chaos struct {
	mu      sync.Mutex
	rand    *rand.Rand
	calls   int
	dieAt   int  // the call at which the worker dies, 0 for never
	applied bool // the call it dies at still has its effect
	faults  float64
	dead    bool
}

var (
	errDead  = bulk.Permanent(errors.New("the worker is dead"))
	errFault = errors.New("a passing fault")
)

// call runs op, or not, or runs it and says that it failed.
func (c *chaos) call(op func() error) error {
	c.mu.Lock()
	c.calls++
	dies := c.calls == c.dieAt
	before, after := false, false
	if c.faults > 0 {
		before = c.rand.Float64() < c.faults/2
		after = c.rand.Float64() < c.faults/2
	}
	dead := c.dead
	c.dead = c.dead || dies
	way := time.Duration(c.rand.IntN(400)) * time.Millisecond
	back := time.Duration(c.rand.IntN(400)) * time.Millisecond
	c.mu.Unlock()

	time.Sleep(way)
	defer time.Sleep(back) // so that answers may be out of date when they arrive
	switch {
	case dead, dies && !c.applied:
		return errDead
	case before:
		return errFault
	}
	err := op()
	switch {
	case dies:
		return errDead
	case after && err == nil:
		return errFault
	}
	return err
}

type chaosStore struct {
	bulk.Store
	c *chaos
}

func (s chaosStore) Lookup(ctx context.Context, tenant string, refs []bulk.Ref) (found []bulk.Found, err error) {
	err = s.c.call(func() error {
		found, err = s.Store.Lookup(ctx, tenant, refs)
		return err
	})
	return found, err
}

func (s chaosStore) Commit(ctx context.Context, tenant string, writes []bulk.Write) []error {
	var outcomes []error
	err := s.c.call(func() error {
		outcomes = s.Store.Commit(ctx, tenant, writes)
		return nil
	})
	if outcomes == nil || err != nil && errors.Is(err, errDead) {
		outcomes = make([]error, len(writes))
		for i := range outcomes {
			outcomes[i] = err
		}
		return outcomes
	}
	if err != nil { // the answers to some of the writes are lost
		s.c.mu.Lock()
		defer s.c.mu.Unlock()
		for i := range outcomes {
			if s.c.rand.IntN(2) == 0 {
				outcomes[i] = err
			}
		}
	}
	return outcomes
}

type chaosBlobs struct {
	bulk.BlobStore
	c *chaos
}

func (b chaosBlobs) Put(ctx context.Context, key string, r io.Reader, info bulk.BlobInfo) error {
	return b.c.call(func() error { return b.BlobStore.Put(ctx, key, r, info) })
}

func (b chaosBlobs) Get(ctx context.Context, key string) (r io.ReadCloser, err error) {
	err = b.c.call(func() error {
		r, err = b.BlobStore.Get(ctx, key)
		return err
	})
	return r, err
}

type chaosJobs struct {
	bulk.JobQueue
	c *chaos
}

func (q chaosJobs) Get(ctx context.Context, id string) (job bulk.Job, err error) {
	err = q.c.call(func() error {
		job, err = q.JobQueue.Get(ctx, id)
		return err
	})
	return job, err
}

func (q chaosJobs) Save(ctx context.Context, id string, token int64, change bulk.JobChange) (job bulk.Job, err error) {
	err = q.c.call(func() error {
		job, err = q.JobQueue.Save(ctx, id, token, change)
		return err
	})
	return job, err
}
