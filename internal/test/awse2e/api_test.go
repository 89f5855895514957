package awse2e_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/httpapi"
)

// An api is a server of the HTTP API, whose callers are all the same admin.
type api struct {
	testing.TB
	url    string
	client *http.Client
}

func newAPI(tb testing.TB, cfg bulk.Config) *api {
	tb.Helper()
	handler, err := httpapi.New(httpapi.Config{
		Importer:  newImporter(tb, cfg),
		Authorize: func(*http.Request) (bulk.Principal, error) { return admin, nil },
	})
	if err != nil {
		tb.Fatal(err)
	}
	server := httptest.NewServer(handler)
	tb.Cleanup(server.Close)
	return &api{tb, server.URL, newClient(tb)}
}

// newClient returns a client that knows nothing: no credentials, no proxy.
func newClient(tb testing.TB) *http.Client {
	transport := &http.Transport{MaxIdleConnsPerHost: 128}
	tb.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// An answer is what the API says.
type answer struct {
	status int
	header http.Header
	body   string
	Data   struct {
		Mode        string
		JobID       string
		Status      bulk.JobStatus
		Summary     bulk.Summary
		DownloadURL string
		Jobs        []struct{ JobID string }
	}
	Error struct{ Code string }
}

// call makes a request. It may be called from any goroutine.
func (a *api) call(method, path, body string, header ...string) answer {
	a.Helper()
	var got answer
	req, err := http.NewRequestWithContext(a.Context(), method, a.url+path, strings.NewReader(body))
	if err != nil {
		a.Error(err)
		return got
	}
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := a.client.Do(req)
	if err != nil {
		a.Error(err)
		return got
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		a.Error(err)
		return got
	}
	got.status, got.header, got.body = resp.StatusCode, resp.Header, string(text)
	if err := json.Unmarshal(text, &got); err != nil {
		a.Errorf("%s %s: %s: %v", method, path, resp.Status, err)
	}
	return got
}

// post sends users.
func (a *api) post(body string, header ...string) answer {
	a.Helper()
	return a.call(http.MethodPost, "/v1/bulk/users", body, header...)
}

// wait waits until the job has completed and returns its last state.
func (a *api) wait(id string) answer {
	a.Helper()
	var got answer
	poll(a, "the end of job "+id, func() bool {
		got = a.call(http.MethodGet, "/v1/bulk/jobs/"+id, "")
		return got.Data.Status.Ended()
	})
	if got.Data.Status != bulk.JobCompleted {
		a.Fatalf("the job ended as %s", got.body)
	}
	return got
}

// bodyOf is a request of rows.
func bodyOf(rows []bulk.Row) string {
	var b strings.Builder
	b.WriteString(`{"users":[`)
	for i, row := range rows {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(row.JSON)
	}
	b.WriteString(`]}`)
	return b.String()
}
