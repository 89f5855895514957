// Package demo is the service that the use cases talk to: the API on in-memory
// backends, in the same process and without a network. A program of yours has a
// URL and a token instead.
package demo

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"

	"github.com/bulkops/bulkops/blob/memblob"
	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/httpapi"
	"github.com/bulkops/bulkops/httpapi/client"
	"github.com/bulkops/bulkops/jobs/memjobs"
	"github.com/bulkops/bulkops/store/memstore"
)

// URL and Token are where the service is, and who its caller is.
const (
	URL   = "http://service.test"
	Token = "demo-token"
)

// Tenant is the tenant of the caller.
const Tenant = "demo"

// A Service is the API and a worker that runs its jobs.
type Service struct {
	// Users is the store, to look into.
	Users *memstore.Store

	api     http.Handler
	stop    context.CancelFunc
	running sync.WaitGroup
}

// LinkLives is how long a download link works: not an hour, so that its end can
// be shown.
const LinkLives = 2 * time.Second

// Start starts the service. It runs until Stop is called.
func Start() (*Service, error) {
	s := &Service{Users: memstore.New()}
	cfg := bulk.Config{
		Store: s.Users, Blobs: memblob.New(), Jobs: memjobs.New(),
		DownloadTTL: LinkLives, Logger: slog.New(slog.DiscardHandler),
	}
	importer, err := bulk.NewImporter(cfg)
	if err != nil {
		return nil, err
	}
	s.api, err = httpapi.New(httpapi.Config{Importer: importer, Authorize: authorize, RetryAfter: time.Second})
	if err != nil {
		return nil, err
	}
	worker, err := bulk.NewWorker(cfg)
	if err != nil {
		return nil, err
	}
	var ctx context.Context
	ctx, s.stop = context.WithCancel(context.Background())
	s.running.Go(func() { _ = worker.Run(ctx) }) // it returns nil, when ctx ends
	return s, nil
}

// Stop stops the service and returns when it has stopped.
func (s *Service) Stop() {
	s.stop()
	s.running.Wait()
}

// HTTPClient returns a client that reaches the service.
func (s *Service) HTTPClient() *http.Client { return &http.Client{Transport: s} }

// Client returns a client of the API. A program of yours does the same without
// the HTTPClient.
func (s *Service) Client() (*client.Client, error) {
	return client.New(client.Config{BaseURL: URL, Token: Token, HTTPClient: s.HTTPClient()})
}

var errNoToken = errors.New("no valid bearer token")

func authorize(r *http.Request) (bulk.Principal, error) {
	if r.Header.Get("Authorization") != "Bearer "+Token {
		return bulk.Principal{}, errNoToken
	}
	return bulk.Principal{ID: "ana", Tenant: Tenant, Role: bulk.RoleAdmin}, nil
}

// RoundTrip serves a request without a network.
func (s *Service) RoundTrip(r *http.Request) (*http.Response, error) {
	in := r.Clone(r.Context())
	in.RequestURI, in.Host, in.Body = r.URL.RequestURI(), r.URL.Host, http.NoBody
	if r.Body != nil {
		text, err := io.ReadAll(r.Body)
		_ = r.Body.Close() // it has been read
		if err != nil {
			return nil, err
		}
		in.Body = io.NopCloser(bytes.NewReader(text))
	}
	answer := httptest.NewRecorder()
	s.api.ServeHTTP(answer, in)
	return answer.Result(), r.Context().Err()
}

// Main is the main function of a use case: run with a service and standard output.
func Main(run func(context.Context, *Service, io.Writer) error, out io.Writer) error {
	s, err := Start()
	if err != nil {
		return err
	}
	defer s.Stop()
	return run(context.Background(), s, out)
}
