package httpapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/bulkops/bulkops/blob/memblob"
	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/httpapi"
	"github.com/bulkops/bulkops/internal/test/exchange"
	"github.com/bulkops/bulkops/internal/test/logtest"
	"github.com/bulkops/bulkops/jobs/memjobs"
	"github.com/bulkops/bulkops/store/memstore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A world is a handler over in-memory backends that can be made to fail.
type world struct {
	t        *testing.T
	handler  http.Handler
	raw      http.Handler // handler without the check of its answers, for bodies that it would hold
	importer *bulk.Importer
	worker   *bulk.Worker
	store    *store
	blobs    *blobs
	jobs     *jobs
	log      *logBuffer
}

var linkKey = bytes.Repeat([]byte("k"), httpapi.MinLinkKey)

func newWorld(t *testing.T, change ...func(*bulk.Config, *httpapi.Config)) *world {
	t.Helper()
	w := &world{t: t, store: &store{Store: memstore.New()}, blobs: &blobs{BlobStore: memblob.New(), keys: map[string]bool{}}, jobs: &jobs{JobQueue: memjobs.New()}, log: &logBuffer{}}
	logger := logtest.Tee(t, w.log)
	cfg := bulk.Config{Store: w.store, Blobs: w.blobs, Jobs: w.jobs, Mailer: mailer{}, Logger: logger}
	api := httpapi.Config{Authorize: authorize, LinkKey: linkKey}
	for _, f := range change {
		f(&cfg, &api)
	}
	var err error
	w.importer, err = bulk.NewImporter(cfg)
	require.NoError(t, err)
	w.worker, err = bulk.NewWorker(cfg)
	require.NoError(t, err)
	api.Importer = w.importer
	handler, err := httpapi.New(api)
	require.NoError(t, err)
	w.raw, w.handler = handler, exchange.Record(t, handler)
	return w
}

// authorize takes tokens of the form role:tenant:id.
func authorize(r *http.Request) (bulk.Principal, error) {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	switch {
	case !ok:
		return bulk.Principal{}, errors.New("no bearer token")
	case token == "outage":
		return bulk.Principal{}, fmt.Errorf("ask directory: %w", bulk.ErrUnavailable)
	case token == "banned":
		return bulk.Principal{}, fmt.Errorf("banned: %w", bulk.ErrForbidden)
	case token == "panic":
		panic("authorize panics")
	case token == "abort":
		panic(http.ErrAbortHandler)
	}
	parts := strings.Split(token, ":")
	return bulk.Principal{Role: bulk.Role(parts[0]), Tenant: parts[1], ID: parts[2]}, nil
}

const (
	admin      = "admin:acme:ana"
	otherAdmin = "admin:globex:gus"
	superAdmin = "super_admin:hq:sue"
)

// do sends a request as a caller.
func (w *world) do(token, method, target, body string, headers ...string) *httptest.ResponseRecorder {
	w.t.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		if value == "" {
			r.Header.Del(name)
		} else {
			r.Header.Set(name, value)
		}
	}
	return w.serve(r)
}

func (w *world) serve(r *http.Request) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	return rec
}

// usersBody is a request of n users.
func usersBody(n int) string {
	rows := make([]string, n)
	for i := range rows {
		rows[i] = fmt.Sprintf(`{"userId":"u%d","email":"u%d@example.com"}`, i, i)
	}
	return `{"users":[` + strings.Join(rows, ",") + `]}`
}

// submit makes a job of a body and returns its id.
func (w *world) submit(body string, headers ...string) string {
	w.t.Helper()
	rec := w.do(admin, "POST", "/v1/bulk/users", body, append(headers, "Prefer: respond-async")...)
	require.Equal(w.t, http.StatusAccepted, rec.Code, rec.Body)
	return data(w.t, rec)["jobId"].(string)
}

// run runs a job to its end.
func (w *world) run(id string) {
	w.t.Helper()
	require.NoError(w.t, w.worker.RunJob(w.t.Context(), id))
}

// data returns the data of an answer that reports success.
func data(t *testing.T, rec *httptest.ResponseRecorder) map[string]any {
	t.Helper()
	var envelope struct {
		Success bool
		Data    map[string]any
	}
	require.NoError(t, json.Unmarshal(rec.Body.Bytes(), &envelope), rec.Body)
	require.True(t, envelope.Success, rec.Body)
	return envelope.Data
}

