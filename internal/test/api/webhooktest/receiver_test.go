package webhooktest

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A message is what a receiver got and found to be genuine.
type message struct {
	id   string
	body string
	at   time.Time
	data map[string]json.RawMessage
}

// A receiver verifies messages with the specification's library.
type receiver struct {
	t      *testing.T
	secret string
	// answer answers to message n, from 1; nil is 200.
	answer func(w http.ResponseWriter, r *http.Request, n int)

	mu       sync.Mutex
	messages []message
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(request.Body)
	if !assert.NoError(r.t, err) {
		return
	}
	verifier, err := standardwebhooks.NewWebhook(r.secret)
	assert.NoError(r.t, err)
	if !assert.NoError(r.t, verifier.Verify(body, request.Header), "the message is not signed") {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	var content struct {
		Type string
		Data map[string]json.RawMessage
	}
	assert.NoError(r.t, json.Unmarshal(body, &content))
	assert.Equal(r.t, "bulk.job.ended", content.Type)
	r.mu.Lock()
	r.messages = append(r.messages, message{request.Header.Get(standardwebhooks.HeaderWebhookID), string(body), time.Now(), content.Data})
	n := len(r.messages)
	r.mu.Unlock()
	if r.answer != nil {
		r.answer(w, request, n)
	}
}

// got returns the messages so far.
func (r *receiver) got() []message {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]message(nil), r.messages...)
}

// A network has receivers by the names of their hosts. Its connections are in memory,
// so that time can be that of a bubble.
type network struct {
	t     *testing.T
	hosts map[string]http.Handler
	// down is until when a host cannot be reached.
	down map[string]time.Time
}

var errRefused = errors.New("connection refused")

// transport returns a transport to the hosts of the network.
func (n *network) transport() *http.Transport {
	transport := &http.Transport{DialContext: func(_ context.Context, _, address string) (net.Conn, error) {
		host, _, err := net.SplitHostPort(address)
		require.NoError(n.t, err)
		if time.Now().Before(n.down[host]) {
			return nil, errRefused
		}
		near, far := net.Pipe()
		listener := &single{conns: make(chan net.Conn, 1), closed: make(chan struct{})}
		listener.conns <- far
		server := &http.Server{Handler: n.hosts[host]}
		server.ConnState = func(_ net.Conn, state http.ConnState) {
			if state == http.StateClosed {
				_ = listener.Close()
			}
		}
		go func() { _ = server.Serve(listener) }()
		return near, nil
	}}
	n.t.Cleanup(transport.CloseIdleConnections)
	return transport
}

// A single is a listener of one connection.
type single struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *single) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *single) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *single) Addr() net.Addr { return &net.UnixAddr{Name: "memory", Net: "unix"} }
