package bulktest

import (
	"errors"
	"time"

	"github.com/bulkops/bulkops/bulk"
)

var expiryCases = []jobCase{{
	name: "Expiry/IsObeyedByEveryMethod",
	rule: "a job whose ExpiresAt has passed does not exist, for every method",
	run: func(t *jobTest) {
		kept := t.create()
		claimed := func(job bulk.JobSpec) (bulk.Job, error) { return t.tryClaim(job.ID, longLease) }
		saved := func(change bulk.JobChange) func(bulk.JobSpec) (bulk.Job, error) {
			return func(job bulk.JobSpec) (bulk.Job, error) { return t.claimAndSave(job.ID, change) }
		}
		pending := t.expiring(func(job bulk.JobSpec) (bulk.Job, error) { return bulk.Job{JobSpec: job}, nil })
		processing := t.expiring(claimed)
		token := processing.Token
		jobs := []bulk.Job{pending, processing, t.expiring(saved(bulk.JobChange{})), t.expiring(saved(bulk.JobChange{End: bulk.JobCompleted}))}
		for _, job := range jobs {
			time.Sleep(time.Until(job.ExpiresAt))
			t.soon("Get returns a job that has expired", func() bool {
				_, err := t.queue.Get(t.ctx, job.ID)
				return errors.Is(err, bulk.ErrJobNotFound)
			})
		}
		for _, job := range jobs {
			t.notClaimed(job.ID, "has expired")
			if _, err := t.queue.Cancel(t.ctx, job.ID, bulk.Cancellation{Results: "results"}); !errors.Is(err, bulk.ErrJobNotFound) {
				t.Errorf("Cancel of a job that has expired: error is %v, want %q", errText(err), bulk.ErrJobNotFound)
			}
			if err := t.queue.Delete(t.ctx, job.ID); !errors.Is(err, bulk.ErrJobNotFound) {
				t.Errorf("Delete of a job that has expired: error is %v, want %q", errText(err), bulk.ErrJobNotFound)
			}
		}
		t.lost(processing.ID, token, "job has expired")
		t.lists(bulk.JobFilter{Tenant: t.tenant, Limit: 100}, kept.ID)
		t.lists(bulk.JobFilter{Tenant: t.tenant, Limit: 1}, kept.ID)
		for _, status := range []bulk.JobStatus{bulk.JobProcessing, bulk.JobCompleted, bulk.JobCancelled} {
			t.lists(bulk.JobFilter{Tenant: t.tenant, Status: status, Limit: 100})
		}
		for _, job := range jobs {
			if _, err := t.queue.Get(t.ctx, job.ID); !errors.Is(err, bulk.ErrJobNotFound) {
				t.Errorf("a job that had expired is back: error is %v, want %q", errText(err), bulk.ErrJobNotFound)
			}
		}
		t.get(kept.ID)
	},
}}
