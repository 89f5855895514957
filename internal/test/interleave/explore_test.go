package interleave

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/bulkops/bulkops/internal/test/race"
)

// A schedule is the deviations from the default one.
type schedule []deviation

type deviation struct {
	step  int
	label string
}

func (s schedule) choose(step int, options []option) int {
	for _, d := range s {
		if d.step == step {
			// A label that is not there leaves the default.
			return max(0, slices.IndexFunc(options, func(o option) bool { return o.label == d.label }))
		}
	}
	return 0
}

// runs returns how many schedules of each scenario are run: the environment
// variable INTERLEAVE_RUNS, or n.
func runs(t *testing.T, n int) int {
	if text := os.Getenv("INTERLEAVE_RUNS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatalf("INTERLEAVE_RUNS: %v", err)
		}
		return n
	}
	if testing.Short() || race.Enabled { // with which a run takes ten times as long
		return max(1, n/10)
	}
	return n
}

// explore fails the test with one schedule for each rule that is broken.
func explore(t *testing.T, s *scenario, set setting, budget int, may aspect) {
	t.Helper()
	broken := map[string]bool{}
	done, exhausted := search(t, s, set, budget, may, func(fault string) bool {
		if rule, _, _ := strings.Cut(fault, ":"); !broken[rule] {
			broken[rule] = true
			t.Error(fault)
		}
		return true
	})
	t.Logf("%d schedules, all with up to %d deviations", done, exhausted)
}

// search runs the schedules of a scenario with 0 deviations, then those with 1,
// and so on: all of them, until there are more than are left of the budget, of
// which it then runs a sample. So what it finds has as few deviations as can be.
// It stops when found, which is called with each fault, says so. It returns how
// many schedules it ran, and up to how many deviations it ran all.
func search(t *testing.T, s *scenario, set setting, budget int, may aspect, found func(fault string) (goOn bool)) (done, exhausted int) {
	t.Helper()
	level := []schedule{nil}
	random := rand.New(rand.NewPCG(1, 2))
	exhausted = -1
	for deviations := 0; len(level) > 0; deviations++ {
		whole := len(level) <= budget-done
		if !whole {
			random.Shuffle(len(level), func(i, j int) { level[i], level[j] = level[j], level[i] })
			level = level[:max(0, budget-done)]
		}
		var deeper []schedule
		for _, sched := range level {
			rep := perform(t, s, set, sched.choose)
			done++
			if rep.fault != "" && !found(rep.fault) {
				return done, exhausted
			}
			if whole {
				deeper = append(deeper, sched.deeper(rep.points, may)...)
			}
		}
		if whole {
			exhausted = deviations
		}
		level = deeper
	}
	return done, exhausted
}

// deeper returns the schedules with one more deviation behind the last.
func (s schedule) deeper(points []point, may aspect) []schedule {
	from := 0
	if len(s) > 0 {
		from = s[len(s)-1].step + 1
	}
	var all []schedule
	for step := from; step < len(points); step++ {
		for _, label := range points[step] {
			if may == nil || may(label) {
				all = append(all, append(slices.Clone(s), deviation{step, label}))
			}
		}
	}
	return all
}

// settings are the ways in which jobs are run: all rows in one batch and without
// checkpoints, and with a batch and a checkpoint for each row.
var settings = []setting{{segment: 100, parallel: 1}, {segment: 1, parallel: 2, batch: 1}}

func (set setting) String() string {
	if set.keyed {
		return "keyed"
	}
	return fmt.Sprintf("segments of %d", set.segment)
}

// TestOthersWrite has one worker that nothing befalls, while others write at any
// moment. It keeps the check honest: everything that such runs do is right.
func TestOthersWrite(t *testing.T) {
	undisturbed := func(label string) bool {
		return strings.HasPrefix(label, "others: ") || strings.HasPrefix(label, "the host ")
	}
	for _, s := range scenarios() {
		for _, set := range append(settings, keyedSetting) {
			t.Run(s.name+"/"+set.String(), func(t *testing.T) { explore(t, &s, set, runs(t, 200), undisturbed) })
		}
	}
}

// TestFaultsAlone has one worker whose calls go wrong in every way, and nobody
// else.
func TestFaultsAlone(t *testing.T) {
	faults := func(label string) bool {
		_, _, what := strings.Cut(label, ": ")
		return what && !strings.HasPrefix(label, "others: ")
	}
	for _, s := range scenarios() {
		for _, set := range append(settings, keyedSetting) {
			t.Run(s.name+"/"+set.String(), func(t *testing.T) { explore(t, &s, set, runs(t, 200), faults) })
		}
	}
}

// An aspect is the kinds of deviations that an exploration looks at: with fewer
// kinds it gets deeper. nil is all.
type aspect func(label string) bool

func anyOf(parts ...string) aspect {
	return func(label string) bool {
		return slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(label, part) })
	}
}

var aspects = []struct {
	name string
	may  aspect
}{
	{"everything", nil},
	{"takeovers", anyOf("takes over", "goes on", "the job is cancelled")},
	{"stops", anyOf("is told to stop", "others: ")},
	{"late calls", anyOf("still under way", "lands", "others: ", "takes over")},
}

// TestInterleavings runs jobs in all interleavings that the budget allows.
func TestInterleavings(t *testing.T) {
	for _, a := range aspects {
		t.Run(a.name, func(t *testing.T) {
			eachSetting(t, func(t *testing.T, s *scenario, set setting) { explore(t, s, set, runs(t, 400), a.may) })
		})
	}
}

// TestKeyedInterleavings does it for requests under an idempotency key.
func TestKeyedInterleavings(t *testing.T) {
	for _, a := range aspects {
		for _, s := range scenarios() {
			t.Run(a.name+"/"+s.name, func(t *testing.T) { explore(t, &s, keyedSetting, runs(t, 300), a.may) })
		}
	}
}

// TestSameScheduleSameRun repeats schedules: a failure can be run again. A few may
// differ, as the runtime interrupts a goroutine when the machine is busy.
func TestSameScheduleSameRun(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector runs goroutines in random order")
	}
	all, differ := 0, 0
	for _, s := range scenarios() {
		for _, set := range append(settings, keyedSetting) {
			first := perform(t, &s, set, schedule(nil).choose)
			for _, sched := range sample(schedule(nil).deeper(first.points, nil), 20) {
				one := perform(t, &s, set, sched.choose)
				two := perform(t, &s, set, sched.choose)
				all++
				if !slices.Equal(one.trace, two.trace) {
					differ++
					t.Logf("%s %v: the second run differs:\n%s\n%s", s.name, sched, lines(one.trace), lines(two.trace))
				}
			}
		}
	}
	if differ > all/50 {
		t.Errorf("%d of %d schedules came out differently when they were run again", differ, all)
	}
}

// sample returns n schedules, spread evenly.
func sample(all []schedule, n int) []schedule {
	var some []schedule
	for i := range n {
		if at := i * len(all) / n; len(all) > 0 && (i == 0 || at != (i-1)*len(all)/n) {
			some = append(some, all[at])
		}
	}
	return some
}
