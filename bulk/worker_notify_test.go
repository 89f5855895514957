package bulk_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/test/logtest"
)

// A listener is a notifier that remembers what it was told of.
type listener struct {
	mu    sync.Mutex
	calls []call
	// hook is what becomes of a call, nil for success. n counts the calls about that
	// job, from 1.
	hook func(ctx context.Context, job *bulk.Job, n int) error
}

type call struct {
	job bulk.Job
	at  time.Time
}

func (w *listener) NotifyEnded(ctx context.Context, job *bulk.Job) error {
	w.mu.Lock()
	w.calls = append(w.calls, call{*job, time.Now()})
	n, hook := 0, w.hook
	for _, c := range w.calls {
		if c.job.ID == job.ID {
			n++
		}
	}
	w.mu.Unlock()
	if hook == nil {
		return nil
	}
	return hook(ctx, job, n)
}

// told returns the calls about a job.
func (w *listener) told(id string) (calls []call) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.calls {
		if c.job.ID == id {
			calls = append(calls, c)
		}
	}
	return calls
}

// heard runs a test on a fixture whose notifier is a listener.
func heard(t *testing.T, test func(t *testing.T, f *fixture, w *listener)) {
	t.Helper()
	bubble(t, func(t *testing.T, f *fixture) {
		w := new(listener)
		f.cfg.Notifier, f.cfg.Poll = w, time.Hour // days go by
		test(t, f, w)
	})
}

// running runs a worker until the returned function is called, which returns when
// the worker has.
func (f *fixture) running() (stop func()) {
	ctx, cancel := context.WithCancel(f.t.Context())
	var group sync.WaitGroup
	worker := f.worker()
	group.Go(func() { assert.NoError(f.t, worker.Run(ctx)) })
	return func() {
		cancel()
		group.Wait()
	}
}

// TestEveryEndIsTold has a job for each way to end.
func TestEveryEndIsTold(t *testing.T) {
	heard(t, func(t *testing.T, f *fixture, w *listener) {
		cancelled, err := f.importer().Cancel(t.Context(), admin, f.submit(150, bulk.DefaultOptions()).ID)
		require.NoError(t, err)
		completed := f.submit(150, bulk.DefaultOptions())
		failed := f.submit(150, bulk.DefaultOptions())
		require.NoError(t, f.blobs.Delete(t.Context(), failed.Payload))
		time.Sleep(time.Millisecond) // ids rise with time
		limited := bulk.DefaultOptions()
		limited.Upsert, limited.MaxFailed = false, new(int)
		stopped := f.submit(150, limited)
		stop := f.running()
		time.Sleep(10 * time.Second)
		stop()
		for id, status := range map[string]bulk.JobStatus{
			cancelled.ID: bulk.JobCancelled, completed.ID: bulk.JobCompleted, failed.ID: bulk.JobFailed, stopped.ID: bulk.JobCancelled,
		} {
			calls, job := w.told(id), f.get(id)
			if assert.Len(t, calls, 1, "%s", status) {
				assert.Equal(t, status, calls[0].job.Status)
				assert.Equal(t, job.Summary(), calls[0].job.Summary())
				assert.Equal(t, job.Results, calls[0].job.Results)
				assert.Equal(t, job.CompletedAt, calls[0].job.CompletedAt)
			}
			assert.Equal(t, status, job.Status)
			assert.False(t, job.Notify, "%s", status)
		}
	})
}

// TestNothingToTell has requests that are no jobs, and jobs without a notifier.
func TestNothingToTell(t *testing.T) {
	heard(t, func(t *testing.T, f *fixture, w *listener) {
		stop := f.running()
		_, err := f.importer().Import(t.Context(), request(people(20)...))
		require.NoError(t, err)
		for range 2 {
			req := request(people(20)...)
			req.IdempotencyKey = "key"
			accepted, err := f.importer().Accept(t.Context(), req)
			require.NoError(t, err)
			require.NotNil(t, accepted.Report)
		}
		time.Sleep(2 * time.Minute)
		stop()
		f.cfg.Notifier = nil
		ended, err := f.importer().Cancel(t.Context(), admin, f.submit(150, bulk.DefaultOptions()).ID)
		require.NoError(t, err)
		assert.False(t, ended.Notify)
		job := f.submit(150, bulk.DefaultOptions())
		require.NoError(t, f.worker().RunJob(t.Context(), job.ID))
		assert.False(t, f.get(job.ID).Notify)
		require.NoError(t, f.worker().Notify(t.Context(), job.ID))
		f.cfg.Notifier = w
		require.NoError(t, f.worker().Notify(t.Context(), job.ID))
		assert.Empty(t, w.calls)
	})
}

