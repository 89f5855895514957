package openapitest_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/internal/test/api/openapitest"
)

// A complaint is a TB that keeps what is reported to it.
type complaint struct{ text string }

func (c *complaint) Helper() {}
func (c *complaint) Errorf(format string, args ...any) {
	c.text += fmt.Sprintf(format, args...)
}

// An exchange is a request, and how it is answered.
type exchange struct {
	method, target string
	request        map[string]string // headers
	sent           string
	status         int
	header         map[string]string
	body           string
}

// get, post and refused are exchanges that the document allows, which the cases
// then spoil.
func get(target, body string) exchange {
	return exchange{method: "GET", target: target, status: 200, body: body, header: map[string]string{
		"Content-Type": "application/json; charset=utf-8", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
	}}
}

func post(sent, body string) exchange {
	e := get("/v1/bulk/users", body)
	e.method, e.sent, e.request = "POST", sent, map[string]string{"Content-Type": "application/json"}
	return e
}

func refused(e exchange, status int, code string) exchange {
	e.status, e.body = status, `{"success":false,"error":{"code":"`+code+`","message":"m"}}`
	return e
}

func (e exchange) with(name, value string) exchange {
	header := map[string]string{name: value}
	for k, v := range e.header {
		if k != name {
			header[k] = v
		}
	}
	e.header = header
	return e
}

func (e exchange) asking(name, value string) exchange {
	header := map[string]string{name: value}
	for k, v := range e.request {
		if k != name {
			header[k] = v
		}
	}
	e.request = header
	return e
}

func (e exchange) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	for name, value := range e.header {
		if value != "" {
			w.Header().Set(name, value)
		}
	}
	w.WriteHeader(e.status)
	_, _ = io.WriteString(w, e.body)
}

// complaint is what is reported of the exchange, both ways to check it agreeing.
func (e exchange) complaint(t *testing.T) string {
	t.Helper()
	newRequest := func(target string) *http.Request {
		r, err := http.NewRequest(e.method, target, strings.NewReader(e.sent))
		require.NoError(t, err)
		for name, value := range e.request {
			r.Header.Set(name, value)
		}
		return r
	}
	var inside, outside complaint
	openapitest.Check(&inside, e).ServeHTTP(httptest.NewRecorder(), newRequest(e.target))

	server := httptest.NewServer(e)
	defer server.Close()
	client := http.Client{Transport: openapitest.Transport(&outside, server.Client().Transport)}
	res, err := client.Do(newRequest(server.URL + e.target))
	require.NoError(t, err)
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	assert.Equal(t, e.body, string(body), "rule: the answer comes through")
	assert.Equal(t, inside.text == "", outside.text == "", "%s\n%s", inside.text, outside.text)
	return inside.text
}

func report(summary, results string) string {
	return `{"success":true,"data":{"mode":"sync","totalRecords":1,"processedRecords":1,"summary":` + summary + `,"results":[` + results + `]}}`
}

func summary(created, failed int) string {
	return fmt.Sprintf(`{"created":%d,"updated":0,"unchanged":0,"skipped":0,"failed":%d,"notProcessed":0}`, created, failed)
}

const (
	id      = "job_019b5a00-3c5e-7c6d-9d1e-6b0f2f6a4e11"
	goodRow = `{"users":[{"userId":"u"}]}`
	badRow  = `{"users":[{"userId":"u","role":"boss"}]}`
	created = `{"index":0,"userId":"u","status":"created"}`
	failed  = `{"index":0,"status":"failed","errors":[{"code":"UNKNOWN_FIELD","message":"m"}]}`
	noJobs  = `{"success":true,"data":{"jobs":[],"cursor":null}}`
)

func job(status, times string) string {
	return `{"success":true,"data":{"jobId":"` + id + `","type":"user_import","status":"` + status + `","totalRecords":3,"processedRecords":1,` +
		`"progress":33,"summary":{"created":1,"updated":0,"unchanged":0,"skipped":0,"failed":0,"notProcessed":2},` +
		`"parentJobId":null,"rate":null,"etaSeconds":null,"label":"","options":{"upsert":true,"skipDuplicates":false,"sendWelcomeEmail":false,"dryRun":false,"updateOnly":false,"merge":"fill","maxFailed":0},"createdBy":"a",` +
		`"createdAt":"2026-01-02T03:04:05.678Z","updatedAt":"2026-01-02T03:04:05.678Z","expiresAt":"2026-01-02T03:04:05.678Z","startedAt":null,` +
		times + `,"downloadUrlExpiresAt":null,"error":null}}`
}

func gzipped(text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = io.WriteString(w, text)
	_ = w.Close()
	return b.String()
}

