package bulk_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/test/logtest"
)

// A witness is an observer that keeps what it is told, and checks that for each Begin
// there is one End, in the context that Begin returned.
type witness struct {
	t     *testing.T
	trace string // what it sets as trace context

	mu    sync.Mutex
	open  map[bulk.Event]bool
	ended []seen
}

// A seen is an event that has ended and what it lay within.
type seen struct {
	within []string
	event  bulk.Event
}

type withinKey struct{}

func newWitness(t *testing.T) *witness { return &witness{t: t, open: map[bulk.Event]bool{}} }

func (w *witness) Begin(ctx context.Context, e bulk.Event) context.Context {
	w.mu.Lock()
	defer w.mu.Unlock()
	assert.False(w.t, w.open[e], "begun twice: %+v", e)
	w.open[e] = true
	if r, ok := e.(*bulk.RequestEvent); ok {
		r.TraceContext = w.trace
	}
	outer, _ := ctx.Value(withinKey{}).([]string)
	return context.WithValue(ctx, withinKey{}, append(outer[:len(outer):len(outer)], kind(e)))
}

func (w *witness) End(ctx context.Context, e bulk.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	assert.True(w.t, w.open[e], "ended without a Begin: %+v", e)
	delete(w.open, e)
	within, _ := ctx.Value(withinKey{}).([]string)
	if assert.NotEmpty(w.t, within) {
		assert.Equal(w.t, kind(e), within[len(within)-1], "rule: End gets what Begin returned")
		w.ended = append(w.ended, seen{within[:len(within)-1], e})
	}
}

func kind(e bulk.Event) string {
	switch e := e.(type) {
	case *bulk.RequestEvent:
		return e.Operation
	case *bulk.CallEvent:
		return e.Backend + "." + e.Operation
	default:
		return strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%T", e), "*bulk."), "Event")
	}
}

// all returns the events of a type, after checking that none is still open.
func all[E bulk.Event](w *witness) []E {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	assert.Empty(w.t, w.open, "rule: what began has ended")
	var list []E
	for _, s := range w.ended {
		if e, ok := s.event.(E); ok {
			list = append(list, e)
		}
	}
	return list
}

// calls counts the calls of a backend's method by what they lay within.
func (w *witness) calls(name string) map[string]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	counts := map[string]int{}
	for _, s := range w.ended {
		if kind(s.event) == name {
			counts[strings.Join(s.within, " ")]++
		}
	}
	return counts
}

// sum adds up the rows of all events.
func (w *witness) sum() (sum bulk.Summary) {
	for _, s := range w.ended {
		var rows bulk.Summary
		switch e := s.event.(type) {
		case *bulk.RequestEvent:
			rows = e.Rows
		case *bulk.CheckpointEvent:
			rows = e.Rows
		}
		sum.Created += rows.Created
		sum.Updated += rows.Updated
		sum.Unchanged += rows.Unchanged
		sum.Skipped += rows.Skipped
		sum.Failed += rows.Failed
		sum.NotProcessed += rows.NotProcessed
	}
	return sum
}

// observed is a fixture with a witness.
func observed(t *testing.T, test func(t *testing.T, f *fixture, w *witness)) {
	t.Helper()
	bubble(t, func(t *testing.T, f *fixture) {
		w := newWitness(t)
		f.cfg.Observer = w
		test(t, f, w)
	})
}

