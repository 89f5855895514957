package contracttest

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkops/bulkops/bulk"
)

// testPaths has the paths and methods that there are, and some that there are not.
func testPaths(s *suite) {
	for path, allowed := range map[string]string{
		"/v1/bulk/users":              http.MethodPost,
		"/v1/bulk/jobs":               http.MethodGet,
		"/v1/bulk/jobs/job_x":         http.MethodGet,
		"/v1/bulk/jobs/job_x/results": http.MethodGet,
		"/v1/bulk/jobs/job_x/cancel":  http.MethodPost,
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
			if method == allowed || method == http.MethodDelete && path == "/v1/bulk/jobs/job_x" {
				continue
			}
			s.run(fmt.Sprintf("405/%s %s", method, path), func(w *world) {
				a := w.call(request{method: method, path: path, body: bodyOf(annRow), header: []string{"Content-Type: application/json"}})
				a.refusedWith(http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED")
				allow := strings.Split(strings.ReplaceAll(a.header.Get("Allow"), " ", ""), ",")
				if !slices.Contains(allow, allowed) || slices.Contains(allow, method) {
					a.errorf("Allow is %q; %s is allowed and %s is not", allow, allowed, method)
				}
				w.lacks(a, "A")
			})
		}
	}
	for _, path := range []string{
		"/v1/bulk/", "/v1/bulk/user", "/v1/bulk/users/", "/v1/bulk/users/u", "/v1/bulk/Users", "/v1/bulk/jobs/", "/v1/bulk/jobs/job_x/",
		"/v1/bulk/jobs/job_x/rows", "/v1/bulk/jobs/job_x/results/1", "/v1/bulk/jobs//results", "/v2/bulk/users", "/v1/users", "/",
		"/v1/bulk/downloads/x/v1/bulk/users", "/v1/bulk/downloads/x/v1/bulk/jobs", "/v1/bulk/v1/bulk/users", "/v1/bulk/v1/bulk/jobs",
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			s.run(fmt.Sprintf("404/%s %s", method, path), func(w *world) {
				a := w.call(request{method: method, path: path, body: bodyOf(annRow), header: []string{"Content-Type: application/json"}})
				a.refusedWith(http.StatusNotFound, "NOT_FOUND")
				w.lacks(a, "A")
			})
		}
	}
}

// An endpoint is one that wants a caller.
type endpoint struct{ method, path, body string }

func endpoints(job string) []endpoint {
	return []endpoint{
		{http.MethodPost, usersPath, bodyOf(annRow)},
		{http.MethodPost, usersPath, usersBody(150)},
		{http.MethodPost, usersPath, `{`},
		{http.MethodGet, "/v1/bulk/jobs", ""},
		{http.MethodGet, "/v1/bulk/jobs?limit=0", ""},
		{http.MethodGet, jobPath(job), ""},
		{http.MethodGet, resultsPath(job), ""},
		{http.MethodPost, cancelPath(job), ""},
	}
}

func (w *world) visit(e endpoint, token string, header ...string) *answer {
	w.Helper()
	return w.call(request{method: e.method, path: e.path, body: e.body, token: token, header: append([]string{"Content-Type: application/json"}, header...)})
}

// testCallers has callers who may do nothing.
func testCallers(s *suite) {
	for _, c := range []struct {
		name, token string
		header      []string
		status      int
		code        string
	}{
		{"no credentials", nobody, nil, http.StatusUnauthorized, "UNAUTHENTICATED"},
		{"an unknown token", "x", nil, http.StatusUnauthorized, "UNAUTHENTICATED"},
		{"another scheme", nobody, []string{"Authorization: Basic YTpi"}, http.StatusUnauthorized, "UNAUTHENTICATED"},
		{"a user", "user/%s/ulf", nil, http.StatusForbidden, "FORBIDDEN"},
		{"a role that nobody knows", "owner/%s/olga", nil, http.StatusForbidden, "FORBIDDEN"},
		{"a role in another case", "Admin/%s/ada", nil, http.StatusForbidden, "FORBIDDEN"},
		{"no role", "/%s/nora", nil, http.StatusForbidden, "FORBIDDEN"},
	} {
		for i, e := range endpoints("") {
			s.runWitnessed(fmt.Sprintf("%d/%s/%s %s, %d", c.status, c.name, e.method, e.path, i), func(w *world, v *witness) {
				id := newWorld(w.T, s.backends).in(w.tenant).submit(bodyOf(bobRow))
				token := c.token
				if strings.Contains(token, "%s") {
					token = fmt.Sprintf(token, w.tenant)
				}
				a := w.visit(endpoints(id)[i], token, c.header...)
				a.refusedWith(c.status, c.code)
				v.sawNothing(w, a)
				w.lacks(a, "A")
				if job := w.job(id); job.Status != "pending" {
					a.errorf("the job is %s now", job.Status)
				}
				w.cancel(id)
			})
		}
	}
	for _, origin := range [][]string{{"Sec-Fetch-Site: cross-site"}, {"Sec-Fetch-Site: same-site", "Origin: https://other.example.org"}, {"Origin: https://other.example.org"}} {
		for i, e := range endpoints("") {
			if e.method == http.MethodGet {
				continue
			}
			s.runWitnessed(fmt.Sprintf("403/%s/%s %s, %d", strings.Join(origin, ", "), e.method, e.path, i), func(w *world, v *witness) {
				id := newWorld(w.T, s.backends).in(w.tenant).submit(bodyOf(bobRow))
				a := w.visit(endpoints(id)[i], w.admin(), origin...)
				a.refusedWith(http.StatusForbidden, "FORBIDDEN")
				v.sawNothing(w, a)
				if job := w.job(id); job.Status != "pending" {
					a.errorf("the job is %s now", job.Status)
				}
				w.cancel(id)
			})
		}
	}
	for _, role := range []string{"admin", "super_admin"} {
		s.run("200/"+role, func(w *world) {
			token := role + "/" + w.tenant + "/x"
			o := w.call(request{body: bodyOf(annRow), token: token}).outcome()
			o.row(0, "created")
			w.holds(o.answer, ann)
			id := w.call(request{body: bodyOf(bobRow), token: token, header: []string{respondAsync}}).accepted().JobID
			for _, e := range endpoints(id)[3:] {
				if e.path == "/v1/bulk/jobs?limit=0" || e.path == resultsPath(id) {
					continue
				}
				w.visit(e, token).data(http.StatusOK)
			}
		})
	}
	s.run("an error of the host's own check is not shown", func(w *world) {
		a := w.call(request{path: "/v1/bulk/jobs"})
		a.refusedWith(http.StatusUnauthorized, "UNAUTHENTICATED")
		hidesSecrets(a)
	}, func(s *setup) {
		s.api.Authorize = func(*http.Request) (bulk.Principal, error) { return bulk.Principal{}, errSecret }
	})
}

