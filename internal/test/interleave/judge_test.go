package interleave

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/bulkops/bulkops/bulk"
)

// codeUnknown is the code of a row of which nobody can tell whether it was
// applied.
const codeUnknown bulk.RowCode = "OUTCOME_UNKNOWN"

func codeOf(res *bulk.RowResult) bulk.RowCode {
	if len(res.Errors) == 0 {
		return ""
	}
	return res.Errors[0].Code
}

func unknown(res *bulk.RowResult) bool { return codeOf(res) == codeUnknown }

// brief is what results say, in a line.
func brief(results []bulk.RowResult) string {
	text := ""
	for i := range results {
		res := &results[i]
		text += fmt.Sprintf("[%d %s%s %s]", i, res.Status, codeOf(res), res.UserID)
	}
	return text
}

// applied reports whether the result says that the row was written.
func applied(res *bulk.RowResult) bool {
	return res.Status == bulk.StatusCreated || res.Status == bulk.StatusUpdated
}

// answers returns the results that the job or request gave.
func (r *run) answers() ([]bulk.RowResult, string) {
	if r.setting.keyed {
		return r.reports()
	}
	return r.results()
}

// judge returns the rule that the run broke, "" if none.
func (r *run) judge() string {
	results, fault := r.answers()
	if fault != "" {
		return fault
	}
	switch {
	case r.setting.keyed:
	case r.endedAs == string(bulk.JobFailed) && !r.mayFail:
		return fmt.Sprintf("the job failed: %+v", r.job().Error)
	case r.endedAs == string(bulk.JobCancelled) && !r.cancelled:
		return "the job is cancelled and nobody asked for it"
	}
	e := &explanation{run: r, results: results}
	return cmp.Or(e.resultFault(), e.explain())
}

// An explanation is a search for an order of rows and other writes that gives the
// writes that were done and the results that were reported.
type explanation struct {
	*run
	results []bulk.RowResult
	ours    []*write // the job's writes
	rows    [][]rowSet
	chosen  []rowSet
	reason  string // why the last order that was tried is not one
}

// A rowSet is the rows that one write applied.
type rowSet uint

func (s rowSet) has(i int) bool { return s>>i&1 == 1 }

// resultFault returns what is wrong with a result whatever was written.
func (e *explanation) resultFault() string {
	for i := range e.results {
		res := &e.results[i]
		switch {
		case res.Status == bulk.StatusNotProcessed && e.endedAs == string(bulk.JobCompleted):
			return fmt.Sprintf("row %d is notProcessed in a job that is %s", i, e.endedAs)
		case unknown(res) && !e.mayBeUnknown(i):
			return fmt.Sprintf("row %d is %s, although it can be told what became of it", i, codeUnknown)
		case codeOf(res) == bulk.CodeStoreError && e.faults < 4 && !e.givenUp && !e.behindUnknown(i):
			return fmt.Sprintf("row %d is %s after no more than %d faults", i, bulk.CodeStoreError, e.faults)
		}
	}
	return ""
}

// mayBeUnknown reports whether a row may be told as OUTCOME_UNKNOWN: one that
// creates a user with an email that another user had meanwhile, if a call's
// outcome was unknown, and what follows such a row.
func (e *explanation) mayBeUnknown(i int) bool {
	if !e.doubt {
		return false
	}
	if e.givenUp || e.setting.keyed && e.faults >= 4 || e.behindUnknown(i) {
		return true
	}
	row := e.scenario.rows[i]
	if row.email == "" {
		return false
	}
	absent, taken := false, false
	for _, us := range e.instants() {
		owner, owned := us.owner(row.email)
		id := cmp.Or(row.id, e.results[i].UserID)
		_, exists := us[id]
		absent = absent || !exists
		taken = taken || owned && owner != id
	}
	return absent && taken
}

// behindUnknown reports whether a row of the same user before it is unknown.
func (e *explanation) behindUnknown(i int) bool {
	for q := range i {
		if unknown(&e.results[q]) && (e.connected(q, i) || e.results[q].UserID == e.results[i].UserID) {
			return true
		}
	}
	return false
}

// instants are all states of the users that there were, one after the other.
func (e *explanation) instants() []users {
	states := []users{e.before}
	for i := range e.writes {
		states = append(states, e.writes[i].before.with(e.writes[i].id, e.writes[i].user))
	}
	return states
}

// connected reports whether two rows name the same user in the same way, so that
// their order counts whatever others do.
func (e *explanation) connected(q, i int) bool {
	a, b := e.scenario.rows[q], e.scenario.rows[i]
	if a.id != "" && a.id == b.id || a.email != "" && a.email == b.email {
		return true
	}
	return !e.othersMoved() && e.results[q].UserID != "" && e.results[q].UserID == e.results[i].UserID
}

// othersMoved reports whether another program gave or took an email.
func (e *explanation) othersMoved() bool {
	for i := range e.writes {
		w := &e.writes[i]
		if w.by == nil && w.before[w.id].email != w.user.email {
			return true
		}
	}
	return false
}

// explain returns why there is no explanation, "" if there is one.
func (e *explanation) explain() string {
	for i := range e.writes {
		if e.writes[i].by != nil {
			e.ours = append(e.ours, &e.writes[i])
		}
	}
	for _, w := range e.ours {
		e.rows = append(e.rows, e.candidates(w))
	}
	if fault := e.obvious(); fault != "" {
		return fault
	}
	e.reason = "no row of the job explains a write that was done"
	e.chosen = make([]rowSet, len(e.ours))
	if e.assign(0, 0) {
		return ""
	}
	return "results that some order of rows and other writes explains: " + e.reason
}