func TestWhatTheDocumentAllows(t *testing.T) {
	csv := get("/v1/bulk/jobs/"+id+"/results?format=csv", "\ufeff_index,_line,_status,_errors,userId\r\n0,,created,,\"a\r\nb\"\r\n").
		with("Content-Type", "text/csv; charset=utf-8; header=present").with("Content-Disposition", `attachment; filename="`+id+`-results.csv"`)
	ndjson := get("/v1/bulk/jobs/"+id+"/results?format=ndjson&only=failed", strings.Replace(failed, "0", "7", 1)+"\n").
		with("Content-Type", "application/x-ndjson").with("Content-Disposition", `attachment; filename="`+id+`-failed.ndjson"`)
	head := get("/v1/bulk/jobs", "")
	head.method = "HEAD"
	for name, e := range map[string]exchange{
		"list":             get("/v1/bulk/jobs", noJobs),
		"prefix":           get("/a/v1/b/v1/bulk/jobs?limit=5&status=failed", noJobs),
		"head":             head,
		"import":           post(goodRow, report(summary(1, 0), created)),
		"bad row":          post(badRow, report(summary(0, 1), failed)),
		"gzip":             post(gzipped(goodRow), report(summary(1, 0), created)).asking("Content-Encoding", "GZIP"),
		"ndjson":           post("{\"userId\":\"u\"}\n\n", report(summary(1, 0), created)).asking("Content-Type", "application/x-ndjson"),
		"csv":              post("userId\nu\n", report(summary(1, 0), created)).asking("Content-Type", "text/csv"),
		"processing":       get("/v1/bulk/jobs/"+id, job("processing", `"completedAt":null,"downloadUrl":null`)).with("Retry-After", "5"),
		"cancelled":        get("/v1/bulk/jobs/"+id, job("cancelled", `"completedAt":"2026-01-02T03:04:05.678Z","downloadUrl":"https://x/y"`)),
		"csv results":      csv,
		"ndjson results":   ndjson,
		"other path":       refused(get("/v1/bulk/nothing", ""), 404, "NOT_FOUND"),
		"no such job":      refused(get("/v1/bulk/jobs/%00", ""), 404, "JOB_NOT_FOUND"),
		"another method":   refused(exchange{method: "PUT", target: "/v1/bulk/users", header: get("", "").header}, 405, "METHOD_NOT_ALLOWED").with("Allow", "POST"),
		"unauthenticated":  refused(get("/v1/bulk/jobs", ""), 401, "UNAUTHENTICATED").with("WWW-Authenticate", "Bearer"),
		"a bad parameter":  refused(get("/v1/bulk/jobs?limit=0", ""), 400, "INVALID_REQUEST"),
		"outside the API":  {method: "GET", target: "/health", status: 404, header: get("", "").header, body: refused(exchange{}, 404, "NOT_FOUND").body},
		"too many":         refused(post(goodRow, ""), 400, "TOO_MANY_USERS"),
		"ECMAScript space": post(`{"users":[{"email":"a\u2028b@c.d"}]}`, report(summary(0, 1), strings.Replace(failed, "UNKNOWN_FIELD", "INVALID_EMAIL", 1))),
	} {
		t.Run(name, func(t *testing.T) { assert.Empty(t, e.complaint(t)) })
	}
}

