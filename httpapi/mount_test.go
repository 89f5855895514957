package httpapi_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/httpapi"
)

// Under every mount the whole way works by following the answers.
func TestMounts(t *testing.T) {
	tests := []struct {
		name   string
		prefix string
		mount  func(http.Handler) http.Handler
	}{
		{"bare", "", func(h http.Handler) http.Handler { return h }},
		{"mux", "", func(h http.Handler) http.Handler {
			mux := http.NewServeMux()
			mux.Handle("/v1/bulk/", h)
			return mux
		}},
		{"mux under a prefix", "/api", func(h http.Handler) http.Handler {
			mux := http.NewServeMux()
			mux.Handle("/api/v1/bulk/", h)
			return mux
		}},
		{"StripPrefix", "/api/x", func(h http.Handler) http.Handler {
			mux := http.NewServeMux()
			mux.Handle("/api/x/", http.StripPrefix("/api/x", h))
			return mux
		}},
		{"an escaped prefix", "/a%20b%2Fc", func(h http.Handler) http.Handler { return h }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			server := httptest.NewServer(test.mount(w.handler))
			defer server.Close()
			client := server.Client()

			r, err := http.NewRequest("POST", server.URL+test.prefix+"/v1/bulk/users", strings.NewReader(usersBody(100)))
			require.NoError(t, err)
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Authorization", "Bearer "+admin)
			res, err := client.Do(r)
			require.NoError(t, err)
			var accepted struct {
				Data struct{ JobID, StatusURL string }
			}
			require.NoError(t, json.NewDecoder(res.Body).Decode(&accepted))
			_ = res.Body.Close()
			require.Equal(t, http.StatusAccepted, res.StatusCode)
			assert.Equal(t, test.prefix+"/v1/bulk/jobs/"+accepted.Data.JobID, accepted.Data.StatusURL)
			location, err := res.Location()
			require.NoError(t, err)
			assert.Equal(t, server.URL+accepted.Data.StatusURL, location.String(), "rule: Location is right under any prefix")

			w.run(accepted.Data.JobID)
			var status struct{ Data struct{ DownloadURL string } }
			get(t, client, location.String(), admin, &status)
			assert.True(t, strings.HasPrefix(status.Data.DownloadURL, server.URL+test.prefix+"/v1/bulk/downloads/"), status.Data.DownloadURL)
			var file struct{ Results []bulk.RowResult }
			get(t, client, status.Data.DownloadURL, "", &file)
			assert.Len(t, file.Results, 100)
		})
	}
}

// Whoever guards a part of the API by its path must not be walked around.
func TestRootCountsOnce(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{
		"/v1/bulk/downloads/x/v1/bulk/users", "/v1/bulk/v1/bulk/users", "/v1/bulk/users/v1/bulk/users", "/a/v1/bulk/b/v1/bulk/users", "/v1/bulk//v1/bulk/users",
	} {
		requireProblem(t, w.do(admin, "POST", path, usersBody(1)), http.StatusNotFound, "NOT_FOUND")
		requireProblem(t, w.do(admin, "GET", strings.TrimSuffix(path, "users")+"jobs", ""), http.StatusNotFound, "NOT_FOUND")
	}
	w.empty()
}

// Links work, and nothing else does, where they are mounted apart.
func TestDownloadsApart(t *testing.T) {
	w := newWorld(t)
	api, err := httpapi.New(httpapi.Config{Importer: w.importer, Authorize: authorize, LinkKey: linkKey})
	require.NoError(t, err)
	guard := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "" {
			rw.WriteHeader(http.StatusTeapot)
			return
		}
		api.ServeHTTP(rw, r)
	})
	mux := http.NewServeMux()
	mux.Handle("/api/v1/bulk/", guard)
	mux.Handle("/api/v1/bulk/downloads/", api.Downloads())
	w.handler = mux

	id := data(t, w.do(admin, "POST", "/api/v1/bulk/users", usersBody(3), "Prefer: respond-async"))["jobId"].(string)
	w.run(id)
	require.Equal(t, http.StatusTeapot, w.do("", "GET", "/api/v1/bulk/jobs/"+id, "").Code)
	link := data(t, w.do(admin, "GET", "/api/v1/bulk/jobs/"+id, ""))["downloadUrl"].(string)
	file := w.do("", "GET", link, "")
	assert.Equal(t, http.StatusOK, file.Code, file.Body)
	assert.Contains(t, file.Body.String(), id)

	w.handler = api.Downloads()
	assert.Equal(t, http.StatusOK, w.do("", "GET", link, "").Code)
	requireProblem(t, w.do("", "GET", "/v1/bulk/downloads/x", ""), http.StatusForbidden, "FORBIDDEN")
	requireProblem(t, w.do("", "POST", link, ""), http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED")
	for _, path := range []string{"users", "jobs", "jobs/" + id, "jobs/" + id + "/cancel", "openapi.json", "downloads/x/v1/bulk/users"} {
		for _, method := range []string{"GET", "POST"} {
			requireProblem(t, w.do(admin, method, "/v1/bulk/"+path, usersBody(1)), http.StatusNotFound, "NOT_FOUND")
		}
	}
}