func TestObserverOfARequest(t *testing.T) {
	observed(t, func(t *testing.T, f *fixture, w *witness) {
		report, err := f.importer().Import(t.Context(), request(people(60)...))
		require.NoError(t, err)
		requests := all[*bulk.RequestEvent](w)
		require.Len(t, requests, 1)
		e := requests[0]
		assert.Equal(t, "Import", e.Operation)
		assert.Equal(t, tenant, e.Tenant)
		assert.Equal(t, report.Summary, e.Rows)
		assert.Equal(t, 60, e.Rows.Created)
		assert.Equal(t, 20*time.Millisecond, e.Took, "a lookup and a commit of 10 ms each, in parallel")
		assert.NoError(t, e.Err)

		batches := all[*bulk.BatchEvent](w)
		require.Len(t, batches, 3)
		sizes := 0
		for _, b := range batches {
			sizes += b.Size
			assert.True(t, strings.HasPrefix(b.Import, "req_"))
		}
		assert.Equal(t, 60, sizes)
		assert.Equal(t, map[string]int{"Import Batch": 3}, w.calls("Store.Lookup"), "rule: backends are called in the context of the batch")
		assert.Equal(t, map[string]int{"Import Batch": 3}, w.calls("Store.Commit"))
		for _, c := range all[*bulk.CallEvent](w) {
			assert.Equal(t, 10*time.Millisecond, c.Took)
			assert.Contains(t, []int{25, 10}, c.Size)
			assert.Zero(t, c.Failed)
		}
	})
}

func TestObserverOfRefusals(t *testing.T) {
	observed(t, func(t *testing.T, f *fixture, w *witness) {
		im := f.importer()
		var refused *bulk.RequestError
		_, err := im.Accept(t.Context(), request())
		require.ErrorAs(t, err, &refused)
		_, err = im.Submit(t.Context(), bulk.Request{Rows: bulk.Users(people(1)...)})
		require.ErrorIs(t, err, bulk.ErrForbidden)
		_, err = im.Retry(t.Context(), bulk.RetryRequest{Principal: admin, JobID: "none"})
		require.ErrorIs(t, err, bulk.ErrJobNotFound)
		_, err = im.Cancel(t.Context(), admin, "none")
		require.ErrorIs(t, err, bulk.ErrJobNotFound)
		require.ErrorIs(t, im.Delete(t.Context(), admin, "none"), bulk.ErrJobNotFound)

		requests := all[*bulk.RequestEvent](w)
		require.Len(t, requests, 5)
		for i, operation := range []string{"Accept", "Submit", "Retry", "Cancel", "Delete"} {
			assert.Equal(t, operation, requests[i].Operation)
			assert.Error(t, requests[i].Err)
			assert.Nil(t, requests[i].Job)
			assert.Zero(t, requests[i].Rows)
		}
		for _, e := range requests {
			assert.True(t, e.Refused, e.Operation)
		}
		assert.ErrorAs(t, requests[0].Err, &refused)
		assert.ErrorIs(t, requests[1].Err, bulk.ErrForbidden)
	})
}

// What the caller's rows fail with is the caller's fault, and what a backend fails with
// is not.
func TestObserverTellsRefusalsFromFailures(t *testing.T) {
	observed(t, func(t *testing.T, f *fixture, w *witness) {
		broken := errors.New("connection reset")
		for _, async := range []bool{false, true} {
			req := request()
			req.Rows, req.Async = failingRows{broken}, async
			_, err := f.importer().Accept(t.Context(), req)
			require.ErrorIs(t, err, broken)
		}
		f.cfg.Store = &lookupStore{f.store, func([]bulk.Ref) error { return errReset }}
		_, err := f.importer().Accept(t.Context(), request(people(20)...))
		require.ErrorIs(t, err, bulk.ErrUnavailable)
		requests := all[*bulk.RequestEvent](w)
		require.Len(t, requests, 3)
		assert.True(t, requests[0].Refused)
		assert.True(t, requests[1].Refused)
		assert.False(t, requests[2].Refused)
	})
}

type failingRows struct{ err error }

func (r failingRows) Next() (bulk.Row, error) { return bulk.Row{}, r.err }

