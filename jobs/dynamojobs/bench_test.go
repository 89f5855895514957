package dynamojobs_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/test/awstest"
	"github.com/bulkops/bulkops/jobs/dynamojobs"
)

// BenchmarkQueued measures claims and lists beside few and many queued jobs of one
// tenant. An op of Claim is a job that is created, claimed and ended.
func BenchmarkQueued(b *testing.B) {
	server := awstest.Dynoxide(b)
	for _, queued := range []int{100, 100_000} {
		client := server.DynamoDB(awstest.Transport(b))
		opts := dynamojobs.Options{Table: awstest.Name(b)}
		if err := dynamojobs.CreateTable(b.Context(), client, opts); err != nil {
			b.Fatal(err)
		}
		queue, err := dynamojobs.New(client, opts)
		if err != nil {
			b.Fatal(err)
		}
		fill(b, client, opts.Table, 1, queued)
		b.Run(fmt.Sprintf("Claim/%d", queued), func(b *testing.B) {
			for b.Loop() {
				if err := queue.Create(b.Context(), newJob("tenant0")); err != nil {
					b.Fatal(err)
				}
				job, err := queue.Claim(b.Context(), bulk.Claim{Lease: time.Minute})
				if err != nil {
					b.Fatal(err)
				}
				if _, err := queue.Save(b.Context(), job.ID, job.Token, bulk.JobChange{End: bulk.JobCompleted}); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("List/%d", queued), func(b *testing.B) {
			for b.Loop() {
				if _, _, err := queue.List(b.Context(), bulk.JobFilter{Tenant: "tenant0", Limit: 20}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
