package httpapi_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/httpapi"
)

// The rows that failed are mended in the CSV, in a spreadsheet that saves it in its
// own way, and sent again, and nothing of them is lost on the way.
func TestMendedRowsAreSentAgain(t *testing.T) {
	body := `{"users":[
		{"userId":"good"},
		{"userId":"=u1","email":"bad","customFields":{"n":9007199254740993,"s":"=1+1","e":"","t":true,"z":null,"o":{"a":[1,"x;=2|3"]},"m":1,"q":"'@","d":"a;=1\t+2\n-3|'@4;,"},"metadata":{"x":"a\r\nb","y":" \u200b=1","\tn;=1":[1]}},
		{"userId":"u2","email":"bad","customFields":{"m":"1"}}
	]}`
	records := func(comma, text string) string {
		all, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(text, "\ufeff"))).ReadAll()
		require.NoError(t, err)
		var b strings.Builder
		for _, record := range all {
			for i, cell := range record {
				if i > 0 {
					b.WriteString(comma)
				}
				b.WriteString(`"` + strings.ReplaceAll(cell, `"`, `""`) + `"`)
			}
			b.WriteString(comma + "\r\n")
		}
		return b.String() + strings.Repeat(comma, len(all[0])) + "\r\n"
	}
	for name, save := range map[string]struct {
		save        func(text string) string
		contentType string
	}{
		"as it is":                  {func(text string) string { return text }, "text/csv"},
		"with semicolons":           {func(text string) string { return records(";", text) }, "text/csv"},
		"with a line that says so":  {func(text string) string { return "sep=|\r\n" + records("|", text) }, "text/csv"},
		"with tabs":                 {func(text string) string { return records("\t", text) }, "text/csv"},
		"with tabs, which are said": {func(text string) string { return records("\t", text) }, "text/tab-separated-values"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			id := w.submit(body)
			w.run(id)
			rec := w.do(admin, "GET", "/v1/bulk/jobs/"+id+"/results?format=csv&only=failed", "")
			require.Equal(t, http.StatusOK, rec.Code)
			mended := strings.ReplaceAll(rec.Body.String(), ",bad,", ",=ok@example.com,")
			mended = strings.Replace(mended, ",=ok@", ",'=ok@", 1) // as the export would write it
			rec = w.do(admin, "POST", usersPath, save.save(mended), "Content-Type: "+save.contentType)
			require.Contains(t, rec.Body.String(), `"created":1`, "the second row has the email of the first")
			require.Contains(t, rec.Body.String(), `"totalRecords":2`)

			found, err := w.store.Lookup(t.Context(), "acme", []bulk.Ref{{ID: "=u1"}})
			require.NoError(t, err)
			require.NotNil(t, found[0].ByID)
			assert.Equal(t, "=ok@example.com", found[0].ByID.Email)
			assert.Equal(t, `{"d":"a;=1\t+2\n-3|'@4;,","e":"","m":1,"n":9007199254740993,"o":{"a":[1,"x;=2|3"]},"q":"'@","s":"=1+1","t":true}`, found[0].ByID.CustomFields.String())
			assert.Equal(t, "{\"\\tn;=1\":[1],\"x\":\"a\\r\\nb\",\"y\":\" \u200b=1\"}", found[0].ByID.Metadata.String())
		})
	}
}

