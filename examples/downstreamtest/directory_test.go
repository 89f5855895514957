package downstreamtest

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkops/bulkops/blob/memblob"
	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/jobs/memjobs"
	"github.com/bulkops/bulkops/store/memstore"
)

// A fixture is a directory on backends of its own.
type fixture struct {
	*Directory
	cfg   bulk.Config
	store *memstore.Store
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	store := memstore.New()
	cfg := bulk.Config{Store: store, Blobs: memblob.New(), Jobs: memjobs.New()}
	d, err := New(cfg, headerSessions{})
	if err != nil {
		t.Fatal(err)
	}
	return &fixture{Directory: d, cfg: cfg, store: store}
}

// headerSessions has the session in headers, which will do for tests.
type headerSessions struct{}

func (headerSessions) Session(r *http.Request) (Session, error) {
	person := r.Header.Get("X-Person")
	if person == "" {
		return Session{}, errors.New("not signed in")
	}
	return Session{Person: person, Company: "acme", Admin: person == "ana"}, nil
}

func TestTakeOverSaysWhomHRHasToMend(t *testing.T) {
	f := newFixture(t)
	if err := f.store.Put("acme", bulk.User{ID: "7", Email: "bob@acme.example"}); err != nil {
		t.Fatal(err)
	}
	changed, rejected, err := f.TakeOver(t.Context(), "acme", []Employee{
		{Number: "1", Email: "ana@acme.example", Team: "red"},
		{Number: "2", Email: "no address", Team: "red"},
		{Number: "3", Email: "BOB@acme.example", Team: "blue"},
		{Number: "7", Email: "bob@acme.example", Team: "blue"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if changed != 2 {
		t.Errorf("%d users changed, want 2", changed)
	}
	var numbers []string
	for _, r := range rejected {
		numbers = append(numbers, r.Employee.Number)
	}
	if diff := cmp.Diff([]string{"2", "3"}, numbers); diff != "" {
		t.Errorf("rejected employees (-want +got):\n%s", diff)
	}
	if bob, _ := f.store.Get("acme", "7"); bob.CustomFields.String() != `{"team":"blue"}` {
		t.Errorf("employee 7 has the fields %s", bob.CustomFields)
	}
	if _, ok := f.store.Get("rival", "1"); ok {
		t.Error("a user of acme is in another company")
	}
}

// TestTakeOverLater runs the job in the test itself, so that it has ended when
// RunJob returns.
func TestTakeOverLater(t *testing.T) {
	f := newFixture(t)
	id, err := f.TakeOverLater(t.Context(), "acme", []Employee{{Number: "1", Team: "red"}, {Number: "2", Team: "blue"}})
	if err != nil {
		t.Fatal(err)
	}
	if n := f.store.Len("acme"); n != 0 {
		t.Errorf("%d users before the job ran", n)
	}
	worker, err := bulk.NewWorker(f.cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := worker.RunJob(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	job, err := f.cfg.Jobs.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if job.Status != bulk.JobCompleted || job.Summary() != (bulk.Summary{Created: 2}) {
		t.Errorf("the job is %s with %+v", job.Status, job.Summary())
	}
	if n := f.store.Len("acme"); n != 2 {
		t.Errorf("%d users after the job ran, want 2", n)
	}
}

func TestOnlyAdminsUpload(t *testing.T) {
	f := newFixture(t)
	for _, test := range []struct {
		person string
		status int
	}{
		{"ana", http.StatusOK},
		{"bob", http.StatusForbidden},
		{"", http.StatusUnauthorized},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/admin/v1/bulk/users",
			strings.NewReader(`{"users": [{"userId": "1"}]}`))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("X-Person", test.person)
		w := httptest.NewRecorder()
		f.Handler().ServeHTTP(w, r)
		if w.Code != test.status {
			t.Errorf("%q gets %d %s, want %d", test.person, w.Code, w.Body, test.status)
		}
	}
}

// TestLargeUpload goes the whole way of an administrator: upload, job, results.
func TestLargeUpload(t *testing.T) {
	f := newFixture(t)
	server := httptest.NewServer(f.Handler())
	t.Cleanup(server.Close)

	var accepted struct {
		Data struct{ JobID, StatusURL string }
	}
	call(t, http.MethodPost, server.URL+"/admin/v1/bulk/users",
		`{"users": [`+strings.Repeat(`{"userId": "1"}, `, 99)+`{"email": "nowhere"}]}`, &accepted)
	worker, err := bulk.NewWorker(f.cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := worker.RunJob(t.Context(), accepted.Data.JobID); err != nil {
		t.Fatal(err)
	}
	var job struct {
		Data struct {
			Status      bulk.JobStatus
			DownloadURL string
		}
	}
	call(t, http.MethodGet, server.URL+accepted.Data.StatusURL, "", &job)
	if job.Data.Status != bulk.JobCompleted {
		t.Fatalf("the job is %s", job.Data.Status)
	}
	var file struct {
		Summary bulk.Summary
		Results []bulk.RowResult
	}
	call(t, http.MethodGet, job.Data.DownloadURL, "", &file)
	if want := (bulk.Summary{Created: 1, Unchanged: 98, Failed: 1}); file.Summary != want || len(file.Results) != 100 {
		t.Errorf("the file has %d results, %+v, want 100, %+v", len(file.Results), file.Summary, want)
	}
}

// call makes a request as an administrator and decodes the answer.
func call(t *testing.T, method, url, body string, answer any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Person", "ana")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode >= 300 {
		t.Fatalf("%s %s: %s: %s", method, url, resp.Status, text)
	}
	if err := json.Unmarshal(text, answer); err != nil {
		t.Fatalf("%s %s: %v: %s", method, url, err, text)
	}
}

// A downStore is a store that nobody reaches.
type downStore struct{ bulk.Store }

func (downStore) Lookup(context.Context, string, []bulk.Ref) ([]bulk.Found, error) {
	return nil, errors.New("connection refused")
}

// TestOutageIsToldAfterRetries runs in a bubble: its clock jumps over the waits
// between the retries.
func TestOutageIsToldAfterRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.cfg.Store = downStore{f.store}
		d, err := New(f.cfg, headerSessions{})
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		_, _, err = d.TakeOver(t.Context(), "acme", []Employee{{Number: "1"}})
		if !errors.Is(err, bulk.ErrUnavailable) {
			t.Errorf("during an outage TakeOver returns %v", err)
		}
		if time.Since(start) == 0 {
			t.Error("the outage was told without a retry")
		}
	})
}

func TestEmptyStaffListIsRefused(t *testing.T) {
	f := newFixture(t)
	if _, _, err := f.TakeOver(t.Context(), "acme", nil); !errors.Is(err, errNobody) {
		t.Errorf("TakeOver of nobody returns %v", err)
	}
	if _, err := f.TakeOverLater(t.Context(), "acme", nil); !errors.Is(err, errNobody) {
		t.Errorf("TakeOverLater of nobody returns %v", err)
	}
}

func TestConfigurationIsChecked(t *testing.T) {
	_, err := New(bulk.Config{}, headerSessions{})
	var wrong *bulk.ConfigError
	if !errors.As(err, &wrong) || wrong.Field != "Config.Store" {
		t.Errorf("New without a store returns %v", err)
	}
}
