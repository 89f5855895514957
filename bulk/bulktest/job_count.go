package bulktest

import (
	"fmt"
	"time"

	"github.com/bulkops/bulkops/bulk"
)

// countCases are for a queue that is a [bulk.JobCounter]. They count the jobs of all
// tenants, so they do not run in parallel.
var countCases = []jobCase{{
	name: "Count/ReadyAndHeld",
	rule: "CountJobs tells jobs that can be claimed from those that are leased or wait for their next attempt, and counts no others",
	run: func(t *jobTest) {
		before := t.counts()
		t.create()
		t.in(unique("tenant")).create()
		t.save(t.processing(longLease), bulk.JobChange{}) // given up
		t.processing(longLease)
		t.save(t.processing(longLease), bulk.JobChange{RetryAfter: longLease})
		t.save(t.processing(longLease), bulk.JobChange{End: bulk.JobCompleted})
		ended := t.processing(longLease)
		t.save(ended, bulk.JobChange{End: bulk.JobCompleted, Notify: true})
		told, err := t.queue.Claim(t.ctx, bulk.Claim{JobID: ended.ID, Ended: true, Lease: longLease})
		if err != nil {
			t.Fatalf("Claim of an ended job: %v", err)
		}
		t.save(told, bulk.JobChange{RetryAfter: longLease})
		if _, err := t.queue.Cancel(t.ctx, t.create().ID, bulk.Cancellation{}); err != nil {
			t.Fatalf("Cancel: %v", err)
		}
		t.counted(before.Ready+3, before.Held+2, "three can be claimed, one is leased, one delayed, three have ended, of which one is to be told of")
	},
}, {
	name: "Count/ByTime",
	rule: "a job counts as ready once its lease or its delay is over, and not at all once it has expired",
	run: func(t *jobTest) {
		before := t.counts()
		t.processing(shortLease)
		t.save(t.processing(longLease), bulk.JobChange{RetryAfter: shortLease})
		expiring := t.job()
		expiring.ExpiresAt = now().Add(shortLease)
		t.add(expiring)
		time.Sleep(time.Until(expiring.ExpiresAt.Add(20 * time.Millisecond)))
		t.counted(before.Ready+2, before.Held, "a lease and a delay are over, and one job has expired")
	},
}, {
	name: "Count/OldestReady",
	rule: "OldestReady is when the oldest job that can be claimed was created, and zero if there is none",
	run: func(t *jobTest) {
		t.noNext("there is none of this case") // those of others are claimed by that, and held meanwhile
		var before bulk.JobCounts
		t.soon("CountJobs tells of jobs that can be claimed, though all are", func() bool {
			before = t.counts()
			return before.Ready == 0
		})
		held := t.processing(longLease) // the oldest, but not ready
		time.Sleep(50 * time.Millisecond)
		first := t.create()
		time.Sleep(50 * time.Millisecond)
		t.in(unique("tenant")).create()
		t.create()
		counts := t.counted(3, before.Held+1, "three can be claimed, the oldest job is leased")
		if d := counts.OldestReady.Sub(first.CreatedAt).Abs(); d > 20*time.Millisecond {
			t.Errorf("OldestReady is %v, want %v of job %s; that of the leased job is %v", counts.OldestReady, first.CreatedAt, first.ID, held.CreatedAt)
		}
		for n := range 3 { // whichever tenant was served last
			t.next()
			counts = t.counted(2-n, before.Held+2+n, "one more was claimed")
		}
		if !counts.OldestReady.IsZero() {
			t.Errorf("OldestReady is %v, want the zero time: no job can be claimed", counts.OldestReady)
		}
	},
}}

// counts returns what the queue counts.
func (t *jobTest) counts() bulk.JobCounts {
	t.Helper()
	counts, err := bulk.CountJobs(t.ctx, t.queue)
	if err != nil {
		t.Fatalf("CountJobs: %v", err)
	}
	return counts
}

// counted returns what the queue counts once that is as wanted.
func (t *jobTest) counted(ready, held int, why string) (counts bulk.JobCounts) {
	t.Helper()
	t.soonOr(func() string {
		return fmt.Sprintf("CountJobs tells of %d ready and %d held jobs, want %d and %d: %s", counts.Ready, counts.Held, ready, held, why)
	}, func() bool {
		counts = t.counts()
		return counts.Ready == ready && counts.Held == held
	})
	return counts
}