// TestDeafNotifier has a notifier that does not return, whether it minds its context or
// not: jobs and the ends of others are not held up, the call is given up, and made
// again.
func TestDeafNotifier(t *testing.T) {
	for _, minds := range []bool{true, false} {
		heard(t, func(t *testing.T, f *fixture, w *listener) {
			release := make(chan struct{})
			first := f.submit(150, bulk.DefaultOptions())
			w.hook = func(ctx context.Context, job *bulk.Job, n int) error {
				if job.ID != first.ID || n > 1 {
					return nil
				}
				if minds {
					<-ctx.Done()
					return ctx.Err()
				}
				<-release
				return nil
			}
			stop := f.running()
			begun := time.Now()
			for range 3 {
				job := f.submit(150, bulk.DefaultOptions())
				for len(w.told(job.ID)) == 0 {
					time.Sleep(10 * time.Millisecond)
				}
			}
			assert.Less(t, time.Since(begun), 10*time.Second, "nothing waits for the call")
			assert.Len(t, w.told(first.ID), 1)
			assert.True(t, f.get(first.ID).Notify)
			assert.Equal(t, bulk.JobCompleted, f.get(first.ID).Status, "told or not")
			time.Sleep(time.Minute)
			stop()
			close(release)
			if calls := w.told(first.ID); assert.Len(t, calls, 2) {
				assert.GreaterOrEqual(t, calls[1].at.Sub(calls[0].at), 30*time.Second)
				assert.Less(t, calls[1].at.Sub(calls[0].at), 40*time.Second)
			}
			assert.False(t, f.get(first.ID).Notify)
		})
	}
}

// TestNotifierThatIsDown is called for about a day, at growing intervals.
func TestNotifierThatIsDown(t *testing.T) {
	heard(t, func(t *testing.T, f *fixture, w *listener) {
		var log bytes.Buffer
		f.cfg.Logger = logtest.Tee(t, &log)
		w.hook = func(_ context.Context, _ *bulk.Job, n int) error {
			if n == 3 {
				panic("a bug")
			}
			return errors.New("no route to ana@example.com")
		}
		stop := f.running()
		job := f.submit(150, bulk.DefaultOptions())
		time.Sleep(10 * time.Hour)
		assert.True(t, f.get(job.ID).Notify)
		assert.NotContains(t, log.String(), "level=ERROR")
		time.Sleep(50 * time.Hour)
		stop()
		calls := w.told(job.ID)
		require.Len(t, calls, 42)
		for i := range calls[1:] {
			gap := calls[i+1].at.Sub(calls[i].at)
			longest := min(5*time.Second<<min(i, 30), time.Hour)
			assert.GreaterOrEqual(t, gap, longest/2, "after call %d", i+1)
			assert.LessOrEqual(t, gap, longest+time.Second, "after call %d", i+1)
		}
		lasted := calls[41].at.Sub(calls[0].at)
		assert.Greater(t, lasted, 16*time.Hour)
		assert.Less(t, lasted, 35*time.Hour)
		got := f.get(job.ID)
		assert.False(t, got.Notify, "it was given up")
		assert.Equal(t, bulk.JobCompleted, got.Status)
		assert.Contains(t, log.String(), `level=ERROR msg="end of a job is not told" job=`+job.ID)
		assert.NotContains(t, log.String(), "ana@")
	})
}

type retryAfter struct{ after time.Duration }

func (e retryAfter) Error() string             { return "not now" }
func (e retryAfter) RetryAfter() time.Duration { return e.after }

