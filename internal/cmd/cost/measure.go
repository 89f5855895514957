package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/bulkops/bulkops/blob/memblob"
	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/jobs/memjobs"
	"github.com/bulkops/bulkops/store/dynamostore"
)

// batch is how many users a call to the store has.
const batch = bulk.MaxBatch

// A kind is what is measured: rows of one sort in one mode.
type kind struct {
	rows  string // "create", "update", "unchanged" or "new email"
	named string // "id and email" or "email"
	mode  dynamostore.Mode
	// least is the cost of a row that the promises leave: the items that have to be
	// read strongly consistent before anything is decided, and those that have to be
	// written, in guarded mode at once where they are two.
	least units
}

func modeName(mode dynamostore.Mode) string {
	if mode == dynamostore.Exclusive {
		return "exclusive"
	}
	return "guarded"
}

const (
	byBoth  = "id and email"
	byEmail = "email"
)

// kinds are all that is measured, in the order of the table; those of one mode and
// way of naming users follow each other, as each needs what the one before made.
func kinds() []kind {
	var all []kind
	for _, named := range []string{byBoth, byEmail} {
		for _, mode := range []dynamostore.Mode{dynamostore.Guarded, dynamostore.Exclusive} {
			create, known := units{reads: 2, writes: 4}, 1.0
			if mode == dynamostore.Exclusive {
				create.writes = 2
			}
			if named == byEmail { // the claim, and then the user that it names
				create.reads, known = 1, 2
			}
			all = append(all,
				kind{"create", named, mode, create},
				kind{"update", named, mode, units{reads: known, writes: 1}},
				kind{"unchanged", named, mode, units{reads: known}})
			if named == byBoth { // the user and the claim of the new email; they and the old claim
				move := units{reads: 2, writes: 6}
				if mode == dynamostore.Exclusive {
					move.writes = 3
				}
				all = append(all, kind{"new email", named, mode, move})
			}
		}
	}
	return all
}

// A measured is what n rows of a kind cost.
type measured struct {
	kind
	count
}

