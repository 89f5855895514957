//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestMain makes the test program also a server, so that the tests of starting
// and stopping need none of the real ones.
func TestMain(m *testing.M) {
	if addr := os.Getenv("TESTSERVERS_SERVE"); addr != "" {
		fmt.Println(http.ListenAndServe(addr, http.NotFoundHandler()))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// fakeServer serves 404 to everything.
func fakeServer() server {
	return server{
		id: "fake", name: "a fake", variable: "BULKOPS_TEST_FAKE",
		fetch: func(context.Context, *cache) (string, error) { return "", nil },
		command: func(_, data string, port int) (*exec.Cmd, []string, error) {
			cmd := exec.Command(os.Args[0])
			cmd.Dir = data
			cmd.Env = append(os.Environ(), fmt.Sprintf("TESTSERVERS_SERVE=127.0.0.1:%d", port))
			return cmd, []string{"BULKOPS_TEST_FAKE_KEY=k"}, nil
		},
	}
}

// with replaces the known servers for one test, and leaves no test data to fetch and no
// program to find.
func with(t *testing.T, s ...server) {
	t.Helper()
	t.Setenv(requireVariable, "")
	known, knownData, knownPrograms := servers, datasets, programs
	t.Cleanup(func() { servers, datasets, programs = known, knownData, knownPrograms })
	servers, datasets, programs = s, nil, nil
}

func TestRunGivesTheCommandItsServersAndStopsThem(t *testing.T) {
	with(t, fakeServer())
	dir := t.TempDir()
	seen := filepath.Join(dir, "seen")
	cacheDir := filepath.Join(dir, "cache")
	var stderr strings.Builder

	script := `printf '%s %s' "$BULKOPS_TEST_FAKE" "$BULKOPS_TEST_FAKE_KEY" >"$0"; exit 7`
	code := run(t.Context(), []string{"-cache", cacheDir, "--", "sh", "-c", script, seen}, &stderr)
	if code != 7 || stderr.Len() > 0 {
		t.Fatalf("run returned %d, want the command's own 7; it said: %s", code, stderr.String())
	}
	content, err := os.ReadFile(seen)
	if err != nil {
		t.Fatal(err)
	}
	url, key, _ := strings.Cut(string(content), " ")
	if key != "k" {
		t.Errorf("the command's environment lacks what the server adds: %q", content)
	}
	if response, err := http.Get(url); err == nil {
		response.Body.Close()
		t.Errorf("the server at %q still answers after run", url)
	}
	if left, _ := os.ReadDir(cacheDir); len(left) != 0 {
		t.Errorf("run left %v", left)
	}
}

func TestRunLeavesAServerAloneThatTheEnvironmentNames(t *testing.T) {
	with(t, fakeServer())
	own := httptest.NewServer(http.NotFoundHandler())
	defer own.Close()
	t.Setenv("BULKOPS_TEST_FAKE", own.URL)
	code := run(t.Context(), []string{"-cache", t.TempDir(), "--", "sh", "-c", `test "$BULKOPS_TEST_FAKE" = "$0"`, own.URL}, t.Output())
	if code != 0 {
		t.Errorf("run returned %d", code)
	}
}

func TestRunTellsTheVersions(t *testing.T) {
	one, other := fakeServer(), fakeServer()
	one.version = "1.2"
	other.id, other.name, other.variable = "other", "another", "BULKOPS_TEST_ANOTHER"
	with(t, one, other)
	code := run(t.Context(), []string{"-cache", t.TempDir(), "--", "sh", "-c", `test "$BULKOPS_TEST_SERVERS" = "a fake 1.2, another"`}, t.Output())
	if code != 0 {
		t.Errorf("run returned %d", code)
	}
}

func TestRunSaysWhatIsNotAvailable(t *testing.T) {
	broken := fakeServer()
	broken.fetch = func(context.Context, *cache) (string, error) { return "", errors.New("java not found") }
	silent := fakeServer()
	silent.id, silent.name, silent.variable = "silent", "the other", "BULKOPS_TEST_SILENT"
	silent.command = func(string, string, int) (*exec.Cmd, []string, error) {
		return exec.Command("sh", "-c", "echo no room; exit 3"), nil, nil
	}
	with(t, broken, silent)

	var stderr strings.Builder
	if code := run(t.Context(), []string{"-cache", t.TempDir(), "--", "sh", "-c", "exit 5"}, &stderr); code != 5 {
		t.Errorf("run returned %d, want 5: the command runs without the servers", code)
	}
	want := "not available: a fake: java not found; tests that need it will be skipped\n" +
		"not available: the other: exited before it answered: exit status 3: no room; tests that need it will be skipped\n"
	if stderr.String() != want {
		t.Errorf("run said\n%swant\n%s", stderr.String(), want)
	}

	stderr.Reset()
	ran := filepath.Join(t.TempDir(), "ran")
	if code := run(t.Context(), []string{"-require", "-cache", t.TempDir(), "--", "touch", ran}, &stderr); code != exitFailure {
		t.Errorf("run -require returned %d, want %d", code, exitFailure)
	}
	if _, err := os.Stat(ran); err == nil {
		t.Error("run -require ran the command without a required server")
	}
}

func TestRunStopsAllWhenInterrupted(t *testing.T) {
	with(t, fakeServer())
	ctx, interrupt := context.WithCancel(t.Context())
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	go func() {
		// The command writes once it has started a child that would outlive it.
		content, err := os.ReadFile(pipe)
		if err != nil || string(content) != "started" {
			t.Errorf("read %q, %v", content, err)
		}
		interrupt()
	}()
	cacheDir := t.TempDir()
	code := run(ctx, []string{"-cache", cacheDir, "--", "sh", "-c", `sleep 600 & printf started >"$0"; wait`, pipe}, t.Output())
	if want := 128 + int(syscall.SIGTERM); code != want {
		t.Errorf("run returned %d, want %d", code, want)
	}
	if left, _ := os.ReadDir(cacheDir); len(left) != 0 {
		t.Errorf("run left %v", left)
	}
}

func TestRunRefusesWrongUsage(t *testing.T) {
	for _, args := range [][]string{
		{}, {"-only", "nothing", "--", "true"}, {"-unknown"},
		{"-aws", "-only", "versitygw", "--", "true"}, {"-aws", "-only", "dynoxide,dynamodb-local,versitygw", "--", "true"},
	} {
		if code := run(t.Context(), args, t.Output()); code != exitUsage {
			t.Errorf("run(%q) returned %d, want %d", args, code, exitUsage)
		}
	}
}
