package bulk_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/jobs/memjobs"
)

// quiet is the tenant for which backends fall silent.
const quiet = "quiet"

// A silence is a backend that does not answer any more to some calls.
type silence struct {
	op      string // of which calls
	minds   bool   // a call returns when its context ends
	calls   atomic.Int64
	release chan struct{} // closed when the test has ended
}

// fall waits if the call is a silent one.
func (s *silence) fall(ctx context.Context, op, name string) error {
	if op != s.op || !strings.Contains(name, quiet) {
		return nil
	}
	s.calls.Add(1)
	if s.minds {
		select {
		case <-ctx.Done():
		case <-s.release:
		}
	} else {
		<-s.release
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return errReset
}

type silentStore struct {
	bulk.Store
	*silence
}

func (s silentStore) Lookup(ctx context.Context, tenant string, refs []bulk.Ref) ([]bulk.Found, error) {
	if err := s.fall(ctx, "Lookup", tenant); err != nil {
		return nil, err
	}
	return s.Store.Lookup(ctx, tenant, refs)
}

func (s silentStore) Commit(ctx context.Context, tenant string, writes []bulk.Write) []error {
	if err := s.fall(ctx, "Commit", tenant); err != nil {
		return same(err, len(writes))
	}
	return s.Store.Commit(ctx, tenant, writes)
}

type silentBlobs struct {
	bulk.BlobStore
	*silence
}

func (b silentBlobs) Put(ctx context.Context, key string, r io.Reader, info bulk.BlobInfo) error {
	op := "Put"
	if strings.Contains(key, "/journal/") {
		op = "Put chunk"
	}
	if err := b.fall(ctx, op, key); err != nil {
		return err
	}
	return b.BlobStore.Put(ctx, key, r, info)
}

func (b silentBlobs) Get(ctx context.Context, key string) (io.ReadCloser, error) {
	if err := b.fall(ctx, "Blobs.Get", key); err != nil {
		return nil, err
	}
	r, err := b.BlobStore.Get(ctx, key)
	return &silentReader{r, b.silence, ctx, key, 0}, err
}

// A silentReader is a stream that is silent in the middle.
type silentReader struct {
	io.ReadCloser
	silence *silence
	ctx     context.Context
	key     string
	read    int
}

func (r *silentReader) Read(p []byte) (int, error) {
	if r.read > 0 && strings.HasSuffix(r.key, "/payload") {
		if err := r.silence.fall(r.ctx, "Read", r.key); err != nil {
			return 0, err
		}
	}
	n, err := r.ReadCloser.Read(p[:min(len(p), 1000)])
	r.read += n
	return n, err
}

type silentJobs struct {
	*memjobs.Queue
	*silence
	id string // of the job whose calls are silent
}

func (q silentJobs) call(ctx context.Context, op, id string) error {
	if id != q.id {
		return nil
	}
	return q.fall(ctx, op, quiet)
}

func (q silentJobs) Create(ctx context.Context, job bulk.JobSpec) error {
	if err := q.fall(ctx, "Create", job.Tenant); err != nil {
		return err
	}
	return q.Queue.Create(ctx, job)
}

func (q silentJobs) Get(ctx context.Context, id string) (bulk.Job, error) {
	if err := q.call(ctx, "Jobs.Get", id); err != nil {
		return bulk.Job{}, err
	}
	return q.Queue.Get(ctx, id)
}

func (q silentJobs) Claim(ctx context.Context, claim bulk.Claim) (bulk.Job, error) {
	if err := q.fall(ctx, "Claim", quiet); err != nil {
		return bulk.Job{}, err
	}
	return q.Queue.Claim(ctx, claim)
}

func (q silentJobs) Save(ctx context.Context, id string, token int64, change bulk.JobChange) (bulk.Job, error) {
	if err := q.call(ctx, "Save", id); err != nil {
		return bulk.Job{}, err
	}
	return q.Queue.Save(ctx, id, token, change)
}

func (q silentJobs) GetIdempotencyKey(ctx context.Context, tenant, name string) (bulk.IdempotencyKey, error) {
	if err := q.fall(ctx, "GetIdempotencyKey", tenant); err != nil {
		return bulk.IdempotencyKey{}, err
	}
	return q.Queue.GetIdempotencyKey(ctx, tenant, name)
}

func (q silentJobs) PutIdempotencyKey(ctx context.Context, key bulk.IdempotencyKey) error {
	if err := q.fall(ctx, "PutIdempotencyKey", key.Tenant); err != nil {
		return err
	}
	return q.Queue.PutIdempotencyKey(ctx, key)
}

type silentMailer struct {
	bulk.Mailer
	*silence
}

func (m silentMailer) SendWelcome(ctx context.Context, messages []bulk.Welcome) []error {
	if err := m.fall(ctx, "SendWelcome", messages[0].Tenant); err != nil {
		return same(err, len(messages))
	}
	return m.Mailer.SendWelcome(ctx, messages)
}

// eachSilence runs a test for a silent call that minds its context and for one that
// does not. The goroutines that are left behind end with the test.
func eachSilence(t *testing.T, op string, test func(t *testing.T, f *fixture, s *silence)) {
	for _, minds := range []bool{true, false} {
		t.Run(fmt.Sprintf("%s/minds=%t", op, minds), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				s := &silence{op: op, minds: minds, release: make(chan struct{})}
				defer close(s.release)
				test(t, f, s)
			})
		})
	}
}

