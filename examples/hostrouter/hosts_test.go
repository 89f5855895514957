package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/bulkops/bulkops/blob/memblob"
	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/httpapi/client"
	"github.com/bulkops/bulkops/jobs/memjobs"
	"github.com/bulkops/bulkops/store/memstore"
)

// A running host, reached over a connection.
type running struct {
	t      *testing.T
	host   host
	server *httptest.Server
	worker *bulk.Worker
	blobs  *breakableBlobs
	log    *lockedBuffer
}

// onEach runs a test on each host.
func onEach(t *testing.T, test func(t *testing.T, r *running)) {
	for _, h := range hosts {
		t.Run(h.name, func(t *testing.T) {
			r := &running{t: t, host: h, blobs: &breakableBlobs{BlobStore: memblob.New()}, log: new(lockedBuffer)}
			api, worker, err := newAPI(bulk.Config{Store: memstore.New(), Blobs: r.blobs, Jobs: memjobs.New(), Logger: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			r.worker = worker
			r.server = httptest.NewServer(h.build(api, slog.New(slog.NewTextHandler(r.log, nil))))
			t.Cleanup(r.server.Close)
			test(t, r)
		})
	}
}

type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// breakableBlobs break off what is read, if they are told to.
type breakableBlobs struct {
	bulk.BlobStore
	broken bool
}

func (b *breakableBlobs) Get(ctx context.Context, key string) (io.ReadCloser, error) {
	r, err := b.BlobStore.Get(ctx, key)
	if err != nil || !b.broken {
		return r, err
	}
	return struct {
		io.Reader
		io.Closer
	}{io.MultiReader(io.LimitReader(r, 100_000), failingReader{}), r}, nil
}

type failingReader struct{}

func (failingReader) Read([]byte) (int, error) { return 0, errors.New("disk failed") }

// url is the URL of a path of the API.
func (r *running) url(path string) string { return r.server.URL + r.host.prefix + "/v1/bulk/" + path }

// An answer of the API.
type answer struct {
	*http.Response
	Success bool
	Data    struct{ JobID, StatusURL, Status, DownloadURL string }
	Error   struct{ Code string }
}

// do sends a request, as a client that follows no redirect.
func (r *running) do(method, target, token, body string) *answer {
	r.t.Helper()
	req, err := http.NewRequest(method, target, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	req.Header.Set("Content-Type", "application/json")
	c := *r.server.Client()
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := c.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	a := &answer{Response: res}
	text, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	_ = json.Unmarshal(text, a) // not all answers are JSON
	return a
}

// body is a request of n users.
func body(n int) string {
	users := make([]string, n)
	for i := range users {
		users[i] = fmt.Sprintf(`{"userId":"u%d"}`, i)
	}
	return `{"users":[` + strings.Join(users, ",") + `]}`
}

func TestAJobIsFollowedByItsLinks(t *testing.T) {
	onEach(t, func(t *testing.T, r *running) {
		accepted := r.do("POST", r.url("users"), "ana-token", body(100))
		if accepted.StatusCode != http.StatusAccepted {
			t.Fatalf("POST users: %s, %s", accepted.Status, accepted.Error.Code)
		}
		location, err := accepted.Location()
		if err != nil {
			t.Fatal(err)
		}
		if want := r.url("jobs/" + accepted.Data.JobID); location.String() != want {
			t.Errorf("Location is %s, want %s", location, want)
		}
		statusURL, err := accepted.Request.URL.Parse(accepted.Data.StatusURL)
		if err != nil || statusURL.String() != location.String() {
			t.Errorf("statusUrl is %s, want %s: %v", statusURL, location, err)
		}
		if err := r.worker.RunJob(t.Context(), accepted.Data.JobID); err != nil {
			t.Fatal(err)
		}
		status := r.do("GET", location.String(), "ana-token", "")
		if status.Data.Status != "completed" {
			t.Fatalf("status is %q", status.Data.Status)
		}
		if link := status.Data.DownloadURL; !strings.HasPrefix(link, r.url("downloads/")) {
			t.Errorf("the download link is %s", link)
		}
		if res := r.do("GET", status.Data.DownloadURL, "", ""); res.StatusCode != http.StatusOK || res.Header.Get("Content-Disposition") == "" {
			t.Errorf("download without credentials: %s", res.Status)
		}
		if res := r.do("GET", status.Data.DownloadURL+"x", "", ""); res.StatusCode != http.StatusForbidden {
			t.Errorf("an altered link: %s", res.Status)
		}
		token := status.Data.DownloadURL[strings.LastIndex(status.Data.DownloadURL, "/")+1:]
		if log := r.log.String(); strings.Contains(log, token) || !strings.Contains(log, "status=202") || !strings.Contains(log, "downloads/…") {
			t.Errorf("the host's log: %s", log)
		}
	})
}

func TestCallersAreThoseOfTheHost(t *testing.T) {
	onEach(t, func(t *testing.T, r *running) {
		for token, want := range map[string]int{"": 401, "guess": 401, "bob-token": 403, "ana-token": 200} {
			res := r.do("POST", r.url("users"), token, body(1))
			if res.StatusCode != want {
				t.Errorf("as %q: %s, want %d", token, res.Status, want)
			}
			if (want == 401) != (res.Header.Get("WWW-Authenticate") != "") {
				t.Errorf("as %q: WWW-Authenticate is %q", token, res.Header.Get("WWW-Authenticate"))
			}
		}
		if res := r.do("GET", r.server.URL+"/health", "", ""); res.StatusCode != http.StatusOK {
			t.Errorf("a route of the host: %s", res.Status)
		}
	})
}

func TestUnknownPaths(t *testing.T) {
	onEach(t, func(t *testing.T, r *running) {
		for path, code := range map[string]string{
			"nothing":           "NOT_FOUND",
			"users/u1":          "NOT_FOUND",
			"users/":            "NOT_FOUND",
			"jobs/a/b":          "NOT_FOUND",
			"jobs/job_x":        "JOB_NOT_FOUND",
			"jobs/a%2Fb":        "JOB_NOT_FOUND", // one segment, which no job's id is
			"jobs/%C3%A4%20%3F": "JOB_NOT_FOUND",
			"jobs/a%252Fb":      "JOB_NOT_FOUND",
			"jobs/x/results":    "JOB_NOT_FOUND",
		} {
			res := r.do("GET", r.url(path), "ana-token", "")
			if res.StatusCode != http.StatusNotFound || res.Error.Code != code {
				t.Errorf("GET %s: %s %s, want 404 %s", path, res.Status, res.Error.Code, code)
			}
		}
	})
}

func TestWrongMethods(t *testing.T) {
	onEach(t, func(t *testing.T, r *running) {
		for _, test := range []struct{ method, path, allow string }{
			{"GET", "users", "POST"}, {"PUT", "users", "POST"}, {"DELETE", "jobs", "GET, HEAD"}, {"POST", "jobs/job_x", "DELETE, GET, HEAD"},
			{"PATCH", "jobs/job_x/cancel", "POST"}, {"OPTIONS", "jobs", "GET, HEAD"}, {"POST", "downloads/x", "GET, HEAD"},
		} {
			res := r.do(test.method, r.url(test.path), "ana-token", "")
			if res.StatusCode != http.StatusMethodNotAllowed || res.Header.Get("Allow") != test.allow || res.Error.Code != "METHOD_NOT_ALLOWED" {
				t.Errorf("%s %s: %s %s, Allow %q", test.method, test.path, res.Status, res.Error.Code, res.Header.Get("Allow"))
			}
		}
		if res := r.do("HEAD", r.url("jobs"), "ana-token", ""); res.StatusCode != http.StatusOK {
			t.Errorf("HEAD jobs: %s", res.Status)
		}
	})
}

// A stream that breaks off must not look complete, whatever stands in front of
// the API.
func TestBrokenDownloadBreaksTheConnection(t *testing.T) {
	onEach(t, func(t *testing.T, r *running) {
		accepted := r.do("POST", r.url("users"), "ana-token", body(5000))
		if err := r.worker.RunJob(t.Context(), accepted.Data.JobID); err != nil {
			t.Fatal(err)
		}
		r.blobs.broken = true
		req, err := http.NewRequest("GET", r.url("jobs/"+accepted.Data.JobID+"/results"), nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer ana-token")
		res, err := r.server.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if n, err := io.Copy(io.Discard, res.Body); err == nil {
			t.Errorf("a download of %d bytes that broke off looks complete", n)
		}
	})
}

// The typed client needs the prefix and nothing else.
func TestClient(t *testing.T) {
	onEach(t, func(t *testing.T, r *running) {
		c, err := client.New(client.Config{BaseURL: r.server.URL + r.host.prefix, Token: "ana-token", HTTPClient: r.server.Client()})
		if err != nil {
			t.Fatal(err)
		}
		users := make([]bulk.User, 150)
		for i := range users {
			users[i].ID = fmt.Sprintf("client-%d", i)
		}
		im, err := c.Submit(t.Context(), client.Users(users), nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.worker.RunJob(t.Context(), im.Parts[0].Job.ID); err != nil {
			t.Fatal(err)
		}
		n := 0
		for result, err := range im.Results(t.Context()) {
			if err != nil || result.Status != bulk.StatusCreated {
				t.Fatal(result, err)
			}
			n++
		}
		if n != len(users) {
			t.Errorf("%d results of %d", n, len(users))
		}
	})
}
