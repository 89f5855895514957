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

	"github.com/bulkops/bulkops/internal/test/exchange"
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
	return exchange.Watch(handler, func(e *exchange.Exchange) { CheckExchange(t, e) })
}

// CheckExchange reports to t what of an exchange is not as the document says.
func CheckExchange(t TB, e *exchange.Exchange) {
	t.Helper()
	if err := (&checked{e}).check(); err != nil {
		t.Errorf("rule: the OpenAPI document is the truth: %s%s %s: %d: %v\nrequest: %s\nanswer: %s",
			of(e.Test), e.Method, e.URL, e.Status, err, clip(e.Sent), clip(e.Body))
	}
}

// of names the test that an exchange is of, if it is another one than this.
func of(test string) string {
	if test == "" {
		return ""
	}
	return test + ": "
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
	seen := r.Clone(r.Context())
	var sent bytes.Buffer
	if r.Body != nil {
		seen.Body = readCloser{io.TeeReader(r.Body, &sent), r.Body}
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
	CheckExchange(tr.t, &exchange.Exchange{
		Method: r.Method, URL: r.URL, Header: r.Header, Sent: sent.Bytes(),
		Status: res.StatusCode, AnswerHeader: res.Header, Body: body,
	})
	return res, nil
}

// readCloser reads from one and closes the other.
type readCloser struct {
	io.Reader
	io.Closer
}

// broken is the end of a body that was read before.
type broken struct{ err error }

func (b *broken) Read([]byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	return 0, io.EOF
}

// checked is an exchange that is checked.
type checked struct{ *exchange.Exchange }

func clip(text []byte) string {
	const most = 600
	if len(text) > most {
		return fmt.Sprintf("%q… (%d bytes)", text[:most], len(text))
	}
	return fmt.Sprintf("%q", text)
}

// check returns what is not as the document says.
func (e *checked) check() error {
	doc, err := load()
	if err != nil {
		return fmt.Errorf("the document is not valid: %w", err)
	}
	op, err := doc.find(e.Method, e.URL)
	switch err {
	case errNoPath:
		return e.checkAnswer(doc, http.StatusNotFound, doc.Components.Responses["PathNotFound"], "")
	case errNoMethod:
		return e.checkOther(doc, op)
	}
	response := op.Responses.Status(e.Status)
	if response == nil {
		return errors.New("the document has no such status of the operation")
	}
	if err := e.checkAnswer(doc, e.Status, response, op.place().at("", "responses", strconv.Itoa(e.Status))); err != nil {
		return err
	}
	if e.Status >= 300 {
		return nil
	}
	if err := e.checkRequest(doc, op); err != nil {
		return fmt.Errorf("taken, although %w", err)
	}
	return nil
}

// checkOther checks the answer to a method that the path does not have.
func (e *checked) checkOther(doc *document, op *operation) error {
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
	if allow := strings.Join(methods, ", "); e.AnswerHeader.Get("Allow") != allow {
		return fmt.Errorf("header Allow is %q, but the document has %q", e.AnswerHeader.Get("Allow"), allow)
	}
	return nil
}

// checkAnswer checks the answer against a response of the document.
func (e *checked) checkAnswer(doc *document, status int, ref *openapi3.ResponseRef, at place) error {
	if e.Status != status {
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
	contentType, params, err := mime.ParseMediaType(e.AnswerHeader.Get("Content-Type"))
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
	if e.Method == http.MethodHead {
		return nil
	}
	schema := at.at("", "content", contentType, "schema")
	if contentType != "application/json" {
		if err := doc.validate(schema, string(e.Body)); err != nil {
			return fmt.Errorf("body: %w", err)
		}
		return e.checkFile(doc, contentType)
	}
	value, err := parse(e.Body)
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

func (e *checked) checkHeaders(doc *document, response *openapi3.Response, at place) error {
	documented := map[string]bool{}
	for name, header := range response.Headers {
		documented[http.CanonicalHeaderKey(name)] = true
		values := e.AnswerHeader.Values(name)
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
	for name := range e.AnswerHeader {
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
