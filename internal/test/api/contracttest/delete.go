package contracttest

import (
	"fmt"
	"net/http"
)

// testDelete checks that nothing is left of a job that was removed.
func testDelete(s *suite) {
	remove := func(w *world, id, token string) *answer {
		w.Helper()
		return w.call(request{method: http.MethodDelete, path: jobPath(id), token: token})
	}
	gone := func(w *world, id string) {
		w.Helper()
		w.call(request{path: jobPath(id)}).refusedWith(http.StatusNotFound, "JOB_NOT_FOUND")
		w.call(request{path: resultsPath(id)}).refusedWith(http.StatusNotFound, "JOB_NOT_FOUND")
		w.cancel(id).refusedWith(http.StatusNotFound, "JOB_NOT_FOUND")
		remove(w, id, "").refusedWith(http.StatusNotFound, "JOB_NOT_FOUND")
		w.lists(100, "", nil)
		w.lists(100, "&status=completed", nil)
	}
	for _, n := range []int{1, 150} {
		s.run(fmt.Sprintf("a completed job of %d rows", n), func(w *world) {
			id := w.submit(usersBody(n))
			w.run(id)
			link := *w.job(id).DownloadURL
			a := remove(w, id, "")
			a.hasKeys(a.data(http.StatusOK), "jobId")
			gone(w, id)
			if file := w.send(request{path: link, token: nobody}); file.status != http.StatusNotFound {
				file.errorf("the link to results that were removed is %d, want 404", file.status)
			}
			w.holds(a, user{"u0", "u0@example.com", "", ""}) // what was imported stays
		})
	}
	s.run("a job that was cancelled before it began", func(w *world) {
		id := w.submit(bodyOf(annRow))
		w.cancel(id)
		remove(w, id, "").data(http.StatusOK)
		gone(w, id)
	})
	s.run("a job that has not ended", func(w *world) {
		id := w.submit(bodyOf(annRow))
		remove(w, id, "").refusedWith(http.StatusConflict, "JOB_NOT_ENDED")
		w.run(id)
		w.download(w.job(id)).row(0, "created")
	})
	s.run("a job of another tenant", func(w *world) {
		id := w.submit(bodyOf(annRow))
		w.run(id)
		remove(w, id, w.stranger()).refusedWith(http.StatusNotFound, "JOB_NOT_FOUND")
		w.download(w.job(id)).row(0, "created")
	})
	s.run("an idempotency key that led to it", func(w *world) {
		header := []string{respondAsync, "Idempotency-Key: k"}
		id := w.post(bodyOf(annRow), header...).accepted().JobID
		w.run(id)
		remove(w, id, "").data(http.StatusOK)
		w.post(bodyOf(annRow), header...).refusedWith(http.StatusNotFound, "JOB_NOT_FOUND")
	})
}
