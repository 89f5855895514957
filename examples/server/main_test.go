package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/bulkops/bulkops/bulk"
)

func TestMain(m *testing.M) {
	if os.Getenv("BULKOPS_TEST_RUN_MAIN") == "1" { // see TestSignalStopsIt
		main()
	}
	goleak.VerifyTestMain(m, // connections that the SDK keeps cannot be closed
		goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"),
		goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"))
}

// A testServer is a server that runs in this process until the test ends.
type testServer struct {
	url, token     string
	stdout, stderr *output
	client         *http.Client
	stop           func() int // returns the exit code
}

func start(t *testing.T, args ...string) *testServer {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	s := &testServer{stdout: newOutput(), stderr: newOutput(), client: &http.Client{
		Transport: &http.Transport{ExpectContinueTimeout: time.Minute},
	}}
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, append([]string{"-addr", "127.0.0.1:0"}, args...), s.stdout, s.stderr)
		s.stdout.close()
		s.stderr.close()
	}()
	s.stop = sync.OnceValue(func() int {
		s.client.CloseIdleConnections()
		cancel()
		return <-ended
	})
	t.Cleanup(func() {
		if code := s.stop(); code != 0 {
			t.Errorf("exit code %d: %s", code, s.stderr)
		}
	})
	s.url = s.stdout.find(t, `listening on (http://127\.0\.0\.1:\d+)\n`)
	if len(args) == 0 || !strings.Contains(strings.Join(args, " "), "-tokens") {
		s.token = s.stdout.find(t, `\nTOKEN=(\S+)\n`)
	}
	return s
}

// call makes a request and returns the status and the answer's data and error code.
func (s *testServer) call(t *testing.T, method, path, token, body string, header ...string) (*http.Response, answer) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := s.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var a answer
	if err := json.NewDecoder(resp.Body).Decode(&a); err != nil {
		t.Fatal(err)
	}
	return resp, a
}

type answer struct {
	Data struct {
		JobID       string
		Status      bulk.JobStatus
		Summary     bulk.Summary
		DownloadURL string
		Results     []bulk.RowResult
		Jobs        []struct{ JobID string }
	}
	Error struct{ Code string }
}

// wait polls a job until it has ended.
func (s *testServer) wait(t *testing.T, id string) answer {
	t.Helper()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for range ticker.C {
		if _, a := s.call(t, "GET", "/v1/bulk/jobs/"+id, s.token, ""); a.Data.Status.Ended() {
			return a
		}
	}
	panic("unreachable")
}

func TestSmallRequestIsAnsweredAtOnce(t *testing.T) {
	s := start(t)
	resp, a := s.call(t, "POST", "/v1/bulk/users", s.token,
		`{"users": [{"userId": "u-1", "email": "ana@example.com"}], "options": {"sendWelcomeEmail": true}}`)
	if resp.StatusCode != http.StatusOK || a.Data.Summary != (bulk.Summary{Created: 1}) {
		t.Fatalf("%s %+v", resp.Status, a)
	}
	if got := a.Data.Results[0].WelcomeEmail; got != bulk.WelcomeSent {
		t.Errorf("the welcome email is %q", got)
	}
	s.stderr.find(t, `(welcome email to ana@example\.com \(user "u-1", tenant "demo", key \S+/0\))`)
}

func TestLargeRequestBecomesAJob(t *testing.T) {
	s := start(t, "-sync-threshold", "2")
	resp, a := s.call(t, "POST", "/v1/bulk/users", s.token, `{"users": [{"userId": "u-1"}, {"userId": "u-2"}]}`)
	if resp.StatusCode != http.StatusAccepted {
		t.Fatalf("%s %+v", resp.Status, a)
	}
	if id := s.wait(t, a.Data.JobID); id.Data.Status != bulk.JobCompleted || id.Data.Summary != (bulk.Summary{Created: 2}) {
		t.Fatalf("the job ended as %+v", id.Data)
	}
	// The link that the status has needs no token.
	_, ended := s.call(t, "GET", "/v1/bulk/jobs/"+a.Data.JobID, s.token, "")
	link, ok := strings.CutPrefix(ended.Data.DownloadURL, s.url)
	if !ok {
		t.Fatalf("the link is %q", ended.Data.DownloadURL)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+link, nil)
	if err != nil {
		t.Fatal(err)
	}
	file, err := s.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Body.Close()
	text, err := io.ReadAll(file.Body)
	if err != nil || file.StatusCode != http.StatusOK || !strings.Contains(string(text), `"userId":"u-2"`) {
		t.Errorf("the download is %s %s %v", file.Status, text, err)
	}
}

