package interleave

import (
	"fmt"
	"strings"
	"testing"

	"github.com/bulkops/bulkops/bulk"
)

// A crash is a killed process: at its nth call, before or after the effect.
type crash struct {
	call    int
	applied bool
}

func (c crash) String() string { return fmt.Sprintf("call %d, applied %t", c.call, c.applied) }

// crashes calls f with every crash that there is, f being told by each run whether
// there was such a call.
func crashes(f func(c crash) bool) {
	for n := 1; ; n++ {
		for _, applied := range []bool{false, true} {
			if !f(crash{n, applied}) {
				return
			}
		}
	}
}

// crash runs the first actor to the crash. It reports false if the actor makes
// fewer calls.
func (r *run) crash(at crash) bool {
	n := 0
	c, ok := r.advance(func(c *call) bool { n++; return n == at.call || c.actor.number > 1 })
	if !ok || c.actor.number > 1 {
		return false
	}
	if at.applied {
		r.note("%s %s", c.actor.name, c.label)
		c.land()
	}
	r.kill(c.actor)
	return true
}

// everyCrash runs the scenario once for every crash of the first actor, with what
// happens between the crash and the next actor. It fails the test at the first
// fault.
func everyCrash(t *testing.T, s *scenario, set setting, between func(r *run)) {
	t.Helper()
	if fault := crashFault(t, s, set, between); fault != "" {
		t.Error(fault)
	}
}

func crashFault(t *testing.T, s *scenario, set setting, between func(r *run)) (fault string) {
	t.Helper()
	n := 0
	crashes(func(at crash) (there bool) {
		script(t, s, set, func(r *run) {
			if there = r.crash(at); !there {
				return
			}
			n++
			between(r)
			if _, fault = r.finish(schedule(nil).choose); fault != "" {
				fault = fmt.Sprintf("killed at %v: %s", at, fault)
			}
		})
		return there && fault == ""
	})
	if n == 0 {
		return "there was no crash"
	}
	return fault
}

// eachSetting runs f for every scenario and setting.
func eachSetting(t *testing.T, f func(t *testing.T, s *scenario, set setting)) {
	for _, s := range scenarios() {
		for _, set := range settings {
			t.Run(s.name+"/"+set.String(), func(t *testing.T) { f(t, &s, set) })
		}
	}
}

func nothing(*run) {}

// othersAct lets other programs do all that the scenario has.
func othersAct(r *run) {
	for i := range r.scenario.ops {
		for r.done[i] < max(1, r.scenario.ops[i].times) {
			r.note("%s", r.scenario.ops[i].label(r.done[i]))
			r.act(i)
		}
	}
}

func (r *run) cancelJob() {
	r.note("the job is cancelled")
	r.cancel()
}

// cancelAct cancels the job if it has not ended.
func cancelAct(r *run) {
	if r.endedAs == "" {
		r.cancelJob()
	}
}

func TestKilledAtEveryCall(t *testing.T) {
	eachSetting(t, func(t *testing.T, s *scenario, set setting) { everyCrash(t, s, set, nothing) })
}

func TestKilledAtEveryCallThenOthersWrite(t *testing.T) {
	eachSetting(t, func(t *testing.T, s *scenario, set setting) { everyCrash(t, s, set, othersAct) })
}

func TestKilledAtEveryCallThenCancelled(t *testing.T) {
	eachSetting(t, func(t *testing.T, s *scenario, set setting) {
		everyCrash(t, s, set, cancelAct)
	})
}

// TestKilledAtEveryCallThenFailed removes the payload, so that the job fails: what
// was written has its results all the same.
func TestKilledAtEveryCallThenFailed(t *testing.T) {
	eachSetting(t, func(t *testing.T, s *scenario, set setting) {
		everyCrash(t, s, set, func(r *run) {
			if r.endedAs == "" {
				r.note("the payload is lost")
				r.mayFail = true
				must(r.blobs.Delete(t.Context(), r.job().Payload))
			}
		})
	})
}

var keyedSetting = setting{parallel: 1, segment: 100, keyed: true}

func TestKeyedKilledAtEveryCall(t *testing.T) {
	for _, s := range scenarios() {
		t.Run(s.name, func(t *testing.T) { everyCrash(t, &s, keyedSetting, nothing) })
	}
}

func TestKeyedKilledAtEveryCallThenOthersWrite(t *testing.T) {
	for _, s := range scenarios() {
		t.Run(s.name, func(t *testing.T) { everyCrash(t, &s, keyedSetting, othersAct) })
	}
}

// commit selects the commits of the first actor.
func commit(c *call) bool { return strings.HasPrefix(c.label, "Commit ") }

