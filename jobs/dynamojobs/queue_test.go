package dynamojobs_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/bulk/bulktest"
	"github.com/bulkops/bulkops/internal/test/awstest"
	"github.com/bulkops/bulkops/jobs/dynamojobs"
)

func TestMain(m *testing.M) {
	dynamojobs.StopClocks()
	goleak.VerifyTestMain(m)
}

// newTable creates a table and returns its name. It stays on the server, which
// keeps tables in memory.
func newTable(t *testing.T, server awstest.Server) string {
	t.Helper()
	table := awstest.Name(t)
	if err := dynamojobs.CreateTable(t.Context(), server.DynamoDB(awstest.Transport(t)), dynamojobs.Options{Table: table}); err != nil {
		t.Fatal(err)
	}
	return table
}

// newQueue returns a queue whose calls go through transport.
func newQueue(t *testing.T, server awstest.Server, table string, transport http.RoundTripper) *dynamojobs.Queue {
	t.Helper()
	queue, err := dynamojobs.New(server.DynamoDB(transport), dynamojobs.Options{Table: table})
	if err != nil {
		t.Fatal(err)
	}
	return queue
}

var jobIDs struct {
	sync.Mutex
	n int
}

// newJob returns a job with an id above those of all jobs before it.
func newJob(tenant string) bulk.JobSpec {
	jobIDs.Lock()
	defer jobIDs.Unlock()
	jobIDs.n++
	now := time.Now().UTC().Truncate(time.Millisecond)
	return bulk.JobSpec{
		ID:           fmt.Sprintf("job_%06d", jobIDs.n),
		Tenant:       tenant,
		Type:         bulk.JobTypeUserImport,
		CreatedBy:    "ana",
		Options:      bulk.DefaultOptions(),
		TotalRecords: 1000,
		CreatedAt:    now,
		ExpiresAt:    now.Add(time.Hour),
		Payload:      "t/job/payload",
		SegmentRows:  500,
	}
}

func create(t *testing.T, queue bulk.JobQueue, tenant string) bulk.Job {
	t.Helper()
	job := newJob(tenant)
	if err := queue.Create(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	return bulk.Job{JobSpec: job, Status: bulk.JobPending, UpdatedAt: job.CreatedAt}
}

func claim(t *testing.T, queue bulk.JobQueue, id string) bulk.Job {
	t.Helper()
	job, err := queue.Claim(t.Context(), bulk.Claim{JobID: id, Lease: time.Minute, Worker: "w"})
	if err != nil {
		t.Fatal(err)
	}
	return job
}

func TestConformance(t *testing.T) {
	awstest.EachDynamoDB(t, func(t *testing.T, server awstest.Server) {
		queue := newQueue(t, server, newTable(t, server), awstest.Transport(t))
		bulktest.TestJobQueue(t, func(*testing.T) bulk.JobQueue { return queue })
	})
}

// The rules hold while calls are throttled, fail and lose their answers.
func TestConformanceUnderFaults(t *testing.T) {
	awstest.EachDynamoDB(t, func(t *testing.T, server awstest.Server) {
		faults := awstest.NewFaults(t, awstest.Transport(t), 1,
			awstest.Rule{Kind: awstest.LostAnswer, Probability: 0.15, MaxConsecutive: 1},
			awstest.Rule{Kind: awstest.Throttle, Probability: 0.1, MaxConsecutive: 1},
			awstest.Rule{Kind: awstest.ServerError, Probability: 0.1, MaxConsecutive: 1},
			awstest.Rule{Kind: awstest.UnprocessedKeys, Probability: 0.3, MaxConsecutive: 1},
		)
		options := server.DynamoDB(faults).Options()
		options.Retryer = retry.NewStandard(func(o *retry.StandardOptions) {
			o.MaxAttempts = 4
			o.RateLimiter = ratelimit.None
			o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return time.Millisecond, nil })
		})
		queue, err := dynamojobs.New(dynamodb.New(options), dynamojobs.Options{Table: newTable(t, server)})
		if err != nil {
			t.Fatal(err)
		}
		t.Run("suite", func(t *testing.T) { // returns when its parallel cases have ended
			bulktest.TestJobQueue(t, func(*testing.T) bulk.JobQueue { return queue })
		})
		for _, kind := range []awstest.Kind{awstest.LostAnswer, awstest.Throttle, awstest.ServerError} {
			if faults.Injected(kind) == 0 {
				t.Errorf("no %s was injected", kind)
			}
		}
		t.Log(faults)
	})
}