func TestTokensSayWhoMayDoWhat(t *testing.T) {
	s := start(t, "-tokens", "one==admin:acme:ana, two=super_admin:acme:root:1,three=user:acme:bob,four=admin::eve")
	const users = `{"users": [{"userId": "u-1"}]}`
	for _, test := range []struct {
		token  string
		status int
	}{
		{"one=", http.StatusOK}, {"two", http.StatusOK}, {"three", http.StatusForbidden}, {"four", http.StatusOK},
		{"", http.StatusUnauthorized}, {"one", http.StatusUnauthorized}, {"One=", http.StatusUnauthorized}, {"fiver", http.StatusUnauthorized},
	} {
		if resp, a := s.call(t, "POST", "/v1/bulk/users", test.token, users); resp.StatusCode != test.status {
			t.Errorf("token %q: %s %+v, want %d", test.token, resp.Status, a, test.status)
		}
	}
	if resp, _ := s.call(t, "POST", "/v1/bulk/users", "", users, "Authorization", "Basic b25lPTo="); resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("basic authentication: %s", resp.Status)
	}
	// acme has the user by now, the tenant without a name has one of its own.
	if _, a := s.call(t, "POST", "/v1/bulk/users", "two", users); a.Data.Summary != (bulk.Summary{Unchanged: 1}) {
		t.Errorf("the second import is %+v", a.Data.Summary)
	}
	for _, secret := range []string{"one=", "two", "three", "four"} {
		if strings.Contains(s.stdout.String()+s.stderr.String(), "TOKEN="+secret) {
			t.Errorf("the token %q was printed", secret)
		}
	}
}

// TestPageIsSignedInToByCookie: the cookie of /signin is good for what the page sends, and for
// nothing that another page makes a browser send.
func TestPageIsSignedInToByCookie(t *testing.T) {
	s := start(t, "-tokens", "one=admin:acme:ana")
	client := &http.Client{Transport: s.client.Transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	get := func(method, path, body string, header ...string) *http.Response {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, s.url+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp
	}
	const form = "application/x-www-form-urlencoded"
	if resp := get("GET", "/console/", ""); resp.StatusCode != http.StatusOK {
		t.Errorf("the page is %s", resp.Status)
	}
	if resp := get("GET", "/signin", ""); resp.StatusCode != http.StatusOK {
		t.Errorf("the form is %s", resp.Status)
	}
	if resp := get("POST", "/signin", "token=two", "Content-Type", form); resp.StatusCode != http.StatusUnauthorized || len(resp.Cookies()) > 0 {
		t.Errorf("a wrong token: %s %v", resp.Status, resp.Cookies())
	}
	resp := get("POST", "/signin", "token=one", "Content-Type", form)
	if resp.StatusCode != http.StatusSeeOther || resp.Header.Get("Location") != "/console/" || len(resp.Cookies()) != 1 {
		t.Fatalf("signing in: %s %v", resp.Status, resp.Header)
	}
	cookie := resp.Cookies()[0]
	if !cookie.HttpOnly || cookie.SameSite != http.SameSiteStrictMode {
		t.Errorf("the cookie is %s", cookie.Raw)
	}
	sent := cookie.Name + "=" + cookie.Value
	if resp := get("GET", "/v1/bulk/jobs", "", "Cookie", sent, "X-Requested-With", "bulkops-console"); resp.StatusCode != http.StatusOK {
		t.Errorf("the page's request: %s", resp.Status)
	}
	if resp := get("GET", "/v1/bulk/jobs", "", "Cookie", sent); resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("the cookie alone: %s", resp.Status)
	}
	if resp := get("GET", "/v1/bulk/jobs", "", "Cookie", cookie.Name+"=x", "X-Requested-With", "bulkops-console"); resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("another cookie: %s", resp.Status)
	}
}

func TestWithoutWorkersJobsWait(t *testing.T) {
	s := start(t, "-workers", "0", "-sync-threshold", "1")
	s.stdout.find(t, `(no workers here)`)
	_, a := s.call(t, "POST", "/v1/bulk/users", s.token, `{"users": [{"userId": "u-1"}]}`)
	if _, job := s.call(t, "GET", "/v1/bulk/jobs/"+a.Data.JobID, s.token, ""); job.Data.Status != bulk.JobPending {
		t.Errorf("the job is %s", job.Data.Status)
	}
}

func TestNothingIsAtTheRoot(t *testing.T) {
	s := start(t)
	resp, err := s.client.Get(s.url + "/")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusNotFound {
		t.Errorf("GET / is %s", resp.Status)
	}
}

// TestPrintedCurlLinesWork runs what the server says to try.
func TestPrintedCurlLinesWork(t *testing.T) {
	for _, tool := range []string{"sh", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("needs %s to run the printed lines", tool)
		}
	}
	s := start(t)
	s.stdout.find(t, `(URL|/v1/bulk/jobs\n)`)
	_, script, _ := strings.Cut(s.stdout.String(), "\n")
	cmd := exec.CommandContext(t.Context(), "sh", "-e")
	cmd.Stdin = strings.NewReader(script)
	text, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, script, text)
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	var answers []answer
	for dec.More() {
		var a answer
		if err := dec.Decode(&a); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		answers = append(answers, a)
	}
	if len(answers) != 3 {
		t.Fatalf("%d answers: %s", len(answers), text)
	}
	if answers[0].Data.Summary.Created != 1 || answers[1].Data.JobID == "" || len(answers[2].Data.Jobs) != 1 {
		t.Errorf("the answers are\n%s", text)
	}
}

