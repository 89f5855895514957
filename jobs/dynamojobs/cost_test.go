package dynamojobs_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/test/awstest"
	"github.com/bulkops/bulkops/jobs/dynamojobs"
)

// A meter is a client that counts calls, and the entries of indexes that are read.
type meter struct {
	dynamojobs.Client

	mu      sync.Mutex
	calls   map[string]int
	entries int
	units   map[string]float64 // that the server says were consumed
}

func newMeter(t *testing.T, server awstest.Server) *meter {
	m := &meter{Client: server.DynamoDB(awstest.Transport(t))}
	m.reset()
	return m
}

func (m *meter) reset() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls, m.entries, m.units = make(map[string]int), 0, make(map[string]float64)
}

func (m *meter) note(operation string, entries int, consumed *types.ConsumedCapacity) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls[operation]++
	m.entries += entries
	if consumed != nil {
		m.units[operation] += aws.ToFloat64(consumed.CapacityUnits)
	}
}

func (m *meter) total() (calls int) {
	for _, n := range m.calls {
		calls += n
	}
	return calls
}

func (m *meter) PutItem(ctx context.Context, in *dynamodb.PutItemInput, options ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error) {
	in.ReturnConsumedCapacity = types.ReturnConsumedCapacityIndexes
	out, err := m.Client.PutItem(ctx, in, options...)
	if err == nil {
		m.note("PutItem", 0, out.ConsumedCapacity)
	}
	return out, err
}

func (m *meter) UpdateItem(ctx context.Context, in *dynamodb.UpdateItemInput, options ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error) {
	in.ReturnConsumedCapacity = types.ReturnConsumedCapacityIndexes
	out, err := m.Client.UpdateItem(ctx, in, options...)
	var consumed *types.ConsumedCapacity
	if err == nil {
		consumed = out.ConsumedCapacity
	}
	m.note("UpdateItem", 0, consumed) // a failed condition counts, too
	return out, err
}

func (m *meter) BatchGetItem(ctx context.Context, in *dynamodb.BatchGetItemInput, options ...func(*dynamodb.Options)) (*dynamodb.BatchGetItemOutput, error) {
	out, err := m.Client.BatchGetItem(ctx, in, options...)
	if err == nil {
		m.note("BatchGetItem", 0, nil)
	}
	return out, err
}

func (m *meter) Query(ctx context.Context, in *dynamodb.QueryInput, options ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error) {
	in.ReturnConsumedCapacity = types.ReturnConsumedCapacityIndexes
	out, err := m.Client.Query(ctx, in, options...)
	if err == nil {
		m.note("Query", int(out.ScannedCount), out.ConsumedCapacity)
	}
	return out, err
}

// fill adds as many pending jobs of each tenant, without the queue.
func fill(tb testing.TB, client *dynamodb.Client, table string, tenants, jobs int) {
	tb.Helper()
	requests := make(chan []types.WriteRequest)
	var writers sync.WaitGroup
	for range 8 {
		writers.Go(func() {
			for batch := range requests {
				_, err := client.BatchWriteItem(tb.Context(), &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{table: batch}})
				if err != nil {
					tb.Error(err)
				}
			}
		})
	}
	var batch []types.WriteRequest
	for i := range tenants * jobs {
		record, err := dynamojobs.NewItem(newJob(fmt.Sprint("tenant", i%tenants)))
		if err != nil {
			tb.Fatal(err)
		}
		batch = append(batch, types.WriteRequest{PutRequest: &types.PutRequest{Item: record}})
		if len(batch) == 25 || i == tenants*jobs-1 {
			requests <- batch
			batch = nil
		}
	}
	close(requests)
	writers.Wait()
}

