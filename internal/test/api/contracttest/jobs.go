package contracttest

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"github.com/bulkops/bulkops/bulk"
)

func testJobs(s *suite) {
	s.run("202 has all that leads to the job", func(w *world) {
		for _, a := range []*answer{w.post(usersBody(100)), w.post(bodyOf(annRow), respondAsync)} {
			job := a.accepted()
			a.hasHeader("Retry-After", "5")
			if job.Mode != "async" || job.Status != "pending" || !strings.HasPrefix(job.JobID, "job_") {
				a.errorf("want a pending job, job_…, in the mode async")
			}
			if kept := a.time(job.ExpiresAt).Sub(a.time(job.CreatedAt)); kept != 30*24*time.Hour {
				a.errorf("the job is kept for %v, want 30 days", kept)
			}
			if age := time.Since(a.time(job.CreatedAt)); age < -time.Minute || age > time.Minute {
				a.errorf("the job was created %v ago", age)
			}
			if job.StatusURL != jobPath(job.JobID) {
				a.errorf("statusUrl is %q, want %q", job.StatusURL, jobPath(job.JobID))
			}
			w.leadsToJob(a, usersPath, job.StatusURL, job.JobID)
			w.leadsToJob(a, usersPath, a.header.Get("Location"), job.JobID)
			w.cancel(job.JobID)
		}
	})
	for name, mount := range map[string]func(http.Handler) http.Handler{
		"left":     func(h http.Handler) http.Handler { return h },
		"stripped": func(h http.Handler) http.Handler { return http.StripPrefix("/api/x", h) },
	} {
		s.run("Location and statusUrl under a mount prefix that is "+name, func(w *world) {
			path := "/api/x" + usersPath
			a := w.call(request{method: http.MethodPost, path: path, body: bodyOf(annRow), header: []string{"Content-Type: application/json", respondAsync}})
			job := a.accepted()
			w.leadsToJob(a, path, job.StatusURL, job.JobID)
			w.leadsToJob(a, path, a.header.Get("Location"), job.JobID)
			w.run(job.JobID)
			w.download(w.call(request{path: "/api/x" + jobPath(job.JobID)}).job())
		}, func(s *setup) { s.mount = mount })
	}
	s.run("a pending job", func(w *world) {
		id := w.post(bodyWith(`{"upsert":false,"skipDuplicates":true,"dryRun":true}`, annRow, bobRow), respondAsync).accepted().JobID
		job := w.job(id)
		job.hasHeader("Retry-After", "5")
		if job.JobID != id || job.Type != "user_import" || job.Status != "pending" || job.CreatedBy != "ana" || job.TotalRecords != 2 || job.Progress != 0 {
			job.errorf("want job %s, user_import, pending, by ana, of 2 rows, none done", id)
		}
		if want := (summary{NotProcessed: 2}); job.summary != want {
			job.errorf("the summary is %+v, want %+v", job.summary, want)
		}
		options := map[string]any{"upsert": false, "skipDuplicates": true, "sendWelcomeEmail": false, "dryRun": true,
			"updateOnly": false, "merge": "merge", "maxFailed": nil}
		if diff := cmp.Diff(options, job.Options); diff != "" {
			job.errorf("options (-want +got):\n%s", diff)
		}
		w.cancel(id)
	})
	s.run("a completed job", func(w *world) {
		w.seed(annRow)
		id := w.submit(bodyOf(annRow, bobRow, `{}`))
		w.run(id)
		job := w.job(id)
		// Rows that failed do not fail a job.
		if job.Status != "completed" || job.Progress != 100 || job.ProcessedRecords != 3 {
			job.errorf("want a completed job with 3 rows done")
		}
		if want := (summary{Created: 1, Unchanged: 1, Failed: 1}); job.summary != want {
			job.errorf("the summary is %+v, want %+v", job.summary, want)
		}
		times := []time.Time{job.time(*job.CreatedAt), job.time(*job.StartedAt), job.time(*job.CompletedAt), job.time(*job.UpdatedAt), job.time(*job.ExpiresAt)}
		if !slices.IsSortedFunc(times, time.Time.Compare) {
			job.errorf("the times are not in order")
		}
	})
	s.run("the host sets another Retry-After", func(w *world) {
		a := w.post(bodyOf(annRow), respondAsync)
		a.hasHeader("Retry-After", "7")
		id := a.accepted().JobID
		w.job(id).hasHeader("Retry-After", "7")
		w.cancel(id)
	}, func(s *setup) { s.api.RetryAfter = 7 * time.Second })

	gate := newGate()
	s.run("a processing job", func(w *world) {
		id := w.submit(usersBody(100))
		done := make(chan error)
		go func() { done <- w.worker.RunJob(w.ctx, id) }()
		w.waitFor(gate.entered)
		job := w.job(id)
		job.hasHeader("Retry-After", "5")
		if job.Status != "processing" {
			job.errorf("the job is %s, want processing", job.Status)
		}
		a := w.call(request{path: resultsPath(id)})
		a.refusedWith(http.StatusNotFound, "NOT_FOUND")
		gate.open()
		if err := <-done; err != nil {
			w.Fatal(err)
		}
		w.download(w.job(id))
	}, gate.change)

	s.run("processedRecords never goes down", func(w *world) {
		id := w.submit(usersBody(1000))
		done := make(chan error, 1)
		go func() { done <- w.worker.RunJob(w.ctx, id) }()
		last := 0
		for ended := false; !ended; {
			job := w.job(id)
			if job.ProcessedRecords < last {
				job.errorf("processedRecords was %d before", last)
			}
			last = job.ProcessedRecords
			select {
			case err := <-done:
				if err != nil {
					w.Fatal(err)
				}
				ended = true
			default:
			}
		}
	}, func(s *setup) { s.bulk.SegmentRows = 50 })

	s.run("RunJob runs a job to its end when checkpoints are slower than rows", func(w *world) {
		id := w.submit(usersBody(500))
		w.run(id)
		if job := w.job(id); job.Status != "completed" {
			job.errorf("RunJob returned nil and the job is %s, want completed", job.Status)
		}
	}, func(s *setup) { s.bulk.Parallel, s.bulk.SegmentRows = 1, 25 })
}

