package contracttest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/httpapi"
	"github.com/bulkops/bulkops/internal/test/api/openapitest"
	"github.com/bulkops/bulkops/internal/test/logtest"
)

// A world is a server of the API with a worker, and a tenant that nobody else has.
type world struct {
	*testing.T
	Backends
	ctx    context.Context
	url    string // of the server
	client *http.Client
	worker *bulk.Worker
	tenant string
}

// A setup is what a world is made of. Cases change it.
type setup struct {
	bulk bulk.Config    // of the importer and of the worker
	api  httpapi.Config // of the handler
	// worker changes what only the worker has.
	worker func(*bulk.Config)
	// mount puts the handler where its callers find it.
	mount func(http.Handler) http.Handler
}

type change func(*setup)

// caseTimeout bounds a case. It is far more than a case takes on a slow database, or with
// the race detector on a busy machine.
const caseTimeout = 5 * time.Minute

func newWorld(t *testing.T, backends Backends, changes ...change) *world {
	t.Helper()
	s := &setup{
		bulk: bulk.Config{
			Store: backends.Store, Blobs: backends.Blobs, Jobs: backends.Jobs,
			Logger: logtest.New(t),
		},
		api:    httpapi.Config{Authorize: authorize},
		worker: func(*bulk.Config) {},
		mount:  func(h http.Handler) http.Handler { return h },
	}
	for _, change := range changes {
		change(s)
	}
	importer, err := bulk.NewImporter(s.bulk)
	if err != nil {
		t.Fatal(err)
	}
	s.worker(&s.bulk)
	worker, err := bulk.NewWorker(s.bulk)
	if err != nil {
		t.Fatal(err)
	}
	s.api.Importer = importer
	handler, err := httpapi.New(s.api)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s.mount(openapitest.Check(t, handler)))
	t.Cleanup(server.Close)
	transport := &http.Transport{DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	ctx, cancel := context.WithTimeout(t.Context(), caseTimeout)
	t.Cleanup(cancel)
	return &world{
		T: t, Backends: backends, ctx: ctx, url: server.URL,
		client: &http.Client{Transport: transport}, worker: worker, tenant: uniqueTenant(),
	}
}

func uniqueTenant() string { return "contract-" + strings.ToLower(rand.Text()) }

// authorize takes tokens of the form role/tenant/id.
func authorize(r *http.Request) (bulk.Principal, error) {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	parts := strings.Split(token, "/")
	if !ok || len(parts) != 3 {
		return bulk.Principal{}, errors.New("no good token")
	}
	return bulk.Principal{Role: bulk.Role(parts[0]), Tenant: parts[1], ID: parts[2]}, nil
}

// admin is the token of an administrator of the world's tenant, who sends the
// requests that name no one else.
func (w *world) admin() string { return "admin/" + w.tenant + "/ana" }

// stranger is the token of an administrator of another tenant.
func (w *world) stranger() string { return "admin/" + w.tenant + "-other/gus" }

// superAdmin is the token of a super administrator of yet another tenant.
func (w *world) superAdmin() string { return "super_admin/" + w.tenant + "-hq/sue" }

// nobody stands for no token.
const nobody = "-"

const usersPath = "/v1/bulk/users"

// A request is what is sent. Its method defaults to GET, its path to that of an
// import, which has the method POST and the type JSON, and its token to that of
// admin.
type request struct {
	method, path, token, body string
	header                    []string // "Name: value"; "Name:" removes one
	chunked                   bool     // say nothing of the body's length
}

