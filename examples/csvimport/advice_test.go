package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bulkops/bulkops/bulk"
)

// answer makes the service answer one of the requests to import users.
func (s *service) answer(post, status int, header http.Header, body string) {
	s.before = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPost || s.posts != post {
			return false
		}
		_, _ = io.Copy(io.Discard, r.Body)
		for name, values := range header {
			w.Header()[name] = values
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
		return true
	}
}

func problem(code, message, details string) string {
	return fmt.Sprintf(`{"success":false,"error":{"code":%q,"message":%q,"details":%s}}`, code, message, details)
}

// Where the same command would not come further, it is said what would.
func TestAdviceOnRefusals(t *testing.T) {
	for name, test := range map[string]struct {
		status int
		header http.Header
		body   string
		code   int // of the first request
		want   string
		again  bool // the same command helps, once that is mended
	}{
		"400":            {status: 400, body: problem("INVALID_REQUEST", "line 3: it is wrong", `{"line":3}`), code: exitUsage, want: "Mend that and run the command again"},
		"400 of a proxy": {status: 400, body: "Client sent an HTTP request to an HTTPS server.", code: exitUsage, want: "-url should begin with https://"},
		"too many users": {status: 400, body: problem("TOO_MANY_USERS", "too many", `{"limit":50}`), code: exitUsage, want: "with -max-users 50."},
		"401":            {status: 401, body: problem("UNAUTHENTICATED", "no", "null"), code: exitUsage, want: "put another into BULKOPS_TOKEN", again: true},
		"403":            {status: 403, body: problem("FORBIDDEN", "no", "null"), code: exitUsage, want: "it takes an admin's", again: true},
		"403 of a proxy": {status: 403, body: "<html>", code: exitUsage, want: "Something in front of the API", again: true},
		"404":            {status: 404, body: "<html>", code: exitUsage, want: "Check -url: there is no API below http://api.test/v1/bulk/."},
		"405":            {status: 405, body: "<html>", code: exitUsage, want: "Check -url"},
		"413":            {status: 413, body: problem("BODY_TOO_LARGE", "too large", `{"limit":9}`), code: exitUsage, want: "with -max-users 1, or less"},
		"415":            {status: 415, body: problem("UNSUPPORTED_MEDIA_TYPE", "no", "null"), code: exitUsage, want: "check that -url is that of this API"},
		"422":            {status: 422, body: problem("IDEMPOTENCY_KEY_REUSED", "no", "null"), code: exitUsage, want: "The name of -key has been used"},
		"422 of others":  {status: 422, body: problem("WHO_KNOWS", "it is wrong", "null"), code: exitUsage, want: "Mend that"},
		"500":            {status: 500, body: problem("INTERNAL_ERROR", "a fault", "null"), code: exitFailure, want: "The service has a fault", again: true},
		"redirect": {status: 308, header: http.Header{"Location": {"https://api.test/new/v1/bulk/users?upsert=true"}}, code: exitUsage,
			want: "The service is elsewhere: use -url https://api.test/new\n"},
		"log-in":  {status: 302, header: http.Header{"Location": {"https://login.test/"}}, code: exitUsage, want: "it redirects to https://login.test/; "},
		"a page":  {status: 200, body: "<html>", code: exitUsage, want: "Check -url: something else answers there."},
		"no JSON": {status: 200, body: `{"success":true}`, code: exitUsage, want: "Check -url: something else answers there."},
	} {
		withService(t, func(t *testing.T, s *service) {
			table := writeFile(t, userTable(6))
			s.answer(1, test.status, test.header, test.body)
			code, out, stderr := s.run(t.Context(), "-max-users", "2", table)
			want(t, test.code, code, name+out+stderr, "Nothing was imported.\n", test.want)
			if strings.Contains(stderr, "within 24 hours") || strings.Contains(stderr, "run the same command again.") != test.again {
				t.Errorf("%s: that the same command helps is said wrongly:\n%s", name, stderr)
			}

			// In the middle. The rows are those of the file, whatever part they were in.
			s.posts = 0
			s.answer(2, test.status, test.header, test.body)
			failed := filepath.Join(t.TempDir(), "failed.csv")
			code, out, stderr = s.run(t.Context(), "-max-users", "2", "-failed", failed, table)
			want(t, exitFailure, code, name+out+stderr, "from line 4 on: ", "created               2\n", "not processed         4\n", "Rows not imported: 4. They are in "+failed)
			if name == "400" {
				want(t, exitFailure, code, stderr, "line 5: it is wrong")
			}
			if text := readFile(t, failed); strings.Count(text, "notProcessed") != 4 {
				t.Errorf("%s: the file has not the rows that were not sent:\n%s", name, text)
			}
			s.before = nil
			code, out, stderr = s.run(t.Context(), "-upsert=false", failed)
			want(t, exitFine, code, name+out+stderr, "created               4\n")
		})
	}
}