// requireProblem checks the status and code of an answer that reports a failure.
func requireProblem(t *testing.T, rec *httptest.ResponseRecorder, status int, code string, parts ...string) {
	t.Helper()
	var envelope struct {
		Success *bool
		Error   struct{ Code, Message string }
	}
	require.Equal(t, status, rec.Code, rec.Body)
	require.NoError(t, json.Unmarshal(rec.Body.Bytes(), &envelope), rec.Body)
	require.False(t, *envelope.Success)
	require.Equal(t, code, envelope.Error.Code, envelope.Error.Message)
	for _, part := range parts {
		require.Contains(t, envelope.Error.Message, part)
	}
	require.Equal(t, "application/json; charset=utf-8", rec.Header().Get("Content-Type"))
	require.Equal(t, "no-store", rec.Header().Get("Cache-Control"))
	require.Empty(t, rec.Header().Get("Content-Disposition"))
}

// empty checks that nothing was written, anywhere.
func (w *world) empty() {
	w.t.Helper()
	require.Zero(w.t, w.store.commits.Load(), "rule: a refused request has written no user")
	require.Zero(w.t, w.jobs.creates, "rule: a refused request has made no job")
	require.Empty(w.t, w.blobs.keys, "rule: a refused request leaves no blob")
}

// store counts commits, and fails if it is told to.
type store struct {
	bulk.Store
	commits atomic.Int32
	err     error
	panics  bool
	lookup  func() // called by every Lookup
}

func (s *store) Lookup(ctx context.Context, tenant string, refs []bulk.Ref) ([]bulk.Found, error) {
	if s.panics {
		panic("store panics")
	}
	if s.lookup != nil {
		s.lookup()
	}
	if s.err != nil {
		return nil, s.err
	}
	return s.Store.Lookup(ctx, tenant, refs)
}

func (s *store) Commit(ctx context.Context, tenant string, writes []bulk.Write) []error {
	s.commits.Add(1)
	return s.Store.Commit(ctx, tenant, writes)
}

// blobs counts what is stored, and fails, changes or signs if it is told to.
type blobs struct {
	bulk.BlobStore
	keys    map[string]bool // of the blobs there are
	mu      sync.Mutex
	putErr  error
	getErr  error
	wrap    func(io.ReadCloser) io.ReadCloser
	signed  string
	signErr error
}

func (b *blobs) Put(ctx context.Context, key string, r io.Reader, info bulk.BlobInfo) error {
	if b.putErr != nil {
		return b.putErr
	}
	err := b.BlobStore.Put(ctx, key, r, info)
	b.mu.Lock()
	defer b.mu.Unlock()
	if err == nil {
		b.keys[key] = true
	}
	return err
}

func (b *blobs) Delete(ctx context.Context, key string) error {
	b.mu.Lock()
	delete(b.keys, key)
	b.mu.Unlock()
	return b.BlobStore.Delete(ctx, key)
}

func (b *blobs) Get(ctx context.Context, key string) (io.ReadCloser, error) {
	if b.getErr != nil {
		return nil, b.getErr
	}
	r, err := b.BlobStore.Get(ctx, key)
	if err == nil && b.wrap != nil {
		r = b.wrap(r)
	}
	return r, err
}

func (b *blobs) SignURL(context.Context, string, bulk.SignOptions) (string, time.Time, error) {
	return b.signed, time.Now().Add(time.Minute).UTC(), b.signErr
}

// jobs counts what is created, and fails if it is told to.
type jobs struct {
	bulk.JobQueue
	creates int
	err     error
}

func (j *jobs) Create(ctx context.Context, job bulk.JobSpec) error {
	if j.err != nil {
		return j.err
	}
	j.creates++
	return j.JobQueue.Create(ctx, job)
}

func (j *jobs) Get(ctx context.Context, id string) (bulk.Job, error) {
	if j.err != nil {
		return bulk.Job{}, j.err
	}
	return j.JobQueue.Get(ctx, id)
}

func (j *jobs) List(ctx context.Context, filter bulk.JobFilter) ([]bulk.Job, string, error) {
	if j.err != nil {
		return nil, "", j.err
	}
	return j.JobQueue.List(ctx, filter)
}

type mailer struct{}

func (mailer) SendWelcome(_ context.Context, messages []bulk.Welcome) []error {
	return make([]error, len(messages))
}

type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