// Every change whose answer is lost is done once and reported as done.
func TestLostAnswers(t *testing.T) {
	progress := &bulk.Progress{Rows: 500, Summary: bulk.Summary{Created: 500}, Checkpoint: "{}"}
	tests := []struct {
		name      string
		operation string
		prepare   func(t *testing.T, q bulk.JobQueue) bulk.Job
		call      func(ctx context.Context, q bulk.JobQueue, job bulk.Job) (bulk.Job, error)
		check     func(t *testing.T, job bulk.Job)
	}{{
		name:      "create",
		operation: "PutItem",
		prepare:   func(*testing.T, bulk.JobQueue) bulk.Job { return bulk.Job{JobSpec: newJob("a")} },
		call: func(ctx context.Context, q bulk.JobQueue, job bulk.Job) (bulk.Job, error) {
			return job, q.Create(ctx, job.JobSpec)
		},
		check: func(*testing.T, bulk.Job) {},
	}, {
		name:      "claim",
		operation: "UpdateItem",
		prepare:   func(t *testing.T, q bulk.JobQueue) bulk.Job { return create(t, q, "a") },
		call: func(ctx context.Context, q bulk.JobQueue, job bulk.Job) (bulk.Job, error) {
			return q.Claim(ctx, bulk.Claim{JobID: job.ID, Lease: time.Minute})
		},
		check: func(t *testing.T, job bulk.Job) {
			if job.Token != 1 || job.Attempts != 1 {
				t.Errorf("token is %d and attempts are %d after one claim", job.Token, job.Attempts)
			}
		},
	}, {
		name:      "claim of the next",
		operation: "UpdateItem",
		prepare:   func(t *testing.T, q bulk.JobQueue) bulk.Job { return create(t, q, "a") },
		call: func(ctx context.Context, q bulk.JobQueue, job bulk.Job) (bulk.Job, error) {
			return q.Claim(ctx, bulk.Claim{Lease: time.Minute})
		},
		check: func(t *testing.T, job bulk.Job) {
			if job.Token != 1 {
				t.Errorf("token is %d after one claim", job.Token)
			}
		},
	}, {
		name:      "heartbeat",
		operation: "UpdateItem",
		prepare: func(t *testing.T, q bulk.JobQueue) bulk.Job {
			return claim(t, q, create(t, q, "a").ID)
		},
		call: func(ctx context.Context, q bulk.JobQueue, job bulk.Job) (bulk.Job, error) {
			return q.Save(ctx, job.ID, job.Token, bulk.JobChange{Lease: time.Minute})
		},
		check: func(t *testing.T, job bulk.Job) {
			if job.LeaseUntil.IsZero() {
				t.Error("lease is gone")
			}
		},
	}, {
		name:      "checkpoint and release",
		operation: "UpdateItem",
		prepare: func(t *testing.T, q bulk.JobQueue) bulk.Job {
			return claim(t, q, create(t, q, "a").ID)
		},
		call: func(ctx context.Context, q bulk.JobQueue, job bulk.Job) (bulk.Job, error) {
			return q.Save(ctx, job.ID, job.Token, bulk.JobChange{Progress: progress, RetryAfter: time.Minute})
		},
		check: func(t *testing.T, job bulk.Job) {
			if diff := cmp.Diff(*progress, job.Progress); diff != "" || !job.LeaseUntil.IsZero() {
				t.Errorf("lease until %v, progress (-want +got):\n%s", job.LeaseUntil, diff)
			}
		},
	}, {
		name:      "end",
		operation: "UpdateItem",
		prepare: func(t *testing.T, q bulk.JobQueue) bulk.Job {
			return claim(t, q, create(t, q, "a").ID)
		},
		call: func(ctx context.Context, q bulk.JobQueue, job bulk.Job) (bulk.Job, error) {
			return q.Save(ctx, job.ID, job.Token, bulk.JobChange{End: bulk.JobCompleted, Results: "r"})
		},
		check: func(t *testing.T, job bulk.Job) {
			if job.Status != bulk.JobCompleted || job.Results != "r" {
				t.Errorf("status is %q, results are %q", job.Status, job.Results)
			}
		},
	}, {
		name:      "cancel a pending one",
		operation: "UpdateItem",
		prepare:   func(t *testing.T, q bulk.JobQueue) bulk.Job { return create(t, q, "a") },
		call: func(ctx context.Context, q bulk.JobQueue, job bulk.Job) (bulk.Job, error) {
			return q.Cancel(ctx, job.ID, bulk.Cancellation{Results: "r"})
		},
		check: func(t *testing.T, job bulk.Job) {
			if job.Status != bulk.JobCancelled || job.Results != "r" {
				t.Errorf("status is %q, results are %q", job.Status, job.Results)
			}
		},
	}}
	awstest.EachDynamoDB(t, func(t *testing.T, server awstest.Server) {
		for _, test := range tests {
			t.Run(test.name, func(t *testing.T) {
				t.Parallel()
				table := newTable(t, server)
				clean := newQueue(t, server, table, awstest.Transport(t))
				// Two in a row: the second try loses its answer as well, the error that
				// says that the condition failed.
				faults := awstest.NewFaults(t, awstest.Transport(t), 1, awstest.Rule{
					Kind: awstest.LostAnswer, Operations: []string{test.operation}, Times: 2,
				})
				job := test.prepare(t, clean)
				got, err := test.call(t.Context(), newQueue(t, server, table, faults), job)
				if err != nil {
					t.Fatal(err)
				}
				if n := faults.Injected(awstest.LostAnswer); n != 2 {
					t.Fatalf("%d answers were lost", n)
				}
				test.check(t, got)
				stored, err := clean.Get(t.Context(), job.ID)
				if err != nil {
					t.Fatal(err)
				}
				test.check(t, stored)
			})
		}
	})
}

