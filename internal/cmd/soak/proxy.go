//go:build unix

package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"sync"
	"time"
)

// A proxy is the network between the processes and a server. It delivers a call
// whatever becomes of its process meanwhile, and delivers some late.
type proxy struct {
	url    string
	target *url.URL
	calls  http.RoundTripper
	server *http.Server
	// late is told of a call that is held back, and returns when it is to be
	// delivered.
	late func(process, operation string)

	mu    sync.Mutex
	armed bool
}

// deliveryTimeout bounds a call behind the proxy. It is longer than its caller
// waits.
const deliveryTimeout = 30 * time.Second

// newProxy starts a proxy before a server.
func newProxy(target string, late func(process, operation string)) (*proxy, error) {
	to, err := url.Parse(target)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	t := transport()
	t.DisableCompression = true // answers pass as they are
	p := &proxy{url: "http://" + listener.Addr().String(), target: to, calls: t, late: late}
	p.server = &http.Server{Handler: p, ReadHeaderTimeout: deliveryTimeout}
	go func() { _ = p.server.Serve(listener) }() // until close
	return p, nil
}

func (p *proxy) close() { _ = p.server.Close() }

// arm has the next call held back that may change something.
func (p *proxy) arm() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.armed = true
}

// writes are the calls that may be held back.
var writes = map[string]bool{
	"UpdateItem": true, "PutItem": true, "BatchExecuteStatement": true, "TransactWriteItems": true, http.MethodPut: true,
}

// hit reports whether the call is to be held back.
func (p *proxy) hit(request *http.Request) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	hit := p.armed && writes[operation(request)]
	p.armed = p.armed && !hit
	return hit
}

// caller returns the name of the process that makes a call.
func caller(request *http.Request) string {
	if match := callerPattern.FindStringSubmatch(request.UserAgent()); match != nil {
		return match[1]
	}
	return ""
}

var callerPattern = regexp.MustCompile(`\bapp/([\w-]+)`)

func (p *proxy) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(request.Body)
	if err != nil {
		panic(http.ErrAbortHandler) // its process died while it was sending
	}
	if p.hit(request) {
		p.late(caller(request), operation(request))
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(request.Context()), deliveryTimeout)
	defer cancel()
	out := request.Clone(ctx)
	out.URL.Scheme, out.URL.Host, out.RequestURI = p.target.Scheme, p.target.Host, ""
	out.Body, out.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	response, err := p.calls.RoundTrip(out)
	if err != nil {
		panic(http.ErrAbortHandler) // the server is down: so is the connection
	}
	defer response.Body.Close()
	for name, values := range response.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(response.StatusCode)
	if _, err := io.Copy(w, response.Body); err != nil {
		panic(http.ErrAbortHandler)
	}
}
