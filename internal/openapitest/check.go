package openapitest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// A TB is what a check reports to: a [testing.TB], or the T of a property test.
type TB interface {
	Helper()
	Errorf(format string, args ...any)
}

// Check returns a handler that serves as handler does, under whatever prefix, and
// reports to t what is not as the document says. It keeps the body of each
// request and answer for that.
func Check(t TB, handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e := &exchange{request: r, head: r.Method == http.MethodHead}
		seen := *r
		if r.Body != nil {
			seen.Body = &tee{ReadCloser: r.Body, copy: &e.sent}
		}
		rec := &recorder{ResponseWriter: w}
		// An answer that breaks off ends in a panic and is not checked: nobody
		// takes it for one.
		handler.ServeHTTP(rec, &seen)
		if rec.failed {
			return // nor one that nobody took
		}
		e.status, e.header, e.body = rec.status, rec.header, rec.body.Bytes()
		if rec.status == 0 {
			e.status, e.header = http.StatusOK, w.Header()
		}
		e.report(t)
	})
}

// A recorder keeps what it passes on.
type recorder struct {
	http.ResponseWriter
	status int
	header http.Header // as it was sent
	body   bytes.Buffer
	failed bool
}

// Unwrap is for [http.ResponseController].
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 && status >= http.StatusOK {
		r.status, r.header = status, r.Header().Clone()
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(p []byte) (int, error) {
	if r.status == 0 {
		r.WriteHeader(http.StatusOK)
	}
	n, err := r.ResponseWriter.Write(p)
	r.body.Write(p[:n])
	r.failed = r.failed || err != nil
	return n, err
}

// tee keeps what is read.
type tee struct {
	io.ReadCloser
	copy *bytes.Buffer
}

func (t *tee) Read(p []byte) (int, error) {
	n, err := t.ReadCloser.Read(p)
	t.copy.Write(p[:n])
	return n, err
}

// Transport returns a transport that does as base does, and reports to t what is
// not as the document says. Requests to paths outside the API pass unchecked, as
// they are those of other servers. It reads each answer to its end before it
// returns.
func Transport(t TB, base http.RoundTripper) http.RoundTripper {
	return &transport{t: t, base: base}
}

type transport struct {
	t    TB
	base http.RoundTripper
}

func (tr *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if !strings.Contains(r.URL.EscapedPath(), apiRoot) {
		return tr.base.RoundTrip(r)
	}
	e := &exchange{request: r, head: r.Method == http.MethodHead}
	seen := r.Clone(r.Context())
	if r.Body != nil {
		seen.Body = &tee{ReadCloser: r.Body, copy: &e.sent}
	}
	res, err := tr.base.RoundTrip(seen)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(res.Body)
	if closeErr := res.Body.Close(); err == nil {
		err = closeErr
	}
	res.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), &broken{err}))
	if err != nil {
		return res, nil // the answer broke off, as its reader will see
	}
	e.status, e.header, e.body = res.StatusCode, res.Header, body
	e.report(tr.t)
	return res, nil
}

// broken is the end of a body that was read before.
type broken struct{ err error }

func (b *broken) Read([]byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	return 0, io.EOF
}

// An exchange is a request and its answer.
type exchange struct {
	request *http.Request
	head    bool
	sent    bytes.Buffer // the request's body, as far as it was read

	status int
	header http.Header
	body   []byte
}

// report checks the exchange and reports what is wrong with it.
func (e *exchange) report(t TB) {
	t.Helper()
	if err := e.check(); err != nil {
		t.Errorf("rule: the OpenAPI document is the truth: %s %s: %d: %v\nrequest: %s\nanswer: %s",
			e.request.Method, e.request.URL, e.status, err, clip(e.sent.Bytes()), clip(e.body))
	}
}

func clip(text []byte) string {
	const most = 600
	if len(text) > most {
		return fmt.Sprintf("%q… (%d bytes)", text[:most], len(text))
	}
	return fmt.Sprintf("%q", text)
}