// TestWhatNotifiersAskFor has errors that say when to call again, if at all.
func TestWhatNotifiersAskFor(t *testing.T) {
	for _, test := range []struct {
		err  error
		want []time.Duration // between the calls
	}{
		{fmt.Errorf("gone: %w", bulk.Permanent(errors.New("for good"))), nil},
		{fmt.Errorf("busy: %w", retryAfter{10 * time.Minute}), []time.Duration{10 * time.Minute}},
		{retryAfter{100 * time.Hour}, []time.Duration{time.Hour}},
		{context.Canceled, []time.Duration{4 * time.Second}}, // by itself, and not by the worker
		{bulk.ErrJobNotFound, []time.Duration{4 * time.Second}},
	} {
		heard(t, func(t *testing.T, f *fixture, w *listener) {
			w.hook = func(_ context.Context, _ *bulk.Job, n int) error {
				if n == 1 {
					return test.err
				}
				return nil
			}
			stop := f.running()
			job := f.submit(150, bulk.DefaultOptions())
			time.Sleep(3 * time.Hour)
			stop()
			calls := w.told(job.ID)
			require.Len(t, calls, 1+len(test.want), "%v", test.err)
			for i, want := range test.want {
				assert.InDelta(t, want, calls[i+1].at.Sub(calls[i].at), float64(2*time.Second), "%v", test.err)
			}
			assert.False(t, f.get(job.ID).Notify)
		})
	}
}

// killedJobs passes on claims too.
type killedJobs struct{ chaosJobs }

func (q killedJobs) Claim(ctx context.Context, claim bulk.Claim) (job bulk.Job, err error) {
	err = q.c.call(func() error {
		job, err = q.JobQueue.Claim(ctx, claim)
		return err
	})
	return job, err
}

func (q killedJobs) Cancel(ctx context.Context, id string, cancellation bulk.Cancellation) (job bulk.Job, err error) {
	err = q.c.call(func() error {
		job, err = q.JobQueue.Cancel(ctx, id, cancellation)
		return err
	})
	return job, err
}

type killedNotifier struct {
	bulk.Notifier
	c *chaos
}

func (n killedNotifier) NotifyEnded(ctx context.Context, job *bulk.Job) error {
	return n.c.call(func() error { return n.Notifier.NotifyEnded(ctx, job) })
}

// TestNotifyAfterCrash kills the process at each of its calls, of the work on a job, of
// the cancel of another, and of the telling of both. Another process tells what was not told.
func TestNotifyAfterCrash(t *testing.T) {
	for _, applied := range []bool{false, true} {
		twice, done := 0, false
		for at := 1; !done; at++ {
			require.Less(t, at, 500)
			heard(t, func(t *testing.T, f *fixture, w *listener) {
				job, other := f.submit(120, bulk.DefaultOptions()), f.submit(120, bulk.DefaultOptions())
				c := &chaos{rand: rand.New(rand.NewPCG(1, uint64(at))), dieAt: at, applied: applied}
				healthy := f.cfg
				f.cfg.Store, f.cfg.Blobs = chaosStore{f.mem, c}, chaosBlobs{f.blobs, c}
				f.cfg.Jobs, f.cfg.Notifier = killedJobs{chaosJobs{f.jobs, c}}, killedNotifier{w, c}
				_, _ = f.importer().Cancel(t.Context(), admin, other.ID)
				_ = f.worker().RunJob(t.Context(), job.ID)
				_ = f.worker().Notify(t.Context(), job.ID)
				done = !c.dead
				f.cfg = healthy
				time.Sleep(3 * time.Minute) // until leases have ended
				stop := f.running()
				time.Sleep(3 * time.Minute)
				stop()
				for _, id := range []string{job.ID, other.ID} {
					got, calls := f.get(id), w.told(id)
					assert.True(t, got.Status.Ended(), "killed at call %d", at)
					assert.False(t, got.Notify, "killed at call %d", at)
					require.NotEmpty(t, calls, "killed at call %d: nobody was told", at)
					assert.LessOrEqual(t, len(calls), 2)
					if len(calls) == 2 {
						twice++
					}
					for _, c := range calls {
						assert.Equal(t, got.Status, c.job.Status)
						assert.Equal(t, got.Results, c.job.Results)
						assert.True(t, c.job.Notify)
					}
				}
			})
		}
		assert.Positive(t, twice, "a crash between the call and its save came to pass")
	}
}