// The rows of all checkpoints of a job are its summary, whoever crashes in between,
// and the job tells where its request came from.
func TestObserverOfAJob(t *testing.T) {
	observed(t, func(t *testing.T, f *fixture, w *witness) {
		w.trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
		opts := bulk.DefaultOptions()
		opts.SendWelcomeEmail = true
		job := f.submit(1000, opts)
		assert.Equal(t, w.trace, f.get(job.ID).TraceContext)

		// The first worker loses its lease in the middle, the second one stops.
		ctx, stop := context.WithCancel(t.Context())
		rob := sync.OnceFunc(func() {
			_, err := f.jobs.Save(t.Context(), job.ID, 1, bulk.JobChange{})
			assert.NoError(t, err)
			_, err = f.jobs.Claim(t.Context(), bulk.Claim{JobID: job.ID, Lease: time.Second})
			assert.NoError(t, err)
		})
		f.store.hook = func(context.Context, []bulk.Write) []error {
			if f.store.commits.Load() > 15 {
				rob()
			}
			return nil
		}
		require.ErrorIs(t, f.worker().RunJob(t.Context(), job.ID), bulk.ErrLeaseLost)
		time.Sleep(2 * time.Second)
		f.store.hook = func(context.Context, []bulk.Write) []error {
			if f.store.commits.Load() > 25 {
				stop()
			}
			return nil
		}
		require.ErrorIs(t, f.worker().RunJob(ctx, job.ID), bulk.ErrJobLeft)
		require.NoError(t, f.worker().RunJob(t.Context(), job.ID))
		ended := f.get(job.ID)

		attempts := all[*bulk.AttemptEvent](w)
		require.Len(t, attempts, 3)
		assert.ErrorIs(t, attempts[0].Err, bulk.ErrLeaseLost)
		assert.ErrorIs(t, attempts[1].Err, bulk.ErrJobLeft)
		assert.NoError(t, attempts[2].Err)
		for i, a := range attempts {
			assert.Equal(t, job.ID, a.Job.ID)
			assert.Equal(t, w.trace, a.Job.TraceContext)
			assert.Equal(t, i == 2, a.Job.Status.Ended())
			assert.Positive(t, a.Took)
		}
		assert.Equal(t, ended.Status, attempts[2].Job.Status)
		assert.Equal(t, ended.Progress, attempts[2].Job.Progress)
		assert.Equal(t, ended.CompletedAt, attempts[2].Job.CompletedAt)

		assert.Equal(t, 1000, ended.Summary().Created)
		assert.Equal(t, ended.Summary(), w.sum(), "rule: every row is counted once")
		ends := 0
		for _, c := range all[*bulk.CheckpointEvent](w) {
			assert.Equal(t, job.ID, c.JobID)
			if c.Status != "" {
				ends++
			}
		}
		assert.Equal(t, 1, ends)

		mails := 0
		for _, c := range all[*bulk.CallEvent](w) {
			if c.Backend == "Mailer" {
				mails += c.Size - c.Failed
			}
		}
		assert.Equal(t, 1000, mails)
		lookups := w.calls("Store.Lookup")
		assert.Positive(t, lookups["Attempt Batch"])
		assert.Equal(t, map[string]int{"Submit": 1}, w.calls("JobQueue.Create"))
		assert.Positive(t, w.calls("BlobStore.Put")["Attempt Checkpoint"])
	})
}

// Each row of a job that is cancelled is counted once too, before it begins and later.
func TestObserverOfACancelledJob(t *testing.T) {
	observed(t, func(t *testing.T, f *fixture, w *witness) {
		job := f.submit(300, bulk.DefaultOptions())
		_, err := f.importer().Cancel(t.Context(), admin, job.ID)
		require.NoError(t, err)
		requests := all[*bulk.RequestEvent](w)
		require.Len(t, requests, 2)
		assert.Equal(t, bulk.JobCancelled, requests[1].Job.Status)
		assert.Equal(t, bulk.Summary{NotProcessed: 300}, w.sum())

		running := f.submit(1000, bulk.DefaultOptions())
		cancel := sync.OnceFunc(func() {
			cancelled, err := f.importer().Cancel(t.Context(), admin, running.ID)
			assert.NoError(t, err)
			assert.Equal(t, bulk.JobProcessing, cancelled.Status)
		})
		f.store.hook = func(context.Context, []bulk.Write) []error {
			if f.store.commits.Load() > 10 {
				cancel()
			}
			return nil
		}
		require.NoError(t, f.worker().RunJob(t.Context(), running.ID))
		want := f.get(running.ID).Summary()
		assert.Positive(t, want.Created)
		assert.Positive(t, want.NotProcessed)
		want.NotProcessed += 300
		assert.Equal(t, want, w.sum())
	})
}

