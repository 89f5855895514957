package main

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/bulkops/bulkops/bulk"
)

// A service is the API on a loopback port, with one worker.
type service struct {
	url   string // where the API is mounted
	token string // of an admin

	server     *http.Server
	stopWorker context.CancelFunc
	running    sync.WaitGroup
}

var errNoToken = errors.New("no valid bearer token")

// startService starts the service. It runs until stop is called.
func startService() (*service, error) {
	s := &service{token: rand.Text()}
	mux := http.NewServeMux()
	worker, err := mount(mux, s.authorize)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s.url = "http://" + listener.Addr().String()
	s.server = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	ctx, cancel := context.WithCancel(context.Background())
	s.stopWorker = cancel
	s.running.Go(func() { _ = s.server.Serve(listener) }) // it ends by stop alone
	s.running.Go(func() { _ = worker.Run(ctx) })          // it returns nil, when ctx ends
	return s, nil
}

// authorize is the host's own part: it says who sent a request.
func (s *service) authorize(r *http.Request) (bulk.Principal, error) {
	given := []byte(r.Header.Get("Authorization"))
	if subtle.ConstantTimeCompare(given, []byte("Bearer "+s.token)) != 1 {
		return bulk.Principal{}, errNoToken
	}
	return bulk.Principal{ID: "quickstart", Tenant: "demo", Role: bulk.RoleAdmin}, nil
}

// stop ends the requests under way, then the worker, and returns when both are
// gone.
func (s *service) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	err := s.server.Shutdown(ctx)
	s.stopWorker()
	s.running.Wait()
	return err
}
