package bulk_test

import (
	"context"
	"fmt"
	"log"
	"sync/atomic"

	"github.com/bulkops/bulkops/bulk"
)

// A claimCounter is a job queue that counts the jobs that were claimed.
type claimCounter struct {
	bulk.JobQueue
	claims atomic.Int64
}

// Unwrap keeps the optional abilities of the queue.
func (c *claimCounter) Unwrap() bulk.JobQueue { return c.JobQueue }

func (c *claimCounter) Claim(ctx context.Context, claim bulk.Claim) (bulk.Job, error) {
	job, err := c.JobQueue.Claim(ctx, claim)
	if err == nil {
		c.claims.Add(1)
	}
	return job, err
}

// A wrapper of a backend overrides what it wants to see.
func ExampleJobQueue_wrapped() {
	ctx := context.Background()
	cfg := backends()
	counter := &claimCounter{JobQueue: cfg.Jobs}
	cfg.Jobs = counter
	importer, err := bulk.NewImporter(cfg)
	if err != nil {
		log.Fatal(err)
	}
	worker, err := bulk.NewWorker(cfg)
	if err != nil {
		log.Fatal(err)
	}
	for _, id := range []string{"u-1", "u-2"} {
		job, err := importer.Submit(ctx, bulk.Request{
			Principal: boss, Options: bulk.DefaultOptions(), Rows: bulk.Users(bulk.User{ID: id}),
		})
		if err != nil {
			log.Fatal(err)
		}
		if err := worker.RunJob(ctx, job.ID); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(counter.claims.Load(), "jobs were claimed")
	// Output:
	// 2 jobs were claimed
}
