package interleave

import (
	"flag"
	"os"
	"runtime"
	"runtime/debug"
	"testing"

	"go.uber.org/goleak"

	"github.com/bulkops/bulkops/internal/test/race"
)

// TestMain runs everything on one processor: goroutines that become ready at the
// same instant then run in the order in which they became so, which makes runs
// repeatable. It is also faster, as a run is one long hand-over between goroutines.
func TestMain(m *testing.M) {
	runtime.GOMAXPROCS(1)
	debug.SetGCPercent(400) // runs are short and leave much behind
	// More than rapid's 100, as a run takes less than a millisecond, but ten times that
	// with the race detector. The command line has the last word.
	checks := "400"
	if race.Enabled {
		checks = "40"
	}
	if err := flag.Set("rapid.checks", checks); err != nil {
		panic(err)
	}
	code := m.Run()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			os.Stderr.WriteString(err.Error() + "\n")
			code = 1
		}
	}
	os.Exit(code)
}