// A dry run is told as one, and its store is called as often as is told.
func TestObserverOfADryRun(t *testing.T) {
	observed(t, func(t *testing.T, f *fixture, w *witness) {
		req := request(people(50)...)
		req.Options.DryRun = true
		_, err := f.importer().Import(t.Context(), req)
		require.NoError(t, err)
		assert.Equal(t, map[string]int{"Import Batch": 2}, w.calls("Store.Lookup"))
		assert.Empty(t, w.calls("Store.Commit"))
		requests := all[*bulk.RequestEvent](w)
		require.Len(t, requests, 1)
		assert.True(t, requests[0].DryRun)
		assert.Equal(t, 50, requests[0].Rows.Created)

		req.Rows = bulk.Users(people(50)...)
		job, err := f.importer().Submit(t.Context(), req)
		require.NoError(t, err)
		require.NoError(t, f.worker().RunJob(t.Context(), job.ID))
		for _, c := range all[*bulk.CheckpointEvent](w) {
			assert.True(t, c.DryRun)
		}
	})
}

// The answer to a repeated request counts no row twice.
func TestObserverOfARepeatedRequest(t *testing.T) {
	observed(t, func(t *testing.T, f *fixture, w *witness) {
		for range 2 {
			req := request(people(20)...)
			req.IdempotencyKey = "again"
			_, err := f.importer().Accept(t.Context(), req)
			require.NoError(t, err)
		}
		requests := all[*bulk.RequestEvent](w)
		require.Len(t, requests, 2)
		assert.False(t, requests[0].Replayed)
		assert.True(t, requests[1].Replayed)
		assert.Equal(t, bulk.Summary{Created: 20}, w.sum())
	})
}

// What a backend reports of throttles is in the event of its call, also if it calls
// from goroutines of its own.
func TestObserverOfThrottles(t *testing.T) {
	observed(t, func(t *testing.T, f *fixture, w *witness) {
		f.store.hook = func(ctx context.Context, writes []bulk.Write) []error {
			var calls sync.WaitGroup
			for range 4 {
				calls.Go(func() { bulk.ReportThrottle(ctx, len(writes)) })
			}
			calls.Wait()
			return nil
		}
		_, err := f.importer().Import(t.Context(), request(people(20)...))
		require.NoError(t, err)
		for _, c := range all[*bulk.CallEvent](w) {
			want := 0
			if c.Operation == "Commit" {
				want = 80
			}
			assert.Equal(t, want, c.Throttled, c.Operation)
		}
	})
	bulk.ReportThrottle(t.Context(), 1) // of nobody's call
}

// A backend is called in the context that the observer made for the call, so that spans
// of its client come to lie below that of the call.
func TestObserverContextOfACall(t *testing.T) {
	observed(t, func(t *testing.T, f *fixture, w *witness) {
		var mu sync.Mutex
		calls := map[string]int{}
		f.store.hook = func(ctx context.Context, _ []bulk.Write) []error {
			mu.Lock()
			defer mu.Unlock()
			within, _ := ctx.Value(withinKey{}).([]string)
			calls[strings.Join(within, " ")]++
			return nil
		}
		job := f.submit(100, bulk.DefaultOptions())
		require.NoError(t, f.worker().RunJob(t.Context(), job.ID))
		assert.Equal(t, map[string]int{"Attempt Batch Store.Commit": 4}, calls)
	})
}

