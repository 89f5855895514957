package bulk

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// leaseQueue is a queue with one job, as a lease sees it.
type leaseQueue struct {
	JobQueue
	mu    sync.Mutex
	job   Job
	err   error           // of all calls
	saves []time.Duration // when each was made, since start
	gets  []time.Duration
	start time.Time
}

func (q *leaseQueue) Get(context.Context, string) (Job, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.gets = append(q.gets, time.Since(q.start))
	return q.job, q.err
}

func (q *leaseQueue) Save(_ context.Context, _ string, token int64, change JobChange) (Job, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.saves = append(q.saves, time.Since(q.start))
	if q.err == nil && (token != q.job.Token || q.job.Status.Ended()) {
		return Job{}, ErrLeaseLost
	}
	if q.err == nil && change.Lease > 0 {
		q.job.LeaseUntil = time.Now().Add(change.Lease)
	}
	return q.job, q.err
}

// set changes the job, or what all calls return.
func (q *leaseQueue) set(change func(q *leaseQueue)) {
	q.mu.Lock()
	defer q.mu.Unlock()
	change(q)
}

// A held is a lease of a minute that is kept for a test, with what it says.
type held struct {
	*lease
	told      sync.Mutex // held by what the lease calls
	queue     *leaseQueue
	lostAt    time.Duration // since the start, 0 for not yet
	reason    error
	cancelled []time.Duration
	release   func()
}

func hold(t *testing.T) *held {
	q := &leaseQueue{job: Job{JobSpec: JobSpec{ID: "job_1"}, Token: 7, Status: JobProcessing}, start: time.Now()}
	h := &held{queue: q}
	h.lease = &lease{
		jobs: guardedJobs{q, guard{timeout: 30 * time.Second, grace: time.Second}},
		id:   "job_1", token: 7, lasts: time.Minute, poll: time.Second,
		lost: func(reason error) {
			h.told.Lock()
			defer h.told.Unlock()
			if h.reason == nil {
				h.lostAt, h.reason = time.Since(q.start), reason
			}
		},
		cancelled: func() {
			h.told.Lock()
			defer h.told.Unlock()
			h.cancelled = append(h.cancelled, time.Since(q.start))
		},
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); h.keep(ctx, q.start) }()
	h.release = func() {
		cancel()
		<-done
		h.told.Lock() // what a timer has told by now is seen
		defer h.told.Unlock()
	}
	return h
}

// TestLeaseRenewsItself keeps a lease three times as long as it lasts.
func TestLeaseRenewsItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hold(t)
		time.Sleep(3*time.Minute + time.Second)
		h.release()
		assert.NoError(t, h.reason)
		require.Len(t, h.queue.saves, 9, "three times while it lasts")
		assert.Equal(t, 20*time.Second, h.queue.saves[0])
		assert.Equal(t, h.queue.start.Add(4*time.Minute), h.queue.job.LeaseUntil)
		assert.Empty(t, h.cancelled)
		time.Sleep(time.Hour)
		assert.NoError(t, h.reason, "nothing happens after its release")
		assert.Len(t, h.queue.saves, 9)
	})
}

// TestLeaseEndsInTime cannot be renewed: the work is stopped while the lease lasts.
func TestLeaseEndsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hold(t)
		time.Sleep(30 * time.Second) // renewed once, after 20
		h.queue.set(func(q *leaseQueue) { q.err = errors.New("connection refused") })
		time.Sleep(2 * time.Minute)
		h.release()
		assert.ErrorIs(t, h.reason, errLeaseEnded)
		assert.ErrorIs(t, h.reason, ErrLeaseLost)
		assert.Equal(t, 70*time.Second, h.lostAt, "a sixth of the lease is left for stopping")
	})
}

// TestLeaseCountsFromBeforeTheCall has a claim that was long under way.
func TestLeaseCountsFromBeforeTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hold(t)
		h.release()
		h.queue.set(func(q *leaseQueue) { q.err = errors.New("connection refused") })
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		h.until, h.timer = time.Time{}, nil
		go h.keep(ctx, time.Now().Add(-40*time.Second))
		time.Sleep(time.Minute)
		h.told.Lock()
		defer h.told.Unlock()
		assert.Equal(t, 10*time.Second, h.lostAt)
	})
}

// TestLeasePollSeesACancel asks before the next renewal.
func TestLeasePollSeesACancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hold(t)
		time.Sleep(2500 * time.Millisecond)
		h.queue.set(func(q *leaseQueue) { q.job.CancelRequested = true })
		time.Sleep(time.Second)
		h.release()
		assert.Equal(t, []time.Duration{3 * time.Second}, h.cancelled)
		assert.NoError(t, h.reason, "the lease is its own until the job has ended")
	})
}

// TestLeaseSeesACancelWhenItSaves has a poll that is far away.
func TestLeaseSeesACancelWhenItSaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hold(t)
		h.release()
		h.queue.set(func(q *leaseQueue) { q.job.CancelRequested = true })
		assert.NoError(t, h.save(t.Context(), JobChange{Lease: time.Minute}))
		assert.Len(t, h.cancelled, 1)
	})
}

// TestLeasePollSeesThatItIsLost asks before the next renewal.
func TestLeasePollSeesThatItIsLost(t *testing.T) {
	for name, lose := range map[string]func(q *leaseQueue){
		"Claimed": func(q *leaseQueue) { q.job.Token++ },
		"Ended":   func(q *leaseQueue) { q.job.Status = JobCancelled },
		"Gone":    func(q *leaseQueue) { q.err = ErrJobNotFound },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := hold(t)
				time.Sleep(2500 * time.Millisecond)
				h.queue.set(lose)
				time.Sleep(time.Second)
				h.release()
				assert.Equal(t, ErrLeaseLost, h.reason)
				assert.Equal(t, 3*time.Second, h.lostAt)
				assert.Empty(t, h.queue.saves)
			})
		})
	}
}

// TestLeaseCheck says whether the job is still ours: only an answer says so.
func TestLeaseCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hold(t)
		h.release()
		assert.NoError(t, h.check(t.Context()))
		h.queue.set(func(q *leaseQueue) { q.job.CancelRequested = true })
		assert.NoError(t, h.check(t.Context()), "a cancel does not take it away")
		assert.Len(t, h.cancelled, 1)
		down := errors.New("connection refused")
		h.queue.set(func(q *leaseQueue) { q.err = down })
		assert.ErrorIs(t, h.check(t.Context()), down)
		assert.NoError(t, h.reason)
		h.queue.set(func(q *leaseQueue) { q.err = nil })
		h.queue.set(func(q *leaseQueue) { q.job.Token++ })
		assert.ErrorIs(t, h.check(t.Context()), ErrLeaseLost)
		assert.Equal(t, ErrLeaseLost, h.reason)
	})
}

// TestLeaseSaveThatIsRefused stops the work, unless it was its last call.
func TestLeaseSaveThatIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for change, want := range map[JobChange]error{{}: nil, {Lease: time.Minute}: ErrLeaseLost} {
			h := hold(t)
			h.release()
			h.queue.set(func(q *leaseQueue) { q.job.Token++ })
			assert.ErrorIs(t, h.save(t.Context(), change), ErrLeaseLost)
			assert.Equal(t, want, h.reason)
		}
	})
}