func get(t *testing.T, client *http.Client, target, token string, v any) {
	t.Helper()
	r, err := http.NewRequest("GET", target, nil)
	require.NoError(t, err)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := client.Do(r)
	require.NoError(t, err)
	defer res.Body.Close()
	require.Equal(t, http.StatusOK, res.StatusCode)
	require.NoError(t, json.NewDecoder(res.Body).Decode(v))
}

func TestBaseURL(t *testing.T) {
	for base, want := range map[string]string{
		"https://example.org":             "https://example.org",
		"https://example.org/":            "https://example.org",
		"https://example.org:8443/a%20b/": "https://example.org:8443/a%20b",
	} {
		w := newWorld(t, func(_ *bulk.Config, api *httpapi.Config) { api.BaseURL = base })
		rec := w.do(admin, "POST", "/internal/v1/bulk/users", usersBody(1), "Prefer: respond-async")
		id := data(t, rec)["jobId"].(string)
		u, err := url.Parse(want)
		require.NoError(t, err)
		assert.Equal(t, u.EscapedPath()+"/v1/bulk/jobs/"+id, data(t, rec)["statusUrl"])
		assert.Equal(t, "jobs/"+id, rec.Header().Get("Location"))
		w.run(id)
		link := data(t, w.do(admin, "GET", "/v1/bulk/jobs/"+id, ""))["downloadUrl"].(string)
		assert.True(t, strings.HasPrefix(link, want+"/v1/bulk/downloads/"), link)
	}
}

// Where callers reach the API is taken from the request line if that has it.
func TestPrefix(t *testing.T) {
	w := newWorld(t)
	for name, test := range map[string]struct{ requestURI, path, want string }{
		"as sent":                {"/x/v1/bulk/users", "/v1/bulk/users", "/x"},
		"absolute form":          {"http://proxy/x/v1/bulk/users", "/v1/bulk/users", "/x"},
		"none, as from adapters": {"", "/y/v1/bulk/users", "/y"},
		"rewritten":              {"/import", "/y/v1/bulk/users", "/y"},
		"two slashes":            {"//evil.example/v1/bulk/users", "/v1/bulk/users", "/evil.example"},
		"slashes alone":          {"///v1/bulk/users", "/v1/bulk/users", ""},
	} {
		r := httptest.NewRequest("POST", "/", strings.NewReader(usersBody(1)))
		r.RequestURI, r.URL = test.requestURI, &url.URL{Path: test.path}
		r.Header = http.Header{"Authorization": {"Bearer " + admin}, "Content-Type": {"application/json"}, "Prefer": {"respond-async"}}
		rec := w.serve(r)
		require.Equal(t, http.StatusAccepted, rec.Code, name)
		statusURL := data(t, rec)["statusUrl"].(string)
		assert.True(t, strings.HasPrefix(statusURL, test.want+"/v1/bulk/jobs/job_"), "%s: %s", name, statusURL)
	}
}

func TestTLS(t *testing.T) {
	w := newWorld(t)
	server := httptest.NewTLSServer(w.handler)
	defer server.Close()
	id := w.submit(usersBody(1))
	w.run(id)
	var status struct{ Data struct{ DownloadURL string } }
	get(t, server.Client(), server.URL+"/v1/bulk/jobs/"+id, admin, &status)
	assert.True(t, strings.HasPrefix(status.Data.DownloadURL, server.URL+"/v1/bulk/downloads/"))
	get(t, server.Client(), status.Data.DownloadURL, "", &struct{}{})
}

