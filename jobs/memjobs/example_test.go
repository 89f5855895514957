package memjobs_test

import (
	"context"
	"fmt"
	"time"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/jobs/memjobs"
)

func Example() {
	ctx := context.Background()
	queue := memjobs.New()
	now := time.Now()
	for _, job := range []bulk.JobSpec{
		{ID: "job_1", Tenant: "acme"}, {ID: "job_2", Tenant: "acme"}, {ID: "job_3", Tenant: "umbrella"},
	} {
		job.CreatedAt, job.ExpiresAt = now, now.Add(bulk.DefaultRetention)
		if err := queue.Create(ctx, job); err != nil {
			fmt.Println(err)
			return
		}
	}

	// A worker's life: claim, save, end. The tenants take turns.
	for {
		job, err := queue.Claim(ctx, bulk.Claim{Lease: time.Minute, Worker: "worker-1"})
		if err != nil {
			fmt.Println(err)
			break
		}
		job, err = queue.Save(ctx, job.ID, job.Token, bulk.JobChange{End: bulk.JobCompleted})
		fmt.Println(job.ID, job.Tenant, job.Status, err)
	}
	// Output:
	// job_1 acme completed <nil>
	// job_3 umbrella completed <nil>
	// job_2 acme completed <nil>
	// memjobs: claim job "": bulk: no job to claim
}
