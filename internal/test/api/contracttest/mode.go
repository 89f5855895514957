package contracttest

import "net/http"

// A mode is a way in which a request is done.
type mode string

const (
	inSync mode = "sync"
	asJob  mode = "job"
)

var modes = []mode{inSync, asJob}

// send sends users in that mode and returns what became of them.
func (m mode) send(w *world, body string) *outcome {
	w.Helper()
	if m == inSync {
		return w.post(body).outcome()
	}
	posted := w.post(body, respondAsync)
	id := posted.accepted().JobID
	w.run(id)
	job := w.job(id)
	if job.Status != "completed" {
		job.fatalf("the job is %s, want completed", job.Status)
	}
	o := w.download(job)
	o.request = posted.request + "\n--- and of the job's results\n" + o.request
	return o
}

// seed sends rows of which none may fail.
func (w *world) seed(rows ...string) *outcome {
	w.Helper()
	a := w.post(bodyOf(rows...))
	if a.status != http.StatusOK {
		a.fatalf("users that a case starts from were refused")
	}
	o := a.outcome()
	if o.summary.Failed > 0 {
		o.fatalf("users that a case starts from failed")
	}
	return o
}