// Results of more than a buffer, in each format.
func TestManyResults(t *testing.T) {
	const n = 3000
	w := newWorld(t)
	rows := make([]string, n)
	for i := range rows {
		rows[i] = fmt.Sprintf(`{"userId":"u%d","customFields":{"i":%d}}`, i, i)
		if i%10 == 0 {
			rows[i] = fmt.Sprintf(`{"userId":"u%d","customFields":%d}`, i, i)
		}
	}
	id := w.submit(`{"users":[` + strings.Join(rows, ",") + `]}`)
	w.run(id)
	path := "/v1/bulk/jobs/" + id + "/results"
	for only, want := range map[string]int{"": n, "&only=failed": n / 10} {
		var file struct {
			JobID        string
			TotalRecords int
			Summary      bulk.Summary
			Results      []bulk.RowResult
		}
		rec := w.do(admin, "GET", path+"?format=json"+only, "")
		require.Equal(t, http.StatusOK, rec.Code, w.log)
		require.NoError(t, json.Unmarshal(rec.Body.Bytes(), &file))
		assert.Equal(t, id, file.JobID)
		assert.Len(t, file.Results, want)
		assert.Equal(t, n, file.TotalRecords, "rule: totals are those of the job")
		assert.Equal(t, n, file.Summary.Total())

		text := w.do(admin, "GET", path+"?format=ndjson"+only, "").Body.String()
		assert.Equal(t, want, strings.Count(text, "\n"))

		records, err := csv.NewReader(w.do(admin, "GET", path+"?format=csv"+only, "").Body).ReadAll()
		require.NoError(t, err)
		assert.Len(t, records, want+1)
	}
}

func TestResultsQuery(t *testing.T) {
	w := newWorld(t)
	for query, part := range map[string]string{
		"?format=xml": "format", "?format=": "format", "?format=CSV": "format", "?only=created": "only", "?only=": "only", "?limit=1": `"limit"`, "?format=csv&format=csv": "format",
	} {
		requireProblem(t, w.do(admin, "GET", "/v1/bulk/jobs/job_1/results"+query, ""), http.StatusBadRequest, "INVALID_REQUEST", part)
	}
	requireProblem(t, w.do(admin, "GET", "/v1/bulk/jobs/job_1?x=1", ""), http.StatusBadRequest, "INVALID_REQUEST", `"x"`)
	requireProblem(t, w.do(admin, "POST", "/v1/bulk/jobs/job_1/cancel?x=1", ""), http.StatusBadRequest, "INVALID_REQUEST", `"x"`)
}

// A file that breaks off is not taken for a whole one.
func TestResultsThatBreakOff(t *testing.T) {
	w := newWorld(t)
	rows := make([]string, 2000)
	for i := range rows {
		rows[i] = `"` + strings.Repeat("x", 100) + `"`
	}
	id := w.submit(`{"users":[` + strings.Join(rows, ",") + `]}`)
	w.run(id)
	for _, query := range []string{"", "?only=failed", "?format=ndjson", "?format=csv"} {
		path := "/v1/bulk/jobs/" + id + "/results" + query
		breakAt := func(n int64, err error) func(io.ReadCloser) io.ReadCloser {
			return func(r io.ReadCloser) io.ReadCloser {
				return struct {
					io.Reader
					io.Closer
				}{io.MultiReader(io.LimitReader(r, n), iotest.ErrReader(err)), r}
			}
		}
		w.blobs.wrap = breakAt(100, errors.New("secret"))
		requireProblem(t, w.do(admin, "GET", path, ""), http.StatusServiceUnavailable, "UNAVAILABLE")

		if query == "?format=csv" {
			continue // all is read before anything is sent
		}
		w.blobs.wrap = breakAt(150_000, errors.New("secret"))
		server := httptest.NewServer(w.handler)
		r, err := http.NewRequest("GET", server.URL+path, nil)
		require.NoError(t, err)
		r.Header.Set("Authorization", "Bearer "+admin)
		res, err := server.Client().Do(r)
		require.NoError(t, err)
		_, err = io.ReadAll(res.Body)
		require.Error(t, err, "rule: a stream that breaks off closes the connection")
		_ = res.Body.Close()
		server.Close()
	}
	assert.Contains(t, w.log.String(), "request failed")

	w.blobs.wrap = func(r io.ReadCloser) io.ReadCloser {
		return struct {
			io.Reader
			io.Closer
		}{io.MultiReader(io.LimitReader(r, 150_000), panicking{}), r}
	}
	assert.PanicsWithValue(t, http.ErrAbortHandler, func() { w.do(admin, "GET", "/v1/bulk/jobs/"+id+"/results", "") })
	assert.Contains(t, w.log.String(), "blob panics")
}

