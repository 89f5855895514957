package dynamojobs_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/test/awstest"
	"github.com/bulkops/bulkops/jobs/dynamojobs"
)

// A smallPages has pages of three entries, and counts those that were read.
type smallPages struct {
	*dynamodb.Client
	pages, read atomic.Int64
}

func (c *smallPages) Query(ctx context.Context, in *dynamodb.QueryInput, options ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error) {
	short := *in
	short.Limit = aws.Int32(3)
	out, err := c.Client.Query(ctx, &short, options...)
	if err == nil {
		c.pages.Add(1)
		c.read.Add(int64(out.ScannedCount))
	}
	return out, err
}

// A count goes through all pages, and reads no job that has ended.
func TestCountReadsWhatHasNotEnded(t *testing.T) {
	awstest.EachDynamoDB(t, func(t *testing.T, server awstest.Server) {
		client := &smallPages{Client: server.DynamoDB(awstest.Transport(t))}
		queue, err := dynamojobs.New(client, dynamojobs.Options{Table: newTable(t, server)})
		if err != nil {
			t.Fatal(err)
		}
		const jobs, ended, held = 40, 20, 5
		for i := range jobs {
			job := create(t, queue, fmt.Sprint("tenant", i%4))
			switch {
			case i < ended:
				if _, err := queue.Cancel(t.Context(), job.ID, bulk.Cancellation{}); err != nil {
					t.Fatal(err)
				}
			case i < ended+held:
				claim(t, queue, job.ID)
			}
		}
		want := bulk.JobCounts{Ready: jobs - ended - held, Held: held} // the ids of these jobs have no time
		var got bulk.JobCounts
		for deadline := time.Now().Add(5 * time.Second); got != want && time.Now().Before(deadline); { // the index may lag
			client.pages.Store(0)
			client.read.Store(0)
			if got, err = queue.CountJobs(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if got != want {
			t.Fatalf("counts are %+v, want %+v", got, want)
		}
		if read := client.read.Load(); read != jobs-ended {
			t.Errorf("%d entries of the index were read, want those of the %d jobs that have not ended", read, jobs-ended)
		}
		if pages := client.pages.Load(); pages < (jobs-ended)/3 {
			t.Errorf("only %d pages were read", pages)
		}
	})
}
