package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// A call is a request to the API, which can be sent any number of times.
type call struct {
	method string
	path   string // below root, escaped
	query  url.Values
	header http.Header
	body   []byte
}

// String names the call in errors.
func (q *call) String() string { return q.method + " " + root + "/" + q.path }

// An answer is one of success.
type answer[T any] struct {
	data   *T
	status int
	header http.Header
	// lost is set if an attempt before it may have been carried out, and its answer
	// was lost.
	lost bool
}

var errTimeout = errors.New("no answer within the time that an attempt may take")

// do sends the call until it is answered, or its failure is final.
func do[T any](ctx context.Context, c *Client, q *call) (*answer[T], error) {
	again := retries{c: c}
	lost := false
	for {
		a, err := attempt[T](ctx, c, q)
		if err == nil {
			a.lost = lost
			return a, nil
		}
		// An answer of the API with an error says that nothing was done.
		var answered *Error
		lost = lost || !errors.As(err, &answered) || answered.Code == ""
		if err = again.again(ctx, err); err != nil {
			return nil, err
		}
	}
}

// attempt sends the call once.
func attempt[T any](ctx context.Context, c *Client, q *call) (*answer[T], error) {
	res, err := c.open(ctx, q)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	var envelope struct {
		Success bool `json:"success"`
		Data    *T   `json:"data"`
	}
	err = json.NewDecoder(res.Body).Decode(&envelope)
	switch {
	case err != nil && !isFormat(err):
		return nil, &connectionError{"read the answer of " + q.String(), err}
	case err != nil || !envelope.Success || envelope.Data == nil:
		return nil, fmt.Errorf("client: %s: %w", q, ErrNotAPI)
	}
	// The connection can be used again once the body has been read to its end.
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 1<<10))
	return &answer[T]{data: envelope.Data, status: res.StatusCode, header: res.Header}, nil
}

// ErrNotAPI is for an answer of success that is not one of the API.
var ErrNotAPI = errors.New("the answer is not one of this API; the base URL may be wrong")

// isFormat reports whether a decoder failed because of what the text is, and not
// because it could not be read.
func isFormat(err error) bool {
	var (
		syntax *json.SyntaxError
		kind   *json.UnmarshalTypeError
		date   *time.ParseError
	)
	return errors.As(err, &syntax) || errors.As(err, &kind) || errors.As(err, &date)
}

// open sends the call once, with credentials, and returns an answer of success.
func (c *Client) open(ctx context.Context, q *call) (*http.Response, error) {
	target := url.URL{Scheme: c.base.Scheme, Host: c.base.Host}
	text := target.String() + trimSlash(c.base.EscapedPath()) + root + "/" + q.path
	if len(q.query) > 0 {
		text += "?" + q.query.Encode()
	}
	var body io.Reader
	if q.body != nil {
		body = bytes.NewReader(q.body)
	}
	req, err := http.NewRequestWithContext(ctx, q.method, text, body)
	if err != nil {
		return nil, fmt.Errorf("client: %s: %w", q, bare(err))
	}
	for name, values := range q.header {
		req.Header[name] = values
	}
	req.Header.Set("Accept", "application/json, application/x-ndjson, text/csv")
	switch {
	case c.cfg.Authorize != nil:
		if err := c.cfg.Authorize(req); err != nil {
			return nil, fmt.Errorf("client: authorize %s: %w", q, err)
		}
	case c.cfg.Token != "":
		req.Header.Set("Authorization", "Bearer "+c.cfg.Token)
	}
	return c.send(req, q.String())
}

// send sends a request as it is. The answer is one of success, and its body fails
// if the next bytes take longer than an attempt may.
func (c *Client) send(req *http.Request, doing string) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(req.Context())
	watch := time.AfterFunc(c.cfg.Timeout, func() { cancel(errTimeout) })
	res, err := c.http.Do(req.WithContext(ctx))
	if err != nil {
		watch.Stop()
		err = whyEnded(ctx, bare(err))
		cancel(nil)
		return nil, &connectionError{doing, err}
	}
	res.Body = &watchedBody{ReadCloser: res.Body, ctx: ctx, cancel: cancel, watch: watch, timeout: c.cfg.Timeout}
	if res.StatusCode < 200 || res.StatusCode > 299 {
		defer res.Body.Close()
		return nil, readError(res)
	}
	return res, nil
}

// A watchedBody is the body of an answer whose reads may take a limited time each.
type watchedBody struct {
	io.ReadCloser
	ctx     context.Context
	cancel  context.CancelCauseFunc
	watch   *time.Timer
	timeout time.Duration
}

func (b *watchedBody) Read(p []byte) (int, error) {
	b.watch.Reset(b.timeout)
	n, err := b.ReadCloser.Read(p)
	b.watch.Stop() // what the caller does in between is its own affair
	if err != nil && err != io.EOF {
		err = whyEnded(b.ctx, err)
	}
	return n, err
}

func (b *watchedBody) Close() error {
	b.watch.Stop()
	err := b.ReadCloser.Close()
	b.cancel(nil)
	return err
}

// whyEnded returns errTimeout if that is why ctx ended, and err otherwise.
func whyEnded(ctx context.Context, err error) error {
	if context.Cause(ctx) == errTimeout {
		return errTimeout
	}
	return err
}

// bare returns an error of net/http without the URL, which may be a secret.
func bare(err error) error {
	var e *url.Error
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}

func trimSlash(path string) string {
	for len(path) > 0 && path[len(path)-1] == '/' {
		path = path[:len(path)-1]
	}
	return path
}