// in returns the world with another tenant.
func (w *world) in(tenant string) *world {
	other := *w
	other.tenant = tenant
	return &other
}

// testTenants has two tenants who know nothing of each other.
func testTenants(s *suite) {
	for _, ended := range []bool{false, true} {
		state := map[bool]string{false: "pending", true: "completed"}[ended]
		for i, name := range []string{"status", "results", "cancel"} {
			s.run(fmt.Sprintf("%s of another tenant's job that is %s is that of a job that never was", name, state), func(w *world) {
				id := w.submit(bodyOf(annRow))
				if ended {
					w.run(id)
				}
				never := "job_" + strings.Repeat("0", len(id)-len("job_"))
				alien := w.visit(endpoints(id)[5+i], w.stranger())
				none := w.visit(endpoints(never)[5+i], w.stranger())
				alien.refusedWith(http.StatusNotFound, "JOB_NOT_FOUND")
				alien.header.Del("Date")
				none.header.Del("Date")
				if diff := cmp.Diff(none.header, alien.header); diff != "" {
					alien.errorf("the headers are others (-of none +of another tenant's):\n%s", diff)
				}
				if got, want := strings.ReplaceAll(string(alien.body), id, never), string(none.body); got != want {
					alien.errorf("the answer is another than\n%s", want)
				}
				if job := w.job(id); job.Status != state {
					job.errorf("the job is %s now", job.Status)
				}
				w.cancel(id)
			})
		}
	}
	for _, id := range []string{"x", "job_", "JOB_X", "..", "%00", "%2e%2e", "a%2Fb", "%FF", "%F0%9F%98%80", strings.Repeat("a", 3000)} {
		for i, name := range []string{"status", "results", "cancel"} {
			s.run(fmt.Sprintf("%s of a job whose id is %s", name, clip(id[:min(len(id), 40)])), func(w *world) {
				a := w.visit(endpoints(id)[5+i], w.admin())
				// A path of dots may be taken for another path.
				if id != ".." && id != "%2e%2e" {
					a.refusedWith(http.StatusNotFound, "JOB_NOT_FOUND")
				}
				if a.status != http.StatusNotFound {
					a.errorf("status is %d, want 404", a.status)
				}
			})
		}
	}
	s.run("a super_admin reads and cancels the jobs of every tenant", func(w *world) {
		id := w.submit(bodyOf(annRow))
		if job := w.call(request{path: jobPath(id), token: w.superAdmin()}).job(); job.JobID != id || job.Status != "pending" {
			job.errorf("want the pending job")
		}
		if job := w.visit(endpoints(id)[7], w.superAdmin()).job(); job.Status != "cancelled" {
			job.errorf("the job is %s, want cancelled", job.Status)
		}
		done := w.submit(bodyOf(annRow))
		w.run(done)
		_, o := w.send(request{path: resultsPath(done), token: w.superAdmin()}).file()
		o.row(0, "created")
		if job := w.call(request{path: jobPath(done), token: w.superAdmin()}).job(); job.Status != "completed" {
			job.errorf("the job is %s, want completed", job.Status)
		}
	})
	for _, m := range modes {
		s.run(fmt.Sprintf("%s/equal ids and emails of two tenants are different users", m), func(w *world) {
			other := w.in(w.tenant + "-b")
			m.send(w, bodyOf(annRow)).row(0, "created")
			o := m.send(other, bodyOf(`{"userId":"A","customFields":{"other":true}}`, `{"userId":"B","email":"ann@example.com"}`))
			o.row(0, "created")
			o.row(1, "created")
			w.holds(o.answer, ann)
			w.lacks(o.answer, "B")
			other.holds(o.answer, user{"A", "", `{"other":true}`, ""})
			other.holds(o.answer, user{"B", "ann@example.com", "", ""})
		})
	}
	s.run("the users of a super_admin go to its own tenant", func(w *world) {
		o := w.call(request{body: bodyOf(annRow), token: w.superAdmin()}).outcome()
		o.row(0, "created")
		w.lacks(o.answer, "A")
		w.in(w.tenant+"-hq").holds(o.answer, ann)
	})
}