type panicking struct{}

func (panicking) Read([]byte) (int, error) { panic("blob panics") }

func TestDamagedResults(t *testing.T) {
	w := newWorld(t)
	id := w.submit(`{"users":[5]}`)
	w.run(id)
	for _, text := range []string{
		``, `[]`, `{`, `{"jobId":`, `{"results":{}}`, `{"a":1}`, `{"results":[`, `{"results":[5]}`, `{"results":[{"status":5}]}`, `{"results":[{"status":"failed"}]`, `{"results":[{"status":"failed","index":"x"}`,
	} {
		w.blobs.wrap = func(r io.ReadCloser) io.ReadCloser {
			_ = r.Close()
			return io.NopCloser(strings.NewReader(text))
		}
		for _, format := range []string{"json", "ndjson", "csv"} {
			rec := w.do(admin, "GET", "/v1/bulk/jobs/"+id+"/results?only=failed&format="+format, "")
			assert.GreaterOrEqual(t, rec.Code, 500, "%s: %s", format, text)
		}
	}
	// A payload that is not that of the results.
	first := true
	w.blobs.wrap = func(r io.ReadCloser) io.ReadCloser {
		defer func() { first = !first }()
		if first {
			return r
		}
		_ = r.Close()
		return io.NopCloser(strings.NewReader(`{"results":[{"status":"failed"},{"status":"failed"}]}`))
	}
	assert.GreaterOrEqual(t, w.do(admin, "GET", "/v1/bulk/jobs/"+id+"/results?format=csv", "").Code, 500)
	w.blobs.wrap = func(r io.ReadCloser) io.ReadCloser {
		defer func() { first = !first }()
		if first {
			return r
		}
		_ = r.Close()
		return io.NopCloser(strings.NewReader(`{"results":[{"status":"failed","index":"x"}]}`))
	}
	first = true
	assert.Equal(t, http.StatusInternalServerError, w.do(admin, "GET", "/v1/bulk/jobs/"+id+"/results?format=csv", "").Code)

	w.blobs.wrap, w.blobs.getErr = nil, bulk.ErrBlobNotFound
	requireProblem(t, w.do(admin, "GET", "/v1/bulk/jobs/"+id+"/results", ""), http.StatusNotFound, "NOT_FOUND")
	requireProblem(t, w.do(admin, "GET", "/v1/bulk/jobs/"+id+"/results?format=csv", ""), http.StatusNotFound, "NOT_FOUND")
}

// A client that goes away while it is sent results is no failure.
func TestResultsNobodyTakes(t *testing.T) {
	w := newWorld(t)
	rows := make([]string, 2000)
	for i := range rows {
		rows[i] = `5`
	}
	id := w.submit(`{"users":[` + strings.Join(rows, ",") + `]}`)
	w.run(id)
	for _, query := range []string{"", "?only=failed", "?format=ndjson", "?format=csv"} {
		for n := range 2 {
			r := httptest.NewRequest("GET", "/v1/bulk/jobs/"+id+"/results"+query, nil)
			r.Header.Set("Authorization", "Bearer "+admin)
			assert.PanicsWithValue(t, http.ErrAbortHandler, func() { w.handler.ServeHTTP(&gone{takes: n}, r) })
		}
	}
	assert.NotContains(t, w.log.String(), "level=ERROR")
}

// gone is a client that takes a few writes.
type gone struct {
	header http.Header
	takes  int
}

func (g *gone) Header() http.Header {
	if g.header == nil {
		g.header = http.Header{}
	}
	return g.header
}
func (g *gone) WriteHeader(int) {}
func (g *gone) Write(p []byte) (int, error) {
	if g.takes--; g.takes < 0 {
		return 0, errors.New("broken pipe")
	}
	return len(p), nil
}