// leadsToJob checks that a reference in the answer to a request to that path leads
// to the job.
func (w *world) leadsToJob(a *answer, path, reference, id string) {
	w.Helper()
	base, err := url.Parse(w.url + path)
	if err != nil {
		w.Fatal(err)
	}
	u, err := base.Parse(reference)
	if err != nil {
		a.fatalf("%q is no reference: %v", reference, err)
	}
	if job := w.call(request{path: u.String()}).job(); job.JobID != id {
		a.errorf("%q leads to another job", reference)
	}
}

// A gate holds the first write of a worker until it is opened.
type gate struct {
	entered chan struct{} // closed when a write has come to the gate
	opened  chan struct{}
	once    [2]sync.Once
}

func newGate() *gate {
	return &gate{entered: make(chan struct{}), opened: make(chan struct{})}
}

func (g *gate) open() { g.once[1].Do(func() { close(g.opened) }) }

func (g *gate) change(s *setup) {
	s.bulk.Store = faultyStore{s.bulk.Store, nil, func(bulk.Write) error {
		g.once[0].Do(func() { close(g.entered) })
		select {
		case <-g.opened:
		case <-time.After(30 * time.Second): // a case that failed does not hang
		}
		return nil
	}}
}

// waitFor waits until c is closed.
func (w *world) waitFor(c <-chan struct{}) {
	w.Helper()
	select {
	case <-c:
	case <-time.After(30 * time.Second):
		w.Fatal("the worker has not begun to write")
	}
}

// A page is a part of the list of jobs.
type page struct {
	*answer `json:"-"`
	Jobs    []jsontext.Value `json:"jobs"`
	Cursor  *string          `json:"cursor"`

	jobs []*jobState
}

func (w *world) page(query string) *page {
	w.Helper()
	a := w.call(request{path: "/v1/bulk/jobs" + query})
	data := a.data(http.StatusOK)
	a.hasKeys(data, "jobs", "cursor")
	p := &page{answer: a}
	a.decode(data, p)
	for _, text := range p.Jobs {
		p.jobs = append(p.jobs, a.jobIn(text))
	}
	return p
}

// list walks over all pages and returns the ids of the jobs.
func (w *world) list(limit int, filter string) (ids []string) {
	w.Helper()
	query := fmt.Sprintf("?limit=%d%s", limit, filter)
	next := query
	for range 1000 {
		p := w.page(next)
		if len(p.jobs) > limit {
			p.errorf("a page has %d jobs, more than %d", len(p.jobs), limit)
		}
		for _, job := range p.jobs {
			ids = append(ids, job.JobID)
		}
		if p.Cursor == nil {
			return ids
		}
		next = query + "&cursor=" + url.QueryEscape(*p.Cursor)
	}
	w.Fatal("the list has no end")
	return nil
}

