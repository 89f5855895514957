package interleave

import (
	"fmt"
	"testing"

	"github.com/bulkops/bulkops/internal/test/race"
)

// as is the setting of a reference.
func as(omit rule) setting { return setting{segment: 100, parallel: 1, work: workAs(omit)} }

// TestReference shows that a protocol which keeps all rules passes every check
// that the real workers have to pass.
func TestReference(t *testing.T) {
	for _, a := range aspects {
		for _, s := range scenarios() {
			t.Run(a.name+"/"+s.name, func(t *testing.T) { explore(t, &s, as(keepAll), runs(t, 200), a.may) })
		}
	}
	for _, c := range scripts() {
		t.Run(c.name, func(t *testing.T) {
			if f := c.fault(t, keepAll); f != "" {
				t.Error(f)
			}
		})
	}
}

// A scripted check is one that is no exploration. It returns a fault.
type scripted struct {
	name  string
	fault func(t *testing.T, omit rule) string
}

func scripts() []scripted {
	var all []scripted
	for _, s := range inDoubt() {
		for _, cancelled := range []bool{false, true} {
			all = append(all, scripted{
				fmt.Sprintf("in doubt/%s/cancelled %t", s.name, cancelled),
				func(t *testing.T, omit rule) string { return takenInDoubt(t, s, as(omit), cancelled) },
			})
		}
	}
	for _, s := range scenarios() {
		for _, after := range []struct {
			name string
			do   func(r *run)
		}{{"nothing", nothing}, {"others write", othersAct}, {"cancelled", cancelAct}} {
			all = append(all, scripted{
				"killed, then " + after.name + "/" + s.name,
				func(t *testing.T, omit rule) string { return crashFault(t, &s, as(omit), after.do) },
			})
		}
	}
	return append(all,
		scripted{"given up", func(t *testing.T, omit rule) string {
			for landsAfter := range 12 {
				if fault := givenUp(t, as(omit), landsAfter); fault != "" {
					return fault
				}
			}
			return ""
		}},
		scripted{"many rows", func(t *testing.T, omit rule) string {
			s := manyRowed()[2]
			return manyRows(t, s, as(omit), len(s.rows), 0)
		}})
}

// TestEachRuleIsNeeded shows that the checks find each rule that is left out. Two
// are not among them: that a put which finds another's chunk stops, and that a
// walker stops at a higher token. Whoever meets either finds out by reading the job
// after its put too, so these save work and nothing depends on them alone.
func TestEachRuleIsNeeded(t *testing.T) {
	if race.Enabled {
		t.Skip("too few schedules are explored with the race detector; .ci/run has a step without it")
	}
	for _, omit := range []rule{
		repeatAsWritten, confirmApplied, finalsInTheEntry, askAfterPut, durableFirst, judgeByID,
		judgeCreates, judgeUpdates, fenceUpdates, unknownCreates, unknownWhenGiven, behindGivenUp,
		sealFirst, settleBeforeEnd, settleFirst, replayFinals, putAgain, deleteAfterTheEnd,
	} {
		t.Run(string(omit), func(t *testing.T) {
			if by := found(t, omit); by == "" {
				t.Error("no check finds that this rule is left out")
			} else {
				t.Log(by)
			}
		})
	}
}

// found returns the first check that finds that a rule is left out, with the
// fault.
func found(t *testing.T, omit rule) string {
	for _, c := range scripts() {
		if fault := c.fault(t, omit); fault != "" {
			return fmt.Sprintf("%s: %.200s", c.name, fault)
		}
	}
	for _, a := range aspects {
		for _, s := range scenarios() {
			first := ""
			search(t, &s, as(omit), runs(t, 200), a.may, func(fault string) bool { first = fault; return false })
			if first != "" {
				return fmt.Sprintf("%s/%s: %.200s", a.name, s.name, first)
			}
		}
	}
	return ""
}
