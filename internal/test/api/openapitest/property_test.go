package openapitest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/bulkops/bulkops/blob/memblob"
	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/httpapi"
	"github.com/bulkops/bulkops/internal/test/api/openapitest"
	"github.com/bulkops/bulkops/jobs/memjobs"
	"github.com/bulkops/bulkops/store/memstore"
)

// requestsVariable names the environment variable with how many requests
// TestRequests makes at least.
const requestsVariable = "BULKOPS_PROPERTY_REQUESTS"

const defaultRequests = 1500

// TestRequests makes requests from the document, for a service that remembers
// them: most of them are as the document says and have to be taken, the others
// are spoiled in one place. No request is answered with a fault of the service,
// and none with what the document does not have.
//
// A failure shrinks to few requests; -rapid.seed repeats it.
func TestRequests(t *testing.T) {
	target := defaultRequests
	if text := os.Getenv(requestsVariable); text != "" {
		var err error
		target, err = strconv.Atoi(text)
		require.NoError(t, err, requestsVariable)
	}
	doc, err := openapi3.NewLoader().LoadFromData(httpapi.OpenAPI())
	require.NoError(t, err)
	counts := map[string]int{}
	for total(counts) < target && !t.Failed() {
		rapid.Check(t, func(t *rapid.T) {
			s := newService(t, doc, counts)
			t.Repeat(s.actions())
		})
	}
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		t.Logf("%6d %s", counts[name], name)
	}
	t.Logf("%6d requests", total(counts))
}

func total(counts map[string]int) (n int) {
	for _, count := range counts {
		n += count
	}
	return n
}

// A service is a handler over backends in memory, and what a client learned from
// its answers.
type service struct {
	t       *rapid.T // of the action under way
	doc     *openapi3.T
	counts  map[string]int
	handler http.Handler
	worker  *bulk.Worker
	keys    bool // it keeps idempotency keys

	jobs, tokens []string
	cursors      map[string][]string // by what they belong to
	pending      []string
	processed    map[string]int
	keyed        *draft // the last request with an idempotency key that was taken
	answer       string // to keyed
	gone         bool   // the job of that answer was removed
}

type mailer struct{}

func (mailer) SendWelcome(_ context.Context, messages []bulk.Welcome) []error {
	outcomes := make([]error, len(messages))
	for i := range outcomes {
		if i%2 == 1 {
			outcomes[i] = bulk.Permanent(errors.New("no such mailbox"))
		}
	}
	return outcomes
}

func newService(t *rapid.T, doc *openapi3.T, counts map[string]int) *service {
	cfg := bulk.Config{
		Store: memstore.New(), Blobs: memblob.New(), Jobs: memjobs.New(), Mailer: mailer{},
		SyncThreshold: 8, Logger: slog.New(slog.DiscardHandler),
	}
	importer, err := bulk.NewImporter(cfg)
	require.NoError(t, err)
	worker, err := bulk.NewWorker(cfg)
	require.NoError(t, err)
	handler, err := httpapi.New(httpapi.Config{Importer: importer, Authorize: authorize})
	require.NoError(t, err)
	s := &service{t: t, doc: doc, counts: counts, worker: worker, cursors: map[string][]string{}, processed: map[string]int{}}
	_, s.keys = cfg.Jobs.(bulk.IdempotencyKeyStore)
	s.handler = openapitest.Check(t, handler)
	return s
}

// authorize takes tokens of the form role:tenant.
func authorize(r *http.Request) (bulk.Principal, error) {
	role, tenant, ok := strings.Cut(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), ":")
	if !ok {
		return bulk.Principal{}, errors.New("no token")
	}
	return bulk.Principal{ID: "caller", Tenant: tenant, Role: bulk.Role(role)}, nil
}

// actions has one for each operation of the document, one for requests that are
// none of its operations, one that repeats a request with an idempotency key, and
// one in which a worker does a job.
func (s *service) actions() map[string]func(*rapid.T) {
	actions := map[string]func(*rapid.T){
		"elsewhere": func(t *rapid.T) { s.t = t; s.elsewhere() },
		"repeat":    func(t *rapid.T) { s.t = t; s.repeat() },
		"work":      func(t *rapid.T) { s.t = t; s.work() },
	}
	for path, item := range s.doc.Paths.Map() {
		for method, op := range item.Operations() {
			action := func(t *rapid.T) { s.t = t; s.operate(path, method, op) }
			actions[op.OperationID] = action
			if op.RequestBody != nil {
				actions[op.OperationID+" again"] = action // there is most to find here
				actions[op.OperationID+" once more"] = action
			}
		}
	}
	return actions
}