// A claim whose answer was lost is known again even if the job was cancelled
// before it was sent again.
func TestLostClaimThenCancel(t *testing.T) {
	awstest.EachDynamoDB(t, func(t *testing.T, server awstest.Server) {
		table := newTable(t, server)
		clean := newQueue(t, server, table, awstest.Transport(t))
		job := create(t, clean, "a")
		between := &between{next: awstest.Transport(t), do: func() {
			if _, err := clean.Cancel(context.Background(), job.ID, bulk.Cancellation{}); err != nil {
				t.Error(err)
			}
		}}
		faults := awstest.NewFaults(t, between, 1, awstest.Rule{
			Kind: awstest.LostAnswer, Operations: []string{"UpdateItem"}, Times: 1,
		})
		got := claim(t, newQueue(t, server, table, faults), job.ID)
		if got.Token != 1 || !got.CancelRequested {
			t.Errorf("token is %d, cancel requested is %t", got.Token, got.CancelRequested)
		}
	})
}

// A release whose answer was lost is known again even if others claimed the job
// and gave it up before it was sent again.
func TestLostReleaseThenClaims(t *testing.T) {
	awstest.EachDynamoDB(t, func(t *testing.T, server awstest.Server) {
		table := newTable(t, server)
		clean := newQueue(t, server, table, awstest.Transport(t))
		job := claim(t, clean, create(t, clean, "a").ID)
		between := &between{next: awstest.Transport(t), do: func() {
			for range 3 {
				next, err := clean.Claim(context.Background(), bulk.Claim{JobID: job.ID, Lease: time.Minute})
				if err == nil {
					_, err = clean.Save(context.Background(), job.ID, next.Token, bulk.JobChange{})
				}
				if err != nil {
					t.Error(err)
				}
			}
		}}
		faults := awstest.NewFaults(t, between, 1, awstest.Rule{
			Kind: awstest.LostAnswer, Operations: []string{"UpdateItem"}, Times: 1,
		})
		if _, err := newQueue(t, server, table, faults).Save(t.Context(), job.ID, job.Token, bulk.JobChange{}); err != nil {
			t.Error(err)
		}
	})
}

