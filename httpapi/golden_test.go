package httpapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/httpapi"
)

var update = flag.Bool("update", false, "write the golden files of HTTP answers")

var (
	jobID  = regexp.MustCompile(`job_[0-9a-f-]{36}`)
	token  = regexp.MustCompile(`downloads/[A-Za-z0-9_-]+`)
	userID = regexp.MustCompile(`"userId": ?"[0-9a-f]{8}-[0-9a-f-]{27}"`)
)

// transcript shows an answer with what differs from run to run replaced.
func transcript(title string, rec *httptest.ResponseRecorder) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\nHTTP %d\n", title, rec.Code)
	var names []string
	for name := range rec.Header() {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Fprintf(&b, "%s: %s\n", name, strings.Join(rec.Header()[name], " | "))
	}
	b.WriteByte('\n')
	var pretty bytes.Buffer
	if strings.HasPrefix(rec.Header().Get("Content-Type"), "application/json") && json.Indent(&pretty, rec.Body.Bytes(), "", "  ") == nil {
		b.Write(bytes.TrimSpace(pretty.Bytes()))
	} else {
		b.WriteString(strings.NewReplacer("\r", "\\r", "\ufeff", "\\ufeff").Replace(rec.Body.String()))
	}
	text := jobID.ReplaceAllString(b.String(), "job_ID")
	text = token.ReplaceAllString(text, "downloads/TOKEN")
	return userID.ReplaceAllString(text, `"userId": "UUID"`) + "\n\n"
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".golden")
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("answers differ from %s (-want +got):\n%s", file, diff)
	}
}

// bubble runs a test with the clock of a synctest bubble, in which all times of
// the answers are known.
func bubble(t *testing.T, test func(t *testing.T, w *world), change ...func(*bulk.Config, *httpapi.Config)) {
	synctest.Test(t, func(t *testing.T) { test(t, newWorld(t, change...)) })
}

// The life of a job, and every answer on the way.
func TestGoldenJob(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		var b strings.Builder
		show := func(title string, rec *httptest.ResponseRecorder) *httptest.ResponseRecorder {
			b.WriteString(transcript(title, rec))
			return rec
		}
		body := `{"users":[
			{"userId":"u1","email":"ana@example.com","customFields":{"points":9007199254740993,"note":"=1+1"}},
			{"userId":"u2","email":"not-an-email","customFields":{"points":1,"note":"-x"},"metadata":[]},
			{"email":"bo@example.com"},
			{"userId":"u4","role":"boss"},
			5],"options":{"sendWelcomeEmail":true}}`
		show("an empty list", w.do(admin, "GET", "/v1/bulk/jobs", ""))
		accepted := show("POST that prefers a job", w.do(admin, "POST", "/v1/bulk/users", body, "Prefer: wait=5, respond-async"))
		id := data(t, accepted)["jobId"].(string)
		show("status: pending", w.do(admin, "GET", "/v1/bulk/jobs/"+id, ""))
		show("results of a job that has not ended", w.do(admin, "GET", "/v1/bulk/jobs/"+id+"/results", ""))
		time.Sleep(1500 * time.Millisecond)
		w.run(id)
		time.Sleep(time.Second)
		done := show("status: completed", w.do(admin, "GET", "/v1/bulk/jobs/"+id, ""))
		show("list", w.do(admin, "GET", "/v1/bulk/jobs?status=completed&limit=1", ""))
		show("cancel an ended job", w.do(admin, "POST", "/v1/bulk/jobs/"+id+"/cancel", ""))
		show("download", w.do("", "GET", data(t, done)["downloadUrl"].(string), ""))
		for _, query := range []string{"", "?only=failed", "?format=ndjson", "?format=ndjson&only=failed", "?format=csv", "?format=csv&only=failed"} {
			show("results"+query, w.do(admin, "GET", "/v1/bulk/jobs/"+id+"/results"+query, ""))
		}

		second := w.submit(usersBody(1))
		show("cancel a pending job", w.do(admin, "POST", "/v1/bulk/jobs/"+second+"/cancel", ""))
		show("results of a cancelled job", w.do(admin, "GET", "/v1/bulk/jobs/"+second+"/results", ""))

		third := w.submit(usersBody(2))
		claimed, err := w.jobs.Claim(t.Context(), bulk.Claim{JobID: third, Lease: time.Minute, Worker: "w"})
		require.NoError(t, err)
		show("status: processing", w.do(admin, "GET", "/v1/bulk/jobs/"+third, ""))
		show("cancel a job that runs", w.do(admin, "POST", "/v1/bulk/jobs/"+third+"/cancel", ""))
		_, err = w.jobs.Save(t.Context(), third, claimed.Token, bulk.JobChange{
			End: bulk.JobFailed, Error: &bulk.JobError{Code: bulk.JobErrorInternal, Message: "it broke"},
		})
		require.NoError(t, err)
		show("status: failed, without results", w.do(admin, "GET", "/v1/bulk/jobs/"+third, ""))
		show("results of a job that has none", w.do(admin, "GET", "/v1/bulk/jobs/"+third+"/results", ""))
		golden(t, "job", b.String())
	})
}

