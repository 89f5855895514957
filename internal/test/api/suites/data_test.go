package suites_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/bulkops/bulkops/internal/test/awstest"
)

// The environment variables that name the folders of the data.
const (
	envNaughty     = "BULKOPS_TEST_NAUGHTY"
	envCSVSpectrum = "BULKOPS_TEST_CSV_SPECTRUM"
)

// need returns the folder that an environment variable names, or ends the test.
func need(tb testing.TB, variable string) string {
	tb.Helper()
	if dir := os.Getenv(variable); dir != "" {
		return dir
	}
	reason := fmt.Sprintf("needs test data: %s is not set (go run ./internal/cmd/testservers -- go test ... sets it)", variable)
	if os.Getenv(awstest.EnvRequire) == "1" {
		tb.Fatal(reason)
	}
	tb.Skip(reason)
	return ""
}

func TestMissingDataSkipsOrFails(t *testing.T) {
	for _, variable := range []string{envNaughty, envCSVSpectrum} {
		t.Setenv(variable, "")
		for require, want := range map[string]string{"": "skip", "1": "fatal"} {
			t.Setenv(awstest.EnvRequire, require)
			tb := &recorder{TB: t}
			tb.run(func() { need(tb, variable) })
			if tb.ended != want || !strings.Contains(tb.reason, variable+" is not set") {
				t.Errorf("with %s=%q and without %s the test ended with %q: %q", awstest.EnvRequire, require, variable, tb.ended, tb.reason)
			}
		}
	}
}

// A recorder is a test that notes how the code under test would end it.
type recorder struct {
	testing.TB
	ended, reason string
}

func (r *recorder) Skip(args ...any)  { r.end("skip", args) }
func (r *recorder) Fatal(args ...any) { r.end("fatal", args) }

func (r *recorder) end(how string, args []any) {
	r.ended, r.reason = how, fmt.Sprint(args...)
	panic(r)
}

func (r *recorder) run(f func()) {
	defer func() {
		if p := recover(); p != nil && p != any(r) {
			panic(p)
		}
	}()
	f()
}