// TestEndsOfADeadWorkerAreSwept has a queue that tells nobody, and ends that the worker
// does not know: they are told within a minute, its own at once.
func TestEndsOfADeadWorkerAreSwept(t *testing.T) {
	heard(t, func(t *testing.T, f *fixture, w *listener) {
		dead := f.submit(150, bulk.DefaultOptions())
		require.NoError(t, f.worker().RunJob(t.Context(), dead.ID)) // and then it died
		lags := &lagging{JobQueue: f.jobs}
		f.cfg.Jobs, f.cfg.Poll = lags, time.Second
		stop := f.running()
		time.Sleep(time.Second)
		require.Len(t, w.told(dead.ID), 1, "at the start")

		own := f.submit(150, bulk.DefaultOptions())
		lags.lag.Store(true)
		time.Sleep(3 * time.Second)
		require.Len(t, w.told(own.ID), 1, "though the index does not have it yet")
		lags.lag.Store(false)

		cancelled := f.submit(150, bulk.DefaultOptions())
		_, err := f.importer().Cancel(t.Context(), admin, cancelled.ID)
		require.NoError(t, err)
		time.Sleep(time.Minute)
		stop()
		assert.Len(t, w.told(cancelled.ID), 1)
		assert.Len(t, w.told(own.ID), 1)
	})
}

// lagging is a queue without notifications, whose index of ends can lag.
type lagging struct {
	bulk.JobQueue
	lag atomic.Bool
}

func (q *lagging) Claim(ctx context.Context, claim bulk.Claim) (bulk.Job, error) {
	if q.lag.Load() && claim.Ended && claim.JobID == "" {
		return bulk.Job{}, bulk.ErrNoJob
	}
	return q.JobQueue.Claim(ctx, claim)
}

// TestNotify tells what is due and returns.
func TestNotify(t *testing.T) {
	heard(t, func(t *testing.T, f *fixture, w *listener) {
		require.NoError(t, f.worker().Notify(t.Context()), "there is nothing")
		w.hook = func(_ context.Context, _ *bulk.Job, n int) error {
			time.Sleep(time.Second)
			if n == 1 {
				return errReset
			}
			return nil
		}
		var ids []string
		for range 20 {
			ids = append(ids, f.submit(1, bulk.DefaultOptions()).ID)
			_, err := f.worker().RunNext(t.Context())
			require.NoError(t, err)
		}
		lags := &lagging{JobQueue: f.jobs}
		lags.lag.Store(true)
		f.cfg.Jobs = lags
		require.NoError(t, f.worker().Notify(t.Context(), ids[0], "job_none"), "an index may lag")
		assert.Len(t, w.told(ids[0]), 1)
		lags.lag.Store(false)
		begun := time.Now()
		require.NoError(t, f.worker().Notify(t.Context()))
		assert.Equal(t, 3*time.Second, time.Since(begun), "eight at a time, each once")
		time.Sleep(5 * time.Second)
		require.NoError(t, f.worker().Notify(t.Context()))
		for _, id := range ids {
			assert.Len(t, w.told(id), 2)
			assert.False(t, f.get(id).Notify)
		}
		f.cfg.Jobs = &hookedJobs{JobQueue: f.jobs, before: only("Claim", errReset)}
		assert.ErrorIs(t, f.worker().Notify(t.Context()), errReset)
	})
}

