// Package exchange records requests of the HTTP API and their answers, so that
// others can check them: tests of package httpapi run without a validator of
// OpenAPI documents, which is in a module of its own, and what they exchange is
// checked there.
package exchange

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
)

// An Exchange is a request and its answer.
type Exchange struct {
	// Test is the name of the test that the exchange is of.
	Test   string
	Method string
	URL    *url.URL
	// Header is the request's, Sent its body as far as it was read.
	Header http.Header
	Sent   []byte

	Status       int
	AnswerHeader http.Header // as it was sent
	Body         []byte
}

// Watch returns a handler that serves as handler does, and calls seen after each
// answer that was given in full: one that breaks off, or that nobody takes, is none.
func Watch(handler http.Handler, seen func(*Exchange)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		watched := *r
		var sent bytes.Buffer
		if r.Body != nil {
			watched.Body = &tee{ReadCloser: r.Body, copy: &sent}
		}
		rec := &recorder{ResponseWriter: w}
		handler.ServeHTTP(rec, &watched) // breaking off is a panic
		if rec.failed {
			return
		}
		e := &Exchange{
			Method: r.Method, URL: r.URL, Header: r.Header, Sent: sent.Bytes(),
			Status: rec.status, AnswerHeader: rec.header, Body: rec.body.Bytes(),
		}
		if rec.status == 0 {
			e.Status, e.AnswerHeader = http.StatusOK, w.Header()
		}
		seen(e)
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

// Folder is the environment variable that names the folder into which [Record]
// writes.
const Folder = "BULKOPS_TEST_EXCHANGES"

// A TB is a [testing.TB].
type TB interface {
	Name() string
	Errorf(format string, args ...any)
}

// Record returns a handler that serves as handler does, and writes each exchange to
// a file in the folder that the environment names. Without one it returns the
// handler.
func Record(t TB, handler http.Handler) http.Handler {
	dir := os.Getenv(Folder)
	if dir == "" {
		return handler
	}
	return Watch(handler, func(e *Exchange) {
		e.Test = t.Name()
		if err := write(dir, e); err != nil {
			t.Errorf("write an exchange to $%s: %v", Folder, err)
		}
	})
}

func write(dir string, e *Exchange) error {
	text, err := json.Marshal(e)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, "*.json")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}

// Read returns the exchanges that were recorded into a folder.
func Read(dir string) ([]*Exchange, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return nil, err
	}
	all := make([]*Exchange, len(names))
	for i, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(text, &all[i]); err != nil {
			return nil, err
		}
	}
	return all, nil
}
