package bulktest

import (
	"errors"

	"github.com/bulkops/bulkops/bulk"
)

var jobDeleteCases = []jobCase{{
	name: "Delete/RemovesEndedJob",
	rule: "Delete removes a job that has ended: from then on it does not exist, for every method",
	run: func(t *jobTest) {
		kept := t.create()
		jobs := []bulk.Job{t.cancel(t.create().ID, "results")}
		for _, status := range []bulk.JobStatus{bulk.JobCompleted, bulk.JobFailed, bulk.JobCancelled} {
			jobs = append(jobs, t.save(t.processing(longLease), bulk.JobChange{End: status, Results: "results", Error: &bulk.JobError{Code: "code"}}))
		}
		for _, job := range jobs {
			if err := t.queue.Delete(t.ctx, job.ID); err != nil {
				t.Fatalf("Delete of a job that is %s: %v", job.Status, err)
			}
			if _, err := t.queue.Get(t.ctx, job.ID); !errors.Is(err, bulk.ErrJobNotFound) {
				t.Errorf("Get of a job that was deleted: error is %v, want %q", errText(err), bulk.ErrJobNotFound)
			}
			t.notClaimed(job.ID, "was deleted")
			t.lost(job.ID, job.Token, "job was deleted")
			if _, err := t.queue.Cancel(t.ctx, job.ID, bulk.Cancellation{}); !errors.Is(err, bulk.ErrJobNotFound) {
				t.Errorf("Cancel of a job that was deleted: error is %v, want %q", errText(err), bulk.ErrJobNotFound)
			}
			if err := t.queue.Delete(t.ctx, job.ID); !errors.Is(err, bulk.ErrJobNotFound) {
				t.Errorf("Delete of a job that was deleted: error is %v, want %q", errText(err), bulk.ErrJobNotFound)
			}
		}
		t.lists(bulk.JobFilter{Tenant: t.tenant, Limit: 100}, kept.ID)
		for _, status := range []bulk.JobStatus{bulk.JobCompleted, bulk.JobFailed, bulk.JobCancelled} {
			t.lists(bulk.JobFilter{Tenant: t.tenant, Status: status, Limit: 100})
		}
		t.same(kept, t.get(kept.ID), "the delete of a job changed another")
	},
}, {
	name: "Delete/RefusesJobThatHasNotEnded",
	rule: "Delete of a job that has not ended is ErrJobNotEnded, and changes nothing",
	run: func(t *jobTest) {
		pending, processing, released := t.create(), t.processing(longLease), t.processing(longLease)
		released = t.save(released, bulk.JobChange{})
		for _, job := range []bulk.Job{pending, processing, released} {
			if err := t.queue.Delete(t.ctx, job.ID); !errors.Is(err, bulk.ErrJobNotEnded) {
				t.Errorf("Delete of a job that is %s: error is %v, want %q", job.Status, errText(err), bulk.ErrJobNotEnded)
			}
			t.same(job, t.get(job.ID), "a Delete that was refused changed the job")
		}
	},
}, {
	name: "Delete/MissingJob",
	rule: "Delete of a job that does not exist is ErrJobNotFound",
	run: func(t *jobTest) {
		for _, id := range []string{t.job().ID, "", "no such job"} {
			if err := t.queue.Delete(t.ctx, id); !errors.Is(err, bulk.ErrJobNotFound) {
				t.Errorf("Delete of %q: error is %v, want %q", id, errText(err), bulk.ErrJobNotFound)
			}
		}
	},
}}
