package dynamojobs_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/bulk/bulktest"
	"github.com/bulkops/bulkops/internal/test/awstest"
	"github.com/bulkops/bulkops/jobs/dynamojobs"
)

func newKey(tenant, name string) bulk.IdempotencyKey {
	now := time.Now().UTC().Truncate(time.Millisecond)
	return bulk.IdempotencyKey{
		Tenant: tenant, Name: name, Version: 1, Run: "job_1",
		ExpiresAt: now.Add(time.Hour), BusyUntil: now.Add(time.Minute),
	}
}

func TestKeyConformance(t *testing.T) {
	awstest.EachDynamoDB(t, func(t *testing.T, server awstest.Server) {
		table := newTable(t, server)
		bulktest.TestIdempotencyKeyStore(t, func(t *testing.T) bulk.IdempotencyKeyStore {
			return newQueue(t, server, table, awstest.Transport(t))
		})
	})
}

func TestKeys(t *testing.T) {
	awstest.EachDynamoDB(t, func(t *testing.T, server awstest.Server) {
		queue := newQueue(t, server, newTable(t, server), awstest.Transport(t))
		put := func(k bulk.IdempotencyKey, want error) {
			t.Helper()
			if err := queue.PutIdempotencyKey(t.Context(), k); !errors.Is(err, want) {
				t.Errorf("PutIdempotencyKey of version %d: %v, want %v", k.Version, err, want)
			}
		}
		holds := func(want bulk.IdempotencyKey) {
			t.Helper()
			got, err := queue.GetIdempotencyKey(t.Context(), want.Tenant, want.Name)
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				t.Errorf("GetIdempotencyKey: %v (-want +got):\n%s", err, diff)
			}
		}
		first := newKey("a", "k")
		if _, err := queue.GetIdempotencyKey(t.Context(), "a", "k"); !errors.Is(err, bulk.ErrIdempotencyKeyNotFound) {
			t.Errorf("GetIdempotencyKey: %v", err)
		}
		second := first
		second.Version, second.Done, second.Fingerprint, second.Report = 2, true, "f", "r"
		put(second, bulk.ErrConflict) // there is no first
		put(first, nil)
		put(first, bulk.ErrConflict)
		holds(first)
		put(second, nil)
		put(second, bulk.ErrConflict)
		put(first, bulk.ErrConflict)
		holds(second)

		// Names and tenants are apart, wherever one ends and the other begins.
		for _, other := range []bulk.IdempotencyKey{newKey("", "a#k"), newKey("a#", "k"), newKey("a", "#k"), newKey("b", "k")} {
			put(other, nil)
			holds(other)
		}
		holds(second)
	})
}

// An expired key does not exist, and its name can be used again.
func TestKeyExpires(t *testing.T) {
	awstest.EachDynamoDB(t, func(t *testing.T, server awstest.Server) {
		queue := newQueue(t, server, newTable(t, server), awstest.Transport(t))
		old := newKey("a", "k")
		old.ExpiresAt = time.Now().Add(-time.Second)
		if err := queue.PutIdempotencyKey(t.Context(), old); err != nil {
			t.Fatal(err)
		}
		if _, err := queue.GetIdempotencyKey(t.Context(), "a", "k"); !errors.Is(err, bulk.ErrIdempotencyKeyNotFound) {
			t.Errorf("GetIdempotencyKey: %v", err)
		}
		next := newKey("a", "k")
		next.Version = 2
		if err := queue.PutIdempotencyKey(t.Context(), next); !errors.Is(err, bulk.ErrConflict) {
			t.Errorf("PutIdempotencyKey of version 2: %v", err)
		}
		if err := queue.PutIdempotencyKey(t.Context(), newKey("a", "k")); err != nil {
			t.Errorf("PutIdempotencyKey of version 1: %v", err)
		}
	})
}

func TestKeyRace(t *testing.T) {
	awstest.EachDynamoDB(t, func(t *testing.T, server awstest.Server) {
		table := newTable(t, server)
		faults := awstest.NewFaults(t, awstest.Transport(t), 1,
			awstest.Rule{Kind: awstest.LostAnswer, Operations: []string{"PutItem"}, Times: 8})
		queue := newQueue(t, server, table, faults)
		var wins atomic.Int32
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				switch err := queue.PutIdempotencyKey(t.Context(), newKey("a", "k")); {
				case err == nil:
					wins.Add(1)
				case !errors.Is(err, bulk.ErrConflict) && !bulk.Retryable(err):
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if wins.Load() != 1 {
			t.Errorf("%d calls stored the key", wins.Load())
		}
	})
}

// No method for jobs takes the item of a key for a job.
func TestKeyIsNoJob(t *testing.T) {
	awstest.EachDynamoDB(t, func(t *testing.T, server awstest.Server) {
		queue := newQueue(t, server, newTable(t, server), awstest.Transport(t))
		if err := queue.PutIdempotencyKey(t.Context(), newKey("a", "k")); err != nil {
			t.Fatal(err)
		}
		id := dynamojobs.KeyID("a", "k")
		if _, err := queue.Get(t.Context(), id); !errors.Is(err, bulk.ErrJobNotFound) {
			t.Errorf("Get: %v", err)
		}
		if _, err := queue.Cancel(t.Context(), id, bulk.Cancellation{}); !errors.Is(err, bulk.ErrJobNotFound) {
			t.Errorf("Cancel: %v", err)
		}
		if _, err := queue.Save(t.Context(), id, 0, bulk.JobChange{}); !errors.Is(err, bulk.ErrLeaseLost) {
			t.Errorf("Save: %v", err)
		}
		for _, id := range []string{id, ""} {
			if _, err := queue.Claim(t.Context(), bulk.Claim{JobID: id, Lease: time.Minute}); !errors.Is(err, bulk.ErrNoJob) {
				t.Errorf("Claim: %v", err)
			}
		}
		if jobs, _, err := queue.List(t.Context(), bulk.JobFilter{Tenant: "a", Limit: 10}); err != nil || len(jobs) > 0 {
			t.Errorf("List: %v, %v", jobs, err)
		}
	})
}
