package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"unicode/utf16"

	"go.uber.org/goleak"

	"github.com/bulkops/bulkops/blob/memblob"
	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/httpapi"
	"github.com/bulkops/bulkops/jobs/memjobs"
	"github.com/bulkops/bulkops/store/memstore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A service is the API on in-memory backends, reached without a network.
type service struct {
	t       *testing.T
	store   *memstore.Store
	handler http.Handler
	posts   int
	before  func(w http.ResponseWriter, r *http.Request) bool // may answer instead of the API
}

// withService runs a test against a service, in a bubble where waiting takes no
// time.
func withService(t *testing.T, test func(t *testing.T, s *service)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &service{t: t, store: memstore.New()}
		cfg := bulk.Config{Store: s.store, Blobs: memblob.New(), Jobs: memjobs.New(), Mailer: mailer{}, Logger: slog.New(slog.DiscardHandler)}
		importer, err := bulk.NewImporter(cfg)
		if err != nil {
			t.Fatal(err)
		}
		s.handler, err = httpapi.New(httpapi.Config{Importer: importer, Authorize: func(r *http.Request) (bulk.Principal, error) {
			if r.Header.Get("Authorization") != "Bearer secret" {
				return bulk.Principal{}, errors.New("bad token")
			}
			return bulk.Principal{ID: "ana", Tenant: "acme", Role: bulk.RoleAdmin}, nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		worker, err := bulk.NewWorker(cfg)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { _ = worker.Run(ctx) })
		test(t, s)
		cancel()
		running.Wait()
	})
}

type mailer struct{}

func (mailer) SendWelcome(_ context.Context, messages []bulk.Welcome) []error {
	return make([]error, len(messages))
}

// RoundTrip serves a request.
func (s *service) RoundTrip(r *http.Request) (*http.Response, error) {
	in := r.Clone(r.Context())
	in.RequestURI, in.Host = r.URL.RequestURI(), r.URL.Host
	if in.Body == nil {
		in.Body = http.NoBody
	}
	if r.Method == http.MethodPost {
		s.posts++
	}
	rec := httptest.NewRecorder()
	if s.before == nil || !s.before(rec, in) {
		s.handler.ServeHTTP(rec, in)
	}
	return rec.Result(), r.Context().Err()
}

// run runs the command with the URL and the token.
func (s *service) run(ctx context.Context, args ...string) (code int, stdout, stderr string) {
	return s.runWith(ctx, "", append([]string{"-url", "http://api.test", "-token", "secret"}, args...)...)
}

func (s *service) runWith(ctx context.Context, stdin string, args ...string) (code int, stdout, stderr string) {
	var out, err bytes.Buffer
	p := &program{
		stdin: strings.NewReader(stdin), stdout: &out, stderr: &err, transport: s,
		getenv: func(name string) string { return map[string]string{"BULKOPS_TOKEN": "secret"}[name] },
	}
	code = p.run(ctx, args)
	return code, out.String(), err.String()
}

// A file that a spreadsheet saved in its own way is imported, and its failed rows
// are written in the same way, so that they can be mended there and imported.
func TestFilesOfSpreadsheets(t *testing.T) {
	table := "\ufeff" + "sep=,\r\nUser ID,E-mail,customFields.note\r\na,a@example.com,\"x;\ty, \"\"z\"\"\"\r\n,,\r\nb,nowhere,ü 😀\r\n,,\r\n"
	inUTF16 := func(order binary.AppendByteOrder, text string) string {
		var encoded []byte
		for _, unit := range utf16.Encode([]rune("\ufeff" + strings.TrimPrefix(text, "\ufeff"))) {
			encoded = order.AppendUint16(encoded, unit)
		}
		return string(encoded)
	}
	with := func(separator, text string) string { // but for the one in quotes
		return strings.ReplaceAll(strings.ReplaceAll(text, ",", separator), "y"+separator, "y,")
	}
	for name, save := range map[string]func(string) string{
		"commas":                  func(text string) string { return text },
		"semicolons":              func(text string) string { return with(";", text) },
		"tabs, UTF-16":            func(text string) string { return inUTF16(binary.LittleEndian, with("\t", text)) },
		"bars, UTF-16, gzip":      func(text string) string { return zipped(inUTF16(binary.BigEndian, with("|", text))) },
		"semicolons, UTF-8, gzip": func(text string) string { return zipped(with(";", text)) },
	} {
		withService(t, func(t *testing.T, s *service) {
			failed := filepath.Join(t.TempDir(), "failed.csv")
			code, out, _ := s.run(t.Context(), "-failed", failed, writeFile(t, save(table)))
			want(t, exitRows, code, name+" "+out, "created               1\n", "failed                1\n", "line 5: INVALID_EMAIL")
			mended := strings.Replace(readFile(t, failed), "nowhere", "b@example.com", 1)
			code, out, _ = s.run(t.Context(), writeFile(t, mended))
			want(t, exitFine, code, name+" "+out, "created               1\n")
			for id, fields := range map[string]string{"a": `{"note":"x;\ty, \"z\""}`, "b": `{"note":"ü 😀"}`} {
				if user, _ := s.store.Get("acme", id); user.CustomFields.String() != fields {
					t.Errorf("%s: user %s has %s, want %s", name, id, user.CustomFields, fields)
				}
			}
		})
	}
}

