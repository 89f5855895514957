package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

const traceID = "0af7651916cd43dd8448eb211c80319c"

// TestServer imports users as a caller with a trace of its own does, and looks at what
// Prometheus scrapes and at the spans.
func TestServer(t *testing.T) {
	spans := &keptSpans{InMemoryExporter: tracetest.NewInMemoryExporter()}
	tel, err := newTelemetry(spans)
	if err != nil {
		t.Fatal(err)
	}
	api, scrape := listen(t), listen(t)
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- serve(ctx, tel, api, scrape) }()
	at := "http://" + api.Addr().String()

	var accepted struct {
		Data struct{ JobID, StatusURL string }
	}
	call(t, http.MethodPost, at+"/v1/bulk/users", users(250), &accepted)
	call(t, http.MethodPost, at+"/v1/bulk/users", users(99), nil)
	call(t, http.MethodPost, at+"/v1/bulk/users", `{"users": []}`, nil)
	var job struct{ Data struct{ Status string } }
	for job.Data.Status != "completed" {
		call(t, http.MethodGet, at+accepted.Data.StatusURL, "", &job) // waits
		if job.Data.Status != "pending" && job.Data.Status != "processing" && job.Data.Status != "completed" {
			t.Fatalf("the job is %q", job.Data.Status)
		}
	}
	call(t, http.MethodPost, at+"/v1/bulk/users", `{"users": [], "options": {"upsert": 1}}`, nil)

	// The worker tidies up behind the job's end before its attempt ends.
	const ended = `bulkops_job_duration_seconds_count{bulkops_job_status="completed"} 1`
	text := ""
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(text, ended) && time.Now().Before(deadline); {
		text = get(t, "http://"+scrape.Addr().String()+"/metrics")
	}
	for _, line := range []string{
		`bulkops_request_duration_seconds_count{bulkops_operation="Accept",bulkops_outcome="ok"} 2`,
		`bulkops_request_duration_seconds_count{bulkops_operation="Accept",bulkops_outcome="refused",error_type="EMPTY_USERS"} 1`,
		`bulkops_request_duration_seconds_count{bulkops_operation="Accept",bulkops_outcome="refused",error_type="INVALID_REQUEST"} 1`,
		ended,
		`bulkops_job_wait_time_seconds_count 1`,
		`bulkops_queue_jobs{bulkops_queue_state="ready"} 0`,
		`bulkops_queue_oldest_age_seconds 0`,
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("the scrape has no line %s", line)
		}
	}
	// Whether the job or the request came first, each of their rows is counted once.
	if rows := total(t, text, "bulkops_rows_total{"); rows != 349 {
		t.Errorf("%d rows are counted, want 349", rows)
	}

	stop()
	if err := <-served; err != nil {
		t.Fatal(err)
	}
	if err := tel.close(t.Context()); err != nil {
		t.Fatal(err)
	}
	names := map[string]int{}
	for _, s := range spans.GetSpans() {
		if s.SpanContext.TraceID().String() == traceID {
			names[s.Name]++
		}
	}
	if names["job"] != 1 || names["batch"] < 14 || names["Importer.Accept"] != 4 {
		t.Errorf("spans of the caller's trace: %v", names)
	}
}

// keptSpans keeps its spans when it is shut down.
type keptSpans struct{ *tracetest.InMemoryExporter }

func (keptSpans) Shutdown(context.Context) error { return nil }

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// users is a body of so many users.
func users(n int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf(`{"userId": "u-%d"}`, i)
	}
	return `{"users": [` + strings.Join(list, ",") + `]}`
}

func call(t *testing.T, method, url, body string, into any) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	request.Header = http.Header{
		"Authorization": {"Bearer ana-token"}, "Content-Type": {"application/json"}, "Prefer": {"wait=5"},
		"Traceparent": {"00-" + traceID + "-b7ad6b7169203331-01"},
	}
	answer := read(t, request)
	if into != nil {
		if err := json.Unmarshal(answer, into); err != nil {
			t.Fatalf("%s %s: %s", method, url, answer)
		}
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(read(t, request))
}

func read(t *testing.T, request *http.Request) []byte {
	t.Helper()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// total adds up the samples whose lines begin so.
func total(t *testing.T, text, prefix string) (sum int) {
	t.Helper()
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, prefix) {
			var n int
			if _, err := fmt.Sscan(line[strings.LastIndexByte(line, ' ')+1:], &n); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			sum += n
		}
	}
	return sum
}