func (s *service) work() {
	if len(s.pending) == 0 {
		s.t.Skip("no job")
	}
	id := s.pending[0]
	s.pending = s.pending[1:]
	if err := s.worker.RunJob(s.t.Context(), id); err != nil && !errors.Is(err, bulk.ErrNoJob) && !errors.Is(err, bulk.ErrJobEnded) {
		s.t.Fatalf("run %s: %v", id, err)
	}
}

// elsewhere asks for a path or a method that the document does not have.
func (s *service) elsewhere() {
	paths := []string{"/", "/v1/bulk/", "/v1/bulk/users/u1", "/v1/bulk/jobs/a/b", "/v1/bulk/jobs/a/results/", "/v2/bulk/jobs"}
	for path := range s.doc.Paths.Map() {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	path := rapid.SampledFrom(paths).Draw(s.t, "path")
	method := rapid.SampledFrom([]string{"PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "get", "QUERY"}).Draw(s.t, "method")
	s.send("elsewhere", httptest.NewRequest(method, strings.NewReplacer("{", "%7B", "}", "%7D").Replace(path), nil))
}

// A draft is a request that is being made.
type draft struct {
	target string
	query  url.Values
	header http.Header
	body   string
}

func (d *draft) request(method string) *http.Request {
	target := d.target
	if len(d.query) > 0 {
		target += "?" + d.query.Encode()
	}
	r := httptest.NewRequest(method, target, strings.NewReader(d.body))
	r.Header = d.header
	return r
}

// repeat sends a request with an idempotency key again: the answer is the same.
func (s *service) repeat() {
	if s.keyed == nil {
		s.t.Skip("no request with an idempotency key")
	}
	r := s.keyed.request(http.MethodPost)
	if rapid.Bool().Draw(s.t, "prefers a job now") {
		r.Header = r.Header.Clone()
		r.Header.Set("Prefer", "respond-async")
	}
	switch rec := s.send("repeat", r); {
	case s.gone && rec.Code != http.StatusNotFound:
		s.t.Fatalf("rule: a removed job is not found by its key either: %d %s", rec.Code, rec.Body)
	case !s.gone && (rec.Body.String() != s.answer || rec.Header().Get("Idempotency-Replayed") != "true"):
		s.t.Fatalf("rule: the same key and body get the first answer: %q and then %q", s.answer, rec.Body)
	}
}

// operate makes a request of an operation.
func (s *service) operate(path, method string, op *openapi3.Operation) {
	d := &draft{target: path, query: url.Values{}, header: http.Header{}}
	caller := rapid.SampledFrom([]string{"admin:acme", "admin:acme", "admin:acme", "admin:globex", "super_admin:hq"}).Draw(s.t, "caller")
	d.header.Set("Authorization", "Bearer "+caller)
	mediaType := s.body(d, op)
	for _, p := range op.Parameters {
		s.parameter(d, p.Value, mediaType)
	}
	if d.query.Get("updateOnly") == "true" {
		d.query.Del("upsert") // as the document says in words
	}
	if len(d.query.Get("tenant")) > bulk.MaxTenant {
		d.query.Del("tenant") // bytes, as the document says in words
	}
	spoiled := rapid.IntRange(0, 2).Draw(s.t, "spoiled") == 2
	if spoiled {
		s.spoil(d, op)
	}
	if d.header.Get("Content-Encoding") == "gzip" || d.header.Get("Content-Encoding") == "x-gzip" {
		d.body = gzipped(d.body)
	}
	if method == http.MethodGet && rapid.IntRange(0, 9).Draw(s.t, "head") == 0 {
		method = http.MethodHead
	}
	r := d.request(method)
	rec := s.send(op.OperationID, r)
	// Who asks for what others have, or for what is over, is told so.
	if !spoiled && rec.Code >= 400 && rec.Code != http.StatusNotFound && rec.Code != http.StatusConflict &&
		rec.Code != http.StatusForbidden && rec.Code != http.StatusUnprocessableEntity {
		s.t.Fatalf("rule: what the document allows is taken: %s %s %v %q: %d %s", method, r.URL, d.header, d.body, rec.Code, rec.Body)
	}
	if op.RequestBody != nil && d.header.Get("Idempotency-Key") != "" && rec.Code < 300 {
		s.keyed, s.answer, s.gone = d, rec.Body.String(), false
	}
	if method == http.MethodDelete && rec.Code == http.StatusOK && strings.Contains(s.answer, r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]) {
		s.gone = true
	}
	if method != http.MethodHead {
		s.learn(op.OperationID, r, rec)
	}
}

// body draws a body and returns its media type.
func (s *service) body(d *draft, op *openapi3.Operation) string {
	if op.RequestBody == nil {
		return ""
	}
	content := op.RequestBody.Value.Content
	mediaType := rapid.SampledFrom(slices.Sorted(maps.Keys(content))).Draw(s.t, "media type")
	d.header.Set("Content-Type", mediaType)
	request := drawValue(s.t, content["application/json"].Schema, "request")
	rows, _ := request.(map[string]any)["users"].([]any)
	if options, ok := request.(map[string]any)["options"].(map[string]any); ok && options["updateOnly"] == true {
		delete(options, "upsert") // that both are true is tied together
	}
	switch mediaType {
	case "application/json":
		d.body = encode(request)
	case "application/x-ndjson":
		d.body = ndjson(rows)
	case "text/csv":
		d.body = table(rows, rapid.SampledFrom([]string{",", ";", "\t", "|"}).Draw(s.t, "separator"))
	case "text/tab-separated-values":
		d.body = table(rows, "\t")
	default:
		s.t.Fatalf("the generator knows no media type %s", mediaType)
	}
	return mediaType
}

// parameter draws a parameter, or leaves it out.
func (s *service) parameter(d *draft, p *openapi3.Parameter, mediaType string) {
	// The document says in words that a JSON body has the options in it.
	if !p.Required && (p.In == openapi3.ParameterInQuery && mediaType == "application/json" || rapid.IntRange(0, 2).Draw(s.t, "has "+p.Name) > 0) {
		return
	}
	value := fmt.Sprint(drawValue(s.t, p.Schema, p.Name))
	known := map[string][]string{"tenant": {"acme", "globex"}, "jobId": s.jobs, "token": s.tokens, "Prefer": {"respond-async", "wait=0"}, "Idempotency-Key": {"k1", "k2", "k3"}}
	if list := known[p.Name]; len(list) > 0 && rapid.IntRange(0, 9).Draw(s.t, "made up") > 0 {
		value = rapid.SampledFrom(list).Draw(s.t, p.Name)
	}
	if p.Name == "cursor" {
		cursors := s.cursors[listing(d.header, d.query)]
		if len(cursors) == 0 {
			return // a cursor that is made up is refused
		}
		value = rapid.SampledFrom(cursors).Draw(s.t, p.Name)
	}
	switch p.In {
	case openapi3.ParameterInPath:
		d.target = strings.ReplaceAll(d.target, "{"+p.Name+"}", url.PathEscape(value))
	case openapi3.ParameterInQuery:
		d.query.Set(p.Name, value)
	case openapi3.ParameterInHeader:
		if p.Name != "Idempotency-Key" || s.keys {
			d.header.Set(p.Name, headerText(value))
		}
	}
}

// listing names the listing that a cursor belongs to.
func listing(header http.Header, query url.Values) string {
	return header.Get("Authorization") + " " + query.Get("status") + " " + query.Get("tenant")
}

// headerText leaves what arrives of a header.
func headerText(text string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, text))
}