// between does something after the first UpdateItem.
type between struct {
	next http.RoundTripper
	once sync.Once
	do   func()
}

func (b *between) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := b.next.RoundTrip(request)
	if strings.HasSuffix(request.Header.Get("X-Amz-Target"), ".UpdateItem") {
		b.once.Do(b.do)
	}
	return response, err
}

// A request that arrives after its sender went on changes nothing.
func TestLateRequest(t *testing.T) {
	awstest.EachDynamoDB(t, func(t *testing.T, server awstest.Server) {
		table := newTable(t, server)
		queue := newQueue(t, server, table, awstest.Transport(t))
		job := claim(t, queue, create(t, queue, "a").ID)

		late := &recorder{next: awstest.Transport(t)}
		slow := newQueue(t, server, table, late)
		save := func(q bulk.JobQueue, rows int) {
			t.Helper()
			_, err := q.Save(t.Context(), job.ID, job.Token, bulk.JobChange{Lease: time.Minute, Progress: &bulk.Progress{Rows: rows}})
			if err != nil {
				t.Fatal(err)
			}
		}
		save(slow, 500)
		save(slow, 1000)
		late.sendFirstAgain(t)

		got, err := queue.Get(t.Context(), job.ID)
		if err != nil || got.Progress.Rows != 1000 {
			t.Errorf("%d rows, error %v; want the later checkpoint's 1000", got.Progress.Rows, err)
		}
	})
}

// recorder keeps the first request, with its body.
type recorder struct {
	next  http.RoundTripper
	first *http.Request
}

func (r *recorder) RoundTrip(request *http.Request) (*http.Response, error) {
	if r.first == nil {
		body, err := io.ReadAll(request.Body)
		request.Body.Close()
		if err != nil {
			return nil, err
		}
		r.first = request.Clone(context.Background())
		r.first.Body = io.NopCloser(bytes.NewReader(body))
		request = request.Clone(request.Context())
		request.Body = io.NopCloser(bytes.NewReader(body))
	}
	return r.next.RoundTrip(request)
}

func (r *recorder) sendFirstAgain(t *testing.T) {
	t.Helper()
	response, err := r.next.RoundTrip(r.first)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusBadRequest {
		t.Errorf("the late request was answered with %s", response.Status)
	}
}

