package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/bulkops/bulkops/bulk"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestEveryUserIsAccountedFor(t *testing.T) {
	for name, test := range map[string]struct {
		args []string
		want []string
	}{
		"no arguments": {nil, []string{
			"accepted as a job", "100 %  10,000 of 10,000", "EMAIL", "users/s\n",
			"created         9,500", "updated           300", "unchanged         100", "failed            100",
			"10,000 of 10,000 users accounted for",
		}},
		"one user":       {[]string{"-users", "1"}, []string{"1 of 1 users accounted for"}},
		"no job below":   {[]string{"-users", "99"}, []string{"99 of 99 users accounted for"}},
		"a job from 100": {[]string{"-users", "100"}, []string{"accepted as a job", "100 of 100 users accounted for"}},
		"a file": {[]string{"-file", writeFile(t, `{"options": {"skipDuplicates": true},
			"users": [{"userId": "a"}, {"userId": "a"}, {"email": "nowhere"}]}`)}, []string{
			"created             1", "skipped             1", "failed              1", "3 of 3 users accounted for",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var stdout, stderr bytes.Buffer
			if code := run(t.Context(), test.args, &stdout, &stderr); code != 0 {
				t.Fatalf("exit code %d: %s", code, stderr.String())
			}
			for _, want := range test.want {
				if !strings.Contains(stdout.String(), want) {
					t.Errorf("the output lacks %q:\n%s", want, stdout.String())
				}
			}
		})
	}
}

func TestWhatCannotBeImportedIsSaid(t *testing.T) {
	for name, test := range map[string]struct {
		args []string
		code int
		want string
	}{
		"too many":         {[]string{"-users", "10001"}, exitUsage, "at most 10,000 users"},
		"none":             {[]string{"-users", "0"}, exitUsage, "at least one user"},
		"no number":        {[]string{"-users", "all"}, exitUsage, "invalid value"},
		"an argument":      {[]string{"all"}, exitUsage, `unexpected argument "all"`},
		"a URL alone":      {[]string{"-url", "http://127.0.0.1:1"}, exitUsage, "-token"},
		"no service there": {[]string{"-url", "http://127.0.0.1:1", "-token", "t"}, exitFailure, "refused"},
		"no such file":     {[]string{"-file", filepath.Join(t.TempDir(), "none.json")}, exitUsage, "none.json"},
		"not JSON":         {[]string{"-file", writeFile(t, "users")}, exitUsage, "invalid character"},
		"refused by rules": {[]string{"-file", writeFile(t, `{"users": []}`)}, exitFailure, "400 Bad Request: EMPTY_USERS"},
		"unknown option": {[]string{"-file", writeFile(t, `{"users": [{"userId": "a"}], "options": {"upsrt": true}}`)},
			exitFailure, "INVALID_REQUEST"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var stdout, stderr bytes.Buffer
			code := run(t.Context(), test.args, &stdout, &stderr)
			if code != test.code || !strings.Contains(stderr.String(), test.want) {
				t.Errorf("exit code %d and %q, want %d and %q", code, stderr.String(), test.code, test.want)
			}
		})
	}
}

func TestInterruptEndsIt(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var stdout, stderr bytes.Buffer
	if code := run(ctx, nil, &stdout, &stderr); code != exitFailure {
		t.Errorf("exit code %d after an interrupt: %s", code, stderr.String())
	}
}

func TestMadeUsersAreTheSameEveryTime(t *testing.T) {
	a, b := makeBody(1000), makeBody(1000)
	if !bytes.Equal(a.text, b.text) || !slices.Equal(a.rows, b.rows) {
		t.Error("two bodies of 1,000 users differ")
	}
}