func TestGoldenImport(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		var b strings.Builder
		show := func(title string, rec *httptest.ResponseRecorder) { b.WriteString(transcript(title, rec)) }
		body := `{"options":{"sendWelcomeEmail":true},"users":[
			{"userId":"u1","email":"ana@example.com"},{"userId":"u1","customFields":{"a":1}},{"userId":"u1"},{"email":"<b>@example"},7]}`
		show("a dry run", w.do(admin, "POST", "/v1/bulk/users", strings.Replace(body, `{"sendW`, `{"dryRun":true,"sendW`, 1)))
		show("below 100 users", w.do(admin, "POST", "/v1/bulk/users", body))
		show("skipDuplicates", w.do(admin, "POST", "/v1/bulk/users", `{"users":[{"userId":"u1","email":"x@example.com"}],"options":{"skipDuplicates":true}}`))
		show("upsert off", w.do(admin, "POST", "/v1/bulk/users", `{"users":[{"userId":"u1"},{"email":"new@example.com"}],"options":{"upsert":false}}`))
		show("NDJSON", w.do(admin, "POST", "/v1/bulk/users?dryRun=true", "{\"userId\":\"n1\"}\n\n{\"userId\":\"\"}\n", "Content-Type: application/x-ndjson"))
		show("CSV", w.do(admin, "POST", "/v1/bulk/users?upsert=false&dryRun=true", "userId,email,customFields.n:number\nc1,c1@example.com,5\nc2,c2@example.com,five\nc3\n", "Content-Type: text/csv"))
		golden(t, "import", b.String())
	})
}

