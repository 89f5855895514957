package client_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/bulkops/bulkops/blob/memblob"
	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/httpapi"
	"github.com/bulkops/bulkops/httpapi/client"
	"github.com/bulkops/bulkops/jobs/memjobs"
	"github.com/bulkops/bulkops/store/memstore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const token = "secret-token"

// A world is the API on in-memory backends, reached without a network, in a bubble
// of synctest: whatever it waits for takes no time.
type world struct {
	t        *testing.T
	store    *memstore.Store
	handler  http.Handler
	worker   *bulk.Worker
	work     func()
	api      httpapi.Config
	cfg      bulk.Config
	mu       sync.Mutex
	requests []*http.Request // as they came, with their bodies
	bodies   []string
	// before, if not nil, may answer a request instead of the API; n counts from 1.
	before func(n int, w http.ResponseWriter, r *http.Request) bool
	// after may change or lose the answer of the API.
	after func(n int, res *http.Response) (*http.Response, error)
}

// inWorld runs a test in a world whose worker runs jobs.
func inWorld(t *testing.T, test func(t *testing.T, w *world), change ...func(*bulk.Config, *httpapi.Config)) {
	t.Helper()
	inIdleWorld(t, func(t *testing.T, w *world) {
		w.work()
		test(t, w)
	}, change...)
}

// inIdleWorld runs a test in a world whose worker runs jobs from the call of
// work on.
func inIdleWorld(t *testing.T, test func(t *testing.T, w *world), change ...func(*bulk.Config, *httpapi.Config)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, store: memstore.New()}
		logger := slog.New(slog.DiscardHandler)
		w.cfg = bulk.Config{Store: w.store, Blobs: memblob.New(), Jobs: memjobs.New(), Logger: logger}
		w.api = httpapi.Config{Authorize: authorize, LinkKey: bytes.Repeat([]byte("k"), httpapi.MinLinkKey)}
		for _, f := range change {
			f(&w.cfg, &w.api)
		}
		var err error
		w.api.Importer, err = bulk.NewImporter(w.cfg)
		require.NoError(t, err)
		w.handler, err = httpapi.New(w.api)
		require.NoError(t, err)
		w.worker, err = bulk.NewWorker(w.cfg)
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		w.work = func() { running.Go(func() { _ = w.worker.Run(ctx) }) }
		test(t, w)
		cancel()
		running.Wait()
	})
}

func authorize(r *http.Request) (bulk.Principal, error) {
	if r.Header.Get("Authorization") != "Bearer "+token {
		return bulk.Principal{}, errors.New("no valid token")
	}
	return bulk.Principal{ID: "ana", Tenant: "acme", Role: bulk.RoleAdmin}, nil
}

const base = "http://api.test/base"

func (w *world) client(change ...func(*client.Config)) *client.Client {
	w.t.Helper()
	cfg := client.Config{BaseURL: base, Token: token, HTTPClient: &http.Client{Transport: w}}
	for _, f := range change {
		f(&cfg)
	}
	c, err := client.New(cfg)
	require.NoError(w.t, err)
	return c
}

// RoundTrip serves a request.
func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
		r.Body.Close()
	}
	w.mu.Lock()
	w.requests = append(w.requests, r.Clone(context.Background()))
	w.bodies = append(w.bodies, string(body))
	n := len(w.requests)
	w.mu.Unlock()
	in := r.Clone(r.Context())
	in.Body, in.RequestURI, in.Host = io.NopCloser(bytes.NewReader(body)), r.URL.RequestURI(), r.URL.Host
	rec := httptest.NewRecorder()
	broken := false
	if w.before == nil || !w.before(n, rec, in) {
		if err := r.Context().Err(); err != nil {
			return nil, err
		}
		func() {
			defer func() { broken = recover() != nil }()
			w.handler.ServeHTTP(rec, in)
		}()
	}
	res := rec.Result()
	res.Request = r
	if broken {
		res.Body = breakingBody(res.Body)
	}
	if w.after != nil {
		return w.after(n, res)
	}
	return res, nil
}

// breakingBody is a body that breaks off where it should end.
func breakingBody(body io.Reader) io.ReadCloser {
	return io.NopCloser(io.MultiReader(body, failingReader{io.ErrUnexpectedEOF}))
}

type failingReader struct{ err error }

func (r failingReader) Read([]byte) (int, error) { return 0, r.err }

// posts returns the requests to import users.
func (w *world) posts() (posts []*http.Request, bodies []string) {
	for i, r := range w.requests {
		if strings.HasSuffix(r.URL.Path, "/v1/bulk/users") {
			posts = append(posts, r)
			bodies = append(bodies, w.bodies[i])
		}
	}
	return posts, bodies
}

// users returns n users from the one of that number on.
func users(from, n int) []bulk.User {
	all := make([]bulk.User, n)
	for i := range all {
		all[i] = bulk.User{ID: fmt.Sprintf("u%d", from+i), Email: fmt.Sprintf("u%d@example.com", from+i)}
	}
	return all
}

// collect returns all results.
func collect(t *testing.T, seq func(func(bulk.RowResult, error) bool)) []bulk.RowResult {
	t.Helper()
	var all []bulk.RowResult
	for r, err := range seq {
		require.NoError(t, err)
		all = append(all, r)
	}
	return all
}

// elapsed returns how long f takes, in the time of the bubble.
func elapsed(f func()) time.Duration {
	start := time.Now()
	f()
	return time.Since(start)
}
