package interleave

import (
	"cmp"
	"fmt"
	"strings"
	"testing"

	"github.com/bulkops/bulkops/bulk"
)

// TestManyRowsOfFewUsers has jobs with more rows of a user than any memory on the
// user can hold. Their worker dies at one commit or another, others write, and
// every row is applied once and reported so.
func TestManyRowsOfFewUsers(t *testing.T) {
	for _, s := range manyRowed() {
		for _, segment := range []int{1000, 50} {
			t.Run(fmt.Sprintf("%s/segments of %d", s.name, segment), func(t *testing.T) {
				for at := 1; at <= len(s.rows); at = 1 + at*5/2 {
					for _, n := range []int{0, 1, 5, 64} {
						if fault := manyRows(t, s, setting{segment: segment, parallel: 1}, at, n); fault != "" {
							t.Fatalf("killed at commit %d, then %d other writes: %s", at, n, fault)
						}
					}
				}
			})
		}
	}
}

func manyRowed() []*scenario {
	address := func(i int) string { return fmt.Sprintf("e%d@example.com", i) }
	return []*scenario{
		{name: "fields", opts: upsert, rows: repeat(400, func(i int) row {
			return row{id: "a", val: 100 + i}
		})},
		{name: "addresses", opts: upsert, rows: repeat(300, func(i int) row {
			return row{id: "a", val: 100 + i, email: address(i)}
		})},
		// Each row takes the address that the one before gave up, so that no two
		// of them can share a write.
		{name: "chain", opts: upsert, users: withAB(address(1), address(0)), rows: repeat(300, func(i int) row {
			if i%2 == 0 {
				return row{id: "a", email: address(i/2 + 2)}
			}
			return row{id: "b", email: address(i/2 + 1)}
		})},
	}
}

func repeat(n int, f func(i int) row) []row {
	rows := make([]row, n)
	for i := range rows {
		rows[i] = f(i)
	}
	return rows
}

// manyRows kills the worker after its commit number at, or at the end, and lets
// others write n times to every user.
func manyRows(t *testing.T, s *scenario, set setting, at, n int) (fault string) {
	script(t, s, set, func(r *run) {
		commits := 0
		c, ok := r.advance(func(c *call) bool {
			if commit(c) {
				commits++
			}
			return commit(c) && commits == at || strings.HasPrefix(c.label, "Save completed")
		})
		if !ok {
			fault = "the job does not come to its end"
			return
		}
		if commit(c) {
			c.land()
		}
		r.kill(c.actor)
		for id := range r.now {
			for i := range n {
				others["another field"](r, id, i)
			}
		}
		_, fault = r.play(schedule(nil).choose)
		var results []bulk.RowResult
		if fault == "" {
			results, fault = r.results()
		}
		fault = cmp.Or(fault, r.rowsFault(results))
	})
	return fault
}

// rowsFault checks a job too large for a search, whose rows all name their user by
// id and none of which can fail: each was applied once, those of a user in order,
// and the results say so.
func (r *run) rowsFault(results []bulk.RowResult) string {
	applied := make([]int, len(results))
	last := map[string]int{}
	for n := range r.writes {
		w := &r.writes[n]
		if w.by == nil || !w.changes() {
			continue
		}
		fresh := 0
		for i := range applied {
			witness := fmt.Sprintf("w%d", i)
			if _, had := w.before[w.id].fields[witness]; had || w.user.fields[witness] == "" {
				continue
			}
			fresh++
			applied[i]++
			if i < last[w.id] {
				return fmt.Sprintf("row %d of user %s was applied after row %d", i, w.id, last[w.id])
			}
			last[w.id] = i
		}
		switch want := r.scenario.rows[last[w.id]].val; {
		case fresh == 0:
			return fmt.Sprintf("each row is applied at most once: a write applies none for the first time: %v", w.user.fields["val"])
		case want != 0 && w.user.fields["val"] != fmt.Sprint(want):
			return fmt.Sprintf("row %d leaves val %s", last[w.id], w.user.fields["val"])
		}
	}
	created := map[string]bool{}
	for _, u := range r.scenario.users {
		created[u.id] = true
	}
	for i, res := range results {
		id := r.scenario.rows[i].id
		want := bulk.StatusUpdated
		if !created[id] {
			want = bulk.StatusCreated
		}
		created[id] = true
		if applied[i] != 1 || res.Status != want || res.UserID != id {
			return fmt.Sprintf("row %d was applied %d times and is %v, it was %s", i, applied[i], brief(results[i:i+1]), want)
		}
	}
	return ""
}

// TestPutGoesOutAgainWithMore has a put without an answer that lands when it is
// about to be repeated, by which time there is more to put. The worker then dies
// at one call or another. What it takes for durable must be so.
func TestPutGoesOutAgainWithMore(t *testing.T) {
	s := &scenario{opts: upsert, rows: repeat(80, func(i int) row {
		return row{id: fmt.Sprintf("u%d", i), val: 100 + i}
	})}
	for die := 1; ; die++ {
		killed := false
		script(t, s, setting{segment: 1000, parallel: 4}, func(r *run) {
			first, ok := r.advance(isPut)
			if !ok {
				t.Fatal("nothing is put")
			}
			r.note("w1 %s: no answer, still under way", first.label)
			r.launch(first)
			first.fail(errLate)
			r.doubt = true
			again, ok := r.advance(func(c *call) bool { return c.label == first.label })
			if !ok {
				t.Fatalf("%s is not repeated\n%s", first.label, lines(r.trace))
			}
			r.note("the first %s lands", first.label)
			_ = r.flying[0].land()
			r.flying = nil
			calls := 0
			_, killed = r.advance(func(*call) bool { calls++; return calls == die || r.endedAs != "" })
			killed = killed && r.endedAs == ""
			if killed {
				r.kill(again.actor)
			}
			_, fault := r.play(schedule(nil).choose)
			var results []bulk.RowResult
			if fault == "" {
				results, fault = r.results()
			}
			if fault = cmp.Or(fault, r.rowsFault(results)); fault != "" {
				t.Errorf("killed at call %d: %s\n%s", die, fault, lines(r.trace))
			}
		})
		if !killed || t.Failed() {
			return
		}
	}
}

func isPut(c *call) bool { return strings.HasPrefix(c.label, "Put ") }
