package awstest_test

import (
	"fmt"
	"testing"
)

// A recorder is a test that notes how the code under test would end it.
type recorder struct {
	testing.TB
	ended  string // "skip" or "fatal"
	reason string
}

func (r *recorder) Skip(args ...any)                  { r.end("skip", fmt.Sprint(args...)) }
func (r *recorder) Fatal(args ...any)                 { r.end("fatal", fmt.Sprint(args...)) }
func (r *recorder) Fatalf(format string, args ...any) { r.end("fatal", fmt.Sprintf(format, args...)) }

func (r *recorder) end(how, reason string) {
	r.ended, r.reason = how, reason
	panic(r)
}

// run calls f until f or the test ends.
func (r *recorder) run(f func()) {
	defer func() {
		if p := recover(); p != nil && p != any(r) {
			panic(p)
		}
	}()
	f()
}
