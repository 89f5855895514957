package dynamojobs_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/test/awstest"
)

// readFormer returns the records that the version before has written, by id: jobs in
// all states, of a tenant in each of its partitions. An id ends in its job's state.
func readFormer(t *testing.T) map[string]map[string]types.AttributeValue {
	t.Helper()
	content, err := os.ReadFile("testdata/former.json")
	if err != nil {
		t.Fatal(err)
	}
	var encoded []map[string]map[string]string
	if err := json.Unmarshal(content, &encoded); err != nil {
		t.Fatal(err)
	}
	records := make(map[string]map[string]types.AttributeValue)
	for _, attributes := range encoded {
		record := make(map[string]types.AttributeValue)
		for name, value := range attributes {
			if s, ok := value["S"]; ok {
				record[name] = &types.AttributeValueMemberS{Value: s}
			} else {
				record[name] = &types.AttributeValueMemberN{Value: value["N"]}
			}
		}
		records[attributes["id"]["S"]] = record
	}
	return records
}

// Whatever state the version before left a job in, it is listed, and claimed in turn
// and ended, or left alone.
func TestFormerRecords(t *testing.T) {
	records := readFormer(t)
	ids := slices.Sorted(maps.Keys(records))
	claimable := []string{"pending", "lapsed", "given_back", "retried"}
	awstest.EachDynamoDB(t, func(t *testing.T, server awstest.Server) {
		table := newTable(t, server)
		client := server.DynamoDB(awstest.Transport(t))
		queue := newQueue(t, server, table, awstest.Transport(t))
		tenants := make(map[string][]string) // the ids that can be claimed
		for _, id := range ids {
			if _, err := client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: records[id]}); err != nil {
				t.Fatal(err)
			}
			job, err := queue.Get(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			if slices.ContainsFunc(claimable, func(state string) bool { return strings.HasSuffix(id, state) }) {
				tenants[job.Tenant] = append(tenants[job.Tenant], id)
			}
		}
		ready := 0
		for _, jobs := range tenants {
			ready += len(jobs)
		}
		if counts, err := queue.CountJobs(t.Context()); err != nil || counts.Ready != ready {
			t.Errorf("counts are %+v, %v, want %d that can be claimed", counts, err, ready)
		}
		for range len(tenants) {
			round := make(map[string]bool)
			for range len(tenants) {
				job := claim(t, queue, "")
				if round[job.Tenant] || job.ID != tenants[job.Tenant][0] {
					t.Fatalf("claimed %s, want the first of %v, and each tenant once: %v", job.ID, tenants[job.Tenant], round)
				}
				round[job.Tenant] = true
				tenants[job.Tenant] = tenants[job.Tenant][1:]
				for _, change := range []bulk.JobChange{{Lease: time.Minute, Progress: &bulk.Progress{Rows: 1000}}, {End: bulk.JobCompleted, Results: "r"}} {
					if _, err := queue.Save(t.Context(), job.ID, job.Token, change); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		if job, err := queue.Claim(t.Context(), bulk.Claim{Lease: time.Minute}); !errors.Is(err, bulk.ErrNoJob) {
			t.Errorf("claimed %q with error %v; the others are under way, wait or have ended", job.ID, err)
		}
		var listed []string
		for tenant := range tenants {
			for _, status := range []bulk.JobStatus{bulk.JobCompleted, bulk.JobCancelled, bulk.JobProcessing} {
				jobs, _, err := queue.List(t.Context(), bulk.JobFilter{Tenant: tenant, Status: status, Limit: 100})
				if err != nil {
					t.Fatal(err)
				}
				for _, job := range jobs {
					listed = append(listed, job.ID)
				}
			}
		}
		slices.Sort(listed)
		if diff := cmp.Diff(ids, listed); diff != "" {
			t.Errorf("jobs listed (-want +got):\n%s", diff)
		}
	})
}

// A record of the version before that is claimed by its id is found like any other when
// its lease lapses, without a look at what that version left.
func TestFormerRecordClaimedByID(t *testing.T) {
	records := readFormer(t)
	awstest.EachDynamoDB(t, func(t *testing.T, server awstest.Server) {
		table := newTable(t, server)
		client := server.DynamoDB(awstest.Transport(t))
		queue := newQueue(t, server, table, awstest.Transport(t))
		if _, err := queue.Claim(t.Context(), bulk.Claim{Lease: time.Minute}); !errors.Is(err, bulk.ErrNoJob) {
			t.Fatal(err)
		}
		want := make(map[string]bool)
		for id, record := range records {
			if !strings.HasSuffix(id, "pending") {
				continue
			}
			if _, err := client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: record}); err != nil {
				t.Fatal(err)
			}
			if _, err := queue.Claim(t.Context(), bulk.Claim{JobID: id, Lease: -time.Second}); err != nil { // over at once
				t.Fatal(err)
			}
			want[id] = true
		}
		for range len(want) {
			delete(want, claim(t, queue, "").ID)
		}
		if len(want) > 0 {
			t.Errorf("not claimed: %v", want)
		}
	})
}