// spoil changes one thing of a request.
func (s *service) spoil(d *draft, op *openapi3.Operation) {
	var ways []func()
	way := func(f func()) { ways = append(ways, f) }
	way(func() { d.query.Set(rapid.StringN(0, 10, -1).Draw(s.t, "unknown parameter"), "x") })
	way(func() {
		d.header.Set("Authorization", rapid.SampledFrom([]string{"", "Bearer", "Bearer user:acme", "Basic eDp5"}).Draw(s.t, "credentials"))
	})
	for _, p := range op.Parameters {
		text := rapid.OneOf(rapid.StringN(0, 10, -1), rapid.SampledFrom([]string{"", "0", "-1", "101", "TRUE", "null", "job_", "..", "%"}))
		switch p.Value.In {
		case openapi3.ParameterInQuery:
			way(func() { d.query.Set(p.Value.Name, text.Draw(s.t, p.Value.Name)) })
			way(func() { d.query.Add(p.Value.Name, "x") })
		case openapi3.ParameterInHeader:
			way(func() { d.header.Set(p.Value.Name, headerText(text.Draw(s.t, p.Value.Name))) })
		case openapi3.ParameterInPath:
			if made := url.PathEscape(text.Draw(s.t, p.Value.Name)); made != "" {
				way(func() { d.target = strings.Replace(d.target, "/jobs/", "/jobs/"+made, 1) })
			}
		}
	}
	if op.RequestBody != nil {
		way(func() {
			types := []string{"", "text/plain", "application/json; charset=latin1", "text/csv; header=absent", "application/json", "application/x-ndjson", "text/csv"}
			d.header.Set("Content-Type", rapid.SampledFrom(types).Draw(s.t, "media type"))
		})
		way(func() { d.body = d.body[:rapid.IntRange(0, len(d.body)).Draw(s.t, "cut")] })
		way(func() { d.body += rapid.SampledFrom([]string{"x", "{}", "\"", "\xff", "\x00"}).Draw(s.t, "tail") })
		way(func() { d.body = encode(drawJSON(s.t, 3, "body")) })
		way(func() { d.body = encode(map[string]any{"users": drawJSON(s.t, 3, "users")}) })
		way(func() { d.body = encode(map[string]any{"users": []any{drawJSON(s.t, 4, "row")}}) })
		way(func() { d.body = `{"users":[{"userId":"u1"}],"options":` + encode(drawJSON(s.t, 2, "options")) + `}` })
		way(func() { d.body = `{"users":[{"userId":"u1"}],` + encode(rapid.String().Draw(s.t, "key")) + `:1}` })
		way(func() { d.body = `{"users":[` + strings.Repeat("[", 70) + strings.Repeat("]", 70) + `]}` })
		way(func() { d.body = string(rapid.SliceOfN(rapid.Byte(), 0, 50).Draw(s.t, "bytes")) })
		way(func() { d.header.Set("Content-Encoding", "identity, gzip") })
	}
	ways[rapid.IntRange(0, len(ways)-1).Draw(s.t, "way")]()
}

