package contracttest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/bulkops/bulkops/bulk"
)

// secret is what a backend says that nobody may see. The marks of it that are
// looked for occur in no digest and no random id of an honest answer.
const secret = "arn:aws:dynamodb:eu-west-1:123456789012:table/secret-table"

var errSecret = errors.New("secret-request 4711: " + secret)

// hidesSecrets checks that nothing of a backend's text is in an answer.
func hidesSecrets(a *answer) {
	a.t.Helper()
	for _, part := range []string{"secret-table", "arn:", "secret-request", "goroutine", ".go:", "panic"} {
		if strings.Contains(string(a.body), part) {
			a.errorf("the answer shows %q of the backend", part)
		}
		for name, values := range a.header {
			if strings.Contains(strings.Join(values, " "), part) {
				a.errorf("the header %s shows %q of the backend", name, part)
			}
		}
	}
}

// A faultyStore fails as it is told.
type faultyStore struct {
	bulk.Store
	lookup func() error
	commit func(bulk.Write) error
}

func (s faultyStore) Lookup(ctx context.Context, tenant string, refs []bulk.Ref) ([]bulk.Found, error) {
	if s.lookup != nil {
		if err := s.lookup(); err != nil {
			return nil, err
		}
	}
	return s.Store.Lookup(ctx, tenant, refs)
}

// Commit does the writes that do not fail.
func (s faultyStore) Commit(ctx context.Context, tenant string, writes []bulk.Write) []error {
	outcomes := make([]error, len(writes))
	var good []bulk.Write
	for i, write := range writes {
		if s.commit != nil {
			outcomes[i] = s.commit(write)
		}
		if outcomes[i] == nil {
			good = append(good, write)
		}
	}
	if len(good) == 0 {
		return outcomes
	}
	done := s.Store.Commit(ctx, tenant, good)
	for i := range outcomes {
		if outcomes[i] == nil {
			outcomes[i], done = done[0], done[1:]
		}
	}
	return outcomes
}

// faultyBlobs fail as they are told.
type faultyBlobs struct {
	bulk.BlobStore
	put, get func() error
}

func (b faultyBlobs) Put(ctx context.Context, key string, r io.Reader, info bulk.BlobInfo) error {
	if b.put != nil {
		if err := b.put(); err != nil {
			return err
		}
	}
	return b.BlobStore.Put(ctx, key, r, info)
}

func (b faultyBlobs) Get(ctx context.Context, key string) (io.ReadCloser, error) {
	if b.get != nil {
		if err := b.get(); err != nil {
			return nil, err
		}
	}
	return b.BlobStore.Get(ctx, key)
}

// faultyJobs fail as they are told.
type faultyJobs struct {
	bulk.JobQueue
	create, get, list func() error
}

func (q faultyJobs) Create(ctx context.Context, job bulk.JobSpec) error {
	if q.create != nil {
		if err := q.create(); err != nil {
			return err
		}
	}
	return q.JobQueue.Create(ctx, job)
}

func (q faultyJobs) Get(ctx context.Context, id string) (bulk.Job, error) {
	if q.get != nil {
		if err := q.get(); err != nil {
			return bulk.Job{}, err
		}
	}
	return q.JobQueue.Get(ctx, id)
}

func (q faultyJobs) List(ctx context.Context, filter bulk.JobFilter) ([]bulk.Job, string, error) {
	if q.list != nil {
		if err := q.list(); err != nil {
			return nil, "", err
		}
	}
	return q.JobQueue.List(ctx, filter)
}

// The ways in which a backend fails.
var (
	down   = func() error { return errSecret }                 // maybe not for long
	broken = func() error { return bulk.Permanent(errSecret) } // for good
	panics = func() error { panic(secret) }
)

func breakBlobs(put, get func() error) change {
	return func(s *setup) { s.bulk.Blobs = faultyBlobs{s.bulk.Blobs, put, get} }
}

func breakJobs(create, get, list func() error) change {
	return func(s *setup) { s.bulk.Jobs = faultyJobs{s.bulk.Jobs, create, get, list} }
}

