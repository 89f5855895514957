package interleave

import (
	"fmt"
	"testing"
)

// as is the setting of a reference.
func as(omit rule) setting { return setting{segment: 100, parallel: 1, work: workAs(omit)} }

// TestReference shows that a protocol which keeps all rules passes every check
// that the real workers have to pass.
func TestReference(t *testing.T) {
	for name, may := range aspects {
		for _, s := range scenarios() {
			t.Run(name+"/"+s.name, func(t *testing.T) { explore(t, &s, as(keepAll), runs(t, 200), may) })
		}
	}
	for name, fault := range scripts() {
		t.Run(name, func(t *testing.T) {
			if f := fault(t, keepAll); f != "" {
				t.Error(f)
			}
		})
	}
}

// scripts are the checks that are no explorations. They return a fault.
func scripts() map[string]func(t *testing.T, omit rule) string {
	all := map[string]func(t *testing.T, omit rule) string{
		"given up": func(t *testing.T, omit rule) string {
			for landsAfter := range 12 {
				if fault := givenUp(t, as(omit), landsAfter); fault != "" {
					return fault
				}
			}
			return ""
		},
		"many rows": func(t *testing.T, omit rule) string {
			s := manyRowed()[2]
			return manyRows(t, s, as(omit), len(s.rows), 0)
		},
	}
	for _, s := range inDoubt() {
		for _, cancelled := range []bool{false, true} {
			all[fmt.Sprintf("in doubt/%s/cancelled %t", s.name, cancelled)] = func(t *testing.T, omit rule) string {
				return takenInDoubt(t, s, as(omit), cancelled)
			}
		}
	}
	for name, between := range map[string]func(r *run){
		"killed": nothing, "killed, then others write": othersAct,
		"killed, then cancelled": func(r *run) {
			if r.endedAs == "" {
				r.cancelJob()
			}
		},
	} {
		for _, s := range scenarios() {
			all[name+"/"+s.name] = func(t *testing.T, omit rule) string { return crashFault(t, &s, as(omit), between) }
		}
	}
	return all
}

// TestEachRuleIsNeeded shows that the checks find each rule that is left out.
func TestEachRuleIsNeeded(t *testing.T) {
	for _, omit := range []rule{
		repeatAsWritten, confirmApplied, finalsInTheEntry, existsIsAnothers, askAfterPut, durableFirst, judgeById,
		judgeCreates, judgeUpdates, fenceUpdates, unknownCreates, unknownWhenGiven, behindGivenUp, sealFirst,
		higherToken, settleBeforeEnd, settleFirst, replayFinals, deleteAfterTheEnd, endsWhenSettled,
	} {
		t.Run(string(omit), func(t *testing.T) {
			for name, fault := range scripts() {
				if f := fault(t, omit); f != "" {
					t.Logf("%s: %.200s", name, f)
					return
				}
			}
			for name, may := range aspects {
				for _, s := range scenarios() {
					f := ""
					search(t, &s, as(omit), runs(t, 200), may, func(fault string) bool { f = fault; return false })
					if f != "" {
						t.Logf("%s/%s: %.200s", name, s.name, f)
						return
					}
				}
			}
			t.Error("no check finds that this rule is left out")
		})
	}
}
