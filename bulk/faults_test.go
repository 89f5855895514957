package bulk_test

import (
	"context"
	"errors"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/bulk"
)

// TestTwoCancelsLeaveTheResults cancels a pending job twice at once, as a caller
// does that repeats a request.
func TestTwoCancelsLeaveTheResults(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		job := f.submit(20, bulk.DefaultOptions())
		f.cfg.Jobs = &hookedJobs{JobQueue: f.jobs, before: func(op string) error {
			if op == "Cancel" {
				time.Sleep(10 * time.Millisecond)
			}
			return nil
		}}
		im := f.importer()
		var both sync.WaitGroup
		for range 2 {
			both.Go(func() {
				if _, err := im.Cancel(t.Context(), admin, job.ID); err != nil {
					assert.ErrorIs(t, err, bulk.ErrJobEnded)
				}
			})
		}
		both.Wait()
		done, err := im.Job(t.Context(), admin, job.ID)
		require.NoError(t, err)
		assert.Equal(t, bulk.JobCancelled, done.Status)
		assert.Contains(t, f.blobs.Keys(), done.Results)
	})
}

func TestCancelWithALostAnswer(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		job := f.submit(20, bulk.DefaultOptions())
		f.cfg.Jobs = &hookedJobs{JobQueue: f.jobs, after: only("Cancel", errReset)}
		if _, err := f.importer().Cancel(t.Context(), admin, job.ID); err != nil {
			assert.ErrorIs(t, err, errReset)
		}
		done := f.get(job.ID)
		assert.Equal(t, bulk.JobCancelled, done.Status)
		assert.Contains(t, f.blobs.Keys(), done.Results)
	})
}

// stuckJobs does not answer until the context of the call ends.
type stuckJobs struct {
	bulk.JobQueue
	endless bool // a call was made that nothing can end
}

func (q *stuckJobs) wait(ctx context.Context) error {
	if ctx.Done() == nil {
		q.endless = true
		return errReset
	}
	<-ctx.Done()
	return ctx.Err()
}

func (q *stuckJobs) Create(ctx context.Context, _ bulk.JobSpec) error { return q.wait(ctx) }

func (q *stuckJobs) Get(ctx context.Context, _ string) (bulk.Job, error) {
	return bulk.Job{}, q.wait(ctx)
}

func TestCancelledSubmitEnds(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		jobs := &stuckJobs{JobQueue: f.jobs}
		f.cfg.Jobs = jobs
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := f.importer().Submit(ctx, request(people(20)...))
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		assert.False(t, jobs.endless)
	})
}

// TestSubmitThatCannotTell creates a job, loses the answer and then the queue: the
// caller is told that the request failed, so no row of it may be written later.
func TestSubmitThatCannotTell(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.cfg.Jobs = &hookedJobs{JobQueue: f.jobs, before: only("Get", errReset), after: only("Create", errReset)}
		_, err := f.importer().Submit(t.Context(), request(people(20)...))
		assert.Error(t, err)
		jobs, _, err := f.jobs.List(t.Context(), bulk.JobFilter{Tenant: tenant, Limit: 10})
		require.NoError(t, err)
		require.Len(t, jobs, 1)
		assert.Empty(t, f.blobs.Keys())
		f.cfg.Jobs = f.jobs
		require.NoError(t, f.worker().RunJob(t.Context(), jobs[0].ID))
		assert.Equal(t, bulk.JobFailed, f.get(jobs[0].ID).Status)
		assert.Zero(t, f.mem.Len(tenant))
	})
}

func TestImportCancelledWithACause(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(15*time.Millisecond, func() { cancel(errors.New("shutting down")) })
		_, err := f.importer().Import(ctx, request(people(200)...))
		assert.ErrorIs(t, err, context.Canceled)
	})
}

// panicReaders opens blobs whose readers panic.
type panicReaders struct{ bulk.BlobStore }

type panicReader struct{ io.ReadCloser }

func (panicReader) Read([]byte) (int, error) { panic("boom") }

func (b panicReaders) Get(ctx context.Context, key string) (io.ReadCloser, error) {
	r, err := b.BlobStore.Get(ctx, key)
	return panicReader{r}, err
}

func TestBlobReaderThatPanics(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		job := f.submit(150, bulk.DefaultOptions())
		f.cfg.Blobs = panicReaders{f.blobs}
		assert.NoError(t, f.worker().RunJob(t.Context(), job.ID))
		f.cfg.Blobs = f.blobs
		done := f.get(job.ID)
		assert.Equal(t, bulk.JobFailed, done.Status)
		assert.Equal(t, bulk.JobErrorInternal, done.Error.Code)
	})
}

type panicNotifier struct{ bulk.JobQueue }

func (panicNotifier) Changed() <-chan struct{} { panic("boom") }

func TestNotifierThatPanics(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.cfg.Jobs = panicNotifier{f.jobs}
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		job := f.submit(20, bulk.DefaultOptions())
		assert.NotPanics(t, func() { assert.NoError(t, f.worker().Run(ctx)) })
		assert.Equal(t, bulk.JobCompleted, f.get(job.ID).Status)
	})
}

// shortPut stores less than it was given, and says that all is well.
type shortPut struct{ bulk.BlobStore }

func (b shortPut) Put(ctx context.Context, key string, r io.Reader, info bulk.BlobInfo) error {
	return b.BlobStore.Put(ctx, key, io.LimitReader(r, 100), info)
}

func TestPayloadThatIsNotReadToItsEnd(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.cfg.Blobs = shortPut{f.blobs}
		_, err := f.importer().Submit(t.Context(), request(people(150)...))
		assert.Error(t, err)
		f.clean(t)
	})
}

func TestErrorsOfAReaderAreBounded(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		many := bulk.Row{JSON: []byte(`{}`), Errors: make([]bulk.RowError, 150)}
		report, err := f.importer().Import(t.Context(), bulk.Request{Principal: admin, Rows: &rowSlice{[]bulk.Row{many}}})
		require.NoError(t, err)
		assert.Len(t, report.Results[0].Errors, 100)
	})
}

func TestCodesOfAReaderAreEscaped(t *testing.T) {
	r := bulk.RowResult{Status: bulk.StatusFailed, Errors: []bulk.RowError{{Code: `A"B`}}}
	assert.JSONEq(t, `{"index":0,"status":"failed","errors":[{"code":"A\"B","message":""}]}`, string(bulk.AppendResult(r, nil)))
}

func TestRowsThatCannotBeOpenedAreNil(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		r, err := f.importer().Rows(t.Context(), &bulk.Job{JobSpec: bulk.JobSpec{Payload: "tacme/none"}})
		assert.ErrorIs(t, err, bulk.ErrBlobNotFound)
		assert.True(t, r == nil)
	})
}