// send sends a request and returns the answer, whatever it is.
func (w *world) send(r request) *answer {
	w.Helper()
	if r.path == "" {
		r.path = usersPath
		if r.method == "" {
			r.method = http.MethodPost
		}
		r.header = append([]string{"Content-Type: application/json"}, r.header...)
	}
	if r.method == "" {
		r.method = http.MethodGet
	}
	if r.token == "" {
		r.token = w.admin()
	}
	target := r.path
	if strings.HasPrefix(target, "/") {
		target = w.url + target
	}
	a := &answer{t: w.T, header: http.Header{}}
	var body io.Reader = strings.NewReader(r.body)
	if r.chunked {
		body = struct{ io.Reader }{body}
	}
	req, err := http.NewRequestWithContext(w.ctx, r.method, target, body)
	if err != nil {
		a.errorf("%v", err)
		return a
	}
	if r.token != nobody {
		req.Header.Set("Authorization", "Bearer "+r.token)
	}
	for _, header := range r.header {
		name, value, _ := strings.Cut(header, ": ")
		if value == "" {
			req.Header.Del(strings.TrimSuffix(name, ":"))
			continue
		}
		req.Header.Set(name, value)
	}
	a.describe(req, r.body)
	response, err := w.client.Do(req)
	if err != nil {
		a.errorf("%v", err)
		return a
	}
	defer response.Body.Close()
	a.status, a.header = response.StatusCode, response.Header
	if a.body, err = io.ReadAll(response.Body); err != nil {
		a.errorf("read the answer: %v", err)
	}
	return a
}

// call sends a request whose answer has the envelope, and checks that.
func (w *world) call(r request) *answer {
	w.Helper()
	a := w.send(r)
	a.checkEnvelope()
	return a
}

// post sends users.
func (w *world) post(body string, header ...string) *answer {
	w.Helper()
	return w.call(request{body: body, header: header})
}

// respondAsync makes a job of a small request.
const respondAsync = "Prefer: respond-async"

// submit makes a job of users and returns its id.
func (w *world) submit(body string) string {
	w.Helper()
	return w.post(body, respondAsync).accepted().JobID
}

// run runs a job to its end.
func (w *world) run(id string) {
	w.Helper()
	if err := w.worker.RunJob(w.ctx, id); err != nil {
		w.Fatalf("running job %s: %v", id, err)
	}
}

// runToEnd runs a job as often as it takes until it has ended, as a worker does.
func (w *world) runToEnd(id string) {
	w.Helper()
	w.poll("the end of a job", func() bool {
		_ = w.worker.RunJob(w.ctx, id) // it is for the host, and shows in the status
		return w.job(id).CompletedAt != nil
	})
}

func jobPath(id string) string     { return "/v1/bulk/jobs/" + id }
func resultsPath(id string) string { return jobPath(id) + "/results" }
func cancelPath(id string) string  { return jobPath(id) + "/cancel" }

// job returns the state of a job.
func (w *world) job(id string) *jobState {
	w.Helper()
	return w.call(request{path: jobPath(id)}).job()
}

// cancel asks for the end of a job.
func (w *world) cancel(id string) *answer {
	w.Helper()
	return w.call(request{method: http.MethodPost, path: cancelPath(id)})
}

// poll waits until done returns true, which it asks from time to time.
func (w *world) poll(what string, done func() bool) {
	w.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	timeout := time.NewTimer(30 * time.Second)
	defer timeout.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-timeout.C:
			w.Fatalf("waited in vain for %s", what)
		}
	}
}

// usersBody is a request of n users with ids and emails.
func usersBody(n int) string { return bodyOf(fillers("u", n)...) }

// bodyOf is a request of these rows with the default options.
func bodyOf(rows ...string) string { return `{"users":[` + strings.Join(rows, ",") + `]}` }

// bodyWith is a request of these rows with options.
func bodyWith(options string, rows ...string) string {
	return `{"options":` + options + `,"users":[` + strings.Join(rows, ",") + `]}`
}

// fillers are n rows of different users.
func fillers(prefix string, n int) []string {
	rows := make([]string, n)
	for i := range rows {
		rows[i] = fmt.Sprintf(`{"userId":"%s%d","email":"%s%d@example.com"}`, prefix, i, prefix, i)
	}
	return rows
}
