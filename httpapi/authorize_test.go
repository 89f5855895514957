package httpapi_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/httpapi"
)

var endpoints = []struct{ method, path string }{
	{"POST", "/v1/bulk/users"},
	{"GET", "/v1/bulk/jobs"},
	{"GET", "/v1/bulk/jobs/job_1"},
	{"GET", "/v1/bulk/jobs/job_1/results"},
	{"POST", "/v1/bulk/jobs/job_1/cancel"},
}

func TestWhoMayCall(t *testing.T) {
	w := newWorld(t)
	for _, e := range endpoints {
		requireProblem(t, w.do("", e.method, e.path, ""), http.StatusUnauthorized, "UNAUTHENTICATED")
		for _, token := range []string{"user:acme:uma", "Admin:acme:ana", ":acme:ana", "banned"} {
			requireProblem(t, w.do(token, e.method, e.path, ""), http.StatusForbidden, "FORBIDDEN")
		}
		requireProblem(t, w.do("outage", e.method, e.path, ""), http.StatusServiceUnavailable, "UNAVAILABLE")
	}
	assert.NotContains(t, w.do("", "GET", "/v1/bulk/jobs", "").Body.String(), "no bearer token", "rule: no error text of the host is sent")
}

// Nothing of a body is read before the caller may send it.
func TestBodyIsNotReadBeforeTheCallerIsKnown(t *testing.T) {
	w := newWorld(t)
	for name, headers := range map[string]map[string]string{
		"no credentials":      {"Content-Type": "application/json"},
		"another role":        {"Content-Type": "application/json", "Authorization": "Bearer user:acme:uma"},
		"another type":        {"Content-Type": "text/html", "Authorization": "Bearer " + admin},
		"a bad encoding":      {"Content-Type": "text/csv", "Content-Encoding": "zstd", "Authorization": "Bearer " + admin},
		"a length over limit": {"Content-Type": "text/csv", "Authorization": "Bearer " + admin},
	} {
		r := httptest.NewRequest("POST", "/v1/bulk/users", io.NopCloser(untouchable{t}))
		for key, value := range headers {
			r.Header.Set(key, value)
		}
		if name == "a length over limit" {
			r.ContentLength = httpapi.DefaultMaxBody + 1
		}
		rec := w.serve(r)
		assert.GreaterOrEqual(t, rec.Code, 400, name)
	}
}

type untouchable struct{ t *testing.T }

func (u untouchable) Read([]byte) (int, error) {
	u.t.Error("rule: the body is not read before the request may be served")
	return 0, io.EOF
}

func TestTenants(t *testing.T) {
	w := newWorld(t)
	id := w.submit(usersBody(1))
	w.run(id)
	for _, e := range []struct{ method, path string }{
		{"GET", "/v1/bulk/jobs/" + id}, {"GET", "/v1/bulk/jobs/" + id + "/results"}, {"POST", "/v1/bulk/jobs/" + id + "/cancel"},
	} {
		other := w.do(otherAdmin, e.method, e.path, "")
		requireProblem(t, other, http.StatusNotFound, "JOB_NOT_FOUND")
		never := w.do(otherAdmin, e.method, "/v1/bulk/jobs/job_never", "")
		if e.method == "GET" {
			assert.Equal(t, never.Body.String(), other.Body.String(), "rule: a job of another tenant is as one that never existed")
		}
	}
	assert.Equal(t, http.StatusOK, w.do(superAdmin, "GET", "/v1/bulk/jobs/"+id, "").Code)
	assert.Equal(t, http.StatusOK, w.do(superAdmin, "GET", "/v1/bulk/jobs/"+id+"/results", "").Code)
	requireProblem(t, w.do(superAdmin, "POST", "/v1/bulk/jobs/"+id+"/cancel", ""), http.StatusConflict, "JOB_ENDED")
	assert.Empty(t, data(t, w.do(otherAdmin, "GET", "/v1/bulk/jobs", ""))["jobs"])
}

func TestPanics(t *testing.T) {
	w := newWorld(t)
	requireProblem(t, w.do("panic", "GET", "/v1/bulk/jobs", ""), http.StatusInternalServerError, "INTERNAL_ERROR")
	assert.Contains(t, w.log.String(), "authorize panics")
	assert.Contains(t, w.log.String(), "authorize_test.go", "rule: the log has the stack")
	assert.PanicsWithValue(t, http.ErrAbortHandler, func() { w.do("abort", "GET", "/v1/bulk/jobs", "") })
}

