package interleave

import (
	"fmt"
	"strings"
	"testing"
)

// TestAddressTakenWhileInDoubt has a write under way when its worker dies. Another
// user takes the address, the job is taken over and ends, the address is free
// again, and then the write arrives.
func TestAddressTakenWhileInDoubt(t *testing.T) {
	for _, s := range inDoubt() {
		for _, set := range settings {
			for _, cancelled := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%v/cancelled %t", s.name, set, cancelled), func(t *testing.T) {
					if fault := takenInDoubt(t, s, set, cancelled); fault != "" {
						t.Error(fault)
					}
				})
			}
		}
	}
}

// inDoubt are scenarios of rows that want y, which another takes and frees.
func inDoubt() []*scenario {
	all := []*scenario{
		{name: "update", opts: upsert, users: withA(x), rows: []row{{id: "a", email: y, val: 7}}},
		{name: "create", opts: upsert, rows: []row{{email: y, val: 7}}},
		{name: "create by id", opts: upsert, rows: []row{{id: "a", email: y, val: 7}, {id: "a", val: 8}}},
		{name: "create or skip", opts: skip, rows: []row{{email: y, val: 7}}},
		{name: "create only", opts: createOnly, rows: []row{{id: "a", email: y, val: 7}, {id: "a", val: 8}}},
		{name: "moves", opts: upsert, users: withAB(y, x), rows: []row{{id: "a", email: z}, {id: "b", email: y}, {email: y, val: 7}}},
	}
	for _, s := range all {
		s.ops = []op{{kind: create, id: "c", email: y, val: 60}, {kind: move, id: "c", email: free1}}
	}
	return all
}

func takenInDoubt(t *testing.T, s *scenario, set setting, cancelled bool) (fault string) {
	for n := 1; ; n++ {
		there := false
		script(t, s, set, func(r *run) {
			commits := 0
			var c *call
			c, there = r.advance(func(c *call) bool {
				if commit(c) {
					commits++
				}
				return commits == n
			})
			if !there {
				return
			}
			r.note("w1 %s: still under way", c.label)
			r.launch(c)
			late := r.flying
			r.flying = nil
			r.kill(c.actor)
			r.note("%s", s.ops[0].label(0))
			r.act(0)
			if cancelled {
				r.cancelJob()
			}
			if _, fault = r.play(schedule(nil).choose); fault != "" {
				fault += "\n" + r.account()
				return
			}
			r.note("%s", s.ops[1].label(0))
			r.act(1)
			r.flying = append(r.flying, late...)
			_, fault = r.finish(schedule(nil).choose)
		})
		switch {
		case n == 1 && !there:
			return "nothing was committed"
		case !there, fault != "":
			return fault
		}
	}
}

// TestGivenUpInDoubt has a store that answers no commit of user b, while each of
// them is still under way and lands later: at once before the next, or after the
// job's end. A row of b is never told as failed and applied all the same.
func TestGivenUpInDoubt(t *testing.T) {
	for _, set := range settings {
		for landsAfter := range 12 {
			t.Run(fmt.Sprintf("%v/lands after %d", set, landsAfter), func(t *testing.T) {
				if fault := givenUp(t, set, landsAfter); fault != "" {
					t.Error(fault)
				}
			})
		}
	}
}

func givenUp(t *testing.T, set setting, landsAfter int) (fault string) {
	set.attempts = 2
	s := &scenario{opts: upsert, users: withAB(x, y), rows: []row{
		{id: "a", val: 7}, {id: "b", val: 8}, {id: "a", val: 9}, {id: "b", val: 51, plain: true},
		{id: "b", email: z}, {id: "a", val: 10}, {id: "b", val: 51, plain: true}, {id: "b", val: 9},
	}}
	script(t, s, set, func(r *run) {
		r.givenUp, r.doubt, r.mayFail = true, true, true
		r.silence("update b", landsAfter)
		_, fault = r.finish(schedule(nil).choose)
	})
	return fault
}

// silence follows the default schedule to the job's end, but answers no commit
// with that text. What is under way lands after so many calls without an answer,
// or else when all is over.
func (r *run) silence(text string, landsAfter int) {
	silent := 0
	for {
		c, ok := r.advance(func(c *call) bool {
			return r.endedAs == "" && commit(c) && strings.Contains(c.label, text)
		})
		if !ok {
			return
		}
		r.note("%s %s: no answer, still under way", c.actor.name, c.label)
		r.launch(c)
		c.fail(errLate)
		if silent++; silent == landsAfter {
			for _, p := range r.flying {
				r.note("%s: lands", p.label)
				_ = p.land()
			}
			r.flying = nil
		}
	}
}