// lists waits until the list has these jobs: a new job may come a little late.
func (w *world) lists(limit int, filter string, want []string) {
	w.Helper()
	var got []string
	w.poll("the list of all jobs", func() bool {
		got = w.list(limit, filter)
		return len(got) >= len(want)
	})
	if diff := cmp.Diff(want, got); diff != "" {
		w.Errorf("jobs listed with limit=%d%s (-want +got):\n%s", limit, filter, diff)
	}
}

func testList(s *suite) {
	s.run("a super admin names the tenant", func(w *world) {
		id := w.submit(bodyOf(annRow))
		list := func(token, query string) *answer {
			return w.call(request{path: "/v1/bulk/jobs" + query, token: token})
		}
		w.lists(100, "&tenant="+w.tenant, []string{id}) // its own
		a := list(w.superAdmin(), "?tenant="+w.tenant)
		if !strings.Contains(string(a.data(http.StatusOK)), id) {
			a.errorf("want the jobs of the tenant")
		}
		if a = list(w.superAdmin(), ""); strings.Contains(string(a.data(http.StatusOK)), id) {
			a.errorf("without a tenant it is the caller's own")
		}
		list(w.stranger(), "?tenant="+w.tenant).refusedWith(http.StatusForbidden, "FORBIDDEN")
		w.cancel(id)
	})
	s.run("no jobs", func(w *world) {
		p := w.page("")
		if len(p.jobs) != 0 || p.Cursor != nil || !strings.Contains(string(p.body), `"jobs":[]`) {
			p.errorf("want no jobs and no cursor")
		}
	})
	s.run("newest first, in pages, by status, of the own tenant", func(w *world) {
		var all, pending, completed, cancelled []string
		for i := range 9 {
			id := w.submit(bodyOf(fmt.Sprintf(`{"userId":"u%d"}`, i)))
			all = append(all, id)
			switch i % 3 {
			case 0:
				pending = append(pending, id)
			case 1:
				w.run(id)
				completed = append(completed, id)
			case 2:
				w.cancel(id).job()
				cancelled = append(cancelled, id)
			}
		}
		alien := w.call(request{body: bodyOf(annRow), token: w.stranger(), header: []string{respondAsync}}).accepted().JobID
		for _, ids := range [][]string{all, pending, completed, cancelled} {
			slices.Reverse(ids)
		}
		for _, limit := range []int{1, 2, 3, 8, 9, 10, 100} {
			w.lists(limit, "", all)
			w.lists(limit, "&status=pending", pending)
			w.lists(limit, "&status=completed", completed)
			w.lists(limit, "&status=cancelled", cancelled)
			w.lists(limit, "&status=processing", nil)
			w.lists(limit, "&status=failed", nil)
		}
		// A job in the list is as in its status.
		for _, listed := range w.page("").jobs {
			job := w.job(listed.JobID)
			if listed.Status != job.Status || listed.summary != job.summary || *listed.CreatedAt != *job.CreatedAt {
				listed.errorf("a job is listed otherwise than\n%s", job)
			}
			if listed.DownloadURL != nil {
				w.download(listed)
			}
		}
		for _, id := range append(pending, alien) {
			w.call(request{method: http.MethodPost, path: cancelPath(id), token: w.superAdmin()}).job()
		}
	})
	s.run("20 jobs are the default", func(w *world) {
		var all []string
		for i := range 21 {
			all = append(all, w.submit(bodyOf(fmt.Sprintf(`{"userId":"u%d"}`, i))))
		}
		slices.Reverse(all)
		w.lists(100, "", all)
		p := w.page("")
		if len(p.jobs) > 20 || p.Cursor == nil {
			p.errorf("a page has %d of 21 jobs, want 20 at most and a cursor", len(p.jobs))
		}
		// A cursor of one tenant is none of another.
		a := w.call(request{path: "/v1/bulk/jobs?cursor=" + url.QueryEscape(*p.Cursor), token: w.stranger()})
		a.refusedWith(http.StatusBadRequest, invalidRequest)
		for _, id := range all {
			w.cancel(id)
		}
	})
	for _, query := range []string{
		"limit=0", "limit=-1", "limit=101", "limit=1000000", "limit=", "limit=x", "limit=1.5", "limit=1e1", "limit=99999999999999999999",
		"limit=10&limit=20", "status=", "status=done", "status=Pending", "status=pending,completed", "status=pending&status=failed",
		"cursor=x", "cursor=%00", "page=2", "Limit=5", "limit=5&offset=5", "limit=%zz",
	} {
		s.run("400/"+query, func(w *world) {
			w.call(request{path: "/v1/bulk/jobs?" + query}).refusedWith(http.StatusBadRequest, invalidRequest)
		})
	}
}
