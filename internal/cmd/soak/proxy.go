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
	"strings"
	"time"

	"github.com/bulkops/bulkops/internal/test/soak"
)

// A proxy is an HTTP server that passes every request on by way of a link.
type proxy struct {
	ctx    context.Context // of the run
	target *url.URL
	calls  http.RoundTripper
	link   soak.Link
}

// deliveryTimeout bounds a call behind the proxy. It is longer than its caller
// waits.
const deliveryTimeout = 30 * time.Second

// Proxy implements [soak.Backend].
func (c *cloud) Proxy(ctx context.Context, target string, link soak.Link) (string, error) {
	to, err := url.Parse(target)
	if err != nil {
		return "", err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	t := transport()
	t.DisableCompression = true // answers pass as they are
	server := &http.Server{Handler: &proxy{ctx, to, t, link}, ReadHeaderTimeout: deliveryTimeout}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	go func() { _ = server.Serve(listener) }() // until ctx ends
	from := *to
	from.Host = listener.Addr().String()
	return from.String(), nil
}

// writes are the calls that may change something.
var writes = map[string]bool{
	"UpdateItem": true, "PutItem": true, "BatchExecuteStatement": true, "TransactWriteItems": true, http.MethodPut: true,
}

// callOf says what a request is: an operation of DynamoDB, or a method of S3.
func callOf(request *http.Request) (call soak.Call) {
	call.Operation = request.Method
	if target := request.Header.Get("X-Amz-Target"); target != "" {
		_, call.Operation, _ = strings.Cut(target, ".")
	}
	call.Writes = writes[call.Operation]
	if match := callerPattern.FindStringSubmatch(request.UserAgent()); match != nil {
		call.Process = match[1]
	}
	return call
}

var callerPattern = regexp.MustCompile(`\bapp/([\w-]+)`)

func (p *proxy) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(request.Body)
	if err != nil {
		panic(http.ErrAbortHandler) // its process died while it was sending
	}
	var response *http.Response
	seen := p.link(p.ctx, callOf(request), func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(request.Context()), deliveryTimeout)
		defer cancel()
		response, err = p.deliver(ctx, request, body)
	})
	if !seen || err != nil {
		panic(http.ErrAbortHandler) // the server is down: so is the connection
	}
	for name, values := range response.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(response.StatusCode)
	if _, err := io.Copy(w, response.Body); err != nil {
		panic(http.ErrAbortHandler)
	}
}

// deliver sends a request to the server. The body of its answer is in memory.
func (p *proxy) deliver(ctx context.Context, request *http.Request, body []byte) (*http.Response, error) {
	out := request.Clone(ctx)
	out.URL.Scheme, out.URL.Host, out.RequestURI = p.target.Scheme, p.target.Host, ""
	out.Body, out.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	response, err := p.calls.RoundTrip(out)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	response.Body = io.NopCloser(bytes.NewReader(answer))
	return response, err
}