// However many claim at once, each job is claimed once, and all are.
func TestClaimRace(t *testing.T) {
	const jobs, claimers = 60, 16
	awstest.EachDynamoDB(t, func(t *testing.T, server awstest.Server) {
		table := newTable(t, server)
		transport := awstest.Transport(t)
		queue := newQueue(t, server, table, transport)
		for i := range jobs {
			create(t, queue, fmt.Sprint("tenant", i%3))
		}
		var mu sync.Mutex
		claimed := make(map[string]int)
		var wg sync.WaitGroup
		for range claimers {
			queue := newQueue(t, server, table, transport) // as another process
			wg.Go(func() {
				for {
					job, err := queue.Claim(t.Context(), bulk.Claim{Lease: time.Minute})
					if errors.Is(err, bulk.ErrNoJob) {
						return
					}
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					claimed[job.ID]++
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		if len(claimed) != jobs {
			t.Errorf("%d of %d jobs were claimed", len(claimed), jobs)
		}
		for id, n := range claimed {
			if n != 1 {
				t.Errorf("job %s was claimed %d times", id, n)
			}
		}
	})
}

// Tenants take turns however many jobs each has, and however many of them are
// under way; within a tenant the oldest is taken.
func TestTurns(t *testing.T) {
	awstest.EachDynamoDB(t, func(t *testing.T, server awstest.Server) {
		queue := newQueue(t, server, newTable(t, server), awstest.Transport(t))
		const tenants = 5
		want := make(map[string][]string)
		for i := range 60 { // a page and more of one tenant, which are under way
			job := create(t, queue, "tenant0")
			if i < 40 {
				claim(t, queue, job.ID)
			} else {
				want["tenant0"] = append(want["tenant0"], job.ID)
			}
		}
		for i := 1; i < tenants; i++ {
			tenant := fmt.Sprint("tenant", i)
			for range 3 {
				want[tenant] = append(want[tenant], create(t, queue, tenant).ID)
			}
		}
		got := make(map[string][]string)
		for round := range 3 {
			for range tenants {
				job := claim(t, queue, "")
				got[job.Tenant] = append(got[job.Tenant], job.ID)
			}
			for tenant, ids := range got {
				if len(ids) != round+1 {
					t.Fatalf("%s had %d turns in round %d", tenant, len(ids), round+1)
				}
			}
		}
		want["tenant0"] = want["tenant0"][:3]
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("claims by tenant (-want +got):\n%s", diff)
		}
	})
}

// A job whose lease is over is found by claims without an id, and before younger
// ones of its tenant.
func TestExpiredLeaseIsFound(t *testing.T) {
	awstest.EachDynamoDB(t, func(t *testing.T, server awstest.Server) {
		queue := newQueue(t, server, newTable(t, server), awstest.Transport(t))
		old := create(t, queue, "a")
		create(t, queue, "a")
		if _, err := queue.Claim(t.Context(), bulk.Claim{Lease: -time.Second}); err != nil { // over at once
			t.Fatal(err)
		}
		if got := claim(t, queue, ""); got.ID != old.ID || got.Token != 2 {
			t.Errorf("claimed %s with token %d, want %s with token 2", got.ID, got.Token, old.ID)
		}
	})
}

// Pages with a status are found among many jobs of others, each job once.
func TestListByStatus(t *testing.T) {
	awstest.EachDynamoDB(t, func(t *testing.T, server awstest.Server) {
		queue := newQueue(t, server, newTable(t, server), awstest.Transport(t))
		var want []string
		for i := range 230 {
			job := create(t, queue, "a")
			if i%50 == 3 {
				if _, err := queue.Cancel(t.Context(), job.ID, bulk.Cancellation{}); err != nil {
					t.Fatal(err)
				}
				want = append([]string{job.ID}, want...)
			}
		}
		var got []string
		filter := bulk.JobFilter{Tenant: "a", Status: bulk.JobCancelled, Limit: 2}
		for page := 0; page == 0 || filter.Cursor != ""; page++ {
			jobs, cursor, err := queue.List(t.Context(), filter)
			if err != nil {
				t.Fatal(err)
			}
			for _, job := range jobs {
				got = append(got, job.ID)
			}
			filter.Cursor = cursor
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("cancelled jobs (-want +got):\n%s", diff)
		}
	})
}

// Progress of any content comes back as it was.
func TestProgressRoundTrip(t *testing.T) {
	awstest.EachDynamoDB(t, func(t *testing.T, server awstest.Server) {
		queue := newQueue(t, server, newTable(t, server), awstest.Transport(t))
		job := claim(t, queue, create(t, queue, "").ID)
		want := bulk.Progress{
			Rows:       10_000,
			Summary:    bulk.Summary{Created: 1, Updated: 2, Unchanged: 3, Skipped: 4, Failed: 5},
			Checkpoint: strings.Repeat("{\"spans\": [\"é\"]}\n", 5000),
		}
		saved, err := queue.Save(t.Context(), job.ID, job.Token, bulk.JobChange{Lease: time.Minute, Progress: &want})
		if err != nil {
			t.Fatal(err)
		}
		stored, err := queue.Get(t.Context(), job.ID)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, stored.Progress) + cmp.Diff(saved, stored); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}

		want.Checkpoint = strings.Repeat("x", dynamojobs.MaxItem)
		_, err = queue.Save(t.Context(), job.ID, job.Token, bulk.JobChange{Lease: time.Minute, Progress: &want})
		if err == nil || bulk.Retryable(err) {
			t.Errorf("progress that does not fit: %v; want an error that is not retryable", err)
		}
	})
}

func TestImpossibleIDs(t *testing.T) {
	awstest.EachDynamoDB(t, func(t *testing.T, server awstest.Server) {
		queue := newQueue(t, server, newTable(t, server), awstest.Transport(t))
		for _, id := range []string{"", "no", "\xff", strings.Repeat("x", 5000)} {
			if _, err := queue.Get(t.Context(), id); !errors.Is(err, bulk.ErrJobNotFound) {
				t.Errorf("Get of %.10q: %v", id, err)
			}
			if _, err := queue.Cancel(t.Context(), id, bulk.Cancellation{}); !errors.Is(err, bulk.ErrJobNotFound) {
				t.Errorf("Cancel of %.10q: %v", id, err)
			}
			if _, err := queue.Save(t.Context(), id, 1, bulk.JobChange{}); !errors.Is(err, bulk.ErrLeaseLost) {
				t.Errorf("Save of %.10q: %v", id, err)
			}
			if id == "" {
				continue
			}
			if _, err := queue.Claim(t.Context(), bulk.Claim{JobID: id, Lease: time.Minute}); !errors.Is(err, bulk.ErrNoJob) {
				t.Errorf("Claim of %.10q: %v", id, err)
			}
		}
		long := newJob("a")
		long.ID = strings.Repeat("x", dynamojobs.MaxJobID)
		if err := queue.Create(t.Context(), long); err != nil {
			t.Errorf("id of %d bytes: %v", len(long.ID), err)
		}
		claim(t, queue, "")
		long.ID += "x"
		if err := queue.Create(t.Context(), long); err == nil || bulk.Retryable(err) {
			t.Errorf("id of %d bytes: %v; want an error that is not retryable", len(long.ID), err)
		}
	})
}

func TestErrorsAreClassified(t *testing.T) {
	awstest.EachDynamoDB(t, func(t *testing.T, server awstest.Server) {
		job := newJob("a")
		missing := newQueue(t, server, "no-such-table", awstest.Transport(t))
		if err := missing.Create(t.Context(), job); err == nil || bulk.Retryable(err) {
			t.Errorf("missing table: %v; want an error that is not retryable", err)
		}
		table := newTable(t, server)
		for _, kind := range []awstest.Kind{awstest.Throttle, awstest.ServerError, awstest.LostAnswer, awstest.TransactionConflict} {
			rule := awstest.Rule{Kind: kind}
			if kind == awstest.LostAnswer {
				rule.Operations = []string{"GetItem"}
			}
			faults := awstest.NewFaults(t, awstest.Transport(t), 1, rule)
			queue := newQueue(t, server, table, faults)
			var err error
			if kind == awstest.TransactionConflict {
				err = queue.Create(t.Context(), job)
			} else {
				_, err = queue.Get(t.Context(), job.ID)
			}
			if !bulk.Retryable(err) {
				t.Errorf("%s: %v; want a retryable error", kind, err)
			}
			if n := faults.Injected(kind); n < 2 {
				t.Errorf("%s: %d attempts", kind, n)
			}
		}
	})
}

func TestOptions(t *testing.T) {
	client := awstest.Server{}.DynamoDB(http.DefaultTransport)
	for field, opts := range map[string]dynamojobs.Options{
		"Options.Table":      {},
		"Options.ClaimIndex": {Table: "t", TenantIndex: "i", ClaimIndex: "i"},
	} {
		_, err := dynamojobs.New(client, opts)
		var bad *bulk.ConfigError
		if !errors.As(err, &bad) || bad.Field != field {
			t.Errorf("%s: %v", field, err)
		}
		if err := dynamojobs.CreateTable(t.Context(), client, opts); !errors.As(err, &bad) {
			t.Errorf("%s: CreateTable: %v", field, err)
		}
	}
	if _, err := dynamojobs.New(nil, dynamojobs.Options{Table: "t"}); err == nil {
		t.Error("no error without a client")
	}
}