// TestAddressMovesBetweenCrashAndResume has a row by email alone that was applied
// when its worker died, and whose address is another user's, or nobody's, by the
// time that the job goes on.
func TestAddressMovesBetweenCrashAndResume(t *testing.T) {
	away := op{kind: move, id: "a", email: free1}
	for name, ops := range map[string][]op{
		"away":           {away},
		"to a new user":  {away, {kind: create, id: "c", email: y, val: 60}},
		"to an old user": {away, {kind: move, id: "b", email: y}},
		"there and back": {away, {kind: move, id: "b", email: y}, {kind: move, id: "b", email: free2}, {kind: move, id: "a", email: y}},
	} {
		for _, set := range settings {
			t.Run(name+"/"+set.String(), func(t *testing.T) {
				s := &scenario{opts: upsert, users: withAB(y, x), rows: []row{{email: y, val: 7}}, ops: ops}
				everyCrash(t, s, set, othersAct)
			})
		}
	}
}

// TestCreatedAddressMovesBetweenCrashAndResume is the same for a user that the row
// created.
func TestCreatedAddressMovesBetweenCrashAndResume(t *testing.T) {
	for _, set := range settings {
		for _, taken := range []bool{false, true} {
			t.Run(fmt.Sprintf("%v/taken %t", set, taken), func(t *testing.T) {
				s := &scenario{opts: upsert, users: withAB("", x), rows: []row{{email: y, val: 7}}}
				script(t, s, set, func(r *run) {
					c, _ := r.advance(commit)
					r.note("w1 %s", c.label)
					c.land()
					r.kill(c.actor)
					id, _ := r.now.owner(y)
					r.note("others: the new user moves away")
					r.imports(map[string]any{"userId": id, "email": free1})
					if taken {
						r.note("others: a moves to y")
						r.imports(map[string]any{"userId": "a", "email": y})
					}
					if _, fault := r.finish(schedule(nil).choose); fault != "" {
						t.Error(fault)
					}
				})
			})
		}
	}
}

// TestLateCommitAfterCancel has a commit under way when the worker is cut off, the
// job is taken over, cancelled and ended: when the commit arrives, nothing changes.
func TestLateCommitAfterCancel(t *testing.T) {
	eachSetting(t, func(t *testing.T, s *scenario, set setting) {
		script(t, s, set, func(r *run) {
			c, ok := r.advance(commit)
			if !ok {
				t.Fatal("the scenario commits nothing by itself")
			}
			r.launch(c)
			r.kill(c.actor)
			r.cancelJob()
			if _, fault := r.finish(schedule(nil).choose); fault != "" {
				t.Error(fault)
			}
		})
	})
}

// others are the ways in which other programs change a user n times.
var others = map[string]func(r *run, id string, n int){
	"val": func(r *run, id string, n int) {
		r.imports(map[string]any{"userId": id, "customFields": map[string]int{"val": 1000 + n}})
	},
	"another field": func(r *run, id string, n int) {
		r.imports(map[string]any{"userId": id, "customFields": map[string]int{"else": 1000 + n}})
	},
	"the email": func(r *run, id string, n int) {
		r.imports(map[string]any{"userId": id, "email": fmt.Sprintf("n%d@example.com", n)})
	},
	"removals": func(r *run, id string, n int) {
		r.imports(map[string]any{"userId": id, "customFields": map[string]any{"w0": nil, "val": nil, "n": n}})
	},
	"the host": func(r *run, id string, n int) { r.hostSets(id, 1000+n) },
}

// TestManyWritesBetweenCrashAndResume has a row that created its user when the
// worker died. However many others change the user before the job goes on, the row
// was applied once and its result is created; with very many it may also be that
// nobody can tell.
func TestManyWritesBetweenCrashAndResume(t *testing.T) {
	for how, write := range others {
		t.Run(how, func(t *testing.T) {
			for _, n := range append(upTo(64), 1000) {
				s := &scenario{opts: upsert, rows: []row{{email: y, val: 7}}}
				script(t, s, settings[n%2], func(r *run) {
					c, _ := r.advance(commit)
					r.note("w1 %s", c.label)
					c.land()
					r.kill(c.actor)
					id, _ := r.now.owner(y)
					r.note("%d writes of %s", n, how)
					for i := range n {
						write(r, id, i)
					}
					untouched := r.now
					_, fault := r.play(schedule(nil).choose)
					var results []bulk.RowResult
					if fault == "" {
						results, fault = r.results()
					}
					switch {
					case fault != "":
						t.Errorf("after %d writes: %s\n%s", n, fault, r.account())
					case n > 64 && unknown(&results[0]):
					case results[0].Status != bulk.StatusCreated || results[0].UserID != id:
						t.Errorf("after %d writes: row 0 is %s %v %s, it created %s", n, results[0].Status, results[0].Errors, results[0].UserID, id)
					}
					if len(r.now) != len(untouched) || !r.now[id].equal(untouched[id]) {
						t.Errorf("after %d writes: the row was applied again: %v, it was %v", n, r.now[id], untouched[id])
					}
				})
				if t.Failed() {
					return
				}
			}
		})
	}
}

func upTo(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i + 1
	}
	return all
}
