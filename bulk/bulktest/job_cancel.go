package bulktest

import (
	"errors"

	"github.com/bulkops/bulkops/bulk"
)

var cancelCases = []jobCase{{
	name: "Cancel/EndsPendingJob",
	rule: "Cancel ends a pending job at once as cancelled, with its results",
	run: func(t *jobTest) {
		for _, results := range []string{"bulktest/results", ""} {
			job := t.create()
			from := now()
			got := t.cancel(job.ID, results)
			to := now()
			t.within(got.CompletedAt, "CompletedAt", from, to)
			t.within(got.UpdatedAt, "UpdatedAt", from, to)
			want := job
			want.Status, want.Results = bulk.JobCancelled, results
			want.CompletedAt, want.UpdatedAt, want.CancelRequested = got.CompletedAt, got.UpdatedAt, got.CancelRequested
			t.same(want, got, "the job was not cancelled as promised")
			t.same(got, t.get(job.ID), "Get does not have the job as it was cancelled")
			t.notClaimed(job.ID, "was cancelled")
		}
	},
}, {
	name: "Cancel/AsksProcessingJob",
	rule: "Cancel sets CancelRequested on a job that is processing, and changes nothing else but UpdatedAt",
	run: func(t *jobTest) {
		job := t.processing(longLease)
		job = t.save(job, bulk.JobChange{Lease: longLease, Progress: fullProgress()})
		want := job
		want.CancelRequested = true
		for range 2 { // asking again does no harm
			from := now()
			got := t.cancel(job.ID, "not/the/results")
			t.within(got.UpdatedAt, "UpdatedAt", from, now())
			want.UpdatedAt = got.UpdatedAt
			t.same(want, got, "the job was not asked as promised")
			t.same(want, t.get(job.ID), "Get does not have the job as it was asked")
		}
		got := t.save(job, bulk.JobChange{Lease: longLease})
		if !got.CancelRequested {
			t.Error("a heartbeat does not return CancelRequested")
		}
		if got = t.save(job, bulk.JobChange{End: bulk.JobCancelled, Results: "results"}); got.Status != bulk.JobCancelled || got.Results != "results" {
			t.Errorf("the worker did not end the job: %+v", got)
		}
	},
}, {
	name: "Cancel/AsksReleasedJob",
	rule: "a job whose lease was given up is processing: it is asked, and its next worker told",
	run: func(t *jobTest) {
		job := t.processing(longLease)
		t.save(job, bulk.JobChange{Progress: fullProgress()})
		if got := t.cancel(job.ID, "not/the/results"); got.Status != bulk.JobProcessing || !got.CancelRequested || got.Results != "" {
			t.Errorf("the job is %+v, want it processing and asked to stop", got)
		}
		if got := t.claim(job.ID, longLease); !got.CancelRequested {
			t.Error("the next worker is not told that the job is to be cancelled")
		}
	},
}, {
	name: "Cancel/RefusesEndedJob",
	rule: "Cancel of a job that has ended is ErrJobEnded with the unchanged job",
	run: func(t *jobTest) {
		cancelled := t.cancel(t.create().ID, "results")
		ended := []bulk.Job{cancelled}
		for _, status := range []bulk.JobStatus{bulk.JobCompleted, bulk.JobFailed, bulk.JobCancelled} {
			ended = append(ended, t.save(t.processing(longLease), bulk.JobChange{End: status, Results: "results"}))
		}
		for _, job := range ended {
			got, err := t.queue.Cancel(t.ctx, job.ID, bulk.Cancellation{Results: "other/results"})
			if !errors.Is(err, bulk.ErrJobEnded) {
				t.Errorf("Cancel of a %s job: error is %v, want %q", job.Status, errText(err), bulk.ErrJobEnded)
			}
			t.same(job, got, "Cancel does not return the unchanged job")
			t.same(job, t.get(job.ID), "Cancel changed a job that had ended")
		}
	},
}, {
	name: "Cancel/MissingJob",
	rule: "Cancel of a job that does not exist is ErrJobNotFound",
	run: func(t *jobTest) {
		id := t.job().ID
		if _, err := t.queue.Cancel(t.ctx, id, bulk.Cancellation{Results: "results"}); !errors.Is(err, bulk.ErrJobNotFound) {
			t.Errorf("error is %v, want %q", errText(err), bulk.ErrJobNotFound)
		}
		if _, err := t.queue.Get(t.ctx, id); !errors.Is(err, bulk.ErrJobNotFound) {
			t.Errorf("Get after it: error is %v, want %q", errText(err), bulk.ErrJobNotFound)
		}
	},
}}

func (t *jobTest) cancel(id, results string) bulk.Job {
	t.Helper()
	job, err := t.queue.Cancel(t.ctx, id, bulk.Cancellation{Results: results})
	if err != nil {
		t.Fatalf("Cancel: %v", err)
	}
	return job
}
