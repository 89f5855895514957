package upgrade_test

import (
	"errors"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/google/go-cmp/cmp"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/test/awstest"
	"github.com/bulkops/bulkops/internal/test/upgrade"
	"github.com/bulkops/bulkops/jobs/dynamojobs"
)

// The jobs table of an earlier version is read by this one: jobs are as they were left,
// those that have not ended can be claimed, and go on.
func TestJobsTableOfEarlierVersions(t *testing.T) {
	files, err := filepath.Glob("testdata/jobs/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files in testdata/jobs, %v", len(files), err)
	}
	awstest.EachDynamoDB(t, func(t *testing.T, server awstest.Server) {
		for _, file := range files {
			t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
				queue := fill(t, server, file)
				jobsAreAsTheyWereLeft(t, queue)
				unfinishedJobsGoOn(t, queue)
				keyIsKept(t, queue)
			})
		}
	})
}

// fill makes a table of this version with the items of a file.
func fill(t *testing.T, server awstest.Server, file string) *dynamojobs.Queue {
	t.Helper()
	items, err := upgrade.ReadItems(file)
	if err != nil {
		t.Fatal(err)
	}
	if want := len(upgrade.JobNames) + 1; len(items) < want {
		t.Fatalf("%d items, want %d", len(items), want)
	}
	client, opts := server.DynamoDB(awstest.Transport(t)), dynamojobs.Options{Table: awstest.Name(t)}
	if err := dynamojobs.CreateTable(t.Context(), client, opts); err != nil {
		t.Fatal(err)
	}
	for _, it := range items {
		attributes, err := it.Attributes()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &opts.Table, Item: attributes}); err != nil {
			t.Fatal(err)
		}
	}
	queue, err := dynamojobs.New(client, opts)
	if err != nil {
		t.Fatal(err)
	}
	return queue
}

func jobsAreAsTheyWereLeft(t *testing.T, queue *dynamojobs.Queue) {
	t.Helper()
	progress := bulk.Progress{Rows: 500, Summary: bulk.Summary{Created: 499, Failed: 1}, Checkpoint: "opaque"}
	for name, want := range map[string]bulk.Job{
		"pending":    {Status: bulk.JobPending},
		"died":       {Status: bulk.JobProcessing, Token: 1, Progress: progress},
		"returned":   {Status: bulk.JobProcessing, Token: 1, Progress: progress},
		"cancelling": {Status: bulk.JobProcessing, Token: 1, Progress: progress, CancelRequested: true},
		"completed":  {Status: bulk.JobCompleted, Token: 1, Progress: progress, Results: "results"},
		"failed":     {Status: bulk.JobFailed, Token: 1, Attempts: 1, Results: "results", Error: &bulk.JobError{Code: bulk.JobErrorInternal, Message: "x"}},
		"cancelled":  {Status: bulk.JobCancelled, Results: "results"},
	} {
		job, err := queue.Get(t.Context(), upgrade.JobID(name))
		if err != nil {
			t.Errorf("job %s: %v", name, err)
			continue
		}
		got := bulk.Job{
			Status: job.Status, Token: job.Token, Attempts: job.Attempts, Progress: job.Progress,
			CancelRequested: job.CancelRequested, Results: job.Results, Error: job.Error,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("job %s (-want +got):\n%s", name, diff)
		}
		if job.Label != name || job.TotalRecords != 1000 || job.Payload != "payload of "+name || job.Options != bulk.DefaultOptions() || job.CreatedAt.IsZero() {
			t.Errorf("the spec of job %s is %+v", name, job.JobSpec)
		}
		jobs, _, err := queue.List(t.Context(), bulk.JobFilter{Tenant: job.Tenant, Limit: 10})
		if err != nil || len(jobs) != 1 || jobs[0].ID != job.ID {
			t.Errorf("the list of %s has %d jobs, %v", job.Tenant, len(jobs), err)
		}
	}
}

func unfinishedJobsGoOn(t *testing.T, queue *dynamojobs.Queue) {
	t.Helper()
	want := map[string]int64{"pending": 1, "died": 2, "returned": 2, "cancelling": 2} // tokens
	got := make(map[string]int64)
	for {
		job, err := queue.Claim(t.Context(), bulk.Claim{Lease: time.Minute, Worker: "new"})
		if errors.Is(err, bulk.ErrNoJob) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got[job.Label] = job.Token
		next := &bulk.Progress{Rows: 1000, Summary: bulk.Summary{Created: 1000}}
		for _, change := range []bulk.JobChange{{Lease: time.Minute, Progress: next}, {End: bulk.JobCompleted, Results: "new results"}} {
			if _, err := queue.Save(t.Context(), job.ID, job.Token, change); err != nil {
				t.Errorf("job %s: %v", job.Label, err)
			}
		}
	}
	if !maps.Equal(got, want) {
		t.Errorf("claimed %v, want %v", got, want)
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if job, err := queue.Get(t.Context(), upgrade.JobID(name)); err != nil || job.Status != bulk.JobCompleted || job.Progress.Rows != 1000 {
			t.Errorf("job %s came to %+v, %v", name, job, err)
		}
	}
}

func keyIsKept(t *testing.T, queue *dynamojobs.Queue) {
	t.Helper()
	want := upgrade.Key()
	got, err := queue.GetIdempotencyKey(t.Context(), want.Tenant, want.Name)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("the idempotency key: %v (-want +got):\n%s", err, diff)
	}
	want.Version++
	if err := queue.PutIdempotencyKey(t.Context(), want); err != nil {
		t.Errorf("the next version of the idempotency key: %v", err)
	}
}