// Writes that the store refuses are counted, and the call has no error of its own.
func TestObserverOfRefusedWrites(t *testing.T) {
	observed(t, func(t *testing.T, f *fixture, w *witness) {
		f.failWrites(func(wr bulk.Write) error {
			if wr.User.ID == "u00003" {
				return bulk.Permanent(errors.New("odd"))
			}
			return nil
		})
		_, err := f.importer().Import(t.Context(), request(people(20)...))
		require.NoError(t, err)
		failed := 0
		for _, c := range all[*bulk.CallEvent](w) {
			assert.NoError(t, c.Err)
			failed += c.Failed
		}
		assert.Equal(t, 1, failed)
	})
}

// A slow body is not the blob store's slowness.
func TestObserverOfAPutWithASlowReader(t *testing.T) {
	observed(t, func(t *testing.T, f *fixture, w *witness) {
		req := request()
		req.Rows = &slowRows{rows: bulk.Users(people(150)...), each: time.Second}
		_, err := f.importer().Submit(t.Context(), req)
		require.NoError(t, err)
		for _, c := range all[*bulk.CallEvent](w) {
			assert.Less(t, c.Took, time.Second, kind(c))
		}
		assert.Greater(t, all[*bulk.RequestEvent](w)[0].Took, 150*time.Second)
	})
}

type slowRows struct {
	rows bulk.RowReader
	each time.Duration
}

func (r *slowRows) Next() (bulk.Row, error) {
	time.Sleep(r.each)
	return r.rows.Next()
}

// A trace context that queues need not be able to keep is dropped.
func TestObserverWithABadTraceContext(t *testing.T) {
	for text, want := range map[string]string{
		strings.Repeat("x", bulk.MaxTraceContext):   strings.Repeat("x", bulk.MaxTraceContext),
		strings.Repeat("x", bulk.MaxTraceContext+1): "", "two\nlines": "", "caf\u00e9": "", "": "",
	} {
		observed(t, func(t *testing.T, f *fixture, w *witness) {
			w.trace = text
			job := f.submit(10, bulk.DefaultOptions())
			assert.Equal(t, want, f.get(job.ID).TraceContext)
		})
	}
}

// A misfit does what an observer must not: it panics, returns no context, and is slow.
type misfit struct {
	panics bool
	takes  time.Duration
}

func (m *misfit) Begin(context.Context, bulk.Event) context.Context {
	time.Sleep(m.takes)
	if m.panics {
		panic("Begin for ana@example.com")
	}
	return nil
}

func (m *misfit) End(context.Context, bulk.Event) {
	time.Sleep(m.takes)
	if m.panics {
		panic("End for ana@example.com")
	}
}

func TestObserverThatMisbehaves(t *testing.T) {
	for _, m := range []*misfit{{panics: true}, {takes: 20 * time.Millisecond}} {
		bubble(t, func(t *testing.T, f *fixture) {
			var log bytes.Buffer
			f.cfg.Logger = logtest.Tee(t, &log)
			f.cfg.Observer = m
			im, worker := f.importer(), f.worker()
			report, err := im.Import(t.Context(), request(bulk.User{ID: "first"}))
			require.NoError(t, err)
			assert.Equal(t, 1, report.Summary.Created)
			job := f.submit(500, bulk.DefaultOptions())
			require.NoError(t, worker.RunJob(t.Context(), job.ID))
			f.cfg.Observer = nil
			_, file := f.finish(job.ID)
			assert.Equal(t, 500, file.Summary.Created)
			if m.panics {
				// Of two importers and a worker.
				assert.Equal(t, 3, strings.Count(log.String(), "observer panicked"), "rule: one line for each, not one for each event")
			}
		})
	}
}

// An importer whose rows panic still tells the end of its request.
func TestObserverOfARequestThatPanics(t *testing.T) {
	observed(t, func(t *testing.T, f *fixture, w *witness) {
		req := request()
		req.Rows = panickingRows{}
		assert.PanicsWithValue(t, "no rows", func() { f.importer().Accept(t.Context(), req) })
		assert.Len(t, all[*bulk.RequestEvent](w), 1)
	})
}

type panickingRows struct{}

func (panickingRows) Next() (bulk.Row, error) { panic("no rows") }