func TestMadeUsersHaveEveryFault(t *testing.T) {
	var request struct{ Users []json.RawMessage }
	b := makeBody(bulk.DefaultMaxUsers)
	if err := json.Unmarshal(b.text, &request); err != nil || len(request.Users) != len(b.rows) {
		t.Fatalf("the body has %d users: %v", len(request.Users), err)
	}
	failed := make(map[bulk.RowCode]int)
	faulty := 0
	for _, w := range b.rows {
		if w.status == bulk.StatusFailed {
			failed[w.code]++
			faulty++
		}
	}
	if faulty != len(b.rows)/100 {
		t.Errorf("%d rows of %d are faulty, not one in a hundred", faulty, len(b.rows))
	}
	for _, code := range []bulk.RowCode{
		bulk.CodeInvalidUser, bulk.CodeMissingIdentifier, bulk.CodeInvalidUserID, bulk.CodeInvalidEmail,
		bulk.CodeInvalidCustomFields, bulk.CodeInvalidMetadata, bulk.CodeUnknownField, bulk.CodeDuplicateKey,
		bulk.CodeUserTooLarge, bulk.CodeEmailTaken,
	} {
		if failed[code] == 0 {
			t.Errorf("no row fails with %s", code)
		}
	}
}

// TestVerifySeesWhatDoesNotAddUp plants faults into an outcome that is right.
func TestVerifySeesWhatDoesNotAddUp(t *testing.T) {
	b := &body{rows: []want{{status: bulk.StatusCreated}, {bulk.StatusFailed, bulk.CodeInvalidEmail}, {}}}
	right := func() *outcome {
		return &outcome{
			TotalRecords: 3,
			Summary:      bulk.Summary{Created: 2, Failed: 1},
			Results: []bulk.RowResult{
				{Index: 0, Status: bulk.StatusCreated},
				{Index: 1, Status: bulk.StatusFailed, Errors: []bulk.RowError{{Code: bulk.CodeInvalidEmail}}},
				{Index: 2, Status: bulk.StatusCreated},
			},
		}
	}
	if err := verify(b, right()); err != nil {
		t.Fatalf("an outcome that is right: %v", err)
	}
	for name, plant := range map[string]func(*outcome){
		"a result is missing":      func(o *outcome) { o.Results = o.Results[:2] },
		"a result twice":           func(o *outcome) { o.Results[1] = o.Results[0] },
		"out of order":             func(o *outcome) { o.Results[0], o.Results[2] = o.Results[2], o.Results[0] },
		"wrong total":              func(o *outcome) { o.TotalRecords = 4 },
		"counts do not add up":     func(o *outcome) { o.Summary.Skipped = 1 },
		"counts differ":            func(o *outcome) { o.Summary = bulk.Summary{Created: 1, Updated: 1, Failed: 1} },
		"another status":           func(o *outcome) { o.Results[0].Status = bulk.StatusUpdated },
		"another error":            func(o *outcome) { o.Results[1].Errors[0].Code = bulk.CodeInvalidUser },
		"failed without an error":  func(o *outcome) { o.Results[1].Errors = nil },
		"created with an error":    func(o *outcome) { o.Results[2].Errors = []bulk.RowError{{}} },
		"failed, but not expected": func(o *outcome) { o.Results[0].Status = bulk.StatusFailed },
	} {
		o := right()
		plant(o)
		if verify(b, o) == nil {
			t.Errorf("verify does not see: %s", name)
		}
	}
}

func TestProgressIsABarOnATerminalOnly(t *testing.T) {
	var terminal, file bytes.Buffer
	for _, p := range []*progress{{out: &terminal, terminal: true, shown: -1}, newProgress(&file)} {
		for done := 0; done <= 10_000; done += 50 {
			p.show(done, 10_000)
		}
		p.end()
	}
	if got, want := strings.Count(terminal.String(), "\r"), 101; got != want {
		t.Errorf("the bar was drawn %d times, want %d", got, want)
	}
	if !strings.HasSuffix(terminal.String(), "\r["+strings.Repeat("#", barWidth)+"] 100 %  10,000 of 10,000\n") {
		t.Errorf("the bar does not end full: %q", terminal.String())
	}
	if got, want := strings.Count(file.String(), "\n"), 5; got != want || strings.Contains(file.String(), "\r") {
		t.Errorf("%d lines, want %d:\n%s", got, want, file.String())
	}
}

func TestThousands(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 10_005: "10,005", 1_000_000: "1,000,000", -1234: "-1,234"} {
		if got := thousands(n); got != want {
			t.Errorf("thousands(%d) is %q, want %q", n, got, want)
		}
	}
}

func writeFile(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "users.json")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}
