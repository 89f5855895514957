package dynamojobs

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The hints that are kept serve for a moment, and not once another tenant had its turn.
func TestSpares(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		defer func(d time.Duration) { sparesFor = d }(sparesFor)
		sparesFor = time.Second
		hints := []hint{{id: "1"}, {id: "2"}, {id: "3"}}
		var r ring
		left := func() (n int) {
			for _, ok := r.spare(); ok; _, ok = r.spare() {
				n++
			}
			return n
		}
		r.keep(hints)
		if n := left(); n != maxSpares {
			t.Errorf("%d hints are kept", n)
		}
		r.keep(hints)
		time.Sleep(sparesFor - time.Nanosecond)
		if _, ok := r.spare(); !ok {
			t.Error("no hint is kept for its time")
		}
		time.Sleep(time.Nanosecond)
		if n := left(); n > 0 {
			t.Errorf("%d hints are kept beyond their time", n)
		}
		r.serve("a")
		r.keep(hints)
		r.serve("b")
		if n := left(); n > 0 {
			t.Errorf("%d hints are kept beyond the turn of their tenant", n)
		}
	})
}

// What became due is looked for when no page has had it for long.
func TestOverdue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		defer func(d time.Duration) { dueEvery = d }(dueEvery)
		dueEvery = 10 * time.Second
		var r ring
		for range 2 {
			if !r.overdue() {
				t.Error("it is not looked for")
			}
			r.seen()
			time.Sleep(dueEvery - time.Nanosecond)
			if r.overdue() {
				t.Error("it is looked for too soon")
			}
			time.Sleep(time.Nanosecond)
		}
	})
}

// Jobs that were moved are tried in the range of their place, once.
func TestMerge(t *testing.T) {
	at := func(ids ...string) (hints []hint) {
		for _, id := range ids {
			hints = append(hints, hint{id: id, turn: readyTurn(id, id)})
		}
		return hints
	}
	tour := tour{moved: at("9", "3", "5")}
	front, rest := ahead("4", time.Now())
	if diff := cmp.Diff(at("5", "7", "9"), tour.merge(at("7", "9"), front), cmp.AllowUnexported(hint{})); diff != "" {
		t.Errorf("behind the place (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(at("1", "3"), tour.merge(at("1"), rest), cmp.AllowUnexported(hint{})); diff != "" {
		t.Errorf("before it (-want +got):\n%s", diff)
	}
	if len(tour.moved) > 0 {
		t.Errorf("%v are left", tour.moved)
	}
}