func zipped(text string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write([]byte(text))
	_ = z.Close()
	return b.String()
}

// want checks how a run of the command ended.
func want(t *testing.T, wantCode, code int, out string, parts ...string) {
	t.Helper()
	if code != wantCode {
		t.Fatalf("exit code %d, want %d:\n%s", code, wantCode, out)
	}
	for _, part := range parts {
		if !strings.Contains(out, part) {
			t.Errorf("the output lacks %q:\n%s", part, out)
		}
	}
}

func writeFile(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "users.csv")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// userTable is a file of n users.
func userTable(n int) string {
	var b strings.Builder
	b.WriteString("userId,email,customFields.points:number\n")
	for i := range n {
		fmt.Fprintf(&b, "u%d,u%d@example.com,9007199254740993\n", i, i)
	}
	return b.String()
}

func TestImport(t *testing.T) {
	withService(t, func(t *testing.T, s *service) {
		code, out, _ := s.run(t.Context(), writeFile(t, userTable(25_000)))
		want(t, exitFine, code, out, "  0 %  0 of 25,000\n", "100 %  25,000 of 25,000\n", "created          25,000\n", "failed                0\n")
		if s.posts != 3 || s.store.Len("acme") != 25_000 {
			t.Errorf("%d requests and %d users", s.posts, s.store.Len("acme"))
		}
		user, _ := s.store.Get("acme", "u24999")
		if got := user.CustomFields.String(); got != `{"points":9007199254740993}` {
			t.Errorf("custom fields %s", got)
		}
	})
}

func TestStandardInputAndTokenOfTheEnvironment(t *testing.T) {
	withService(t, func(t *testing.T, s *service) {
		code, out, stderr := s.runWith(t.Context(), userTable(3), "-url", "http://api.test", "-")
		want(t, exitFine, code, out+stderr, "created               3\n")
		code, out, stderr = s.runWith(t.Context(), userTable(3), "-url", "http://api.test", "-token", "guess", "-")
		want(t, exitUsage, code, out+stderr, "401 UNAUTHENTICATED", "Nothing was imported.", "The token is wrong")
	})
}

func TestOptions(t *testing.T) {
	withService(t, func(t *testing.T, s *service) {
		file := writeFile(t, userTable(3))
		code, out, _ := s.run(t.Context(), "-dry-run", file)
		want(t, exitFine, code, out, "A dry run: nothing was written", "created               3\n")
		if n := s.store.Len("acme"); n != 0 {
			t.Fatalf("a dry run made %d users", n)
		}
		code, out, _ = s.run(t.Context(), "-send-welcome-email", file)
		want(t, exitFine, code, out, "created               3\n")
		code, out, _ = s.run(t.Context(), "-upsert=false", file)
		want(t, exitRows, code, out, "failed                3\n", "line 2: USER_EXISTS: ", "With -failed FILE")
		code, out, _ = s.run(t.Context(), "-skip-duplicates", file)
		want(t, exitFine, code, out, "skipped               3\n")
		code, out, _ = s.run(t.Context(), file)
		want(t, exitFine, code, out, "unchanged             3\n")

		others := writeFile(t, "userId,customFields.points:number\nu0,1\nnobody,1\nnobody2,1\n")
		code, out, _ = s.run(t.Context(), "-update-only", "-merge", "fill", "-label", "points", others)
		want(t, exitRows, code, out, "failed                2\n", "line 3: USER_NOT_FOUND: ")
		if user, _ := s.store.Get("acme", "u0"); user.CustomFields.String() != `{"points":9007199254740993}` {
			t.Errorf("-merge fill changed %s", user.CustomFields)
		}
		code, out, _ = s.run(t.Context(), "-merge", "replace", "-max-failed", "5", writeFile(t, "userId,customFields.team\nu0,Lakers\n"))
		want(t, exitFine, code, out, "updated               1\n")
		if user, _ := s.store.Get("acme", "u0"); user.CustomFields.String() != `{"team":"Lakers"}` {
			t.Errorf("-merge replace left %s", user.CustomFields)
		}
	})
}

