package dynamojobs_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/bulkops/bulkops/blob/memblob"
	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/jobs/dynamojobs"
	"github.com/bulkops/bulkops/store/memstore"
)

// An emptyTable is a client of a table in which nothing is ever found.
type emptyTable struct {
	dynamojobs.Client
	queries atomic.Int64
}

func (e *emptyTable) Query(context.Context, *dynamodb.QueryInput, ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error) {
	e.queries.Add(1)
	return &dynamodb.QueryOutput{}, nil
}

func (e *emptyTable) PutItem(context.Context, *dynamodb.PutItemInput, ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error) {
	return &dynamodb.PutItemOutput{}, nil
}

// An idle worker makes a query a second, and less than a tenth of that after a quiet
// minute; a job that is created by its own process wakes it.
func TestIdleWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := new(emptyTable)
		queue, err := dynamojobs.New(table, dynamojobs.Options{Table: "jobs"})
		if err != nil {
			t.Fatal(err)
		}
		worker, err := bulk.NewWorker(bulk.Config{Store: memstore.New(), Blobs: memblob.New(), Jobs: queue})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() {
			if err := worker.Run(ctx); err != nil {
				t.Error(err)
			}
		})
		queries := func(in time.Duration) int64 {
			before := table.queries.Load()
			time.Sleep(in)
			return table.queries.Load() - before
		}
		// Half a second after each claim.
		if n := queries(500 * time.Millisecond); n != 4 {
			t.Errorf("%d queries at the start, want one, and three for what versions before left", n)
		}
		if n := queries(time.Minute); n > 60 {
			t.Errorf("%d queries in the first minute", n)
		}
		if n := queries(time.Hour); n > 360 {
			t.Errorf("%d queries in a quiet hour, more than one in ten seconds", n)
		}
		before := table.queries.Load()
		if err := queue.Create(t.Context(), newJob("a")); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if n := table.queries.Load() - before; n != 1 {
			t.Errorf("%d queries at once when a job was created, want one", n)
		}
		if n := queries(10*time.Second + 500*time.Millisecond); n != 10 {
			t.Errorf("%d queries in ten seconds after a job was created, want one a second", n)
		}
		stop()
		running.Wait()
	})
}
