// Package virtual runs benchmarks in virtual time, where waiting takes none.
package virtual

import (
	"testing"
	"testing/synctest"
)

// Run runs f in a bubble of [synctest], for what a benchmark measures in the time of
// the bubble: what it takes in virtual seconds, and reports as a metric, does not depend
// on the machine. If f fails, the benchmark does.
//
// synctest has bubbles for tests alone, so f runs as a test that the benchmark starts.
func Run(b *testing.B, f func(t *testing.T)) {
	b.Helper()
	bubble := testing.InternalTest{Name: b.Name(), F: func(t *testing.T) { synctest.Test(t, f) }}
	all := func(string, string) (bool, error) { return true, nil } // whatever -run says
	if !testing.RunTests(all, []testing.InternalTest{bubble}) {
		b.Fatal("it failed in virtual time")
	}
}