func TestFailedRowsAreMendedAndImported(t *testing.T) {
	const table = "\ufeffuserId,email,customFields.note,customFields.age:number\r\n" +
		"a,a@example.com,\"=1+1\r\nsecond \"\"line\"\"\",1\r\n" +
		"b,nowhere,\"two\r\nlines\",2\r\n" +
		"\r\n" +
		"c,c@example.com,'=x,young\r\n" +
		"d,d@example.com\r\n" +
		"e,nowhere,,"
	withService(t, func(t *testing.T, s *service) {
		failed := filepath.Join(t.TempDir(), "failed.csv")
		code, out, _ := s.run(t.Context(), "-failed", failed, "-max-users", "2", writeFile(t, table))
		want(t, exitRows, code, out, "created               1\n", "failed                4\n", "line 4: INVALID_EMAIL", "line 7: INVALID_CUSTOM_FIELDS",
			"line 8: INVALID_USER", "line 9: INVALID_EMAIL", "Rows not imported: 4. They are in "+failed)
		text := readFile(t, failed)
		for _, part := range []string{
			"\ufeff_index,_line,_status,_errors,userId,email,customFields.note,customFields.age:number\r\n",
			"1,4,failed,\"INVALID_EMAIL: ", "\",b,nowhere,\"two\r\nlines\",2\r\n", "\",d,d@example.com\r\n", "\",e,nowhere,,\r\n",
		} {
			if !strings.Contains(text, part) {
				t.Errorf("the file lacks %q:\n%s", part, text)
			}
		}

		// Mended but for one row; the notes of the second time replace the first ones.
		mended := strings.NewReplacer("b,nowhere", "b,b@example.com", "young", "30", "d,d@example.com", "d,d@example.com,,").Replace(text)
		second := filepath.Join(t.TempDir(), "second.csv")
		code, out, _ = s.run(t.Context(), "-failed", second, writeFile(t, mended))
		want(t, exitRows, code, out, "created               3\n", "failed                1\n")
		if text := readFile(t, second); strings.Count(text, "_line") != 1 || !strings.HasSuffix(text, "\",e,nowhere,,\r\n") {
			t.Errorf("the second file: %s", text)
		}
		for id, fields := range map[string]string{
			"a": `{"age":1,"note":"=1+1\r\nsecond \"line\""}`, "b": `{"age":2,"note":"two\r\nlines"}`, "c": `{"age":30,"note":"=x"}`,
		} {
			if user, _ := s.store.Get("acme", id); user.CustomFields.String() != fields {
				t.Errorf("user %s has %s, want %s", id, user.CustomFields, fields)
			}
		}
		code, out, _ = s.run(t.Context(), "-failed", second, writeFile(t, strings.ReplaceAll(readFile(t, second), "e,nowhere", "e,")))
		want(t, exitFine, code, out, "created               1\n")
	})
}

func TestFewFailedRowsArePrinted(t *testing.T) {
	withService(t, func(t *testing.T, s *service) {
		file := writeFile(t, strings.ReplaceAll(userTable(120), "@", ""))
		for _, args := range [][]string{{file}, {"-failed", filepath.Join(t.TempDir(), "failed.csv"), file}} {
			code, out, _ := s.run(t.Context(), args...)
			want(t, exitRows, code, out, "line 11: ", "and 110 more\n")
			if strings.Contains(out, "line 12: ") {
				t.Errorf("too many rows are printed:\n%s", out)
			}
		}
	})
}

func TestInterruptedImportIsContinued(t *testing.T) {
	withService(t, func(t *testing.T, s *service) {
		// With upsert off, a row that is done twice would fail.
		args := []string{"-upsert=false", "-max-users", "150", writeFile(t, userTable(400))}
		ctx, cancel := context.WithCancel(t.Context())
		s.before = func(_ http.ResponseWriter, r *http.Request) bool {
			if s.posts == 2 {
				cancel()
			}
			return false
		}
		code, out, stderr := s.run(ctx, args...)
		want(t, exitFailure, code, out+stderr, "150 of 400 rows were accepted", "run the same command again within 24 hours")
		s.before = nil
		code, out, stderr = s.run(t.Context(), args...)
		want(t, exitFine, code, out+stderr, "Continued an earlier import, which had come to row 150.", "created             400\n")
		code, out, _ = s.run(t.Context(), args...)
		want(t, exitFine, code, out, "This file was imported before", "created             400\n")
		code, out, _ = s.run(t.Context(), append([]string{"-key", "again"}, args...)...)
		want(t, exitRows, code, out, "failed              400\n")
		code, out, _ = s.run(t.Context(), append([]string{"-key", "again"}, args[1:]...)...)
		want(t, exitFine, code, out, "unchanged           400\n") // other options are another import
	})
}