// candidates returns the sets of rows that make the write out of what was there,
// whatever the results say.
func (e *explanation) candidates(w *write) []rowSet {
	var sets []rowSet
	for set := range rowSet(1) << len(e.scenario.rows) {
		if _, ok := e.simulate(w, set); ok {
			sets = append(sets, set)
		}
	}
	return sets
}

// simulate applies the rows of the set, in order, to the users before the write.
// It returns the users after each row, and whether the write is what comes out.
func (e *explanation) simulate(w *write, set rowSet) (states []users, ok bool) {
	us := w.before
	for i := range e.scenario.rows {
		if !set.has(i) {
			continue
		}
		d := e.scenario.decide(i, us, w.id)
		if !d.writes || d.id != w.id {
			return nil, false
		}
		us = us.with(d.id, d.user)
		states = append(states, us)
	}
	after, exists := us[w.id]
	return states, exists && after.equal(w.user)
}

// obvious returns a fault that needs no search: writes that only one set of rows
// can have made.
func (e *explanation) obvious() string {
	writer := map[int]*write{}
	for n, w := range e.ours {
		if len(e.rows[n]) == 0 {
			return fmt.Sprintf("a write that no rows of the job explain: %v", w)
		}
		if len(e.rows[n]) > 1 {
			continue
		}
		set := e.rows[n][0]
		if w.late && !e.mayBeLate(w, set) {
			return fmt.Sprintf("nothing is written after the job's end: %v", w)
		}
		for i := range e.results {
			if !set.has(i) {
				continue
			}
			if first := writer[i]; first != nil {
				return fmt.Sprintf("each row is applied at most once: row %d was applied to %s and again to %s", i, first.id, w.id)
			}
			writer[i] = w
			res := &e.results[i]
			switch {
			case unknown(res):
			case !applied(res):
				return fmt.Sprintf("its result says what happened: row %d was applied to %s and is %s %s", i, w.id, res.Status, codeOf(res))
			case res.UserID != w.id:
				return fmt.Sprintf("the user that its result names: row %d was applied to %s and names %s", i, w.id, res.UserID)
			}
		}
	}
	return ""
}

// mayBeLate reports whether a write may land after the end: a create all of whose
// rows were told as OUTCOME_UNKNOWN; any write of such rows if the patience with the
// store was over.
func (e *explanation) mayBeLate(w *write, set rowSet) bool {
	for i := range e.results {
		if set.has(i) && !unknown(&e.results[i]) {
			return false
		}
	}
	return w.create || e.givenUp
}

// assign chooses rows for the writes from the nth on. used are those of the writes
// before.
func (e *explanation) assign(n int, used rowSet) bool {
	if n == len(e.ours) {
		return e.complete(used)
	}
	w := e.ours[n]
	for _, set := range e.rows[n] {
		switch {
		case w.late && !e.mayBeLate(w, set):
			e.reason = fmt.Sprintf("nothing is written after the job's end: %v", w)
			continue
		case set&used != 0:
			e.reason = fmt.Sprintf("a row is applied at most once, and here it is the second time: %v", w)
			continue
		case !e.reported(w, set):
			e.reason = fmt.Sprintf("the results do not tell of this: %v", w)
			continue
		}
		e.chosen[n] = set
		if e.assign(n+1, used|set) {
			return true
		}
	}
	return false
}

// reported reports whether the results of the rows are what the write made of
// them.
func (e *explanation) reported(w *write, set rowSet) bool {
	us := w.before
	for i := range e.results {
		if !set.has(i) {
			continue
		}
		d := e.scenario.decide(i, us, w.id)
		us = us.with(d.id, d.user)
		res := &e.results[i]
		if !unknown(res) && (res.Status != d.status || res.UserID != w.id) {
			return false
		}
	}
	return true
}

// complete reports whether the rows that were applied are those whose results say
// so, and whether the others' results were true at some instant, in order.
func (e *explanation) complete(used rowSet) bool {
	for i := range e.results {
		if applied(&e.results[i]) && !used.has(i) {
			e.reason = fmt.Sprintf("row %d is %s and was never applied", i, e.results[i].Status)
			return false
		}
	}
	states, at := e.timeline()
	when := make([]int, len(e.results)) // the instant at which each row was decided
	for i := range e.results {
		earliest := 0
		for q := range i {
			if e.connected(q, i) {
				earliest = max(earliest, when[q])
			}
		}
		res := &e.results[i]
		when[i] = -1
		switch {
		case used.has(i):
			if at[i]-1 < earliest {
				e.reason = fmt.Sprintf("row %d was applied before a row that stands before it", i)
				return false
			}
			when[i] = at[i]
		case res.Status == bulk.StatusNotProcessed, unknown(res), codeOf(res) == bulk.CodeStoreError:
		default:
			t := slices.IndexFunc(states[earliest:], func(us users) bool {
				d := e.scenario.decide(i, us, "")
				return !d.writes && d.status == res.Status && d.code == codeOf(res) && d.id == res.UserID
			})
			if t < 0 {
				e.reason = fmt.Sprintf("row %d is %s %s %s, which it was at no instant after the rows before it", i, res.Status, codeOf(res), res.UserID)
				return false
			}
			when[i] = earliest + t
		}
	}
	return true
}

// timeline returns the users after each row and each write of others, and for each
// row that was applied the instant after it.
func (e *explanation) timeline() (states []users, at map[int]int) {
	states, at = []users{e.before}, map[int]int{}
	n := 0
	for i := range e.writes {
		w := &e.writes[i]
		if w.by == nil {
			states = append(states, w.before.with(w.id, w.user))
			continue
		}
		after, _ := e.simulate(w, e.chosen[n])
		k := 0
		for row := range e.results {
			if e.chosen[n].has(row) {
				at[row] = len(states)
				states = append(states, after[k])
				k++
			}
		}
		n++
	}
	return states, at
}
