package dynamojobs

import (
	"testing"
	"testing/synctest"
	"time"
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