func TestRowsThatAJobDidNotReachAreWritten(t *testing.T) {
	withService(t, func(t *testing.T, s *service) {
		// The second part's job is said to have been cancelled.
		s.before = func(w http.ResponseWriter, r *http.Request) bool {
			switch {
			case s.posts < 2:
			case r.Method == http.MethodPost:
				_, _ = io.Copy(io.Discard, r.Body)
				w.WriteHeader(http.StatusAccepted)
				fmt.Fprint(w, `{"success":true,"data":{"mode":"async","jobId":"job_x","status":"pending","totalRecords":2}}`)
				return true
			case strings.HasSuffix(r.URL.Path, "/jobs/job_x"):
				fmt.Fprint(w, `{"success":true,"data":{"jobId":"job_x","status":"cancelled","totalRecords":2,"summary":{"created":1,"notProcessed":1}}}`)
				return true
			case strings.HasSuffix(r.URL.Path, "/results"):
				fmt.Fprintln(w, `{"index":0,"line":2,"userId":"u2","status":"created"}`)
				fmt.Fprintln(w, `{"index":1,"line":3,"userId":"u3","status":"notProcessed"}`)
				return true
			}
			return false
		}
		failed := filepath.Join(t.TempDir(), "failed.csv")
		code, out, stderr := s.run(t.Context(), "-max-users", "2", "-failed", failed, writeFile(t, userTable(6)))
		want(t, exitFailure, code, out+stderr, "job job_x was cancelled after 1 of 2 rows", "created               3\n", "not processed         3\n",
			"They are in "+failed)
		const tail = "u3,u3@example.com,9007199254740993\n4,6,notProcessed,,u4,u4@example.com,9007199254740993\n" +
			"5,7,notProcessed,,u5,u5@example.com,9007199254740993\n"
		if text := readFile(t, failed); !strings.HasSuffix(text, tail) || strings.Contains(text, "u2") {
			t.Errorf("the file: %s", text)
		}
	})
}

func TestBusyServiceIsWaitedFor(t *testing.T) {
	withService(t, func(t *testing.T, s *service) {
		s.before = func(w http.ResponseWriter, _ *http.Request) bool {
			if s.posts < 3 {
				w.Header().Set("Retry-After", "7")
				w.WriteHeader(http.StatusServiceUnavailable)
			}
			return s.posts < 3
		}
		code, out, stderr := s.run(t.Context(), writeFile(t, userTable(3)))
		want(t, exitFine, code, out+stderr, "503 Service Unavailable; trying again in 8 s", "created               3\n")
	})
}