// silenced puts the silence in front of all backends.
func (f *fixture) silenced(s *silence, id string) {
	f.cfg.Store = silentStore{f.store, s}
	f.cfg.Blobs = silentBlobs{f.blobs, s}
	f.cfg.Jobs = silentJobs{f.jobs, s, id}
	f.cfg.Mailer = silentMailer{f.post, s}
}

// submitTo makes a job of n users for a tenant.
func (f *fixture) submitTo(tenant string, n int) *bulk.Job {
	f.t.Helper()
	req := request(people(max(n, 10))[:n]...)
	req.Principal.Tenant = tenant
	req.Options.SendWelcomeEmail = true
	job, err := f.importer().Submit(f.t.Context(), req)
	require.NoError(f.t, err)
	return job
}

// TestSilentBackendsDoNotHoldUpAWorker cancels a job whose backends are silent: the
// worker serves another job within CallTimeout and a few seconds, and the cancel is
// done as soon as the silence allows.
func TestSilentBackendsDoNotHoldUpAWorker(t *testing.T) {
	const (
		timeout = 30 * time.Second
		soon    = 5 * time.Second
		never   = 0 // while the silence lasts
	)
	for op, most := range map[string]struct {
		served time.Duration
		// ended is when the job has ended, with a backend that minds its context, and
		// with one that does not, whose lease has to run out.
		ended, abandoned time.Duration
	}{
		"Read":        {timeout, timeout, timeout},
		"Blobs.Get":   {timeout, never, never},
		"Put":         {timeout, never, never},
		"Put chunk":   {timeout, never, never},
		"Lookup":      {timeout, timeout, time.Minute + timeout},
		"Commit":      {2 * timeout, 2 * timeout, never}, // those that wait for a call of theirs
		"SendWelcome": {timeout, timeout, never},
		"Jobs.Get":    {timeout, never, never},
		"Save":        {time.Minute, never, never},
	} {
		eachSilence(t, op, func(t *testing.T, f *fixture, s *silence) {
			job := f.submitTo(quiet, 150)
			cancel := f.importer().Cancel
			f.silenced(s, job.ID)
			ctx, stop := context.WithCancel(t.Context())
			var worker sync.WaitGroup
			worker.Go(func() { assert.NoError(t, f.worker().Run(ctx)) })
			time.Sleep(2 * time.Second)
			_, err := cancel(t.Context(), bulk.Principal{ID: "root", Tenant: quiet, Role: bulk.RoleAdmin}, job.ID)
			require.NoError(t, err)
			other := f.submitTo(tenant, 150)

			assert.LessOrEqual(t, f.ends(other.ID), most.served+soon, "another job")
			assert.Equal(t, bulk.JobCompleted, f.get(other.ID).Status)
			ended := most.ended
			if !s.minds {
				ended = most.abandoned
			}
			if ended != never {
				assert.LessOrEqual(t, time.Since(time.Date(2000, 1, 1, 0, 0, 2, 0, time.UTC))+f.ends(job.ID), ended+soon, "the cancel")
			}
			stop()
			at := time.Now()
			worker.Wait()
			assert.LessOrEqual(t, time.Since(at), 10*time.Second)
		})
	}
}