// Each of these is one lie.
func TestWhatTheDocumentForbids(t *testing.T) {
	list := get("/v1/bulk/jobs", noJobs)
	ok := post(goodRow, report(summary(1, 0), created))
	running := get("/v1/bulk/jobs/"+id, job("processing", `"completedAt":null,"downloadUrl":null`))
	results := get("/v1/bulk/jobs/"+id+"/results", "").with("Content-Disposition", `attachment; filename="x.csv"`)
	for name, test := range map[string]struct {
		e    exchange
		part string
	}{
		"status":                {refused(list, 418, "NOT_FOUND"), "no such status"},
		"server's own error":    {refused(list, 502, "UNAVAILABLE"), "no such status"},
		"code of another":       {refused(list, 400, "EMPTY_USERS"), "body"},
		"unknown code":          {refused(list, 400, "OOPS"), "body"},
		"404 of a path":         {refused(list, 404, "NOT_FOUND"), "no such status"},
		"header":                {list.with("X-Powered-By", "magic"), "X-Powered-By"},
		"header missing":        {list.with("Cache-Control", ""), "Cache-Control"},
		"header's value":        {list.with("Cache-Control", "public"), "Cache-Control"},
		"no Retry-After":        {refused(list, 503, "UNAVAILABLE"), "Retry-After"},
		"no number":             {refused(list, 503, "UNAVAILABLE").with("Retry-After", "soon"), "Retry-After"},
		"content type":          {list.with("Content-Type", "text/html"), "text/html"},
		"no content type":       {list.with("Content-Type", ";"), "Content-Type"},
		"charset":               {list.with("Content-Type", "application/json; charset=latin1"), "latin1"},
		"not JSON":              {get("/v1/bulk/jobs", "{"), "JSON"},
		"duplicate key":         {get("/v1/bulk/jobs", `{"success":true,"success":true,"data":{"jobs":[],"cursor":null}}`), "JSON"},
		"another shape":         {get("/v1/bulk/jobs", `{"success":true,"data":[]}`), "body"},
		"member missing":        {get("/v1/bulk/jobs", `{"success":true,"data":{"jobs":[]}}`), "cursor"},
		"member too many":       {get("/v1/bulk/jobs", `{"success":true,"data":{"jobs":[],"cursor":null,"x":1}}`), "x"},
		"success with an error": {get("/v1/bulk/jobs", `{"success":false,"data":{"jobs":[],"cursor":null}}`), "success"},
		"time":                  {get("/v1/bulk/jobs/"+id, strings.Replace(running.body, ".678Z", "Z", 1)), "createdAt"},
		"ended while it runs":   {get("/v1/bulk/jobs/"+id, strings.Replace(running.body, `"downloadUrl":null`, `"downloadUrl":"https://x"`, 1)), "downloadUrl"},
		"progress":              {get("/v1/bulk/jobs/"+id, strings.Replace(running.body, `33`, `34`, 1)), "progress"},
		"processed":             {get("/v1/bulk/jobs/"+id, strings.Replace(running.body, `"processedRecords":1`, `"processedRecords":2`, 1)), "processedRecords"},
		"sum":                   {post(goodRow, report(summary(1, 1), created)), "add up"},
		"counts":                {post(goodRow, report(summary(0, 1), created)), "counts the results"},
		"result missing":        {post(`{"users":[{"userId":"u"},{"userId":"v"}]}`, report(summary(1, 0), created)), "counts the rows"},
		"order":                 {post(goodRow, report(summary(1, 0), strings.Replace(created, "0", "1", 1))), "in order"},
		"failed for nothing":    {post(goodRow, report(summary(0, 1), `{"index":0,"status":"failed"}`)), "errors"},
		"errors of a success":   {post(goodRow, report(summary(1, 0), strings.Replace(failed, "failed", "created", 1))), "errors"},
		"welcome to a failure":  {post(badRow, report(summary(0, 1), strings.Replace(failed, "}", `,"welcomeEmail":"sent"}`, 1))), "body"},
		"bad row taken":         {post(badRow, report(summary(1, 0), created)), "row 0 is created"},
		"good row refused":      {post(goodRow, report(summary(0, 1), failed)), "the document allows it"},
		"bad line taken":        {post("5\n", report(summary(1, 0), created)).asking("Content-Type", "application/x-ndjson"), "row 0 is created"},
		"unknown option taken":  {post(`{"users":[{"userId":"u"}],"options":{"force":true}}`, ok.body), "force"},
		"unknown key taken":     {post(`{"users":[{"userId":"u"}],"user":[]}`, ok.body), "user"},
		"media type taken":      {ok.asking("Content-Type", "application/xml"), "application/xml"},
		"no gzip taken":         {ok.asking("Content-Encoding", "gzip"), "gzip"},
		"encoding taken":        {ok.asking("Content-Encoding", "br"), "Content-Encoding"},
		"key taken":             {ok.asking("Idempotency-Key", strings.Repeat("k", 256)), "Idempotency-Key"},
		"parameter taken":       {get("/v1/bulk/jobs?sort=asc", noJobs), "sort"},
		"limit taken":           {get("/v1/bulk/jobs?limit=101", noJobs), "limit"},
		"twice taken":           {get("/v1/bulk/jobs?limit=1&limit=1", noJobs), "2 times"},
		"path parameter taken":  {get("/v1/bulk/jobs/a%20b", running.body), "jobId"},
		"no such path":          {get("/v1/bulk/nothing", noJobs), "404"},
		"no such method":        {exchange{method: "DELETE", target: "/v1/bulk/jobs", status: 200, header: list.header, body: noJobs}, "405"},
		"Allow":                 {refused(exchange{method: "PUT", target: "/v1/bulk/users", header: list.header}, 405, "METHOD_NOT_ALLOWED").with("Allow", "GET, HEAD"), "Allow"},
		"csv":                   {with(results, "text/csv", "_index,_line,_status,_errors\r\n"), "byte order mark"},
		"ragged csv":            {with(results, "text/csv", "\ufeff_index,_line,_status,_errors\r\n1,2\r\n"), "fields"},
		"ndjson":                {with(results, "application/x-ndjson", `{"index":0}`+"\n"), "status"},
		"ndjson order":          {with(results, "application/x-ndjson", created+"\n"+created+"\n"), "in order"},
		"file name":             {with(results, "application/x-ndjson", created+"\n").with("Content-Disposition", "inline"), "Content-Disposition"},
	} {
		t.Run(name, func(t *testing.T) {
			text := test.e.complaint(t)
			assert.Contains(t, text, "rule: ", "rule: it is reported")
			assert.Contains(t, text, test.part)
		})
	}
}

func with(e exchange, contentType, body string) exchange {
	e.body = body
	return e.with("Content-Type", contentType)
}

// An answer that breaks off is none, and is not checked.
func TestAnswersThatBreakOff(t *testing.T) {
	var c complaint
	breaks := openapitest.Check(&c, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "{")
		panic(http.ErrAbortHandler)
	}))
	assert.PanicsWithValue(t, http.ErrAbortHandler, func() {
		breaks.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/v1/bulk/jobs", nil))
	})
	server := httptest.NewServer(breaks)
	defer server.Close()
	client := http.Client{Transport: openapitest.Transport(&c, server.Client().Transport)}
	_, err := client.Get(server.URL + "/v1/bulk/jobs")
	require.Error(t, err)
	assert.Empty(t, c.text)
}