// A file that is mended behind what was imported is continued there.
func TestMendedFileIsContinued(t *testing.T) {
	withService(t, func(t *testing.T, s *service) {
		s.answer(2, 400, nil, problem("INVALID_REQUEST", "line 2: it is wrong", `{"line":2}`))
		text := userTable(300)
		code, out, stderr := s.run(t.Context(), "-upsert=false", "-max-users", "150", writeFile(t, text))
		want(t, exitFailure, code, out+stderr, "line 152: it is wrong", "created             150\n")
		s.before = nil
		code, out, _ = s.run(t.Context(), "-upsert=false", "-max-users", "150", writeFile(t, strings.Replace(text, "u150@", "mended@", 1)))
		want(t, exitFine, code, out, "Continued an earlier import, which had come to row 150.", "created             300\n")
	})
}

// Failures that may pass, and an interruption, are continued by the same command.
func TestSameCommandIsSaidToHelpWhereItDoes(t *testing.T) {
	withService(t, func(t *testing.T, s *service) {
		s.before = func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodPost && s.posts > 1 {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
			return s.posts > 1
		}
		code, _, stderr := s.run(t.Context(), "-max-users", "2", writeFile(t, userTable(4)))
		want(t, exitFailure, code, stderr, "from line 4 on: 503", "2 of 4 rows were accepted", "To continue, run the same command again within 24 hours")
		ctx, cancel := context.WithCancel(t.Context())
		s.before = func(http.ResponseWriter, *http.Request) bool { cancel(); return false }
		code, _, stderr = s.run(ctx, "-dry-run", writeFile(t, userTable(4)))
		want(t, exitFailure, code, stderr, "csvimport: interrupted\n", "To try again, run the same command again.\n")
	})
}

func TestAdviceOnConnections(t *testing.T) {
	silent := log.New(io.Discard, "", 0)
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = silent
	secure.StartTLS()
	defer secure.Close()
	plainly := httptest.NewServer(http.NotFoundHandler())
	defer plainly.Close()
	strict := httptest.NewUnstartedServer(http.NotFoundHandler())
	strict.Config.ErrorLog = silent
	strict.TLS = &tls.Config{MaxVersion: tls.VersionTLS12, ClientAuth: tls.RequireAnyClientCert}
	strict.StartTLS()
	defer strict.Close()
	trusting := strict.Client().Transport.(*http.Transport).TLSClientConfig
	noHost := func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.DNSError{Err: "no such host", Name: "api.test", IsNotFound: true}
	}
	for name, test := range map[string]struct {
		url  string
		dial func(context.Context, string, string) (net.Conn, error)
		tls  *tls.Config
		want string
	}{
		"an alert":          {url: strict.URL, tls: trusting, want: "The host refuses the connection"},
		"certificate":       {url: secure.URL, want: "let this computer trust who signed its\ncertificate"},
		"plain with TLS":    {url: strings.Replace(plainly.URL, "http:", "https:", 1), want: "should begin with http://"},
		"TLS without":       {url: strings.Replace(secure.URL, "https:", "http:", 1), want: "should begin with https://"},
		"host":              {url: "http://api.test", dial: noHost, want: "Check -url: there is no host of that name."},
		"another's address": {url: plainly.URL, want: "Check -url: there is no API below"},
	} {
		var out, stderr strings.Builder
		p := &program{stdin: strings.NewReader(userTable(1)), stdout: &out, stderr: &stderr, getenv: os.Getenv,
			transport: &http.Transport{DisableKeepAlives: true, DialContext: test.dial, TLSClientConfig: test.tls}}
		code := p.run(t.Context(), []string{"-url", test.url, "-"})
		want(t, exitUsage, code, name+": "+out.String()+stderr.String(), "Nothing was imported.\n", test.want)
		if strings.Contains(stderr.String(), "trying again") {
			t.Errorf("%s: what does not pass is waited for", name)
		}
	}
}

// The second dry run says what would happen then.
func TestDryRunsAreNotRepetitions(t *testing.T) {
	withService(t, func(t *testing.T, s *service) {
		file := writeFile(t, userTable(3))
		code, out, _ := s.run(t.Context(), "-dry-run", file)
		want(t, exitFine, code, out, "created               3\n")
		if err := s.store.Put("acme", bulk.User{ID: "u0", Email: "u0@example.com"}); err != nil {
			t.Fatal(err)
		}
		code, out, _ = s.run(t.Context(), "-dry-run", file)
		want(t, exitFine, code, out, "created               2\n", "updated               1\n")
	})
}

// An answer that was lost is got again, and is not of an earlier import.
func TestLostAnswerIsNotAnEarlierImport(t *testing.T) {
	withService(t, func(t *testing.T, s *service) {
		s.before = func(w http.ResponseWriter, r *http.Request) bool {
			if s.posts != 1 || r.Method != http.MethodPost {
				return false
			}
			s.handler.ServeHTTP(httptest.NewRecorder(), r) // done, and the answer goes nowhere
			w.WriteHeader(http.StatusBadGateway)
			return true
		}
		file := writeFile(t, userTable(3))
		code, out, _ := s.run(t.Context(), file)
		want(t, exitFine, code, out, "created               3\n")
		if strings.Contains(out, "before") || strings.Contains(out, "earlier") {
			t.Errorf("the first run is taken for a second one:\n%s", out)
		}
		code, out, _ = s.run(t.Context(), file)
		want(t, exitFine, code, out, "This file was imported before")
	})
}