// A claim costs the same whatever is under way, waits for later, or is queued.
func TestCallsOfAClaim(t *testing.T) {
	const claims = 20
	steps := []struct {
		name    string
		busy    int // jobs that are under way, and that wait, which are added
		tenants int
		queued  int // of each tenant, which are added
		calls   int // of all claims, at most
		entries int // of the index that they read at most
	}{
		{"one tenant, 30 queued", 0, 1, 30, 2 * claims, 32 * claims},
		{"and 500 under way, 500 wait", 500, 1, 20, 2 * claims, 32 * claims},
		{"and 10,000 queued", 0, 1, 10_000, 2 * claims, 32 * claims},
		{"and four tenants more, 500 queued of each", 0, 5, 500, 2*claims + claims/5 + 1, 33 * claims},
	}
	awstest.EachDynamoDB(t, func(t *testing.T, server awstest.Server) {
		table := newTable(t, server)
		m := newMeter(t, server)
		queue, err := dynamojobs.New(m, dynamojobs.Options{Table: table})
		if err != nil {
			t.Fatal(err)
		}
		// The index of DynamoDB Local follows after a moment, which is long on a busy
		// machine: a claim may then meet a job that the one before it took.
		behind := 0
		if server.Name == "DynamoDBLocal" {
			behind = claims
		}
		for i, step := range steps {
			busy(t, queue, step.busy, step.busy)
			fill(t, server.DynamoDB(awstest.Transport(t)), table, step.tenants, step.queued)
			claim(t, queue, "") // the first one of a queue looks for what versions before left, too
			m.reset()
			for range claims {
				claim(t, queue, "")
			}
			t.Logf("%s: %d claims make the calls %v, read %d entries and take the units %v", step.name, claims, m.calls, m.entries, m.units)
			t.Attr(fmt.Sprintf("step-%d-calls/claim", i+1), fmt.Sprint(float64(m.total())/claims))
			if n := m.total(); n > step.calls+behind || n < claims {
				t.Errorf("%s: %d claims made %d calls, want at most %d", step.name, claims, n, step.calls+behind)
			}
			if m.entries > step.entries+behind {
				t.Errorf("%s: %d claims read %d entries of the index, want at most %d", step.name, claims, m.entries, step.entries+behind)
			}
		}
	})
}

// What a job takes of the table's write capacity, beside what is in its item: a change
// of its place in the index of claims takes two units, one of its status one more.
func TestUnitsOfAJob(t *testing.T) {
	steps := []struct {
		name  string
		units float64
		do    func(q bulk.JobQueue, job *bulk.Job) (bulk.Job, error)
	}{
		{"claim", 1 + 2 + 1, func(q bulk.JobQueue, job *bulk.Job) (bulk.Job, error) {
			return q.Claim(context.Background(), bulk.Claim{JobID: job.ID, Lease: time.Minute})
		}},
		{"heartbeat", 1 + 2, saving(bulk.JobChange{Lease: time.Hour})},
		{"release", 1 + 2, saving(bulk.JobChange{})},
		{"claim again", 1 + 2, func(q bulk.JobQueue, job *bulk.Job) (bulk.Job, error) {
			return q.Claim(context.Background(), bulk.Claim{JobID: job.ID, Lease: time.Minute})
		}},
		{"end to be told", 1 + 2 + 1, saving(bulk.JobChange{End: bulk.JobCompleted, Notify: true})},
		{"claim of the end", 1 + 2, func(q bulk.JobQueue, job *bulk.Job) (bulk.Job, error) {
			return q.Claim(context.Background(), bulk.Claim{JobID: job.ID, Lease: time.Minute, Ended: true})
		}},
		{"notified", 1 + 1, saving(bulk.JobChange{Notified: true})},
	}
	awstest.EachDynamoDB(t, func(t *testing.T, server awstest.Server) {
		m := newMeter(t, server)
		queue, err := dynamojobs.New(m, dynamojobs.Options{Table: newTable(t, server)})
		if err != nil {
			t.Fatal(err)
		}
		job := create(t, queue, "a")
		if got := m.units["PutItem"]; got != 1+1+1 {
			t.Errorf("create takes %v units", got)
		}
		for _, step := range steps {
			m.reset()
			if job, err = step.do(queue, &job); err != nil {
				t.Fatal(err)
			}
			if got := m.units["UpdateItem"]; got != step.units || m.total() != 1 {
				t.Errorf("%s takes %v units in %d calls, want %v in one", step.name, got, m.total(), step.units)
			}
		}
	})
}