// testFaults has backends that fail, and answers that do not say how.
func testFaults(s *suite) {
	small, large := request{body: bodyOf(annRow, bobRow)}, request{body: usersBody(150)}
	for _, c := range []struct {
		name   string
		fault  change
		call   request
		status int
		code   string
	}{
		{"store is down", func(s *setup) { s.bulk.Store = faultyStore{s.bulk.Store, down, nil} }, small, http.StatusServiceUnavailable, "UNAVAILABLE"},
		{"store writes nothing", func(s *setup) {
			s.bulk.Store = faultyStore{s.bulk.Store, nil, func(bulk.Write) error { return errSecret }}
		}, small, http.StatusServiceUnavailable, "UNAVAILABLE"},
		{"store panics", func(s *setup) { s.bulk.Store = faultyStore{s.bulk.Store, panics, nil} }, small, http.StatusInternalServerError, "INTERNAL_ERROR"},
		{"store panics in a write", func(s *setup) {
			s.bulk.Store = faultyStore{s.bulk.Store, nil, func(bulk.Write) error { panic(secret) }}
		}, small, http.StatusInternalServerError, "INTERNAL_ERROR"},
		{"blobs are down", breakBlobs(down, nil), large, http.StatusServiceUnavailable, "UNAVAILABLE"},
		{"blobs are broken", breakBlobs(broken, nil), large, http.StatusInternalServerError, "INTERNAL_ERROR"},
		{"blobs panic", breakBlobs(panics, nil), large, http.StatusInternalServerError, "INTERNAL_ERROR"},
		{"jobs are down", breakJobs(down, nil, nil), large, http.StatusServiceUnavailable, "UNAVAILABLE"},
		{"jobs are broken", breakJobs(broken, nil, nil), large, http.StatusInternalServerError, "INTERNAL_ERROR"},
		{"jobs panic", breakJobs(panics, nil, nil), large, http.StatusInternalServerError, "INTERNAL_ERROR"},
		{"status while jobs are down", breakJobs(nil, down, nil), request{path: jobPath("job_x")}, http.StatusServiceUnavailable, "UNAVAILABLE"},
		{"status while jobs are broken", breakJobs(nil, broken, nil), request{path: jobPath("job_x")}, http.StatusInternalServerError, "INTERNAL_ERROR"},
		{"status while jobs panic", breakJobs(nil, panics, nil), request{path: jobPath("job_x")}, http.StatusInternalServerError, "INTERNAL_ERROR"},
		{"results while jobs are down", breakJobs(nil, down, nil), request{path: resultsPath("job_x")}, http.StatusServiceUnavailable, "UNAVAILABLE"},
		{"cancel while jobs are down", breakJobs(nil, down, nil), request{method: http.MethodPost, path: cancelPath("job_x")}, http.StatusServiceUnavailable, "UNAVAILABLE"},
		{"list while jobs are down", breakJobs(nil, nil, down), request{path: "/v1/bulk/jobs"}, http.StatusServiceUnavailable, "UNAVAILABLE"},
		{"list while jobs are broken", breakJobs(nil, nil, broken), request{path: "/v1/bulk/jobs"}, http.StatusInternalServerError, "INTERNAL_ERROR"},
	} {
		v := &witness{Backends: s.backends}
		watch := func(s *setup) { // below the fault
			s.bulk.Store, s.bulk.Blobs, s.bulk.Jobs = witnessStore{v.Store, v}, witnessBlobs{v.Blobs, v}, witnessJobs{v.Jobs, v}
		}
		s.run(c.name, func(w *world) {
			a := w.call(c.call)
			a.refusedWith(c.status, c.code)
			hidesSecrets(a)
			if c.status == http.StatusServiceUnavailable && a.header.Get("Retry-After") == "" {
				a.errorf("503 comes with Retry-After")
			}
			v.sawNothing(w, a)
		}, watch, c.fault)
	}
	s.run("results whose blob cannot be read", func(w *world) {
		id := w.submit(bodyOf(annRow))
		w.run(id)
		blind := newWorld(w.T, s.backends, breakBlobs(nil, broken)).in(w.tenant)
		for _, query := range []string{"", "?format=ndjson", "?format=csv", "?only=failed"} {
			a := blind.call(request{path: resultsPath(id) + query})
			a.refusedWith(http.StatusInternalServerError, "INTERNAL_ERROR")
			hidesSecrets(a)
		}
	})

	// One user of several who cannot be written.
	refuseBob := func(err error) change {
		return func(s *setup) {
			s.bulk.Store = faultyStore{s.bulk.Store, nil, func(write bulk.Write) error {
				if write.User.ID == "B" {
					return err
				}
				return nil
			}}
		}
	}
	for _, c := range []struct {
		name      string
		err       error
		modes     []mode
		retryable bool
	}{
		// A job is so patient that this would take long.
		{"a row that the store fails after all retries", errSecret, []mode{inSync}, true},
		{"a row that the store refuses for good", bulk.Permanent(errSecret), modes, false},
	} {
		for _, m := range c.modes {
			s.run(string(m)+"/"+c.name, func(w *world) {
				o := m.send(w, bodyOf(annRow, bobRow, `{"userId":"C"}`))
				o.row(0, "created")
				r := o.row(1, "failed", "STORE_ERROR")
				o.row(2, "created")
				if len(r.Errors) == 1 && r.Errors[0].Retryable != c.retryable {
					o.errorf("retryable is %v, want %v", r.Errors[0].Retryable, c.retryable)
				}
				hidesSecrets(o.answer)
				w.holds(o.answer, ann)
				w.lacks(o.answer, "B")
			}, refuseBob(c.err))
		}
	}
	s.run("a job that fails has what was done before in its results", func(w *world) {
		id := w.submit(usersBody(150))
		w.runToEnd(id)
		job := w.job(id)
		if job.Status != "failed" || job.Error == nil {
			job.fatalf("the job is %s, want failed with an error", job.Status)
		}
		job.hasErrorOnly()
		hidesSecrets(job.answer)
		o := w.download(job)
		hidesSecrets(o.answer)
		if o.summary.NotProcessed == 0 || o.summary.Created == 0 {
			o.errorf("the summary is %+v, want created rows and some that were not reached", o.summary)
		}
		for i, r := range o.results {
			if r.Status == "created" {
				w.stored(r.UserID)
			} else if r.Status != "notProcessed" {
				o.errorf("row %d is %s", i, r.Status)
			}
		}
		w.cancel(id).refusedWith(http.StatusConflict, "JOB_ENDED")
	}, func(s *setup) {
		s.bulk.Parallel, s.bulk.SegmentRows = 1, 25
		s.bulk.Store = faultyStore{s.bulk.Store, nil, func(write bulk.Write) error {
			if write.User.ID == "u110" {
				panic(secret)
			}
			return nil
		}}
	})
}

// hasErrorOnly checks that the error of a job is code and message.
func (j *jobState) hasErrorOnly() {
	j.t.Helper()
	if j.Error.Code == "" || j.Error.Message == "" || j.Error.Details != nil {
		j.errorf("the error of a job is a code and a message")
	}
}
