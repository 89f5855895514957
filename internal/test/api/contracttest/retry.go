package contracttest

import (
	"fmt"
	"net/http"
	"slices"
)

func retryPath(id string) string { return jobPath(id) + "/retry" }

// retry asks for rows of a job to be tried again. body "" is no body.
func (w *world) retry(id, body string, header ...string) *answer {
	w.Helper()
	if body != "" {
		header = append([]string{"Content-Type: application/json"}, header...)
	}
	return w.call(request{method: http.MethodPost, path: retryPath(id), body: body, header: header})
}

// testRetry checks that a new job is made of the rows that were not done.
func testRetry(s *suite) {
	// The rows 1 and 30 fail, and those from some batch on are not reached.
	parent := func(w *world, n int) (id string, file *outcome) {
		w.Helper()
		rows := fillers("u", n)
		rows[1] = `{"email":"nonsense"}`
		if n > 30 {
			rows[30] = `{"email":"nonsense"}`
		}
		id = w.submit(bodyWith(`{"maxFailed":1,"merge":"fill","label":"l"}`, rows...))
		w.run(id)
		return id, w.download(w.job(id))
	}
	with := func(file *outcome, statuses ...string) (places []int) {
		for i, r := range file.results {
			if slices.Contains(statuses, r.Status) {
				places = append(places, i)
			}
		}
		return places
	}
	for _, c := range []struct {
		body     string
		statuses []string
	}{
		{``, []string{"failed", "notProcessed"}},
		{`{}`, []string{"failed", "notProcessed"}},
		{`{"only":"failed"}`, []string{"failed"}},
		{`{"only":"notProcessed"}`, []string{"notProcessed"}},
	} {
		s.run("rows of "+c.body, func(w *world) {
			id, before := parent(w, 120)
			want := with(before, c.statuses...)
			a := w.retry(id, c.body)
			a.hasHeader("Retry-After", "5")
			accepted := a.accepted()
			w.leadsToJob(a, retryPath(id), accepted.StatusURL, accepted.JobID)
			w.leadsToJob(a, retryPath(id), a.header.Get("Location"), accepted.JobID)
			w.run(accepted.JobID)
			job := w.job(accepted.JobID)
			if job.ParentJobID == nil || *job.ParentJobID != id || job.Label != "l" || job.Options["merge"] != "fill" || job.TotalRecords != len(want) {
				job.errorf("want a job of %d rows of %s, with its label and options", len(want), id)
			}
			for i, r := range w.download(job).results {
				if r.ParentIndex == nil || *r.ParentIndex != want[i] || r.Email != before.results[want[i]].Email {
					job.errorf("result %d is %+v, want that of row %d", i, r, want[i])
				}
			}
		})
	}
	s.run("a dry run is done in earnest", func(w *world) {
		id := w.submit(bodyWith(`{"dryRun":true,"upsert":false}`, annRow, `{"userId":"A"}`))
		w.run(id)
		w.lacks(w.job(id).answer, "A")
		retried := w.retry(id, "").accepted().JobID
		w.run(retried)
		job := w.job(retried)
		if job.Options["dryRun"] != false || job.Options["upsert"] != false {
			job.errorf("the options are %v", job.Options)
		}
		w.download(job).row(0, "created")
	})
	s.run("no such rows", func(w *world) {
		id := w.submit(bodyOf(annRow, `{}`))
		w.run(id)
		for _, only := range []string{"retryable", "notProcessed"} {
			w.retry(id, fmt.Sprintf(`{"only":%q}`, only)).refusedWith(http.StatusConflict, "NOTHING_TO_RETRY")
		}
		w.lists(100, "", []string{id})
	})
	s.run("a job that has not ended", func(w *world) {
		id := w.submit(bodyOf(annRow))
		w.retry(id, "").refusedWith(http.StatusConflict, "JOB_NOT_ENDED")
		w.cancel(id)
		w.retry(id, "").accepted()
	})
	s.run("a job of another tenant", func(w *world) {
		id, _ := parent(w, 30)
		for _, token := range []string{w.stranger(), w.superAdmin()} {
			w.call(request{method: http.MethodPost, path: retryPath(id), token: token}).refusedWith(http.StatusNotFound, "JOB_NOT_FOUND")
		}
	})
	s.run("an idempotency key stands for the parent too", func(w *world) {
		one, _ := parent(w, 30)
		two, _ := parent(w, 30)
		const key = "Idempotency-Key: k"
		first := w.retry(one, "", key).accepted().JobID
		again := w.retry(one, "", key)
		again.hasHeader("Idempotency-Replayed", "true")
		if id := again.accepted().JobID; id != first {
			again.errorf("the job is %s, want %s", id, first)
		}
		w.retry(two, "", key).refusedWith(http.StatusUnprocessableEntity, "IDEMPOTENCY_KEY_REUSED")
		w.retry(one, `{"only":"failed"}`, key).refusedWith(http.StatusUnprocessableEntity, "IDEMPOTENCY_KEY_REUSED")
	})
	for _, body := range []string{`{"only":"all"}`, `{"only":null}`, `{"only":1}`, `{"rows":[1]}`, `[]`, `null`} {
		s.run("body "+body+" is refused", func(w *world) {
			id, _ := parent(w, 30)
			w.retry(id, body).refusedWith(http.StatusBadRequest, "INVALID_REQUEST")
		})
	}
}
