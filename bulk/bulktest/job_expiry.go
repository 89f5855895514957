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
		expiring := func() bulk.JobSpec {
			job := t.job()
			job.ExpiresAt = now().Add(shortLease * 3 / 2)
			t.add(job)
			return job
		}
		pending, processing, released, ended := expiring(), expiring(), expiring(), expiring()
		kept := t.create()
		token := t.claim(processing.ID, longLease).Token
		t.save(t.claim(released.ID, longLease), bulk.JobChange{})
		t.save(t.claim(ended.ID, longLease), bulk.JobChange{End: bulk.JobCompleted})

		jobs := []bulk.JobSpec{pending, processing, released, ended}
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
