package dynamojobs_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
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

// A cancel that finds a job processing, which then ends before it is asked to stop,
// leaves the job as it ended.
func TestCancelOfAJobThatEndsMeanwhile(t *testing.T) {
	awstest.EachDynamoDB(t, func(t *testing.T, server awstest.Server) {
		table := newTable(t, server)
		clean := newQueue(t, server, table, awstest.Transport(t))
		job := claim(t, clean, create(t, clean, "a").ID)
		var ended bulk.Job
		between := &between{next: awstest.Transport(t), do: func() {
			var err error
			ended, err = clean.Save(context.Background(), job.ID, job.Token, bulk.JobChange{End: bulk.JobCompleted, Results: "r"})
			if err != nil {
				t.Error(err)
			}
		}}
		if _, err := newQueue(t, server, table, between).Cancel(t.Context(), job.ID, bulk.Cancellation{Results: "other"}); !errors.Is(err, bulk.ErrJobEnded) {
			t.Errorf("Cancel: %v, want ErrJobEnded", err)
		}
		got, err := clean.Get(t.Context(), job.ID)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(ended, got); diff != "" {
			t.Errorf("the job is not as it ended (-want +got):\n%s", diff)
		}
	})
}

// A worker that was overtaken learns so, also where answers are lost, and changes
// nothing, whether its successor is still at work or has ended the job.
func TestLostSaveOfAnOvertakenWorker(t *testing.T) {
	successors := map[string]bulk.JobChange{
		"at work": {Lease: time.Minute, Progress: &bulk.Progress{Rows: 2}},
		"done":    {End: bulk.JobCompleted, Results: "r"},
	}
	stale := map[string]bulk.JobChange{
		"heartbeat":  {Lease: time.Minute},
		"checkpoint": {Lease: time.Minute, Progress: &bulk.Progress{Rows: 1}},
		"end":        {End: bulk.JobFailed, Results: "stale"},
	}
	awstest.EachDynamoDB(t, func(t *testing.T, server awstest.Server) {
		table := newTable(t, server)
		clean := newQueue(t, server, table, awstest.Transport(t))
		for state, theirs := range successors {
			for name, change := range stale {
				id := create(t, clean, "a").ID
				overtaken, err := clean.Claim(t.Context(), bulk.Claim{JobID: id, Lease: -time.Second}) // over at once
				if err != nil {
					t.Fatal(err)
				}
				want, err := clean.Save(t.Context(), id, claim(t, clean, id).Token, theirs)
				if err != nil {
					t.Fatal(err)
				}
				faults := awstest.NewFaults(t, awstest.Transport(t), 1, awstest.Rule{
					Kind: awstest.LostAnswer, Operations: []string{"UpdateItem"}, Times: 2,
				})
				_, err = newQueue(t, server, table, faults).Save(t.Context(), id, overtaken.Token, change)
				if !errors.Is(err, bulk.ErrLeaseLost) {
					t.Errorf("%s, successor %s: %v, want ErrLeaseLost", name, state, err)
				}
				got, err := clean.Get(t.Context(), id)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s: the job is not as the successor left it (-want +got):\n%s", name, diff)
				}
			}
		}
	})
}

// A process whose clock is ahead leaves stamps that are ahead. Others go on from
// there.
func TestStampOfAClockAhead(t *testing.T) {
	awstest.EachDynamoDB(t, func(t *testing.T, server awstest.Server) {
		table := newTable(t, server)
		queue := newQueue(t, server, table, awstest.Transport(t))
		job := claim(t, queue, create(t, queue, "a").ID)
		client := server.DynamoDB(awstest.Transport(t))
		_, err := client.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{
			TableName:        &table,
			Key:              map[string]types.AttributeValue{"id": &types.AttributeValueMemberS{Value: job.ID}},
			UpdateExpression: aws.String("ADD stamp :hour"),
			ExpressionAttributeValues: map[string]types.AttributeValue{
				":hour": &types.AttributeValueMemberN{Value: "3600000000"}, // microseconds
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if _, err := queue.Save(t.Context(), job.ID, job.Token, bulk.JobChange{Lease: time.Minute}); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// Records are read strongly consistent. The servers for tests read so in any case.
func TestReadsAreConsistent(t *testing.T) {
	awstest.EachDynamoDB(t, func(t *testing.T, server awstest.Server) {
		reads := make(map[string]int)
		next := awstest.Transport(t)
		queue := newQueue(t, server, newTable(t, server), roundTripper(func(request *http.Request) (*http.Response, error) {
			_, operation, _ := strings.Cut(request.Header.Get("X-Amz-Target"), ".")
			if operation == "GetItem" || operation == "BatchGetItem" {
				body, err := io.ReadAll(request.Body)
				if err != nil {
					return nil, err
				}
				reads[operation]++
				if !bytes.Contains(body, []byte(`"ConsistentRead":true`)) {
					t.Errorf("a %s is not strongly consistent", operation)
				}
				request = request.Clone(request.Context())
				request.Body = io.NopCloser(bytes.NewReader(body))
			}
			return next.RoundTrip(request)
		}))
		job := create(t, queue, "a")
		if _, err := queue.Get(t.Context(), job.ID); err != nil {
			t.Error(err)
		}
		if _, _, err := queue.List(t.Context(), bulk.JobFilter{Tenant: "a", Limit: 1}); err != nil {
			t.Error(err)
		}
		if _, err := queue.GetIdempotencyKey(t.Context(), "a", "k"); !errors.Is(err, bulk.ErrIdempotencyKeyNotFound) {
			t.Error(err)
		}
		if reads["GetItem"] != 2 || reads["BatchGetItem"] != 1 {
			t.Errorf("the reads are %v", reads)
		}
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
