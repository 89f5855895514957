package dynamojobs_test

import (
	"slices"
	"testing"
	"time"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/test/awstest"
	"github.com/bulkops/bulkops/jobs/dynamojobs"
)

// BenchmarkQueued measures what queued jobs of one tenant do to the time of claims and lists:
// with 100,000 of them and with 100, each in a table of its own, by turns. The metrics are
// medians of the former by those of the latter. A claim is of a job that was created for it,
// and a list is its first page.
func BenchmarkQueued(b *testing.B) {
	server := awstest.Dynoxide(b)
	most := 100_000
	if testing.Short() {
		most = 1000
	}
	tables := []struct {
		queued        int
		queue         bulk.JobQueue
		claims, lists []float64
	}{{queued: most}, {queued: 100}}
	for i := range tables {
		of := &tables[i]
		client := server.DynamoDB(awstest.Transport(b))
		opts := dynamojobs.Options{Table: awstest.Name(b)}
		if err := dynamojobs.CreateTable(b.Context(), client, opts); err != nil {
			b.Fatal(err)
		}
		var err error
		if of.queue, err = dynamojobs.New(client, opts); err != nil {
			b.Fatal(err)
		}
		fill(b, client, opts.Table, 1, of.queued)
		claimAndList(b, of.queue) // the first claim of a queue looks for what versions before left, too
	}
	turn := func() {
		for i := range tables {
			of := &tables[i]
			claim, list := claimAndList(b, of.queue)
			of.claims, of.lists = append(of.claims, claim), append(of.lists, list)
		}
	}
	for b.Loop() {
		turn()
	}
	for len(tables[0].claims) < 50 {
		turn()
	}
	median := func(values []float64) float64 { slices.Sort(values); return values[len(values)/2] }
	b.ReportMetric(median(tables[0].claims)/median(tables[1].claims), "claim/claim")
	b.ReportMetric(median(tables[0].lists)/median(tables[1].lists), "list/list")
}

// claimAndList returns the seconds that a claim and a list take.
func claimAndList(b *testing.B, queue bulk.JobQueue) (claim, list float64) {
	b.Helper()
	if err := queue.Create(b.Context(), newJob("tenant0")); err != nil {
		b.Fatal(err)
	}
	begun := time.Now()
	job, err := queue.Claim(b.Context(), bulk.Claim{Lease: time.Minute})
	claim = time.Since(begun).Seconds()
	if err != nil {
		b.Fatal(err)
	}
	if _, err := queue.Save(b.Context(), job.ID, job.Token, bulk.JobChange{End: bulk.JobCompleted}); err != nil {
		b.Fatal(err)
	}
	begun = time.Now()
	jobs, _, err := queue.List(b.Context(), bulk.JobFilter{Tenant: "tenant0", Limit: 20})
	list = time.Since(begun).Seconds()
	if err != nil || len(jobs) != 20 {
		b.Fatalf("%d jobs, error %v", len(jobs), err)
	}
	return claim, list
}