func TestUsage(t *testing.T) {
	table := writeFile(t, userTable(1))
	for name, test := range map[string]struct {
		args []string
		code int
		want string
	}{
		"help":          {[]string{"-h"}, exitFine, "usage: csvimport"},
		"no URL":        {[]string{table}, exitUsage, "-url is required"},
		"bad URL":       {[]string{"-url", "example.com", table}, exitUsage, "absolute"},
		"no file":       {[]string{"-url", "http://api.test"}, exitUsage, "no file given"},
		"a folder":      {[]string{"-url", "http://api.test", t.TempDir()}, exitUsage, "is a folder"},
		"two files":     {[]string{"-url", "http://api.test", table, "b"}, exitUsage, "flags stand before the file"},
		"nothing to do": {[]string{"-url", "http://api.test", "-update-only", "-upsert=false", table}, exitUsage, "-update-only needs -upsert"},
		"bad merge":     {[]string{"-url", "http://api.test", "-merge", "deep", table}, exitUsage, `for flag -merge: a mode of merging is "merge", "fill" or "replace"`},
		"bad limit":     {[]string{"-url", "http://api.test", "-max-failed", "-1", table}, exitUsage, "-max-failed"},
		"unknown flag":  {[]string{"-uspert", table}, exitUsage, "-uspert"},
		"max users":     {[]string{"-url", "http://api.test", "-max-users", "0", table}, exitUsage, "less than 1"},
		"bad key":       {[]string{"-url", "http://api.test", "-key", "ä", table}, exitUsage, "-key has more than 222 characters, or others than printable ASCII"},
		"empty key":     {[]string{"-url", "http://api.test", "-key=", table}, exitUsage, "-key needs a name"},
		"bad token":     {[]string{"-url", "http://api.test", "-token", "a b", table}, exitUsage, "the token of -token or BULKOPS_TOKEN is not a bearer token"},
		"long label":    {[]string{"-url", "http://api.test", "-label", strings.Repeat("ä", 129), table}, exitUsage, "-label has more than 128 characters"},
		"bad map":       {[]string{"-url", "http://api.test", "-map", "userId", table}, exitUsage, `-map: it should be like "User ID=userId"`},
		"map twice":     {[]string{"-url", "http://api.test", "-map", "a=userId", "-map", "a=email", table}, exitUsage, "-map: the header was given before"},
		"map nothing":   {[]string{"-url", "http://api.test", "-map", "User=userId", table}, exitUsage, `line 1: no column is "User", which is to be renamed; the columns are "userId", "email",`},
		"map to what":   {[]string{"-url", "http://api.test", "-map", "email=mail", table}, exitUsage, `line 1: column 2 "mail" is unknown: it could be userId, email,`},
		"bad delimiter": {[]string{"-url", "http://api.test", "-delimiter", ":", table}, exitUsage, "-delimiter: it should be , ; | or tab"},
		"empty":         {[]string{"-url", "http://api.test", writeFile(t, "")}, exitUsage, "the file is empty"},
		"blank":         {[]string{"-url", "http://api.test", writeFile(t, " \n\r\n,,\n")}, exitUsage, "a header and no rows"},
		"blank lines":   {[]string{"-url", "http://api.test", writeFile(t, "\n\r\n,,\n\n")}, exitUsage, "the file is empty"},
		"a mark alone":  {[]string{"-url", "http://api.test", writeFile(t, "\ufeff")}, exitUsage, "the file is empty"},
		"empty gzip":    {[]string{"-url", "http://api.test", writeFile(t, zipped(""))}, exitUsage, "the file is empty"},
		"missing file":  {[]string{"-url", "http://api.test", "none.csv"}, exitUsage, "none.csv"},
		"the same file": {[]string{"-url", "http://api.test", "-failed", table, table}, exitUsage, "another name"},
		"no rows":       {[]string{"-url", "http://api.test", writeFile(t, "userId\n")}, exitUsage, "a header and no rows"},
		"broken CSV":    {[]string{"-url", "http://api.test", writeFile(t, "userId\na\n\"b\n")}, exitUsage, "line 3: the quoted cell"},
		"bad column":    {[]string{"-url", "http://api.test", writeFile(t, "userId,age\na,3\n")}, exitUsage, `line 1: column 2 "age" is unknown: it could be userId, email, customFields.age or metadata.age` + "\nNothing was imported.\nIf the header is to stay"},
		"spreadsheet":   {[]string{"-url", "http://api.test", writeFile(t, "PK\x03\x04....")}, exitUsage, "spreadsheet file"},
		"Latin-1":       {[]string{"-url", "http://api.test", writeFile(t, "userId\na\nJos\xe9\n")}, exitUsage, "line 3: the CSV is not valid UTF-8; it may be Latin-1"},
		"broken gzip":   {[]string{"-url", "http://api.test", writeFile(t, "\x1f\x8b\x08\x00")}, exitUsage, "compressed with gzip, and cut off"},
	} {
		withService(t, func(t *testing.T, s *service) {
			code, out, stderr := s.runWith(t.Context(), "", test.args...)
			if code != test.code || !strings.Contains(out+stderr, test.want) {
				t.Errorf("%s: exit code %d and %q, want %d and %q", name, code, out+stderr, test.code, test.want)
			}
			if code == exitUsage && (s.posts > 0 || strings.Count(stderr, "\n") > 3) {
				t.Errorf("%s: %d requests, and more than three lines: %s", name, s.posts, stderr)
			}
		})
	}
}

func TestInterruptBeforeAnythingIsSent(t *testing.T) {
	withService(t, func(t *testing.T, s *service) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		code, _, _ := s.run(ctx, writeFile(t, userTable(1)))
		if code != exitFailure || s.posts > 0 {
			t.Errorf("exit code %d, %d requests", code, s.posts)
		}
	})
}
