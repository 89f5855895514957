package contracttest

import "time"

// testWait checks that a caller can wait for the end of a job.
func testWait(s *suite) {
	ask := func(w *world, id, prefer string) (*jobState, time.Duration) {
		w.Helper()
		begun := time.Now()
		job := w.call(request{path: jobPath(id), header: []string{"Prefer: " + prefer}}).job()
		return job, time.Since(begun)
	}
	s.run("a job that has not ended by then", func(w *world) {
		id := w.submit(bodyOf(annRow))
		job, took := ask(w, id, "wait=1")
		job.hasHeader("Preference-Applied", "wait=1")
		if job.Status != "pending" || took < time.Second {
			job.errorf("the answer came after %v", took)
		}
		w.cancel(id)
	})
	s.run("the end of a job", func(w *world) {
		id := w.submit(bodyOf(annRow))
		ran := make(chan struct{})
		time.AfterFunc(100*time.Millisecond, func() {
			defer close(ran)
			_ = w.worker.RunJob(w.ctx, id) // it shows in the status
		})
		job, _ := ask(w, id, "wait=30")
		<-ran
		job.hasHeader("Preference-Applied", "wait=30")
		if job.Status != "completed" {
			job.errorf("the job is %s, want completed", job.Status)
		}
	})
	s.run("a job that had ended before", func(w *world) {
		id := w.submit(bodyOf(annRow))
		w.run(id)
		job, _ := ask(w, id, "wait=99")
		job.hasHeader("Preference-Applied", "wait=30")
	})
	s.run("what is no number is ignored", func(w *world) {
		id := w.submit(bodyOf(annRow))
		for _, prefer := range []string{"wait=soon", "wait=-1", "wait", "respond-async"} {
			job, _ := ask(w, id, prefer)
			job.hasHeader("Preference-Applied", "")
		}
		w.cancel(id)
	})
}