func saving(change bulk.JobChange) func(bulk.JobQueue, *bulk.Job) (bulk.Job, error) {
	return func(q bulk.JobQueue, job *bulk.Job) (bulk.Job, error) {
		return q.Save(context.Background(), job.ID, job.Token, change)
	}
}

// busy adds jobs that are under way and jobs that wait for a long time.
func busy(t *testing.T, queue bulk.JobQueue, underWay, waiting int) {
	t.Helper()
	jobs := make(chan bool)
	var claimers sync.WaitGroup
	for range 8 {
		claimers.Go(func() {
			for waits := range jobs {
				spec := newJob("tenant0")
				err := queue.Create(t.Context(), spec)
				var job bulk.Job
				if err == nil {
					job, err = queue.Claim(t.Context(), bulk.Claim{JobID: spec.ID, Lease: -time.Second}) // and renewed
				}
				if err == nil && waits {
					_, err = queue.Save(t.Context(), job.ID, job.Token, bulk.JobChange{RetryAfter: time.Hour})
				} else if err == nil {
					_, err = queue.Save(t.Context(), job.ID, job.Token, bulk.JobChange{Lease: time.Hour})
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i := range underWay + waiting {
		jobs <- i >= underWay
	}
	close(jobs)
	claimers.Wait()
}

// A claim that finds nothing is one query, which reads nothing of what is under way.
func TestCallsOfAnIdleClaim(t *testing.T) {
	awstest.EachDynamoDB(t, func(t *testing.T, server awstest.Server) {
		table := newTable(t, server)
		m := newMeter(t, server)
		queue, err := dynamojobs.New(m, dynamojobs.Options{Table: table})
		if err != nil {
			t.Fatal(err)
		}
		busy(t, queue, 20, 20)
		claim(t, queue, create(t, queue, "a").ID)
		for n, want := range []int{4, 1, 1} { // the first one looks for what versions before left
			m.reset()
			if _, err := queue.Claim(t.Context(), bulk.Claim{Lease: time.Minute}); !errors.Is(err, bulk.ErrNoJob) {
				t.Fatal(err)
			}
			if m.calls["Query"] != want || m.total() != want || m.entries > 0 {
				t.Errorf("claim %d made the calls %v and read %d entries, want %d queries and none", n+1, m.calls, m.entries, want)
			}
		}
	})
}

// A job whose lease has lapsed costs one call more: it gets its place in the ring.
func TestCallsOfAClaimOfADueJob(t *testing.T) {
	awstest.EachDynamoDB(t, func(t *testing.T, server awstest.Server) {
		table := newTable(t, server)
		m := newMeter(t, server)
		queue, err := dynamojobs.New(m, dynamojobs.Options{Table: table})
		if err != nil {
			t.Fatal(err)
		}
		busy(t, queue, 20, 0)
		create(t, queue, "a")
		if _, err := queue.Claim(t.Context(), bulk.Claim{Lease: -time.Second}); err != nil { // over at once
			t.Fatal(err)
		}
		m.reset()
		claim(t, queue, "")
		if m.calls["Query"] != 1 || m.calls["UpdateItem"] != 2 || m.entries != 1 {
			t.Errorf("the calls are %v and read %d entries", m.calls, m.entries)
		}
	})
}

// A page of a list costs two calls, however many jobs there are.
func TestCallsOfAList(t *testing.T) {
	awstest.EachDynamoDB(t, func(t *testing.T, server awstest.Server) {
		table := newTable(t, server)
		m := newMeter(t, server)
		queue, err := dynamojobs.New(m, dynamojobs.Options{Table: table})
		if err != nil {
			t.Fatal(err)
		}
		fill(t, server.DynamoDB(awstest.Transport(t)), table, 1, 5000)
		filter := bulk.JobFilter{Tenant: "tenant0", Limit: 20}
		for range 3 {
			m.reset()
			jobs, cursor, err := queue.List(t.Context(), filter)
			if err != nil || len(jobs) != filter.Limit {
				t.Fatalf("%d jobs, error %v", len(jobs), err)
			}
			if m.total() != 2 || m.entries != filter.Limit+1 {
				t.Errorf("a page made the calls %v and read %d entries", m.calls, m.entries)
			}
			filter.Cursor = cursor
		}
	})
}