func TestSignedURLs(t *testing.T) {
	w := newWorld(t)
	id := w.submit(usersBody(1))
	w.run(id)
	w.blobs.signed = "https://bucket.example.com/results?X-Amz-Signature=abc&x=1"
	rec := w.do(admin, "GET", "/v1/bulk/jobs/"+id, "")
	assert.Equal(t, w.blobs.signed, data(t, rec)["downloadUrl"])
	assert.True(t, bytes.Contains(rec.Body.Bytes(), []byte(`abc&x=1`)), "rule: a URL can be copied from the text of an answer")

	w.blobs.signErr = errors.New("no credentials")
	rec = w.do(admin, "GET", "/v1/bulk/jobs/"+id, "")
	assert.Contains(t, data(t, rec)["downloadUrl"], "/v1/bulk/downloads/", "rule: the handler serves what the store cannot sign")
	assert.Contains(t, w.log.String(), "no credentials")
	assert.NotContains(t, w.log.String(), "Signature")
}

func TestListPages(t *testing.T) { bubble(t, testListPages) }

func testListPages(t *testing.T, w *world) {
	var ids []string
	for range 25 {
		ids = append(ids, w.submit(usersBody(1)))
		time.Sleep(time.Millisecond) // ids of one millisecond have no order
	}
	page := func(query string) (jobs []string, cursor any) {
		list := data(t, w.do(admin, "GET", "/v1/bulk/jobs"+query, ""))
		for _, job := range list["jobs"].([]any) {
			jobs = append(jobs, job.(map[string]any)["jobId"].(string))
		}
		return jobs, list["cursor"]
	}
	first, cursor := page("")
	assert.Len(t, first, 20, "rule: 20 jobs unless the caller asks for another number")
	require.IsType(t, "", cursor)
	rest, end := page("?cursor=" + cursor.(string))
	assert.Nil(t, end)
	all := append(first, rest...)
	for i := range all {
		assert.Equal(t, ids[len(ids)-1-i], all[i], "rule: newest first")
	}
	one, _ := page("?limit=1")
	assert.Len(t, one, 1)
	many, _ := page("?limit=100")
	assert.Len(t, many, 25)
	none, _ := page("?status=failed")
	assert.Empty(t, none)
	for _, status := range []string{"pending", "processing", "completed", "failed", "cancelled"} {
		assert.Equal(t, http.StatusOK, w.do(admin, "GET", "/v1/bulk/jobs?status="+status, "").Code)
	}
	for query, part := range map[string]string{
		"?limit=0": "limit", "?limit=101": "limit", "?limit=-1": "limit", "?limit=x": "limit", "?limit=": "limit", "?limit=1.5": "limit", "?limit=99999999999999999999": "limit",
		"?status=": "status", "?status=PENDING": "status", "?status=done": "status", "?cursor=": "cursor", "?cursor=%00": "cursor", "?cursor=abc": "cursor", "?sort=asc": `"sort"`, "?limit=1&limit=1": "limit",
	} {
		requireProblem(t, w.do(admin, "GET", "/v1/bulk/jobs"+query, ""), http.StatusBadRequest, "INVALID_REQUEST", part)
	}
	requireProblem(t, w.do(otherAdmin, "GET", "/v1/bulk/jobs?cursor="+cursor.(string), ""), http.StatusBadRequest, "INVALID_REQUEST", "cursor")
}

func TestDefaults(t *testing.T) {
	w := newWorld(t, func(_ *bulk.Config, api *httpapi.Config) { api.LinkKey = nil })
	id := w.submit(usersBody(1))
	w.run(id)
	link := data(t, w.do(admin, "GET", "/v1/bulk/jobs/"+id, ""))["downloadUrl"].(string)
	assert.Equal(t, http.StatusOK, w.do("", "GET", link, "").Code)
	other := newWorld(t, func(_ *bulk.Config, api *httpapi.Config) { api.LinkKey = nil })
	requireProblem(t, other.do("", "GET", link, ""), http.StatusForbidden, "FORBIDDEN")
}