// Every answer that refuses a request: what the callers see of it, and that
// nothing came of it.
func TestGoldenProblems(t *testing.T) {
	const users = "/v1/bulk/users"
	change := func(cfg *bulk.Config, api *httpapi.Config) {
		cfg.MaxUsers, cfg.SyncThreshold, cfg.Mailer = 200, 100, nil
		api.MaxBody, api.MaxDecoded = 20_000, 30_000
		api.RetryAfter = 7500 * time.Millisecond
	}
	bubble(t, func(t *testing.T, w *world) {
		var b strings.Builder
		show := func(title string, rec *httptest.ResponseRecorder) {
			t.Helper()
			b.WriteString(transcript(title, rec))
			w.empty()
		}
		post := func(title, body string, headers ...string) {
			t.Helper()
			show(title, w.do(admin, "POST", users, body, headers...))
		}
		post("INVALID_JSON", `{"users":[{"userId":"a"}`)
		post("INVALID_JSON: trailing text", `{"users":[{"userId":"a"}]} x`)
		post("INVALID_REQUEST: no users", `{"options":{}}`)
		post("INVALID_REQUEST: unknown key", `{"users":[{"userId":"a"}],"usres":[]}`)
		post("INVALID_REQUEST: option", `{"users":[{"userId":"a"}],"options":{"upsert":"yes"}}`)
		post("INVALID_REQUEST: no mailer", `{"users":[{"userId":"a"}],"options":{"sendWelcomeEmail":true}}`)
		post("INVALID_REQUEST: no mailer, async", strings.Replace(usersBody(100), `]}`, `],"options":{"sendWelcomeEmail":true}}`, 1))
		post("INVALID_REQUEST: behind 150 users", strings.Replace(usersBody(150), `]}`, `],"option":{}}`, 1))
		post("EMPTY_USERS", `{"users":[]}`)
		post("EMPTY_USERS, async", `{"users":[]}`, "Prefer: respond-async")
		post("TOO_MANY_USERS", usersBody(201))
		post("BODY_TOO_LARGE", usersBody(1000))
		post("BODY_TOO_LARGE after decompression", zip(strings.Repeat(" ", 30_001)), "Content-Encoding: gzip")
		post("INVALID_REQUEST: gzip", "not gzip", "Content-Encoding: gzip")
		post("UNSUPPORTED_MEDIA_TYPE", "a=b", "Content-Type: application/x-www-form-urlencoded")
		post("UNSUPPORTED_MEDIA_TYPE: encoding", "x", "Content-Encoding: br")
		post("INVALID_REQUEST: CSV column", "name\nx\n", "Content-Type: text/csv")
		show("INVALID_REQUEST: query", w.do(admin, "POST", users+"?upsert=true", `{"users":[{"userId":"a"}]}`))
		show("INVALID_REQUEST: limit", w.do(admin, "GET", "/v1/bulk/jobs?limit=101", ""))
		show("INVALID_REQUEST: status", w.do(admin, "GET", "/v1/bulk/jobs?status=done", ""))
		show("INVALID_REQUEST: cursor", w.do(admin, "GET", "/v1/bulk/jobs?cursor=x", ""))
		show("UNAUTHENTICATED", w.do("", "POST", users, usersBody(1)))
		show("FORBIDDEN", w.do("user:acme:uma", "POST", users, usersBody(1)))
		show("FORBIDDEN: another origin", w.do(admin, "POST", users, usersBody(1), "Sec-Fetch-Site: cross-site"))
		stalled := httptest.NewRequest("POST", users, &slow{text: usersBody(1), pause: time.Hour})
		stalled.Header = http.Header{"Authorization": {"Bearer " + admin}, "Content-Type": {"application/json"}}
		show("REQUEST_TIMEOUT", w.serve(stalled))
		show("JOB_NOT_FOUND", w.do(admin, "GET", "/v1/bulk/jobs/job_0190b5a0-0000-7000-8000-000000000000", ""))
		show("NOT_FOUND", w.do(admin, "GET", "/v1/bulk/nothing", ""))
		show("METHOD_NOT_ALLOWED", w.do(admin, "DELETE", users, ""))
		show("METHOD_NOT_ALLOWED: GET", w.do(admin, "PUT", "/v1/bulk/jobs", ""))
		show("FORBIDDEN: link", w.do("", "GET", "/v1/bulk/downloads/abc", ""))
		w.store.panics = true
		post("INTERNAL_ERROR", usersBody(1))
		w.store.panics, w.store.err = false, errors.New("dial tcp 10.0.0.1: secret")
		post("UNAVAILABLE", usersBody(1))
		w.jobs.err = fmt.Errorf("throttled: %w", context.DeadlineExceeded)
		show("UNAVAILABLE: status", w.do(admin, "GET", "/v1/bulk/jobs/job_1", ""))
		show("UNAVAILABLE: authorisation", w.do("outage", "GET", "/v1/bulk/jobs", ""))
		require.NotContains(t, b.String(), "secret")
		golden(t, "problems", b.String())
	}, change)
}
