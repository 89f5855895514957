package required_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/bulkops/bulkops/internal/test/required"
)

func TestMissingSkipsOrFails(t *testing.T) {
	const variable = "BULKOPS_TEST_NOTHING"
	for require, want := range map[string]string{"": "skip", "1": "fatal"} {
		t.Setenv(variable, "")
		t.Setenv(required.Env, require)
		tb := &recorder{TB: t}
		tb.run(func() { required.Variable(tb, variable, "a thing") })
		if tb.ended != want || !strings.Contains(tb.reason, "needs a thing: "+variable+" is not set") {
			t.Errorf("with %s=%q the test ended with %q: %q", required.Env, require, tb.ended, tb.reason)
		}
		t.Setenv(variable, "there")
		if got := required.Variable(t, variable, "a thing"); got != "there" {
			t.Errorf("the value is %q", got)
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
