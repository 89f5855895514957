package bulktest

import (
	"time"

	"github.com/bulkops/bulkops/bulk"
)

var claimCases = []jobCase{{
	name: "Claim/GivesTheLease",
	rule: "Claim sets the status to processing, StartedAt, LeaseUntil and Worker, and adds one to Token and Attempts",
	run: func(t *jobTest) {
		job := t.create()
		from := now()
		got := t.claim(job.ID, longLease)
		to := now()
		t.within(got.StartedAt, "StartedAt", from, to)
		t.within(got.UpdatedAt, "UpdatedAt", from, to)
		t.within(got.LeaseUntil, "LeaseUntil", from.Add(longLease), to.Add(longLease))
		want := job
		want.Status = bulk.JobProcessing
		want.StartedAt, want.UpdatedAt, want.LeaseUntil = got.StartedAt, got.UpdatedAt, got.LeaseUntil
		want.Token, want.Attempts = 1, 1
		want.Worker = "worker of " + job.ID
		t.same(want, got, "the job claimed is not as promised")
		t.same(got, t.get(job.ID), "Get does not have the job as it was claimed")
	},
}, {
	name: "Claim/RefusesLeasedJob",
	rule: "a job whose lease somebody holds cannot be claimed",
	run: func(t *jobTest) {
		job := t.processing(longLease)
		t.notClaimed(job.ID, "is leased")
		t.same(job, t.get(job.ID), "a Claim that was refused changed the job")
		t.save(job, bulk.JobChange{Lease: longLease})
		t.notClaimed(job.ID, "is leased")
	},
}, {
	name: "Claim/RefusesEndedJob",
	rule: "a job that has ended cannot be claimed",
	run: func(t *jobTest) {
		pending := t.create()
		if _, err := t.queue.Cancel(t.ctx, pending.ID, bulk.Cancellation{}); err != nil {
			t.Fatalf("Cancel: %v", err)
		}
		t.notClaimed(pending.ID, "was cancelled")
		for _, status := range []bulk.JobStatus{bulk.JobCompleted, bulk.JobFailed, bulk.JobCancelled} {
			job := t.save(t.processing(longLease), bulk.JobChange{End: status})
			t.notClaimed(job.ID, "has ended as "+string(status))
			t.same(job, t.get(job.ID), "a Claim that was refused changed the job")
		}
	},
}, {
	name: "Claim/RefusesMissingJob",
	rule: "Claim of a job that does not exist is ErrNoJob",
	run: func(t *jobTest) {
		t.create()
		t.notClaimed(t.job().ID, "does not exist")
		t.notClaimed("no such job", "does not exist")
	},
}, {
	name: "Claim/LeaseEndsByItself",
	rule: "a lease ends by itself; the next claim has a higher token and keeps what was saved",
	run: func(t *jobTest) {
		job := t.processing(longLease)
		begin := time.Now()
		job = t.save(job, bulk.JobChange{Lease: shortLease, Progress: fullProgress()})
		if time.Now().Before(job.LeaseUntil.Add(-shortLease / 2)) { // not if the call took that long
			t.notClaimed(job.ID, "is leased")
		}
		from := now()
		got := t.reclaim(job.ID, longLease)
		t.elapsed(begin, shortLease, "the lease")
		to := now()
		t.within(got.UpdatedAt, "UpdatedAt", from, to)
		t.within(got.LeaseUntil, "LeaseUntil", from.Add(longLease), to.Add(longLease))
		want := job
		want.Token, want.Attempts = 2, 1
		want.UpdatedAt, want.LeaseUntil, want.NotBefore = got.UpdatedAt, got.LeaseUntil, got.NotBefore
		t.same(want, got, "the job claimed again is not as promised")
		t.notClaimed(job.ID, "was claimed again")
	},
}, {
	name: "Claim/ReleasedJobAtOnce",
	rule: "a job whose lease is given up can be claimed at once, with a higher token; StartedAt stays",
	run: func(t *jobTest) {
		job := t.processing(longLease)
		for attempt := 2; attempt <= 4; attempt++ {
			t.save(job, bulk.JobChange{})
			got := t.claim(job.ID, longLease)
			if got.Token != int64(attempt) || got.Attempts != attempt {
				t.Errorf("claim %d has token %d and %d attempts", attempt, got.Token, got.Attempts)
			}
			if !got.StartedAt.Equal(job.StartedAt) {
				t.Errorf("StartedAt changed from %v to %v", job.StartedAt, got.StartedAt)
			}
			job = got
		}
	},
}, {
	name: "Claim/WaitsForRetryAfter",
	rule: "RetryAfter delays the next claim: the job cannot be claimed before NotBefore, and can afterwards",
	run: func(t *jobTest) {
		long := t.processing(longLease)
		from := now()
		got := t.save(long, bulk.JobChange{RetryAfter: longLease})
		t.within(got.NotBefore, "NotBefore", from.Add(longLease), now().Add(longLease))
		t.notClaimed(long.ID, "must wait")

		short := t.processing(longLease)
		begin := time.Now()
		got = t.save(short, bulk.JobChange{RetryAfter: shortDelay})
		if time.Now().Before(got.NotBefore.Add(-shortDelay / 2)) {
			t.notClaimed(short.ID, "must wait")
		}
		again := t.reclaim(short.ID, longLease)
		t.elapsed(begin, shortDelay, "RetryAfter")
		if again.Token != 2 || again.Attempts != 2 {
			t.Errorf("the second claim has token %d and %d attempts, want 2 and 2", again.Token, again.Attempts)
		}
	},
}, {
	name: "Claim/CountsAttempts",
	rule: "Attempts is the number of claims since progress was last saved",
	run: func(t *jobTest) {
		job := t.processing(longLease)
		check := func(want int, when string) {
			t.Helper()
			if job.Attempts != want {
				t.Fatalf("%s Attempts is %d, want %d", when, job.Attempts, want)
			}
		}
		check(1, "after the first claim")
		job = t.save(job, bulk.JobChange{Lease: longLease})
		check(1, "after a heartbeat")
		job = t.save(job, bulk.JobChange{})
		check(1, "after a release")
		job = t.claim(job.ID, longLease)
		check(2, "after the second claim")
		job = t.save(job, bulk.JobChange{Lease: longLease, Progress: fullProgress()})
		check(0, "after a checkpoint")
		job = t.save(job, bulk.JobChange{})
		job = t.claim(job.ID, longLease)
		check(1, "after the first claim since a checkpoint")
		job = t.save(job, bulk.JobChange{Progress: fullProgress()})
		check(0, "after a checkpoint with the release")
		if job.Token != 3 {
			t.Errorf("after three claims Token is %d", job.Token)
		}
	},
}}
