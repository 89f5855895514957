package dynamojobs_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/test/awstest"
	"github.com/bulkops/bulkops/jobs/dynamojobs"
)

// A tenant that comes while another, alone until then, has many jobs queued is served
// next; or, at once, after the few of those that are kept at hand.
func TestNewcomer(t *testing.T) {
	awstest.EachDynamoDB(t, func(t *testing.T, server awstest.Server) {
		table := newTable(t, server)
		queue := newQueue(t, server, table, awstest.Transport(t))
		fill(t, server.DynamoDB(awstest.Transport(t)), table, 1, 2000)
		for n := range 24 {
			for range 3 {
				claim(t, queue, "")
			}
			newcomer := create(t, queue, fmt.Sprint("newcomer", n)) // on either side of the other
			most := 2
			if n%2 == 0 {
				queue.ForgetSpares()
				most = 0
			}
			before := 0
			for claim(t, queue, "").ID != newcomer.ID {
				before++
			}
			if before > most {
				t.Errorf("%d jobs of the other tenant were claimed before that of %s, want at most %d", before, newcomer.Tenant, most)
			}
		}
	})
}

// Tenants take turns also where one page has all of their jobs.
func TestTurnsOfFewJobs(t *testing.T) {
	const tenants, jobs = 4, 3
	awstest.EachDynamoDB(t, func(t *testing.T, server awstest.Server) {
		table := newTable(t, server)
		queue := newQueue(t, server, table, awstest.Transport(t))
		fill(t, server.DynamoDB(awstest.Transport(t)), table, tenants, jobs)
		seen := make(map[string]int)
		for i := range tenants * jobs {
			tenant := claim(t, queue, "").Tenant
			if seen[tenant]++; seen[tenant] > i/tenants+1 {
				t.Errorf("%s is served %d times by claim %d", tenant, seen[tenant], i+1)
			}
		}
	})
}

// Among tenants with more jobs than a page has, each is served once before any is
// served again; and so is one whose only job becomes due meanwhile, in its turn.
func TestDueJobHasItsTurn(t *testing.T) {
	const tenants = 6
	awstest.EachDynamoDB(t, func(t *testing.T, server awstest.Server) {
		table := newTable(t, server)
		queue := newQueue(t, server, table, awstest.Transport(t))
		fill(t, server.DynamoDB(awstest.Transport(t)), table, tenants, 60)
		for n := range 6 {
			lapsed := create(t, queue, fmt.Sprint("lapsed", n)).ID
			if _, err := queue.Claim(t.Context(), bulk.Claim{JobID: lapsed, Lease: -time.Second}); err != nil { // over at once
				t.Fatal(err)
			}
			// It is seen where the ring closes, and served by then, or a round later.
			seen := make(map[string]int)
			found := 0
			for i := range 2 * (tenants + 1) {
				job := claim(t, queue, "")
				if job.ID == lapsed {
					found++
					continue
				}
				seen[job.Tenant]++
				if most := i/tenants + 1; seen[job.Tenant] > most {
					t.Errorf("%s is served %d times by claim %d: %v", job.Tenant, seen[job.Tenant], i+1, seen)
				}
			}
			if found != 1 || len(seen) != tenants {
				t.Errorf("the job that became due was claimed %d times, the others %v", found, seen)
			}
		}
	})
}

// Within a tenant a job that has become due comes before younger ones, also where there
// are more than a page has.
func TestDueJobComesBeforeYoungerOnes(t *testing.T) {
	awstest.EachDynamoDB(t, func(t *testing.T, server awstest.Server) {
		table := newTable(t, server)
		queue := newQueue(t, server, table, awstest.Transport(t))
		old := create(t, queue, "tenant0").ID
		if _, err := queue.Claim(t.Context(), bulk.Claim{JobID: old, Lease: -time.Second}); err != nil { // over at once
			t.Fatal(err)
		}
		fill(t, server.DynamoDB(awstest.Transport(t)), table, 1, 50)
		queue.StartAround() // where a page has younger ones only
		if got := claim(t, queue, ""); got.ID != old || got.Token != 2 {
			t.Errorf("claimed %s with token %d, want %s with token 2", got.ID, got.Token, old)
		}
	})
}

// However many jobs become due at once, all are claimed.
func TestManyDueJobs(t *testing.T) {
	awstest.EachDynamoDB(t, func(t *testing.T, server awstest.Server) {
		const jobs = 100
		queue := newQueue(t, server, newTable(t, server), awstest.Transport(t))
		due := make(map[string]bool)
		for i := range jobs {
			job := create(t, queue, fmt.Sprint("tenant", i%3))
			if _, err := queue.Claim(t.Context(), bulk.Claim{JobID: job.ID, Lease: -time.Second}); err != nil {
				t.Fatal(err)
			}
			due[job.ID] = true
		}
		for range jobs {
			delete(due, claim(t, queue, "").ID)
		}
		if len(due) > 0 {
			t.Errorf("%d jobs were not claimed", len(due))
		}
	})
}