// measureRows imports n rows of each kind and counts. Before each kind comes a batch
// of the same, not counted, by which the store learns what is coming.
func measureRows(ctx context.Context, cfg aws.Config, prefix string, n int) ([]measured, error) {
	var (
		all []measured
		r   *rig
		err error
	)
	for _, k := range kinds() {
		if k.rows == "create" {
			if r, err = newRig(ctx, cfg, fmt.Sprintf("%s-%d", prefix, len(all)), k.mode); err != nil {
				return nil, err
			}
		}
		m := measured{kind: k}
		if _, err = r.run(ctx, k, "first", batch); err != nil {
			return nil, err
		}
		if m.count, err = r.run(ctx, k, "u", n); err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	return all, nil
}

// A rig is a store in tables of its own whose calls are counted, with jobs in memory.
type rig struct {
	meter  *meter
	cfg    bulk.Config
	client *dynamodb.Client
	opts   dynamostore.Options
}

func newRig(ctx context.Context, cfg aws.Config, prefix string, mode dynamostore.Mode) (*rig, error) {
	r := &rig{meter: new(meter), opts: dynamostore.Options{UsersTable: prefix + "-users", ClaimsTable: prefix + "-claims", Mode: mode}}
	r.client = dynamostore.NewClient(r.meter.on(cfg))
	if err := dynamostore.CreateTables(ctx, r.client, r.opts); err != nil {
		return nil, err
	}
	store, err := dynamostore.New(r.client, r.opts)
	if err != nil {
		return nil, err
	}
	r.cfg = bulk.Config{
		Store: store, Blobs: memblob.New(), Jobs: memjobs.New(),
		SyncThreshold: 1, // also a few rows are a job
		Parallel:      1, // or the first batches would not know of each other, and the count would be another each time
	}
	return r, nil
}

// run imports n rows and returns what they cost. It is an error if one of them comes
// to something else than its kind says.
func (r *rig) run(ctx context.Context, k kind, prefix string, n int) (count, error) {
	r.meter.take()
	summary, err := importUsers(ctx, r.cfg, users(k, prefix, n))
	if err != nil {
		return count{}, err
	}
	want := map[string]bulk.Summary{"create": {Created: n}, "update": {Updated: n}, "unchanged": {Unchanged: n}, "new email": {Updated: n}}[k.rows]
	if summary != want {
		return count{}, fmt.Errorf("%d rows of the kind %q came to %+v", n, k.rows, summary)
	}
	return r.meter.take(), nil
}

// users returns n users as an import names them: some 400 bytes each.
func users(k kind, prefix string, n int) []bulk.User {
	// The first import and its repetition have the same fields, the update others.
	plan := "free"
	if k.rows != "create" {
		plan = "pro"
	}
	all := make([]bulk.User, n)
	for i := range all {
		fields, err := bulk.NewFields(map[string]any{
			"plan": plan, "team": "Lakers", "name": fmt.Sprintf("User Number %d", i), "age": 20 + i%50, "active": true,
			"about": strings.Repeat("a few words of text ", 10),
		})
		if err != nil {
			panic(err) // it is the same each time
		}
		all[i] = bulk.User{Email: fmt.Sprintf("%s%06d@example.com", prefix, i), CustomFields: fields}
		if k.rows == "new email" {
			all[i].Email = "new." + all[i].Email
		}
		if k.named == byBoth {
			all[i].ID = fmt.Sprintf("%s-%06d", prefix, i)
		}
	}
	return all
}

// importUsers imports users by a job and returns what came of them.
func importUsers(ctx context.Context, cfg bulk.Config, users []bulk.User) (bulk.Summary, error) {
	importer, err := bulk.NewImporter(cfg)
	if err != nil {
		return bulk.Summary{}, err
	}
	worker, err := bulk.NewWorker(cfg)
	if err != nil {
		return bulk.Summary{}, err
	}
	admin := bulk.Principal{ID: "cost", Tenant: "acme", Role: bulk.RoleAdmin}
	job, err := importer.Submit(ctx, bulk.Request{Principal: admin, Options: bulk.DefaultOptions(), Rows: bulk.Users(users...)})
	if err != nil {
		return bulk.Summary{}, err
	}
	if err := worker.RunJob(ctx, job.ID); err != nil {
		return bulk.Summary{}, err
	}
	if job, err = importer.Job(ctx, admin, job.ID); err != nil {
		return bulk.Summary{}, err
	}
	if job.Status != bulk.JobCompleted {
		return bulk.Summary{}, fmt.Errorf("the job is %s: %+v", job.Status, job.Error)
	}
	return job.Summary(), nil
}

// measureBare puts n users by a loop of BatchWriteItem, which reads nothing, guards
// nothing and knows no emails.
func measureBare(ctx context.Context, cfg aws.Config, prefix string, n int) (count, error) {
	r, err := newRig(ctx, cfg, prefix, dynamostore.Guarded)
	if err != nil {
		return count{}, err
	}
	r.meter.take()
	var requests []types.WriteRequest
	for i, user := range users(kind{rows: "create", named: byBoth}, "u", n) {
		requests = append(requests, types.WriteRequest{PutRequest: &types.PutRequest{Item: map[string]types.AttributeValue{
			"pk":           &types.AttributeValueMemberS{Value: user.ID},
			"email":        &types.AttributeValueMemberS{Value: user.Email},
			"customFields": &types.AttributeValueMemberS{Value: user.CustomFields.String()},
		}}})
		if len(requests) == batch || i == n-1 {
			if _, err := r.client.BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{
				RequestItems: map[string][]types.WriteRequest{r.opts.UsersTable: requests},
			}); err != nil {
				return count{}, err
			}
			requests = nil
		}
	}
	return r.meter.take(), nil
}
