//go:build unix

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// withPrograms makes a fake program the only thing there is. Nothing is in PATH but the
// commands of the folder that it returns.
func withPrograms(t *testing.T) (dir string) {
	t.Helper()
	with(t)
	programs = []program{{id: "reader", name: "a reader", variable: "BULKOPS_TEST_READER", commands: []string{"reader", "reader-stable"}}}
	t.Setenv("BULKOPS_TEST_READER", "")
	dir = t.TempDir()
	t.Setenv("PATH", dir)
	return dir
}

func TestRunTellsTheCommandWhereAProgramIs(t *testing.T) {
	path := filepath.Join(withPrograms(t), "reader-stable")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	tell := func(want string) {
		t.Helper()
		script := `test "$BULKOPS_TEST_READER" = "$0"`
		if code := run(t.Context(), []string{"-cache", t.TempDir(), "--", "/bin/sh", "-c", script, want}, t.Output()); code != 0 {
			t.Errorf("run returned %d: the command was not told %q", code, want)
		}
	}
	tell(path)
	t.Setenv("BULKOPS_TEST_READER", "/the/user's/own")
	tell("/the/user's/own")
}

func TestRunSaysWhichProgramIsNotThere(t *testing.T) {
	withPrograms(t)
	var stderr strings.Builder
	if code := run(t.Context(), []string{"-cache", t.TempDir(), "--", "/bin/sh", "-c", `test -z "$BULKOPS_TEST_READER"`}, &stderr); code != 0 {
		t.Errorf("run returned %d, want 0: the command runs without the program", code)
	}
	want := "not available: a reader: none of reader, reader-stable found; tests that need it will be skipped\n"
	if stderr.String() != want {
		t.Errorf("run said\n%swant\n%s", stderr.String(), want)
	}
	if code := run(t.Context(), []string{"-require", "-cache", t.TempDir(), "--", "/bin/true"}, &stderr); code != exitFailure {
		t.Errorf("run -require returned %d, want %d", code, exitFailure)
	}
}
