// Package local stands in for Lambda in tests: it runs the function's own program as
// processes that speak the runtime API, kills those that run out of time, and invokes
// them from an SQS queue, by a schedule or by HTTP, as Lambda does.
package local

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strconv"
	"sync"
	"time"
)

// ErrTimeout is for an invocation whose process was killed as its time was over.
var ErrTimeout = errors.New("local: the invocation ran out of time")

// ErrExited is for an invocation whose process ended without an answer.
var ErrExited = errors.New("local: the function's process has ended")

// A Function is a program that runs as a Lambda function. Each process has one
// invocation at a time and then waits for the next; there are as many processes as
// invocations at once.
type Function struct {
	Program string
	Env     []string
	// Timeout is the time of an invocation, after which its process is killed.
	Timeout time.Duration
	// Log takes what the processes write to standard error.
	Log io.Writer

	mu   sync.Mutex
	idle []*sandbox
	busy map[*sandbox]bool
}

// Invoke runs the function with an event and returns its answer. An answer that is
// streamed is returned as it was sent, the prelude included.
func (f *Function) Invoke(ctx context.Context, event []byte) ([]byte, error) {
	s, err := f.take(ctx)
	if err != nil {
		return nil, err
	}
	in := &invocation{event: event, deadline: time.Now().Add(f.Timeout), done: make(chan answer, 1)}
	timer := time.NewTimer(f.Timeout)
	defer timer.Stop()
	select {
	case s.next <- in:
	case <-s.exited:
		f.drop(s)
		return nil, ErrExited
	case <-timer.C:
		f.drop(s)
		return nil, fmt.Errorf("%w before it began", ErrTimeout)
	}
	select {
	case a := <-in.done:
		f.give(s)
		return a.body, a.err
	case <-s.exited:
		f.drop(s)
		return nil, ErrExited
	case <-timer.C:
		f.drop(s)
		return nil, ErrTimeout
	}
}

// Kill kills a process that has an invocation. It reports whether there was one.
func (f *Function) Kill() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for s := range f.busy {
		_ = s.process.Process.Kill()
		return true
	}
	return false
}

// Close kills all processes and waits for their end.
func (f *Function) Close() {
	f.mu.Lock()
	all := f.idle
	for s := range f.busy {
		all = append(all, s)
	}
	f.idle, f.busy = nil, nil
	f.mu.Unlock()
	for _, s := range all {
		s.close()
	}
}

// take returns a process that has no invocation, a new one if all have.
func (f *Function) take(ctx context.Context) (*sandbox, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.busy == nil {
		f.busy = make(map[*sandbox]bool)
	}
	if n := len(f.idle); n > 0 {
		s := f.idle[n-1]
		f.idle = f.idle[:n-1]
		f.busy[s] = true
		return s, nil
	}
	s, err := f.start(ctx)
	if err != nil {
		return nil, err
	}
	f.busy[s] = true
	return s, nil
}

func (f *Function) give(s *sandbox) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.busy[s] {
		delete(f.busy, s)
		f.idle = append(f.idle, s)
	}
}

func (f *Function) drop(s *sandbox) {
	f.mu.Lock()
	delete(f.busy, s)
	f.mu.Unlock()
	s.close()
}

// An invocation is one call of the function.
type invocation struct {
	event    []byte
	deadline time.Time
	done     chan answer
}

type answer struct {
	body []byte
	err  error
}

// A sandbox is a process of a function with the runtime API that it speaks to.
type sandbox struct {
	process *exec.Cmd
	api     *http.Server
	next    chan *invocation
	exited  chan struct{}

	mu      sync.Mutex
	current *invocation
	number  int
}

func (f *Function) start(ctx context.Context) (*sandbox, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &sandbox{next: make(chan *invocation), exited: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", s.serveNext)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/response", s.serveResponse)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/error", s.serveError)
	mux.HandleFunc("POST /2018-06-01/runtime/init/error", s.serveError)
	s.api = &http.Server{Handler: mux}
	go func() { _ = s.api.Serve(listener) }()

	s.process = exec.CommandContext(context.WithoutCancel(ctx), f.Program)
	s.process.Env = append([]string{
		"AWS_LAMBDA_RUNTIME_API=" + listener.Addr().String(),
		"AWS_LAMBDA_FUNCTION_NAME=bulkops", "_HANDLER=bootstrap",
	}, f.Env...)
	s.process.Stdout, s.process.Stderr = f.Log, f.Log
	if err := s.process.Start(); err != nil {
		return nil, errors.Join(err, s.api.Close())
	}
	go func() {
		_ = s.process.Wait() // killed, mostly
		close(s.exited)
	}()
	return s, nil
}

func (s *sandbox) close() {
	_ = s.process.Process.Kill()
	<-s.exited
	_ = s.api.Close()
}

func (s *sandbox) serveNext(w http.ResponseWriter, r *http.Request) {
	var in *invocation
	select {
	case in = <-s.next:
	case <-r.Context().Done():
		return
	}
	s.mu.Lock()
	s.current = in
	s.number++
	id := strconv.Itoa(s.number)
	s.mu.Unlock()
	w.Header().Set("Lambda-Runtime-Aws-Request-Id", id)
	w.Header().Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(in.deadline.UnixMilli(), 10))
	w.Header().Set("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:eu-central-1:000000000000:function:bulkops")
	_, _ = w.Write(in.event)
}

func (s *sandbox) serveResponse(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	s.end(answer{body, err})
	w.WriteHeader(http.StatusAccepted)
}

func (s *sandbox) serveError(w http.ResponseWriter, r *http.Request) {
	var failure struct {
		Message string `json:"errorMessage"`
	}
	err := json.NewDecoder(r.Body).Decode(&failure)
	s.end(answer{nil, errors.Join(err, fmt.Errorf("local: the function failed: %s", failure.Message))})
	w.WriteHeader(http.StatusAccepted)
}

func (s *sandbox) end(a answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current != nil {
		s.current.done <- a
		s.current = nil
	}
}

// SplitStream splits a streamed answer of HTTP into its prelude and its body.
func SplitStream(answer []byte) (prelude, body []byte, ok bool) {
	return bytes.Cut(answer, make([]byte, 8))
}
