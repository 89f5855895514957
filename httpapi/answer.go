package httpapi

import (
	"bytes"
	"encoding/json"
	"net/http"
	"time"
)

// An answer writes the response of a call.
type answer struct {
	http.ResponseWriter
	r     *http.Request
	sent  *arrival // the body of the request, nil if nobody reads it
	begun bool     // the status has been sent
	gone  bool     // the caller does not take the answer
}

// WriteHeader sends the status. A body that was not read to its end is not waited for:
// to keep the connection, the server would do that before it sends the answer. Behind
// the answer it reads on for a little, so that a caller who is still sending sees the
// answer and not a connection that was reset; the deadline bounds that.
func (a *answer) WriteHeader(status int) {
	if !a.begun && a.r.ProtoMajor == 1 && a.unread() {
		a.Header().Set("Connection", "close")
		_ = http.NewResponseController(a.ResponseWriter).SetReadDeadline(time.Now().Add(lingering))
	}
	a.begun = true
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(p []byte) (int, error) {
	a.begun = true
	n, err := a.ResponseWriter.Write(p)
	a.gone = a.gone || err != nil
	return n, err
}

// unread reports whether some of the request's body may still come.
func (a *answer) unread() bool {
	if a.sent != nil {
		return !a.sent.ended.Load()
	}
	return a.r.Body != nil && a.r.Body != http.NoBody && a.r.ContentLength != 0
}

// abort closes the connection, so that nobody takes a part of an answer for the
// whole. The deadline sees to it where a middleware of the host keeps the panic
// from the server.
func (a *answer) abort() {
	_ = http.NewResponseController(a.ResponseWriter).SetWriteDeadline(past)
	panic(http.ErrAbortHandler)
}

// lingering is how long a connection is kept for the answer to a request whose body is
// still on its way.
const lingering = time.Second

// past is a deadline that is over.
var past = time.Unix(1, 0)

// envelope is what every JSON answer looks like.
type envelope struct {
	Success bool       `json:"success"`
	Data    any        `json:"data,omitempty"`
	Error   *errorView `json:"error,omitempty"`
}

type errorView struct {
	Code    string         `json:"code"`
	Message string         `json:"message"`
	Details map[string]any `json:"details,omitempty"`
}

// data answers with data.
func (a *answer) data(status int, data any) error {
	return a.json(status, envelope{Success: true, Data: data})
}

// fail answers with a problem.
func (a *answer) fail(p *problem) {
	for name, values := range p.header {
		a.Header()[name] = values
	}
	// An answer that was to be a file is none any more.
	a.Header().Del("Content-Disposition")
	err := a.json(p.status, envelope{Error: &errorView{Code: p.code, Message: p.message, Details: p.details}})
	if err != nil && !a.begun {
		a.fail(internal()) // only for details that JSON cannot hold
	}
}

func (a *answer) json(status int, body envelope) error {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(body); err != nil {
		return err
	}
	a.head("application/json; charset=utf-8")
	a.WriteHeader(status)
	// An error here means that the caller is gone, and concerns nobody.
	_, _ = a.Write(text.Bytes())
	return nil
}

// head sets the headers that all answers have.
func (a *answer) head(contentType string) {
	h := a.Header()
	h.Set("Content-Type", contentType)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
}

// stamp is a time of an answer: RFC 3339 in UTC with milliseconds. A zero time is
// null.
type stamp time.Time

func (s stamp) MarshalJSON() ([]byte, error) {
	t := time.Time(s)
	if t.IsZero() {
		return []byte("null"), nil
	}
	return []byte(t.UTC().Format(`"2006-01-02T15:04:05.000Z"`)), nil
}
