package interleave

import (
	"cmp"
	"encoding/json"
	"strings"
	"testing"

	"github.com/bulkops/bulkops/bulk"
)

// TestJudge shows the check histories that break a rule, and some that only look
// as if they did.
func TestJudge(t *testing.T) {
	two := &scenario{opts: upsert, users: withAB(x, ""),
		rows: []row{{id: "a", val: 7}, {id: "a", val: 8}},
		ops:  []op{{kind: set, id: "a", val: 90}}}
	plain := &scenario{opts: upsert, users: withA(x),
		rows: []row{{id: "a", val: 7}, {id: "a", val: 7, plain: true}},
		ops:  []op{{kind: set, id: "a", val: 90}}}
	byMail := &scenario{opts: upsert, users: withAB(y, x),
		rows: []row{{email: y, val: 7}},
		ops:  []op{{kind: move, id: "a", email: z}, {kind: move, id: "b", email: y}}}
	newMail := &scenario{opts: upsert,
		rows: []row{{id: "a", email: y, val: 7}},
		ops:  []op{{kind: create, id: "b", email: y, val: 51}, {kind: move, id: "b", email: z}}}
	updated := func(id string) bulk.RowResult { return bulk.RowResult{Status: bulk.StatusUpdated, UserID: id} }
	is := func(status bulk.Status) bulk.RowResult { return bulk.RowResult{Status: status, UserID: "a"} }
	failed := func(code bulk.RowCode) bulk.RowResult {
		return bulk.RowResult{Status: bulk.StatusFailed, UserID: "a", Errors: []bulk.RowError{{Code: code}}}
	}
	for _, c := range []struct {
		name    string
		s       *scenario
		history func(h *history)
		results []bulk.RowResult
		want    string // in the fault, "" for none
	}{
		{"in order", two, func(h *history) { h.row(0); h.row(1); h.end() },
			[]bulk.RowResult{updated("a"), updated("a")}, ""},
		{"in one write", two, func(h *history) { h.row(0, 1); h.end() },
			[]bulk.RowResult{updated("a"), updated("a")}, ""},
		{"others between", two, func(h *history) { h.row(0); h.other(0); h.row(1); h.end() },
			[]bulk.RowResult{updated("a"), updated("a")}, ""},
		{"out of order", two, func(h *history) { h.row(1); h.row(0); h.end() },
			[]bulk.RowResult{updated("a"), updated("a")}, "applied before a row that stands before it"},
		{"twice", two, func(h *history) { h.row(0); h.row(1); h.other(0); h.row(1); h.end() },
			[]bulk.RowResult{updated("a"), updated("a")}, "applied at most once"},
		{"never applied", two, func(h *history) { h.row(0); h.end() },
			[]bulk.RowResult{updated("a"), updated("a")}, "row 1 is updated and was never applied"},
		{"not told", two, func(h *history) { h.row(0); h.row(1); h.ends(bulk.JobCancelled) },
			[]bulk.RowResult{updated("a"), is(bulk.StatusNotProcessed)}, "row 1 was applied to a and is notProcessed"},
		{"cancelled", two, func(h *history) { h.row(0); h.ends(bulk.JobCancelled) },
			[]bulk.RowResult{updated("a"), is(bulk.StatusNotProcessed)}, ""},
		{"not processed", two, func(h *history) { h.row(0); h.end() },
			[]bulk.RowResult{updated("a"), is(bulk.StatusNotProcessed)}, "row 1 is notProcessed in a job that is completed"},
		{"created", two, func(h *history) { h.row(0); h.row(1); h.end() },
			[]bulk.RowResult{is(bulk.StatusCreated), updated("a")}, "the results do not tell of this"},
		{"another user", two, func(h *history) { h.row(0); h.row(1); h.end() },
			[]bulk.RowResult{updated("b"), updated("a")}, "row 0 was applied to a and names b"},
		{"after the end", two, func(h *history) { h.row(0); h.end(); h.row(1) },
			[]bulk.RowResult{updated("a"), updated("a")}, "nothing is written after the job's end"},
		{"something else", two, func(h *history) { h.write("a", user{email: x, fields: map[string]string{"val": "12"}}); h.end() },
			[]bulk.RowResult{updated("a"), updated("a")}, "no rows of the job explain"},
		{"a mark", two, func(h *history) { h.row(0); h.write("a", h.r.now["a"]); h.row(1); h.end() },
			[]bulk.RowResult{updated("a"), updated("a")}, ""},
		{"a mark after the end", two, func(h *history) { h.row(0); h.row(1); h.end(); h.write("a", h.r.now["a"]) },
			[]bulk.RowResult{updated("a"), updated("a")}, "nothing is written after the job's end"},
		{"unknown for no reason", two, func(h *history) { h.r.doubt = true; h.row(0); h.end() },
			[]bulk.RowResult{updated("a"), failed(codeUnknown)}, "although it can be told"},
		{"store error", two, func(h *history) { h.row(0); h.end() },
			[]bulk.RowResult{updated("a"), failed(bulk.CodeStoreError)}, "after no more than 0 faults"},

		{"unchanged", plain, func(h *history) { h.row(0); h.end() },
			[]bulk.RowResult{updated("a"), is(bulk.StatusUnchanged)}, ""},
		{"unchanged before others", plain, func(h *history) { h.row(0); h.other(0); h.end() },
			[]bulk.RowResult{updated("a"), is(bulk.StatusUnchanged)}, ""},
		{"changed after others", plain, func(h *history) { h.row(0); h.other(0); h.row(1); h.end() },
			[]bulk.RowResult{updated("a"), updated("a")}, ""},
		{"changed and not told", plain, func(h *history) { h.row(0); h.other(0); h.row(1); h.end() },
			[]bulk.RowResult{updated("a"), is(bulk.StatusUnchanged)}, "the results do not tell of this"},
		{"never unchanged", &scenario{opts: upsert, users: withA(x), rows: []row{{id: "a", val: 7, plain: true}}},
			func(h *history) { h.end() }, []bulk.RowResult{is(bulk.StatusUnchanged)}, "at no instant"},
		{"unchanged before its turn", &scenario{opts: upsert, users: withA(x), rows: []row{{id: "a", val: 7}, {id: "a", val: 50, plain: true}}},
			func(h *history) { h.row(0); h.end() }, []bulk.RowResult{updated("a"), is(bulk.StatusUnchanged)}, "at no instant"},

		{"by email", byMail, func(h *history) { h.row(0); h.other(0); h.other(1); h.end() }, []bulk.RowResult{updated("a")}, ""},
		{"by email, two users", byMail, func(h *history) { h.row(0); h.other(0); h.other(1); h.row(0); h.end() },
			[]bulk.RowResult{updated("a")}, "row 0 was applied to a and again to b"},
		{"by email, another's id", byMail, func(h *history) { h.row(0); h.other(0); h.other(1); h.end() },
			[]bulk.RowResult{updated("b")}, "row 0 was applied to a and names b"},

		{"taken", newMail, func(h *history) { h.other(0); h.end() }, []bulk.RowResult{failed(bulk.CodeEmailTaken)}, ""},
		{"never taken", newMail, func(h *history) { h.end() }, []bulk.RowResult{failed(bulk.CodeEmailTaken)}, "at no instant"},
		{"late and unknown", newMail, func(h *history) { h.r.doubt = true; h.other(0); h.end(); h.other(1); h.row(0) },
			[]bulk.RowResult{failed(codeUnknown)}, ""},
		{"late and taken", newMail, func(h *history) { h.r.doubt = true; h.other(0); h.end(); h.other(1); h.row(0) },
			[]bulk.RowResult{failed(bulk.CodeEmailTaken)}, "nothing is written after the job's end"},
		{"unknown and never taken", newMail, func(h *history) { h.r.doubt = true; h.end() },
			[]bulk.RowResult{failed(codeUnknown)}, "although it can be told"},
		{"unknown without doubt", newMail, func(h *history) { h.other(0); h.end() },
			[]bulk.RowResult{failed(codeUnknown)}, "although it can be told"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := &run{world: newWorld(c.s, settings[0])}
			c.history(&history{r, &actor{w: r.world, name: "w1"}})
			for i := range c.results {
				c.results[i].Index = i
			}
			e := &explanation{run: r, results: c.results}
			fault := cmp.Or(e.resultFault(), e.explain())
			if (fault == "") != (c.want == "") || !strings.Contains(fault, c.want) {
				t.Errorf("the fault is %q, want %q", fault, c.want)
			}
		})
	}
}

// A history does by hand what a run does.
type history struct {
	r     *run
	actor *actor
}

func (h *history) end() { h.ends(bulk.JobCompleted) }

func (h *history) ends(status bulk.JobStatus) { h.r.end(string(status)) }

func (h *history) other(i int) { h.r.act(i) }

// row applies rows in one write.
func (h *history) row(rows ...int) {
	us, id := h.r.now, ""
	for _, i := range rows {
		d := h.r.scenario.decide(i, us, "new")
		us, id = us.with(d.id, d.user), d.id
	}
	h.write(id, us[id])
}

// write writes a user as the job.
func (h *history) write(id string, u user) {
	fields := map[string]any{}
	for name, value := range u.fields {
		fields[name] = json.RawMessage(value)
	}
	f, err := bulk.NewFields(fields)
	must(err)
	must(h.r.store.Put(tenant, bulk.User{ID: id, Email: u.email, CustomFields: f}))
	before := h.r.now
	_, existed := before[id]
	h.r.writes = append(h.r.writes, write{
		by: h.actor, create: !existed, id: id, before: before, user: u, late: h.r.endedAs != "",
	})
	h.r.now = before.with(id, u)
}