// A formerQueue does to the index what the version before does.
type formerQueue struct {
	client *dynamodb.Client
	table  string
}

// hints returns the jobs that the version before finds to claim.
func (q formerQueue) hints(t *testing.T) (ids []string) {
	t.Helper()
	out, err := q.client.Query(t.Context(), &dynamodb.QueryInput{
		TableName: &q.table, IndexName: aws.String("claimable"),
		KeyConditionExpression: aws.String("claimShard = :shard AND claimTurn BETWEEN :first AND :last"),
		FilterExpression:       aws.String("claimAt <= :now"),
		ExpressionAttributeValues: map[string]types.AttributeValue{
			":shard": &types.AttributeValueMemberS{Value: "000"},
			":first": &types.AttributeValueMemberS{Value: "0"},
			":last":  &types.AttributeValueMemberS{Value: "g"},
			":now":   milliseconds(time.Now()),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, it := range out.Items {
		ids = append(ids, it["id"].(*types.AttributeValueMemberS).Value)
	}
	return ids
}

// change makes a change of a job as far as the index is concerned.
func (q formerQueue) change(t *testing.T, id, expression string, claimAt types.AttributeValue) {
	t.Helper()
	_, err := q.client.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{
		TableName: &q.table, Key: map[string]types.AttributeValue{"id": &types.AttributeValueMemberS{Value: id}},
		UpdateExpression:          aws.String(expression),
		ConditionExpression:       aws.String("attribute_exists(claimAt)"),
		ExpressionAttributeNames:  map[string]string{"#token": "token", "#status": "status"},
		ExpressionAttributeValues: map[string]types.AttributeValue{":at": claimAt, ":one": milliseconds(time.UnixMilli(1)), ":processing": &types.AttributeValueMemberS{Value: "processing"}},
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (q formerQueue) claim(t *testing.T, id string, until time.Time) {
	t.Helper()
	q.change(t, id, "SET claimAt = :at, leaseUntil = :at, #token = #token + :one, #status = :processing", milliseconds(until))
}

// release gives a job back that was claimed.
func (q formerQueue) release(t *testing.T, id string) {
	t.Helper()
	q.change(t, id, "SET claimAt = :at, #token = #token + :one, #status = :processing REMOVE leaseUntil", milliseconds(time.UnixMilli(0)))
}

func milliseconds(at time.Time) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: fmt.Sprint(at.UnixMilli())}
}

// Workers of this version and of the one before may run at once: each finds what the
// other left.
func TestBesideFormerVersion(t *testing.T) {
	awstest.EachDynamoDB(t, func(t *testing.T, server awstest.Server) {
		table := newTable(t, server)
		former := formerQueue{server.DynamoDB(awstest.Transport(t)), table}
		queue := newQueue(t, server, table, awstest.Transport(t))
		finds := func(want ...string) {
			t.Helper()
			if diff := cmp.Diff(want, former.hints(t)); diff != "" {
				t.Errorf("the version before finds (-want +got):\n%s", diff)
			}
		}
		none := func() {
			t.Helper()
			if job, err := queue.Claim(t.Context(), bulk.Claim{Lease: time.Minute}); !errors.Is(err, bulk.ErrNoJob) {
				t.Errorf("claimed %q with error %v", job.ID, err)
			}
		}
		job := create(t, queue, "a")
		finds(job.ID)
		former.claim(t, job.ID, time.Now().Add(time.Minute))
		none()
		former.release(t, job.ID)
		if _, err := queue.Claim(t.Context(), bulk.Claim{Lease: time.Minute}); err != nil {
			t.Fatal(err)
		}
		finds()
		if _, err := queue.Save(t.Context(), job.ID, 3, bulk.JobChange{}); err != nil {
			t.Fatal(err)
		}
		finds(job.ID)
		if _, err := queue.Claim(t.Context(), bulk.Claim{Lease: -time.Second}); err != nil { // over at once
			t.Fatal(err)
		}
		finds(job.ID) // what has become due
		former.claim(t, job.ID, time.Now().Add(time.Minute))
		none()
		former.claim(t, job.ID, time.Now().Add(-time.Second)) // whose lease has lapsed
		if got := claim(t, queue, ""); got.ID != job.ID {
			t.Errorf("claimed %s", got.ID)
		}
	})
}