// A caller that goes away is no failure of the service.
func TestCancelledRequest(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, e := range endpoints {
		r := httptest.NewRequest(e.method, e.path, http.NoBody).WithContext(ctx)
		r.Header.Set("Authorization", "Bearer "+admin)
		r.Header.Set("Content-Type", "text/csv")
		w.serve(r)
	}
	r := httptest.NewRequest("GET", "/v1/bulk/jobs", nil).WithContext(ctx)
	requireProblem(t, w.serve(r), http.StatusServiceUnavailable, "UNAVAILABLE")
	assert.NotContains(t, w.log.String(), "level=ERROR")
}

// What a backend fails with decides between a fault and an outage.
func TestFailures(t *testing.T) {
	const job = "/v1/bulk/jobs/job_1"
	w := newWorld(t)
	for _, test := range []struct {
		err    error
		status int
		code   string
	}{
		{errors.New("dial tcp: secret"), http.StatusServiceUnavailable, "UNAVAILABLE"},
		{bulk.ErrUnavailable, http.StatusServiceUnavailable, "UNAVAILABLE"},
		{context.DeadlineExceeded, http.StatusServiceUnavailable, "UNAVAILABLE"},
		{bulk.Permanent(errors.New("access denied: secret")), http.StatusInternalServerError, "INTERNAL_ERROR"},
		{bulk.ErrJobNotFound, http.StatusNotFound, "JOB_NOT_FOUND"},
	} {
		w.jobs.err = test.err
		rec := w.do(admin, "GET", job, "")
		requireProblem(t, rec, test.status, test.code)
		assert.NotContains(t, rec.Body.String(), "secret")
		assert.Equal(t, test.status == http.StatusServiceUnavailable, rec.Header().Get("Retry-After") == "5")
	}
	assert.Contains(t, w.log.String(), "access denied: secret")

	for _, path := range []string{"/v1/bulk/jobs", job + "/results"} {
		w.jobs.err = errors.New("down")
		requireProblem(t, w.do(admin, "GET", path, ""), http.StatusServiceUnavailable, "UNAVAILABLE")
	}
	requireProblem(t, w.do(admin, "POST", job+"/cancel", ""), http.StatusServiceUnavailable, "UNAVAILABLE")
}

func TestTenantThatCannotBe(t *testing.T) {
	w := newWorld(t, func(_ *bulk.Config, api *httpapi.Config) {
		api.Authorize = func(*http.Request) (bulk.Principal, error) {
			return bulk.Principal{ID: "x", Tenant: "\xff", Role: bulk.RoleAdmin}, nil
		}
	})
	rec := w.do(admin, "GET", "/v1/bulk/jobs", "")
	require.GreaterOrEqual(t, rec.Code, 500)
}

// A caller that the host should not have made is the host's fault: the log says what is
// wrong with it and where it came from, and the answer does not.
func TestUnusableCallers(t *testing.T) {
	for name, test := range map[string]struct {
		caller bulk.Principal
		log    string
	}{
		"long tenant":      {bulk.Principal{Role: bulk.RoleAdmin, Tenant: strings.Repeat("x", 129), ID: "ana"}, "Principal.Tenant has 129 bytes; the limit is 128"},
		"tenant not UTF-8": {bulk.Principal{Role: bulk.RoleSuperAdmin, Tenant: "caf\xe9", ID: "ana"}, "Principal.Tenant is not valid UTF-8"},
		"long id":          {bulk.Principal{Role: bulk.RoleAdmin, ID: strings.Repeat("x", 1025)}, "Principal.ID has 1025 bytes; the limit is 1024"},
		"id not UTF-8":     {bulk.Principal{Role: bulk.RoleAdmin, ID: "\xff"}, "Principal.ID is not valid UTF-8"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(_ *bulk.Config, api *httpapi.Config) {
				api.Authorize = func(*http.Request) (bulk.Principal, error) { return test.caller, nil }
			})
			for _, path := range []string{"GET /v1/bulk/jobs", "POST /v1/bulk/users", "GET /v1/bulk/jobs/job_1", "GET /v1/bulk/openapi.json"} {
				method, target, _ := strings.Cut(path, " ")
				before := strings.Count(w.log.String(), "\n")
				rec := w.do("", method, target, usersBody(1))
				requireProblem(t, rec, http.StatusInternalServerError, "INTERNAL_ERROR")
				assert.NotContains(t, rec.Body.String(), "Principal")
				assert.Equal(t, 1, strings.Count(w.log.String(), "\n")-before, "rule: the log says it once a request")
			}
			assert.Contains(t, w.log.String(), "level=ERROR")
			assert.Contains(t, w.log.String(), "Config.Authorize")
			assert.Contains(t, w.log.String(), test.log)
			w.empty()
		})
	}
}