func TestRequestUnderWayIsAnsweredBeforeItStops(t *testing.T) {
	s := start(t)
	body, send := io.Pipe()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/v1/bulk/users", body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+s.token)
	req.Header.Set("Expect", "100-continue") // so the body is sent once the handler reads it
	var stopped sync.WaitGroup
	stopped.Go(func() {
		if _, err := io.WriteString(send, `{"users": [{"userId": "u-1"},`); err != nil {
			t.Error(err)
		}
		stopped.Go(func() { s.stop() })
		s.stderr.find(t, `(stopping)`)
		if _, err := io.WriteString(send, `{"userId": "u-2"}]}`); err != nil {
			t.Error(err)
		}
		send.Close()
	})
	resp, err := s.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK || !strings.Contains(string(text), `"created":2`) {
		t.Errorf("the request under way is answered with %s %s %v", resp.Status, text, err)
	}
	stopped.Wait()
}

func TestWrongUsageIsSaid(t *testing.T) {
	occupied, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer occupied.Close()
	for name, test := range map[string]struct {
		args []string
		code int
		want string
	}{
		"help":              {[]string{"-h"}, 0, "-sync-threshold"},
		"unknown flag":      {[]string{"-port", "1"}, exitUsage, "-port"},
		"an argument":       {[]string{"now"}, exitUsage, `"now"`},
		"backend":           {[]string{"-backend", "paper"}, exitFailure, `no backend "paper"`},
		"workers":           {[]string{"-workers", "-1"}, exitUsage, "-workers"},
		"threshold":         {[]string{"-sync-threshold", "0"}, exitUsage, "-sync-threshold"},
		"threshold too big": {[]string{"-sync-threshold", "10002"}, exitFailure, "Config.SyncThreshold"},
		"address":           {[]string{"-addr", occupied.Addr().String()}, exitFailure, "address already in use"},
		"role":              {[]string{"-tokens", "a=admin:t:s,b=owner:t:s"}, exitUsage, `entry 2: role "owner"`},
		"no subject":        {[]string{"-tokens", "a=admin:t:"}, exitUsage, "entry 1: is not TOKEN=role:tenant:subject"},
		"no token":          {[]string{"-tokens", "=admin:t:s"}, exitUsage, "entry 1"},
		"no equals sign":    {[]string{"-tokens", "admin"}, exitUsage, "entry 1"},
		"no entry":          {[]string{"-tokens", ""}, exitUsage, "entry 1"},
		"token twice":       {[]string{"-tokens", "a=admin:t:s,a=user:t:s"}, exitUsage, "entry 2: its token stands before"},
	} {
		t.Run(name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			code := run(t.Context(), test.args, &stdout, &stderr)
			if code != test.code || !strings.Contains(stderr.String(), test.want) {
				t.Errorf("exit code %d and %q, want %d and %q", code, stderr.String(), test.code, test.want)
			}
		})
	}
}

func TestPublicURL(t *testing.T) {
	for addr, want := range map[string]string{
		"0.0.0.0:80":     "http://127.0.0.1:80",
		"[::]:8080":      "http://127.0.0.1:8080",
		"127.0.0.1:1":    "http://127.0.0.1:1",
		"[::1]:8080":     "http://[::1]:8080",
		"192.0.2.7:8080": "http://192.0.2.7:8080",
	} {
		tcp, err := net.ResolveTCPAddr("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		if got := publicURL(tcp); got != want {
			t.Errorf("publicURL(%s) is %s, want %s", addr, got, want)
		}
	}
}

// An output collects what the server prints, for tests that wait for it.
type output struct {
	mu      sync.Mutex
	changed *sync.Cond
	text    []byte
	closed  bool
}

func newOutput() *output {
	o := new(output)
	o.changed = sync.NewCond(&o.mu)
	return o
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text = append(o.text, p...)
	o.changed.Broadcast()
	return len(p), nil
}

func (o *output) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	o.changed.Broadcast()
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.text)
}

// find waits until the expression matches and returns its group. The test ends
// if the server does first.
func (o *output) find(t *testing.T, expression string) string {
	t.Helper()
	wanted := regexp.MustCompile(expression)
	o.mu.Lock()
	defer o.mu.Unlock()
	for {
		if match := wanted.FindSubmatch(o.text); match != nil {
			return string(match[1])
		}
		if o.closed {
			t.Errorf("the server ended without printing %s:\n%s", expression, o.text)
			return ""
		}
		o.changed.Wait()
	}
}
