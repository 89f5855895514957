package contracttest

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/bulkops/bulkops/bulk"
)

func testLimits(s *suite) {
	for _, n := range []int{1, 2, 25, 26, 99} {
		s.run(fmt.Sprintf("%d users are imported at once", n), func(w *world) {
			o := w.post(usersBody(n)).outcome()
			if want := (summary{Created: n}); o.summary != want {
				o.errorf("the summary is %+v, want %+v", o.summary, want)
			}
		})
	}
	for _, n := range []int{100, 101} {
		s.run(fmt.Sprintf("%d users become a job", n), func(w *world) {
			a := w.post(usersBody(n))
			job := a.accepted()
			if job.TotalRecords != n {
				a.errorf("totalRecords is %d, want %d", job.TotalRecords, n)
			}
			w.run(job.JobID)
			state := w.job(job.JobID)
			o := w.download(state)
			if want := (summary{Created: n}); o.summary != want {
				o.errorf("the summary is %+v, want %+v", o.summary, want)
			}
		})
	}
	s.run("10,000 users become a job", func(w *world) {
		a := w.post(usersBody(10_000))
		job := a.accepted()
		if job.TotalRecords != 10_000 {
			a.errorf("totalRecords is %d, want 10000", job.TotalRecords)
		}
		// It need not run: its results are those of rows that were not reached.
		o := w.download(w.cancel(job.JobID).job())
		if want := (summary{NotProcessed: 10_000}); o.summary != want {
			o.errorf("the summary is %+v, want %+v", o.summary, want)
		}
	})
	for _, c := range []struct{ name, body string }{
		{"10,001 users", usersBody(10_001)},
		{"10,001 users and then the options", `{"users":[` + strings.Join(fillers("u", 10_001), ",") + `],"options":{"upsert":false}}`},
		{"10,001 users that are all invalid", bodyOf(strings.Split(strings.Repeat("{},", 10_000)+"{}", ",")...)},
	} {
		s.runWitnessed(c.name+" are too many", func(w *world, v *witness) {
			a := w.post(c.body)
			if p := a.refusedWith(http.StatusBadRequest, "TOO_MANY_USERS"); !strings.Contains(p.Message, "10001") || !strings.Contains(p.Message, "10000") {
				a.errorf("the message does not have the number of users and the limit")
			}
			v.sawNothing(w, a)
		})
	}
	s.runWitnessed("a batch has 25 users at most", func(w *world, v *witness) {
		o := asJob.send(w, usersBody(130))
		if n := v.batch.Load(); n > bulk.MaxBatch || n == 0 {
			o.errorf("a call of the store had %d users", n)
		}
	})
	small := func(s *setup) { s.bulk.MaxUsers, s.bulk.SyncThreshold = 5, 3 }
	s.runWitnessed("the host sets other limits", func(w *world, v *witness) {
		a := w.post(usersBody(6))
		a.refusedWith(http.StatusBadRequest, "TOO_MANY_USERS")
		v.sawNothing(w, a)
		w.cancel(w.post(usersBody(5)).accepted().JobID)
		w.cancel(w.post(usersBody(3)).accepted().JobID)
		w.post(usersBody(2)).outcome()
	}, small)
	s.runWitnessed("too many users to import at once", func(w *world, v *witness) {
		a := w.post(usersBody(6))
		a.refusedWith(http.StatusBadRequest, "TOO_MANY_USERS")
		v.sawNothing(w, a)
		w.post(usersBody(5)).outcome()
	}, func(s *setup) { s.bulk.MaxUsers, s.bulk.SyncThreshold = 5, 6 })
}
