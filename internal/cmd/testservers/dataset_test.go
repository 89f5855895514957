//go:build unix

package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// withData makes a fake package the only thing there is, which fetch fetches.
func withData(t *testing.T, fetch func(ctx context.Context, spec, dir string) error) {
	t.Helper()
	with(t)
	datasets = []dataset{{id: "words", variable: "BULKOPS_TEST_WORDS", pkg: "words@1.0.0"}}
	t.Setenv("BULKOPS_TEST_WORDS", "")
	known := fetchNPM
	t.Cleanup(func() { fetchNPM = known })
	fetchNPM = fetch
}

func TestRunGivesTheCommandItsDataAndKeepsIt(t *testing.T) {
	fetches := 0
	withData(t, func(_ context.Context, spec, dir string) error {
		if fetches++; spec != "words@1.0.0" {
			t.Errorf("fetched %q", spec)
		}
		writeFile(t, filepath.Join(dir, "list"))
		return nil
	})
	cacheDir := t.TempDir()
	for range 2 {
		script := `test "$(cat "$BULKOPS_TEST_WORDS/list")" = x`
		if code := run(t.Context(), []string{"-cache", cacheDir, "--", "sh", "-c", script}, t.Output()); code != 0 {
			t.Fatalf("run returned %d: the command did not find the data", code)
		}
	}
	if fetches != 1 {
		t.Errorf("the data was fetched %d times, want once", fetches)
	}
}

func TestRunLeavesDataAloneThatTheEnvironmentNames(t *testing.T) {
	withData(t, func(context.Context, string, string) error {
		t.Error("data was fetched whose folder is set")
		return nil
	})
	own := t.TempDir()
	t.Setenv("BULKOPS_TEST_WORDS", own)
	code := run(t.Context(), []string{"-cache", t.TempDir(), "--", "sh", "-c", `test "$BULKOPS_TEST_WORDS" = "$0"`, own}, t.Output())
	if code != 0 {
		t.Errorf("run returned %d", code)
	}
}

func TestRunSaysWhichDataIsNotAvailable(t *testing.T) {
	withData(t, func(context.Context, string, string) error { return errors.New("npm not found") })
	cacheDir := t.TempDir()
	var stderr strings.Builder
	if code := run(t.Context(), []string{"-cache", cacheDir, "--", "sh", "-c", `test -z "$BULKOPS_TEST_WORDS"`}, &stderr); code != 0 {
		t.Errorf("run returned %d, want 0: the command runs without the data", code)
	}
	want := "not available: words@1.0.0: npm not found; tests that need it will be skipped\n"
	if stderr.String() != want {
		t.Errorf("run said\n%swant\n%s", stderr.String(), want)
	}
	if left, _ := os.ReadDir(cacheDir); len(left) != 0 {
		t.Errorf("run left %v", left)
	}

	ran := filepath.Join(t.TempDir(), "ran")
	if code := run(t.Context(), []string{"-require", "-cache", cacheDir, "--", "touch", ran}, &stderr); code != exitFailure {
		t.Errorf("run -require returned %d, want %d", code, exitFailure)
	}
	if _, err := os.Stat(ran); err == nil {
		t.Error("run -require ran the command without required data")
	}
}

func TestChoose(t *testing.T) {
	opts, err := parse([]string{"-only", "csv-spectrum,dynoxide", "--", "true"}, t.Output())
	if err != nil || len(opts.servers) != 1 || opts.servers[0].id != dynoxide.id || len(opts.data) != 1 || opts.data[0] != csvSpectrum {
		t.Errorf("-only chose %+v, %v", opts, err)
	}
	if opts, err = parse([]string{"--", "true"}, t.Output()); err != nil || len(opts.servers)+len(opts.data)+len(opts.programs) != len(names()) {
		t.Errorf("the default is %+v, %v, and not all", opts, err)
	}
	if opts, err = parse([]string{"-aws", "--", "true"}, t.Output()); err != nil || len(opts.servers) != len(awsServers) || len(opts.data) != 0 {
		t.Errorf("the default of -aws is %+v, %v", opts, err)
	}
}