func TestPaths(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{
		"/", "/v1/bulk", "/v1/bulk/", "/v1/bulk/user", "/v1/bulk/users/", "/v1/bulk/users/u1", "/v1/bulk/jobs/", "/v1/bulk/jobs//results",
		"/v1/bulk/jobs/a/b", "/v1/bulk/jobs/a/results/", "/v1/bulk/downloads/", "/v1/bulk//jobs", "/v1/BULK/jobs", "/v2/bulk/jobs", "/xv1/bulk/jobs",
	} {
		requireProblem(t, w.do(admin, "GET", path, ""), http.StatusNotFound, "NOT_FOUND")
	}
	for _, id := range []string{"x", "a%2Fb", "%00", "%ff", "..", "job_%C3%A4", strings.Repeat("x", 129), "a%20b", "'%22%3B"} {
		requireProblem(t, w.do(admin, "GET", "/v1/bulk/jobs/"+id, ""), http.StatusNotFound, "JOB_NOT_FOUND")
		requireProblem(t, w.do(admin, "GET", "/v1/bulk/jobs/"+id+"/results", ""), http.StatusNotFound, "JOB_NOT_FOUND")
		requireProblem(t, w.do(admin, "POST", "/v1/bulk/jobs/"+id+"/cancel", ""), http.StatusNotFound, "JOB_NOT_FOUND")
	}
	r := httptest.NewRequest("GET", "/v1/bulk/jobs/x", nil)
	r.URL.Path, r.URL.RawPath = "/v1/bulk/jobs/%zz", "/v1/bulk/jobs/%zz" // as a broken middleware may leave it
	r.Header.Set("Authorization", "Bearer "+admin)
	assert.Equal(t, http.StatusNotFound, w.serve(r).Code)
}

func TestMethods(t *testing.T) {
	w := newWorld(t)
	for path, allow := range map[string]string{
		"/v1/bulk/users": "POST", "/v1/bulk/jobs": "GET, HEAD", "/v1/bulk/jobs/a": "DELETE, GET, HEAD",
		"/v1/bulk/jobs/a/results": "GET, HEAD", "/v1/bulk/jobs/a/cancel": "POST", "/v1/bulk/downloads/a": "GET, HEAD",
	} {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "get"} {
			rec := w.do(admin, method, path, "")
			if strings.Contains(", "+allow+",", ", "+method+",") {
				assert.NotEqual(t, http.StatusMethodNotAllowed, rec.Code, "%s %s", method, path)
				continue
			}
			requireProblem(t, rec, http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED", allow)
			assert.Equal(t, allow, rec.Header().Get("Allow"))
		}
	}
}

// HEAD has the headers of GET and no body.
func TestHead(t *testing.T) {
	w := newWorld(t)
	server := httptest.NewServer(w.handler)
	defer server.Close()
	id := w.submit(usersBody(1))
	w.run(id)
	link, err := url.Parse(data(t, w.do(admin, "GET", "/v1/bulk/jobs/"+id, ""))["downloadUrl"].(string))
	require.NoError(t, err)
	for _, path := range []string{"/v1/bulk/jobs", "/v1/bulk/jobs/" + id, "/v1/bulk/jobs/" + id + "/results?format=csv", link.Path} {
		var headers []http.Header
		for _, method := range []string{"GET", "HEAD"} {
			r, err := http.NewRequest(method, server.URL+path, nil)
			require.NoError(t, err)
			r.Header.Set("Authorization", "Bearer "+admin)
			res, err := server.Client().Do(r)
			require.NoError(t, err)
			body, err := io.ReadAll(res.Body)
			require.NoError(t, err)
			_ = res.Body.Close()
			assert.Equal(t, http.StatusOK, res.StatusCode)
			assert.Equal(t, method == "HEAD", len(body) == 0)
			for _, name := range []string{"Date", "Content-Length", "Transfer-Encoding"} {
				res.Header.Del(name)
			}
			headers = append(headers, res.Header)
		}
		assert.Equal(t, headers[0], headers[1], path)
	}
	w.blobs.getErr = bulk.ErrBlobNotFound
	assert.Equal(t, http.StatusNotFound, w.do(admin, "HEAD", "/v1/bulk/jobs/"+id+"/results", "").Code)
}
