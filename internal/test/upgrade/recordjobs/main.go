// Command recordjobs makes jobs of every status in DynamoDB, and an idempotency key,
// and stores their items: see package upgrade. It creates a table on the server to
// which the variables of the SDK lead it.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/test/upgrade"
	"github.com/bulkops/bulkops/jobs/dynamojobs"
)

func main() {
	commit := flag.String("commit", "", "the `commit` that is checked out")
	dir := flag.String("dir", "internal/test/upgrade/testdata/jobs", "`folder` of the file")
	flag.Parse()
	if *commit == "" {
		log.Fatal("recordjobs: -commit is required")
	}
	if err := record(context.Background(), filepath.Join(*dir, *commit+".json")); err != nil {
		log.Fatal("recordjobs: ", err)
	}
}

func record(ctx context.Context, file string) error {
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return err
	}
	client, table := dynamojobs.NewClient(cfg), "record-jobs"
	if err := dynamojobs.CreateTable(ctx, client, dynamojobs.Options{Table: table}); err != nil {
		return err
	}
	queue, err := dynamojobs.New(client, dynamojobs.Options{Table: table})
	if err != nil {
		return err
	}
	if err := makeJobs(ctx, queue); err != nil {
		return err
	}
	out, err := client.Scan(ctx, &dynamodb.ScanInput{TableName: &table})
	if err != nil {
		return err
	}
	var items []upgrade.Item
	for _, attributes := range out.Items {
		it, err := upgrade.ItemOf(attributes)
		if err != nil {
			return err
		}
		items = append(items, it)
	}
	text, err := json.MarshalIndent(items, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644)
}

// makeJobs makes the jobs of [upgrade.JobNames], and the key.
func makeJobs(ctx context.Context, queue *dynamojobs.Queue) error {
	progress := &bulk.Progress{Rows: 500, Summary: bulk.Summary{Created: 499, Failed: 1}, Checkpoint: "opaque"}
	claimed := func(id string, changes ...bulk.JobChange) error {
		job, err := queue.Claim(ctx, bulk.Claim{JobID: id, Lease: time.Second, Worker: "recorder"})
		for _, change := range changes {
			if err == nil {
				job, err = queue.Save(ctx, id, job.Token, change)
			}
		}
		return err
	}
	var errs []error
	for _, name := range upgrade.JobNames {
		id := upgrade.JobID(name)
		errs = append(errs, queue.Create(ctx, bulk.JobSpec{
			ID: id, Tenant: "tenant of " + name, Type: bulk.JobTypeUserImport, CreatedBy: "ana", Options: bulk.DefaultOptions(), Label: name,
			TotalRecords: 1000, CreatedAt: time.Now().UTC().Truncate(time.Millisecond), ExpiresAt: time.Now().UTC().AddDate(100, 0, 0).Truncate(time.Millisecond),
			Payload: "payload of " + name, SegmentRows: 500,
		}))
		lease := bulk.JobChange{Lease: time.Second, Progress: progress}
		switch name {
		case "died":
			errs = append(errs, claimed(id, lease))
		case "returned":
			errs = append(errs, claimed(id, lease, bulk.JobChange{RetryAfter: time.Second}))
		case "cancelling":
			errs = append(errs, claimed(id, lease))
			_, err := queue.Cancel(ctx, id, bulk.Cancellation{})
			errs = append(errs, err)
		case "completed":
			errs = append(errs, claimed(id, lease, bulk.JobChange{End: bulk.JobCompleted, Results: "results"}))
		case "failed":
			errs = append(errs, claimed(id, bulk.JobChange{End: bulk.JobFailed, Results: "results", Error: &bulk.JobError{Code: bulk.JobErrorInternal, Message: "x"}}))
		case "cancelled":
			_, err := queue.Cancel(ctx, id, bulk.Cancellation{Results: "results"})
			errs = append(errs, err)
		}
	}
	errs = append(errs, queue.PutIdempotencyKey(ctx, upgrade.Key()))
	return errors.Join(errs...)
}