// send sends a request. The handler checks the answer against the document.
func (s *service) send(name string, r *http.Request) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	s.handler.ServeHTTP(rec, r)
	s.counts[fmt.Sprintf("%s %d", name, rec.Code)]++
	if rec.Code >= 500 {
		s.t.Fatalf("rule: no request makes the service fail: %s %s: %d %s", r.Method, r.URL, rec.Code, rec.Body)
	}
	return rec
}

// learn takes what later requests can use from an answer.
func (s *service) learn(operation string, r *http.Request, rec *httptest.ResponseRecorder) {
	if rec.Code >= 300 {
		return
	}
	type job struct {
		Mode             string
		JobID            string
		ProcessedRecords int
		DownloadURL      string
	}
	var answer struct {
		Data struct {
			job
			Jobs   []job
			Cursor string
		}
	}
	if operation != "importUsers" && operation != "retryJob" && operation != "getJob" && operation != "cancelJob" && operation != "listJobs" {
		return
	}
	require.NoError(s.t, json.Unmarshal(rec.Body.Bytes(), &answer))
	for _, j := range append(answer.Data.Jobs, answer.Data.job) {
		if j.JobID == "" {
			continue
		}
		if !slices.Contains(s.jobs, j.JobID) {
			s.jobs = append(s.jobs, j.JobID)
			s.pending = append(s.pending, j.JobID)
		}
		if j.Mode != "async" && j.ProcessedRecords < s.processed[j.JobID] {
			s.t.Fatalf("rule: processedRecords of %s never goes down", j.JobID)
		}
		s.processed[j.JobID] = max(s.processed[j.JobID], j.ProcessedRecords)
		if _, token, ok := strings.Cut(j.DownloadURL, "/downloads/"); ok {
			s.tokens = append(s.tokens, token)
		}
	}
	if answer.Data.Cursor != "" {
		of := listing(r.Header, r.URL.Query())
		s.cursors[of] = append(s.cursors[of], answer.Data.Cursor)
	}
}