// ends waits until a job has ended and returns how long that takes.
func (f *fixture) ends(id string) time.Duration {
	f.t.Helper()
	start := time.Now()
	for {
		job, err := f.jobs.Get(f.t.Context(), id)
		require.NoError(f.t, err)
		if job.Status.Ended() {
			return time.Since(start)
		}
		require.Less(f.t, time.Since(start), time.Hour, "the job does not end")
		time.Sleep(time.Second)
	}
}

// TestSilentBackendsDoNotHoldUpAStop stops a worker in the middle of silent calls.
func TestSilentBackendsDoNotHoldUpAStop(t *testing.T) {
	for _, op := range []string{"Read", "Blobs.Get", "Put", "Put chunk", "Lookup", "Commit", "SendWelcome", "Jobs.Get", "Save", "Claim"} {
		eachSilence(t, op, func(t *testing.T, f *fixture, s *silence) {
			job := f.submitTo(quiet, 150)
			f.silenced(s, job.ID)
			ctx, stop := context.WithTimeout(t.Context(), 2*time.Second)
			defer stop()
			assert.NoError(t, f.worker().Run(ctx))
			assert.NotZero(t, s.calls.Load(), "nothing was silent")
			assert.LessOrEqual(t, time.Since(time.Date(2000, 1, 1, 0, 0, 2, 0, time.UTC)), 10*time.Second)
		})
	}
}

// TestSilentBackendsDoNotHoldUpRequests has every call of an importer in front of a
// silent backend.
func TestSilentBackendsDoNotHoldUpRequests(t *testing.T) {
	root := bulk.Principal{ID: "root", Tenant: quiet, Role: bulk.RoleAdmin}
	accept := func(n int, key string) func(im *bulk.Importer, job *bulk.Job) error {
		return func(im *bulk.Importer, _ *bulk.Job) error {
			req := request(people(n)...)
			req.Principal, req.IdempotencyKey = root, key
			_, _, _, err := accept(im, context.Background(), req)
			return err
		}
	}
	submit := func(im *bulk.Importer, _ *bulk.Job) error {
		req := request(people(150)...)
		req.Principal = root
		_, err := im.Submit(context.Background(), req)
		return err
	}
	for _, test := range []struct {
		op   string
		name string
		call func(im *bulk.Importer, job *bulk.Job) error
	}{
		{"Lookup", "Import", accept(30, "")},
		{"Lookup", "Keyed", accept(30, "k")},
		{"Put chunk", "Keyed", accept(30, "k")},
		{"GetIdempotencyKey", "Keyed", accept(30, "k")},
		{"PutIdempotencyKey", "Keyed", accept(30, "k")},
		{"Put", "Submit", submit},
		{"Create", "Submit", submit},
		{"Jobs.Get", "Job", func(im *bulk.Importer, job *bulk.Job) error {
			_, err := im.Job(context.Background(), root, job.ID)
			return err
		}},
		{"Blobs.Get", "Results", func(im *bulk.Importer, job *bulk.Job) error {
			_, err := im.Results(context.Background(), job)
			return err
		}},
	} {
		eachSilence(t, test.op+"/"+test.name, func(t *testing.T, f *fixture, s *silence) {
			s.op = test.op
			job := f.submitTo(quiet, 1)
			require.NoError(t, f.worker().RunJob(t.Context(), job.ID))
			done, err := f.jobs.Get(t.Context(), job.ID)
			require.NoError(t, err)
			f.silenced(s, job.ID)
			start := time.Now()
			assert.Error(t, test.call(f.importer(), &done))
			assert.LessOrEqual(t, time.Since(start), 30*time.Second+5*time.Second)
		})
	}
}

// TestSilentCommitOfARequest leaves nobody able to tell what becomes of the rows.
func TestSilentCommitOfARequest(t *testing.T) {
	eachSilence(t, "Commit", func(t *testing.T, f *fixture, s *silence) {
		f.silenced(s, "")
		req := request(people(30)...)
		req.Principal.Tenant = quiet
		start := time.Now()
		report, err := f.importer().Import(t.Context(), req)
		assert.LessOrEqual(t, time.Since(start), 30*time.Second+5*time.Second)
		if !s.minds {
			assert.ErrorContains(t, err, "given up")
			return
		}
		require.NoError(t, err)
		assert.Equal(t, bulk.Summary{Failed: 30}, report.Summary)
		for _, r := range report.Results {
			assert.Equal(t, bulk.CodeOutcomeUnknown, r.Errors[0].Code)
		}
	})
}
