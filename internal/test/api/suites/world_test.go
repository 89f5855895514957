package suites_test

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/bulkops/bulkops/blob/memblob"
	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/httpapi"
	"github.com/bulkops/bulkops/internal/test/api/openapitest"
	"github.com/bulkops/bulkops/jobs/memjobs"
	"github.com/bulkops/bulkops/store/memstore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const tenant = "acme"

// A world is a server of the API over in-memory backends, with a worker.
type world struct {
	t      *testing.T
	store  bulk.Store
	worker *bulk.Worker
	client *http.Client
	url    string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	cfg := bulk.Config{
		Store: memstore.New(), Blobs: memblob.New(), Jobs: memjobs.New(),
		Logger: slog.New(slog.DiscardHandler),
	}
	importer, err := bulk.NewImporter(cfg)
	require.NoError(t, err)
	worker, err := bulk.NewWorker(cfg)
	require.NoError(t, err)
	handler, err := httpapi.New(httpapi.Config{
		Importer: importer,
		Authorize: func(*http.Request) (bulk.Principal, error) {
			return bulk.Principal{Role: bulk.RoleAdmin, Tenant: tenant, ID: "ana"}, nil
		},
	})
	require.NoError(t, err)
	server := httptest.NewServer(openapitest.Check(t, handler))
	t.Cleanup(server.Close)
	return &world{t: t, store: cfg.Store, worker: worker, client: server.Client(), url: server.URL}
}

// A rowResult is what became of a row.
type rowResult struct {
	Index  int         `json:"index"`
	Line   int         `json:"line"`
	UserID string      `json:"userId"`
	Email  string      `json:"email"`
	Status bulk.Status `json:"status"`
	Errors []struct {
		Code bulk.RowCode `json:"code"`
	} `json:"errors"`
}

// codes are those of the errors.
func (r rowResult) codes() []bulk.RowCode {
	codes := []bulk.RowCode{}
	for _, e := range r.Errors {
		codes = append(codes, e.Code)
	}
	return codes
}

// An answer is the status of a response and what this package reads of its body.
type answer struct {
	status int
	body   []byte
	Data   struct {
		JobID   string      `json:"jobId"`
		Results []rowResult `json:"results"`
	} `json:"data"`
	Error struct {
		Code bulk.RequestCode `json:"code"`
	} `json:"error"`
}

// call sends a request and returns its answer.
func (w *world) call(method, path, contentType, body string, async bool) *answer {
	w.t.Helper()
	request, err := http.NewRequestWithContext(w.t.Context(), method, w.url+path, strings.NewReader(body))
	require.NoError(w.t, err)
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	if async {
		request.Header.Set("Prefer", "respond-async")
	}
	response, err := w.client.Do(request)
	require.NoError(w.t, err)
	defer response.Body.Close()
	a := &answer{status: response.StatusCode}
	a.body, err = io.ReadAll(response.Body)
	require.NoError(w.t, err)
	if strings.HasPrefix(response.Header.Get("Content-Type"), "application/json") {
		require.NoError(w.t, json.Unmarshal(a.body, a), "%s", a.body)
	}
	return a
}

// post sends users.
func (w *world) post(contentType, body string, async bool) *answer {
	w.t.Helper()
	return w.call(http.MethodPost, "/v1/bulk/users", contentType, body, async)
}

// runJob sends users as a job, runs it, and returns its id and what its results
// file says.
func (w *world) runJob(contentType, body string) (id string, results []rowResult) {
	w.t.Helper()
	a := w.post(contentType, body, true)
	require.Equal(w.t, http.StatusAccepted, a.status, "%s", a.body)
	id = a.Data.JobID
	require.NoError(w.t, w.worker.RunJob(w.t.Context(), id))
	var file struct {
		Status  bulk.JobStatus `json:"status"`
		Results []rowResult    `json:"results"`
	}
	require.NoError(w.t, json.Unmarshal(w.results(id, "json"), &file))
	require.Equal(w.t, bulk.JobCompleted, file.Status)
	return id, file.Results
}

// results returns the results of a job. The query is format, and what follows it.
func (w *world) results(id, format string) []byte {
	w.t.Helper()
	a := w.call(http.MethodGet, "/v1/bulk/jobs/"+id+"/results?format="+format, "", "", false)
	require.Equal(w.t, http.StatusOK, a.status, "%s", a.body)
	return a.body
}

// lookup returns what the store holds for references, however many.
func (w *world) lookup(refs []bulk.Ref) []bulk.Found {
	w.t.Helper()
	var all []bulk.Found
	for len(refs) > 0 {
		n := min(len(refs), bulk.MaxBatch)
		found, err := w.store.Lookup(w.t.Context(), tenant, refs[:n])
		require.NoError(w.t, err)
		all = append(all, found...)
		refs = refs[n:]
	}
	return all
}

// decoded returns fields as encoding/json reads them, nil if there are none.
func decoded(t *testing.T, fields bulk.Fields) (values map[string]any) {
	t.Helper()
	if !fields.IsZero() {
		require.NoError(t, json.Unmarshal([]byte(fields.String()), &values))
	}
	return values
}
