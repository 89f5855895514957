package httpapi_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/httpapi"
)

// largeRows is the beginning of a request of n rows of size bytes.
func largeRows(n, size int) string {
	var b strings.Builder
	b.WriteString(`{"users":[{"userId":"first"}`)
	for i := range n {
		fmt.Fprintf(&b, `,{"userId":"u%d","customFields":{"text":"%s"}}`, i, strings.Repeat("x", size))
	}
	return b.String()
}

func smallMemory(_ *bulk.Config, api *httpapi.Config) { api.MaxMemory = 32 << 20 }

// post sends a body of unknown length.
func (w *world) post(caller string, body io.Reader, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", usersPath, struct{ io.Reader }{body})
	r.Header = http.Header{"Authorization": {"Bearer " + caller}, "Content-Type": {"application/json"}}
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		r.Header.Set(name, value)
	}
	rec := httptest.NewRecorder()
	w.raw.ServeHTTP(rec, r)
	return rec
}

// stall begins a request and leaves it open until it is told the rest of its body.
func (w *world) stall(caller, begin string, headers ...string) (end func(rest string) *httptest.ResponseRecorder) {
	r, writer := io.Pipe()
	answer := make(chan *httptest.ResponseRecorder)
	go func() { answer <- w.post(caller, r, headers...) }()
	// A second write returns once what the first one wrote was read and counted.
	_, err := io.WriteString(writer, begin)
	require.NoError(w.t, err)
	_, err = io.WriteString(writer, " ")
	require.NoError(w.t, err)
	return func(rest string) *httptest.ResponseRecorder {
		_, _ = io.WriteString(writer, rest) // a refused request does not take it
		_ = writer.Close()
		return <-answer
	}
}

// What a request holds counts as it comes, and is free again when the request ends.
func TestMemoryOfAllRequests(t *testing.T) {
	w := newWorld(t, smallMemory)
	end := w.stall(admin, largeRows(20, 380_000)) // 7.6 MB of rows
	rec := w.post(otherAdmin, strings.NewReader(largeRows(20, 380_000)+`]}`))
	requireProblem(t, rec, http.StatusServiceUnavailable, "UNAVAILABLE", "at once")
	assert.Equal(t, "5", rec.Header().Get("Retry-After"))
	w.empty()
	assert.Equal(t, http.StatusOK, w.post(otherAdmin, strings.NewReader(largeRows(2, 1000)+`]}`)).Code, "rule: small requests fit beside large ones")
	assert.Equal(t, http.StatusOK, end(`]}`).Code)
	assert.Equal(t, http.StatusOK, w.post(otherAdmin, strings.NewReader(largeRows(20, 380_000)+`]}`)).Code)
	for range 3 { // nothing stays behind
		requireProblem(t, w.post(admin, strings.NewReader(largeRows(20, 380_000)+`]`)), http.StatusBadRequest, "INVALID_JSON")
	}
	assert.Equal(t, http.StatusOK, w.post(otherAdmin, strings.NewReader(largeRows(20, 380_000)+`]}`)).Code)
}

// A row that does not end is held by its decoder, and counts too.
func TestMemoryOfBuffers(t *testing.T) {
	for format, begin := range map[string]string{
		"application/json": `{"users":[{"userId":"`,
		"text/csv":         "userId\n\"",
	} {
		w := newWorld(t, smallMemory)
		end := w.stall(admin, begin+strings.Repeat("x", 9<<20), "Content-Type: "+format)
		rec := w.post(otherAdmin, strings.NewReader(largeRows(2, 1000)+`]}`))
		requireProblem(t, rec, http.StatusServiceUnavailable, "UNAVAILABLE")
		end("")
		assert.Equal(t, http.StatusOK, w.post(otherAdmin, strings.NewReader(largeRows(2, 1000)+`]}`)).Code, format)
	}
}

// Whoever could never be served is not told to come again.
func TestMemoryOfOneRequest(t *testing.T) {
	w := newWorld(t, smallMemory)
	requireProblem(t, w.post(admin, strings.NewReader(largeRows(60, 380_000)+`]}`)), http.StatusRequestEntityTooLarge, "BODY_TOO_LARGE", "memory")
	w.empty()

	// Within the defaults there is no such request.
	w = newWorld(t, func(cfg *bulk.Config, _ *httpapi.Config) {})
	rec := w.post(admin, strings.NewReader(largeRows(98, (64<<20)/98-200)+`]}`))
	assert.Equal(t, http.StatusOK, rec.Code, rec.Body)
}

// Jobs stream: however long they are, they hold little.
func TestMemoryOfJobs(t *testing.T) {
	w := newWorld(t, func(_ *bulk.Config, api *httpapi.Config) { api.MaxMemory = 32 << 20 })
	body := largeRows(2_500, 6_000) + `]}` // 15 MB
	assert.Equal(t, http.StatusAccepted, w.post(admin, strings.NewReader(body)).Code)
	body = largeRows(150, 380_000) + `]}` // the first 99 of which are held
	requireProblem(t, w.post(admin, strings.NewReader(body)), http.StatusRequestEntityTooLarge, "BODY_TOO_LARGE", "memory")
	assert.Equal(t, http.StatusAccepted, w.post(admin, strings.NewReader(body), "Prefer: respond-async").Code, "rule: a job from the start holds no rows")
}

// What the blob store says that it takes for a payload counts too.
func TestMemoryOfPayloads(t *testing.T) {
	w := newWorld(t, smallMemory, func(cfg *bulk.Config, _ *httpapi.Config) { cfg.Blobs = buffering{cfg.Blobs} })
	body := largeRows(150, 100_000)
	end := w.stall(admin, largeRows(0, 0)+strings.Repeat(`,{}`, 100)+strings.TrimPrefix(body, largeRows(0, 0)))
	rec := w.post(otherAdmin, strings.NewReader(body+`]}`), "Prefer: respond-async")
	requireProblem(t, rec, http.StatusServiceUnavailable, "UNAVAILABLE")
	assert.Equal(t, http.StatusAccepted, end(`]}`).Code)
	assert.Equal(t, http.StatusAccepted, w.post(otherAdmin, strings.NewReader(body+`]}`), "Prefer: respond-async").Code)
}

// buffering is a store that holds 30 MB of what it puts.
type buffering struct{ bulk.BlobStore }

func (buffering) PutMemory() int64 { return 30_000_000 }

// A tenant with many large requests does not lock out the others.
func TestMemoryIsShared(t *testing.T) {
	w := newWorld(t, smallMemory)
	var ends []func(string) *httptest.ResponseRecorder
	for range 3 {
		ends = append(ends, w.stall(admin, largeRows(6, 380_000)))
	}
	modest := func() *httptest.ResponseRecorder {
		return w.post(otherAdmin, strings.NewReader(largeRows(8, 380_000)+`]}`))
	}
	requireProblem(t, modest(), http.StatusServiceUnavailable, "UNAVAILABLE")
	assert.Equal(t, http.StatusOK, ends[0](`]}`).Code)
	// The room that has come free is not for the one who has the rest.
	again := w.post(admin, strings.NewReader(largeRows(6, 380_000)+`]}`))
	requireProblem(t, again, http.StatusServiceUnavailable, "UNAVAILABLE")
	assert.Equal(t, http.StatusOK, modest().Code)
	for _, end := range ends[1:] {
		assert.Equal(t, http.StatusOK, end(`]}`).Code)
	}
}