// TestNotifyKeepsTheDeadline leaves to the next call what there is no time for.
func TestNotifyKeepsTheDeadline(t *testing.T) {
	heard(t, func(t *testing.T, f *fixture, w *listener) {
		w.hook = func(ctx context.Context, _ *bulk.Job, _ int) error {
			<-ctx.Done()
			return ctx.Err()
		}
		var ids []string
		for range 20 {
			ids = append(ids, f.submit(1, bulk.DefaultOptions()).ID)
			_, err := f.worker().RunNext(t.Context())
			require.NoError(t, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 25*time.Second)
		defer cancel()
		require.NoError(t, f.worker().Notify(ctx))
		require.NoError(t, ctx.Err(), "there is time left")
		assert.Len(t, w.calls, 8)
		time.Sleep(5 * time.Second)
		w.hook = nil
		require.NoError(t, f.worker().Notify(t.Context()))
		assert.Len(t, w.calls, 8+20, "those whose calls were cut off were given back")
		for _, id := range ids {
			assert.False(t, f.get(id).Notify)
		}
	})
}

// TestStopWhileItTells stops a worker during a call: it has time to end, and one that
// takes too long is made again.
func TestStopWhileItTells(t *testing.T) {
	for takes, want := range map[time.Duration]int{3 * time.Second: 1, time.Hour: 2} {
		heard(t, func(t *testing.T, f *fixture, w *listener) {
			f.cfg.CallTimeout = 2 * time.Hour
			w.hook = func(ctx context.Context, _ *bulk.Job, n int) error {
				if n > 1 {
					return nil
				}
				select {
				case <-time.After(takes):
					return nil
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			job := f.submit(150, bulk.DefaultOptions())
			stop := f.running()
			for len(w.told(job.ID)) == 0 {
				time.Sleep(10 * time.Millisecond)
			}
			stopped := time.Now()
			stop()
			assert.LessOrEqual(t, time.Since(stopped), 10*time.Second)
			assert.Equal(t, want > 1, f.get(job.ID).Notify)
			assert.Zero(t, f.get(job.ID).LeaseUntil, "it is given back")
			stop = f.running()
			time.Sleep(2 * time.Minute)
			stop()
			assert.Len(t, w.told(job.ID), want)
			assert.False(t, f.get(job.ID).Notify)
		})
	}
}

// TestDeletedJobIsNotTold deletes a job whose end is not told yet: before, and during,
// a call.
func TestDeletedJobIsNotTold(t *testing.T) {
	heard(t, func(t *testing.T, f *fixture, w *listener) {
		var log bytes.Buffer
		f.cfg.Logger = logtest.Tee(t, &log)
		w.hook = func(_ context.Context, job *bulk.Job, n int) error {
			if n == 2 {
				assert.NoError(t, f.importer().Delete(context.Background(), admin, job.ID))
			}
			return errReset
		}
		before, during := f.submit(150, bulk.DefaultOptions()), f.submit(150, bulk.DefaultOptions())
		for _, job := range []*bulk.Job{before, during} {
			require.NoError(t, f.worker().RunJob(t.Context(), job.ID))
		}
		require.NoError(t, f.worker().Notify(t.Context()))
		require.NoError(t, f.importer().Delete(t.Context(), admin, before.ID))
		stop := f.running()
		time.Sleep(48 * time.Hour)
		stop()
		assert.Len(t, w.told(before.ID), 1)
		assert.Len(t, w.told(during.ID), 2)
		assert.NotContains(t, log.String(), "level=ERROR")
		assert.Empty(t, f.blobs.Keys())
	})
}

// TestDeleteAfterTellings tells of a job many times: that makes no more blobs to delete.
func TestDeleteAfterTellings(t *testing.T) {
	heard(t, func(t *testing.T, f *fixture, w *listener) {
		require.NoError(t, f.worker().RunJob(t.Context(), f.submit(450, bulk.DefaultOptions()).ID)) // users are there from now on
		require.NoError(t, f.worker().Notify(t.Context()))
		left := f.blobs.Keys()
		var deletes []int
		for tellings := range 3 {
			w.hook = func(_ context.Context, _ *bulk.Job, n int) error {
				if n < 10*tellings {
					return errReset
				}
				return nil
			}
			job := f.submit(450, bulk.DefaultOptions())
			require.NoError(t, f.worker().RunJob(t.Context(), job.ID))
			stop := f.running()
			time.Sleep(40 * time.Hour)
			stop()
			assert.Len(t, w.told(job.ID), max(1, 10*tellings))
			var n atomic.Int64
			cfg := f.cfg
			cfg.Blobs = &hookedBlobs{f.blobs, func(op, _ string) error {
				if op == "Delete" {
					n.Add(1)
				}
				return nil
			}}
			im, err := bulk.NewImporter(cfg)
			require.NoError(t, err)
			require.NoError(t, im.Delete(t.Context(), admin, job.ID))
			deletes = append(deletes, int(n.Load()))
		}
		assert.Positive(t, deletes[0])
		assert.Len(t, slices.Compact(deletes), 1)
		assert.Equal(t, left, f.blobs.Keys())
	})
}

// TestExpiredJobIsNotTold does not call about a job that does not exist any more.
func TestExpiredJobIsNotTold(t *testing.T) {
	heard(t, func(t *testing.T, f *fixture, w *listener) {
		f.cfg.Retention = time.Hour
		w.hook = func(context.Context, *bulk.Job, int) error { return errReset }
		stop := f.running()
		job := f.submit(150, bulk.DefaultOptions())
		time.Sleep(48 * time.Hour)
		stop()
		calls := w.told(job.ID)
		require.NotEmpty(t, calls)
		assert.True(t, calls[len(calls)-1].at.Before(job.ExpiresAt))
		assert.Less(t, len(calls), 20)
	})
}

// TestNotifierThatKills is not called forever.
func TestNotifierThatKills(t *testing.T) {
	heard(t, func(t *testing.T, f *fixture, w *listener) {
		var log bytes.Buffer
		f.cfg.Logger = logtest.Tee(t, &log)
		job := f.submit(150, bulk.DefaultOptions())
		require.NoError(t, f.worker().RunJob(t.Context(), job.ID))
		for range 42 {
			_, err := f.jobs.Claim(t.Context(), bulk.Claim{JobID: job.ID, Lease: time.Second, Ended: true})
			require.NoError(t, err)
			time.Sleep(time.Second) // it died
		}
		require.NoError(t, f.worker().Notify(t.Context()))
		assert.Empty(t, w.calls)
		assert.False(t, f.get(job.ID).Notify)
		assert.Contains(t, log.String(), "too many attempts")
	})
}

// TestEndWhoseAnswerIsLostAndWhichIsToldMeanwhile is known for its own by the worker.
func TestEndWhoseAnswerIsLostAndWhichIsToldMeanwhile(t *testing.T) {
	heard(t, func(t *testing.T, f *fixture, w *listener) {
		healthy := f.worker()
		f.cfg.Jobs = &lostSaves{JobQueue: f.jobs, lose: func(change bulk.JobChange) bool {
			if change.End != "" {
				assert.NoError(t, healthy.Notify(t.Context()))
			}
			return change.End != ""
		}}
		job := f.submit(150, bulk.DefaultOptions())
		require.NoError(t, f.worker().RunJob(t.Context(), job.ID))
		assert.Len(t, w.told(job.ID), 1)
		f.tidied(t, job)
	})
}

// TestQueueThatDoesNotKnowEnds is not relied on: it gives a job to be run where an end
// was asked for, or the other way round.
func TestQueueThatDoesNotKnowEnds(t *testing.T) {
	heard(t, func(t *testing.T, f *fixture, w *listener) {
		f.submit(150, bulk.DefaultOptions())
		f.cfg.Jobs = &mistaken{f.jobs}
		require.ErrorContains(t, f.worker().Notify(t.Context()), "returned a job that is processing")
		job := f.submit(150, bulk.DefaultOptions())
		_, err := f.jobs.Cancel(t.Context(), job.ID, bulk.Cancellation{Notify: true})
		require.NoError(t, err)
		require.ErrorContains(t, f.worker().RunJob(t.Context(), job.ID), "returned a job that is cancelled")
		assert.Empty(t, w.calls)
		assert.Zero(t, f.mem.Len(tenant))
	})
}

type mistaken struct{ bulk.JobQueue }

func (q *mistaken) Claim(ctx context.Context, claim bulk.Claim) (bulk.Job, error) {
	claim.Ended = !claim.Ended
	return q.JobQueue.Claim(ctx, claim)
}