// check returns what is not as the document says.
func (e *exchange) check() error {
	doc, err := load()
	if err != nil {
		return fmt.Errorf("the document is not valid: %w", err)
	}
	op, err := doc.find(e.request)
	switch err {
	case errNoPath:
		return e.checkAnswer(doc, http.StatusNotFound, doc.Components.Responses["PathNotFound"], "")
	case errNoMethod:
		return e.checkOther(doc, op)
	}
	response := op.Responses.Status(e.status)
	if response == nil {
		return errors.New("the document has no such status of the operation")
	}
	if err := e.checkAnswer(doc, e.status, response, op.place().at("", "responses", strconv.Itoa(e.status))); err != nil {
		return err
	}
	if e.status >= 300 {
		return nil
	}
	if err := e.checkRequest(doc, op); err != nil {
		return fmt.Errorf("taken, although %w", err)
	}
	return nil
}

// checkOther checks the answer to a method that the path does not have.
func (e *exchange) checkOther(doc *document, op *operation) error {
	if err := e.checkAnswer(doc, http.StatusMethodNotAllowed, doc.Components.Responses["MethodNotAllowed"], ""); err != nil {
		return err
	}
	var methods []string
	for method := range doc.Paths.Value(op.path).Operations() {
		methods = append(methods, method)
		if method == http.MethodGet {
			methods = append(methods, http.MethodHead)
		}
	}
	slices.Sort(methods)
	if allow := strings.Join(methods, ", "); e.header.Get("Allow") != allow {
		return fmt.Errorf("header Allow is %q, but the document has %q", e.header.Get("Allow"), allow)
	}
	return nil
}

// checkAnswer checks the answer against a response of the document.
func (e *exchange) checkAnswer(doc *document, status int, ref *openapi3.ResponseRef, at place) error {
	if e.status != status {
		return fmt.Errorf("the document has %d here", status)
	}
	if at == "" {
		for name, response := range doc.Components.Responses {
			if response == ref {
				at = root.at("", "components", "responses", name)
			}
		}
	}
	at = at.at(ref.Ref)
	if err := e.checkHeaders(doc, ref.Value, at); err != nil {
		return err
	}
	contentType, params, err := mime.ParseMediaType(e.header.Get("Content-Type"))
	if err != nil {
		return fmt.Errorf("header Content-Type: %w", err)
	}
	content := ref.Value.Content[contentType]
	if content == nil {
		return fmt.Errorf("the document has no content of type %s", contentType)
	}
	if charset, ok := params["charset"]; ok && charset != "utf-8" {
		return fmt.Errorf("the charset is %s", charset)
	}
	if e.head {
		return nil
	}
	schema := at.at("", "content", contentType, "schema")
	if contentType != "application/json" {
		if err := doc.validate(schema, string(e.body)); err != nil {
			return fmt.Errorf("body: %w", err)
		}
		return e.checkFile(doc, contentType)
	}
	value, err := parse(e.body)
	if err != nil {
		return fmt.Errorf("body: %w", err)
	}
	if err := doc.validate(schema, value); err != nil {
		return fmt.Errorf("body: %w", err)
	}
	return e.checkCounts()
}

// transportHeaders are of HTTP itself and in no document.
var transportHeaders = []string{"Content-Type", "Content-Length", "Date", "Transfer-Encoding", "Connection"}

func (e *exchange) checkHeaders(doc *document, response *openapi3.Response, at place) error {
	documented := map[string]bool{}
	for name, header := range response.Headers {
		documented[http.CanonicalHeaderKey(name)] = true
		values := e.header.Values(name)
		switch {
		case len(values) == 0 && header.Value.Required:
			return fmt.Errorf("the answer has no header %s", name)
		case len(values) == 0:
			continue
		case len(values) > 1:
			return fmt.Errorf("the answer has header %s %d times", name, len(values))
		}
		schema := at.at("", "headers", name).at(header.Ref).at("", "schema")
		if err := doc.validateText(header.Value.Schema, schema, values[0]); err != nil {
			return fmt.Errorf("header %s: %w", name, err)
		}
	}
	for name := range e.header {
		if !documented[name] && !slices.Contains(transportHeaders, name) {
			return fmt.Errorf("the document has no header %s of this answer", name)
		}
	}
	return nil
}

// parse reads one JSON value, in which no key stands twice and all text is UTF-8.
func parse(text []byte) (any, error) {
	if !jsontext.Value(text).IsValid() {
		return nil, errors.New("it is not one JSON value of valid UTF-8 without duplicate keys")
	}
	return jsonschema.UnmarshalJSON(bytes.NewReader(text))
}