// A job that was claimed by its id again and again, and is given back, stands where it
// stood at first.
func TestReleasedJobHasItsPlace(t *testing.T) {
	awstest.EachDynamoDB(t, func(t *testing.T, server awstest.Server) {
		queue := newQueue(t, server, newTable(t, server), awstest.Transport(t))
		old := create(t, queue, "a")
		create(t, queue, "a")
		for range 2 {
			var err error
			if old, err = queue.Claim(t.Context(), bulk.Claim{JobID: old.ID, Lease: -time.Second}); err != nil { // over at once
				t.Fatal(err)
			}
		}
		if _, err := queue.Save(t.Context(), old.ID, old.Token, bulk.JobChange{}); err != nil {
			t.Fatal(err)
		}
		if got := claim(t, queue, ""); got.ID != old.ID {
			t.Errorf("claimed %s, want %s", got.ID, old.ID)
		}
	})
}

// A job that became due and is claimed, or ends, before it is given its place, is not
// put among those that can be claimed.
func TestDueJobThatIsTakenMeanwhile(t *testing.T) {
	awstest.EachDynamoDB(t, func(t *testing.T, server awstest.Server) {
		table := newTable(t, server)
		clean := newQueue(t, server, table, awstest.Transport(t))
		none := func(queue bulk.JobQueue) {
			t.Helper()
			if job, err := queue.Claim(t.Context(), bulk.Claim{Lease: time.Minute}); !errors.Is(err, bulk.ErrNoJob) {
				t.Errorf("claimed %q with error %v", job.ID, err)
			}
		}
		meanwhile := func(do func(job bulk.Job)) {
			t.Helper()
			id := ""
			queue := newQueue(t, server, table, after{awstest.Transport(t), "Query", func() {
				if taken := id; taken != "" {
					id = ""
					do(claim(t, clean, taken))
				}
			}})
			none(queue) // so that it has looked for what versions before left
			id = create(t, clean, "a").ID
			if _, err := clean.Claim(t.Context(), bulk.Claim{JobID: id, Lease: -time.Second}); err != nil { // over at once
				t.Fatal(err)
			}
			none(queue)
		}
		meanwhile(func(bulk.Job) {})
		m := newMeter(t, server)
		queue, err := dynamojobs.New(m, dynamojobs.Options{Table: table})
		if err != nil {
			t.Fatal(err)
		}
		if none(queue); m.entries > 0 {
			t.Errorf("%d entries are read of jobs that are under way", m.entries)
		}
		var want string
		meanwhile(func(job bulk.Job) {
			want = job.ID
			if _, err := clean.Save(t.Context(), job.ID, job.Token, bulk.JobChange{End: bulk.JobCompleted, Notify: true}); err != nil {
				t.Error(err)
			}
		})
		if job, err := clean.Claim(t.Context(), bulk.Claim{Lease: time.Minute, Ended: true}); err != nil || job.ID != want {
			t.Errorf("claimed %q to tell of it, error %v, want %s", job.ID, err, want)
		}
	})
}

// Ends are claimed to be told in their order, also those that were given back.
func TestEndsAreToldInOrder(t *testing.T) {
	awstest.EachDynamoDB(t, func(t *testing.T, server awstest.Server) {
		queue := newQueue(t, server, newTable(t, server), awstest.Transport(t))
		var want, got []string
		for i := range 8 {
			job := claim(t, queue, create(t, queue, fmt.Sprint("tenant", i)).ID)
			job, err := queue.Save(t.Context(), job.ID, job.Token, bulk.JobChange{End: bulk.JobCompleted, Notify: true})
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Until(job.CompletedAt.Add(time.Millisecond)))
			want = append(want, job.ID)
		}
		for _, id := range want[:6] {
			job, err := queue.Claim(t.Context(), bulk.Claim{JobID: id, Lease: time.Minute, Ended: true})
			if err == nil {
				_, err = queue.Save(t.Context(), id, job.Token, bulk.JobChange{})
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		for range want {
			job, err := queue.Claim(t.Context(), bulk.Claim{Lease: time.Minute, Ended: true})
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, job.ID)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("ends in the order claimed (-want +got):\n%s", diff)
		}
	})
}

// Jobs that have expired are no hints, so that no claim tries them.
func TestExpiredJobsAreNoHints(t *testing.T) {
	awstest.EachDynamoDB(t, func(t *testing.T, server awstest.Server) {
		m := newMeter(t, server)
		queue, err := dynamojobs.New(m, dynamojobs.Options{Table: newTable(t, server)})
		if err != nil {
			t.Fatal(err)
		}
		expired := newJob("a")
		expired.ExpiresAt = time.Now().Add(-time.Second)
		if err := queue.Create(t.Context(), expired); err != nil {
			t.Fatal(err)
		}
		m.reset()
		if _, err := queue.Claim(t.Context(), bulk.Claim{Lease: time.Minute}); !errors.Is(err, bulk.ErrNoJob) {
			t.Error(err)
		}
		if m.entries != 1 || m.calls["UpdateItem"] > 0 {
			t.Errorf("%d entries are read, and the calls are %v", m.entries, m.calls)
		}
	})
}

// after does something after each call of an operation.
type after struct {
	next      http.RoundTripper
	operation string
	do        func()
}

func (a after) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := a.next.RoundTrip(request)
	if strings.HasSuffix(request.Header.Get("X-Amz-Target"), "."+a.operation) {
		a.do()
	}
	return response, err
}
