package dynamojobs_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/test/awstest"
)

// A tenant that comes while another, alone until then, has many jobs queued is served
// after the few of those that are kept at hand.
func TestNewcomer(t *testing.T) {
	awstest.EachDynamoDB(t, func(t *testing.T, server awstest.Server) {
		table := newTable(t, server)
		queue := newQueue(t, server, table, awstest.Transport(t))
		fill(t, server.DynamoDB(awstest.Transport(t)), table, 1, 200)
		for n := range 12 {
			claim(t, queue, "")
			newcomer := create(t, queue, fmt.Sprint("newcomer", n)) // on either side of the other
			before := 0
			for claim(t, queue, "").ID != newcomer.ID {
				before++
			}
			if before > 2 {
				t.Errorf("%d jobs of the other tenant were claimed before that of %s", before, newcomer.Tenant)
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
		fill(t, server.DynamoDB(awstest.Transport(t)), table, 1, 50) // the first claim looks for what is due
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
