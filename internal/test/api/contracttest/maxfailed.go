package contracttest

import (
	"fmt"
	"net/http"

	"github.com/bulkops/bulkops/bulk"
)

// testMaxFailed checks that an import stops before the batch behind the one in which
// more rows have failed than may.
func testMaxFailed(s *suite) {
	// The rows 3 and 30 of these users fail.
	body := func(n, most int, dry bool) string {
		rows := fillers("u", n)
		for _, i := range []int{3, 30} {
			if i < n {
				rows[i] = `{"email":"nonsense"}`
			}
		}
		return bodyWith(fmt.Sprintf(`{"maxFailed":%d,"dryRun":%v}`, most, dry), rows...)
	}
	check := func(o *outcome, failure *problem, n, most int) {
		o.t.Helper()
		failed := o.summary.Failed
		if failed > most+25 {
			o.errorf("%d rows failed, and maxFailed is %d", failed, most)
		}
		stopped := o.summary.NotProcessed > 0
		if stopped && failed <= most {
			o.errorf("rows are not processed, although %d failed and maxFailed is %d", failed, most)
		}
		if stopped != (failure != nil) || stopped && failure.Code != "TOO_MANY_FAILED" {
			o.errorf("%d rows are not processed, and the error is %+v", o.summary.NotProcessed, failure)
		}
		if want := most < 2 && n > 60; stopped != want {
			o.errorf("was it stopped? %v, want %v", stopped, want)
		}
	}
	for _, c := range []struct{ n, most int }{{90, 0}, {90, 1}, {90, 2}, {90, 90}, {10, 0}, {4, 0}} {
		for _, dry := range []bool{false, true} {
			name := fmt.Sprintf("%d rows,maxFailed=%d,dryRun=%v", c.n, c.most, dry)
			s.run("sync/"+name, func(w *world) {
				o := w.post(body(c.n, c.most, dry)).outcome()
				check(o, o.failure, c.n, c.most)
				w.wasWritten(o, dry)
			})
			s.run("job/"+name, func(w *world) {
				id := w.submit(body(c.n, c.most, dry))
				w.run(id)
				job := w.job(id)
				o := w.download(job)
				check(o, job.Error, c.n, c.most)
				if want := map[bool]string{true: "cancelled", false: "completed"}[job.Error != nil]; job.Status != want {
					job.errorf("the job is %s, want %s", job.Status, want)
				}
				if got := job.Options["maxFailed"]; got != float64(c.most) {
					job.errorf("maxFailed is %v, want %d", got, c.most)
				}
				w.wasWritten(o, dry)
			})
		}
	}
	s.run("null is no limit", func(w *world) {
		o := w.post(bodyWith(`{"maxFailed":null}`, `{}`, annRow)).outcome()
		o.row(1, "created")
	})
	for _, most := range []string{`-1`, `0.5`, `"1"`, `true`, `[]`, `{}`} {
		s.run("maxFailed "+most+" is refused", func(w *world) {
			a := w.post(bodyWith(`{"maxFailed":`+most+`}`, annRow))
			a.refusedWith(http.StatusBadRequest, "INVALID_REQUEST")
			w.lacks(a, "A")
		})
	}
	s.run("as a query parameter", func(w *world) {
		text := "userId\n"
		for i := range 60 {
			text += fmt.Sprintf("\"u\a%d\"\n", i)
		}
		o := w.sendText("?maxFailed=5", []string{"Content-Type: text/csv"}, text).outcome()
		if o.failure == nil && o.summary.NotProcessed > 0 {
			o.errorf("rows are not processed, and there is no error")
		}
	})
}

// wasWritten checks that the users of rows that were created are there, and no
// others.
func (w *world) wasWritten(o *outcome, dry bool) {
	w.Helper()
	for i, r := range o.results {
		there := w.lookup(bulk.Ref{ID: fmt.Sprintf("u%d", i)}).ByID != nil
		if want := r.Status == "created" && !dry; there != want {
			o.errorf("row %d is %s; is its user there? %v", i, r.Status, there)
		}
	}
}
