package bulktest

import (
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/bulkops/bulkops/bulk"
)

var saveCases = []jobCase{{
	name: "Save/Heartbeat",
	rule: "Lease renews the lease, to last this long from now, and changes nothing else but UpdatedAt",
	run: func(t *jobTest) {
		job := t.processing(shortLease)
		job = t.save(job, bulk.JobChange{Lease: 2 * longLease, Progress: fullProgress()})
		from := now()
		got := t.save(job, bulk.JobChange{Lease: longLease})
		to := now()
		t.within(got.LeaseUntil, "LeaseUntil", from.Add(longLease), to.Add(longLease))
		t.within(got.UpdatedAt, "UpdatedAt", from, to)
		want := job
		want.LeaseUntil, want.UpdatedAt = got.LeaseUntil, got.UpdatedAt
		t.same(want, got, "a heartbeat changed the job")
		t.same(got, t.get(job.ID), "Get does not have the job as it was saved")
	},
}, {
	name: "Save/HeartbeatKeepsTheLease",
	rule: "a lease that was renewed does not end when the one before it would have",
	run: func(t *jobTest) {
		first := t.processing(shortLease)
		job := t.save(first, bulk.JobChange{Lease: longLease})
		t.lapsed(first)
		t.notClaimed(job.ID, "has a lease that was renewed")
		t.save(job, bulk.JobChange{Lease: longLease})
	},
}, {
	name: "Save/Checkpoint",
	rule: "Progress is a new checkpoint, kept as it is in full",
	run: func(t *jobTest) {
		job := t.processing(longLease)
		for _, progress := range []*bulk.Progress{
			{Rows: 500, Summary: bulk.Summary{Created: 500}, Checkpoint: "1"},
			fullProgress(),
			{Rows: 1234}, // what is not in it is gone
			{},
			fullProgress(),
		} {
			got := t.save(job, bulk.JobChange{Lease: longLease, Progress: progress})
			if diff := cmp.Diff(*progress, got.Progress, cmpopts.EquateEmpty()); diff != "" {
				t.Fatalf("Progress is not as saved (-want +got):\n%s", diff)
			}
			if got.Attempts != 0 {
				t.Errorf("Attempts is %d after a checkpoint, want 0", got.Attempts)
			}
			want := job
			want.Progress, want.Attempts = *progress, 0
			want.LeaseUntil, want.UpdatedAt = got.LeaseUntil, got.UpdatedAt
			t.same(want, got, "a checkpoint changed more of the job")
			t.same(got, t.get(job.ID), "Get does not have the job as it was saved")
		}
		got := t.save(job, bulk.JobChange{Lease: longLease})
		if diff := cmp.Diff(*fullProgress(), got.Progress); diff != "" {
			t.Errorf("a heartbeat changed Progress (-want +got):\n%s", diff)
		}
	},
}, {
	name: "Save/Release",
	rule: "a Lease of zero gives the lease up: LeaseUntil is zero, the job stays processing and can be claimed",
	run: func(t *jobTest) {
		job := t.processing(longLease)
		got := t.save(job, bulk.JobChange{Progress: fullProgress()})
		want := job
		want.Progress, want.Attempts = *fullProgress(), 0
		want.UpdatedAt, want.LeaseUntil = got.UpdatedAt, got.LeaseUntil
		t.same(want, got, "a release changed more of the job")
		if !got.LeaseUntil.IsZero() {
			t.Errorf("LeaseUntil is %v after a release, want zero", got.LeaseUntil)
		}
		again := t.claim(job.ID, longLease)
		if diff := cmp.Diff(*fullProgress(), again.Progress); diff != "" {
			t.Errorf("the next worker does not get the checkpoint (-want +got):\n%s", diff)
		}
	},
}, {
	name: "Save/ReleaseWithoutRetryAfterDoesNotDelay",
	rule: "RetryAfter delays only the claim that follows it",
	run: func(t *jobTest) {
		job := t.processing(longLease)
		t.save(job, bulk.JobChange{RetryAfter: shortDelay})
		job = t.reclaim(job.ID, longLease)
		// It is said with a lease, so there is no release that it could delay.
		if got := t.save(job, bulk.JobChange{Lease: longLease, RetryAfter: longLease}); got.NotBefore.After(time.Now().Add(skew)) {
			t.Errorf("NotBefore is %v, though the lease was not given up", got.NotBefore)
		}
		t.save(job, bulk.JobChange{})
		t.claim(job.ID, longLease)
	},
}, {
	name: "Save/End",
	rule: "End ends the job: status, CompletedAt, Results and Error are set and the lease ends",
	run: func(t *jobTest) {
		failure := &bulk.JobError{Code: bulk.JobErrorUnavailable, Message: "the store \"stayed\" down"}
		for _, change := range []bulk.JobChange{
			{End: bulk.JobCompleted, Results: "bulktest/results", Progress: fullProgress()},
			{End: bulk.JobFailed, Error: failure, Results: "bulktest/results"},
			{End: bulk.JobFailed, Error: failure, Lease: longLease}, // the lease ends with the job
			{End: bulk.JobCancelled, RetryAfter: longLease},
		} {
			job := t.processing(longLease)
			from := now()
			got := t.save(job, change)
			to := now()
			t.within(got.CompletedAt, "CompletedAt", from, to)
			t.within(got.UpdatedAt, "UpdatedAt", from, to)
			if !got.LeaseUntil.IsZero() {
				t.Errorf("LeaseUntil is %v at the end, want zero", got.LeaseUntil)
			}
			want := job
			want.Status, want.Results, want.Error = change.End, change.Results, change.Error
			if change.Progress != nil {
				want.Progress, want.Attempts = *change.Progress, 0
			}
			want.CompletedAt, want.UpdatedAt, want.LeaseUntil, want.NotBefore = got.CompletedAt, got.UpdatedAt, got.LeaseUntil, got.NotBefore
			t.same(want, got, "the job did not end as promised")
			t.same(got, t.get(job.ID), "Get does not have the job as it ended")
		}
	},
}, {
	name: "Save/ResultsOnlyWithEnd",
	rule: "Results and Error are set on a job that End ends, and on no other",
	run: func(t *jobTest) {
		job := t.processing(longLease)
		got := t.save(job, bulk.JobChange{Lease: longLease, Results: "results", Error: &bulk.JobError{Code: "code"}})
		if got.Results != "" || got.Error != nil {
			t.Errorf("a heartbeat set Results to %q and Error to %v", got.Results, got.Error)
		}
	},
}, {
	name: "Save/LapsedLeaseStillServes",
	rule: "a lease whose time is over, but which nobody else has claimed, still serves",
	run: func(t *jobTest) {
		renewed, ended := t.processing(shortLease), t.processing(shortLease)
		t.lapsed(renewed, ended)
		t.save(renewed, bulk.JobChange{Lease: longLease, Progress: fullProgress()})
		t.notClaimed(renewed.ID, "was renewed")
		t.save(ended, bulk.JobChange{End: bulk.JobCompleted})
		t.notClaimed(ended.ID, "has ended")
	},
}, {
	name: "Save/RefusesAfterLaterClaim",
	rule: "whatever a worker saves is ErrLeaseLost and changes nothing once a later claim was made",
	run: func(t *jobTest) {
		first := t.processing(shortLease)
		second := t.reclaim(first.ID, longLease)
		if second.Token <= first.Token {
			t.Fatalf("the token went from %d to %d with a later claim", first.Token, second.Token)
		}
		t.lost(first.ID, first.Token, "job was claimed by another when the lease had run out")
		// The old token does not come to life again when the new lease is gone.
		t.save(second, bulk.JobChange{Lease: longLease, Progress: &bulk.Progress{Rows: 7}})
		t.save(second, bulk.JobChange{})
		t.lost(first.ID, first.Token, "job was claimed by another and given up again")
		third := t.claim(first.ID, longLease)
		t.lost(first.ID, first.Token, "job was claimed twice by others")
		t.lost(first.ID, second.Token, "job was given up and claimed by another")
		t.save(third, bulk.JobChange{End: bulk.JobCompleted})
	},
}, {
	name: "Save/RefusesOtherToken",
	rule: "Save is ErrLeaseLost and changes nothing if token is not the job's",
	run: func(t *jobTest) {
		job := t.processing(longLease)
		for _, token := range []int64{0, -1, job.Token - 1, job.Token + 1, 1 << 40} {
			t.lost(job.ID, token, "token is not the job's")
		}
		t.save(job, bulk.JobChange{Lease: longLease})
	},
}, {
	name: "Save/RefusesAfterRelease",
	rule: "Save is ErrLeaseLost and changes nothing if the lease was given up",
	run: func(t *jobTest) {
		job := t.processing(longLease)
		t.save(job, bulk.JobChange{})
		t.lost(job.ID, job.Token, "lease was given up")
		delayed := t.processing(longLease)
		t.save(delayed, bulk.JobChange{RetryAfter: longLease})
		t.lost(delayed.ID, delayed.Token, "lease was given up until later")
	},
}, {
	name: "Save/RefusesAfterEnd",
	rule: "Save is ErrLeaseLost and changes nothing if the job has ended",
	run: func(t *jobTest) {
		for _, status := range []bulk.JobStatus{bulk.JobCompleted, bulk.JobFailed, bulk.JobCancelled} {
			job := t.processing(longLease)
			t.save(job, bulk.JobChange{End: status, Results: "results"})
			t.lost(job.ID, job.Token, "job has ended as "+string(status))
		}
	},
}, {
	name: "Save/RefusesUnclaimedJob",
	rule: "Save is ErrLeaseLost for a job that was never claimed, and for one that does not exist",
	run: func(t *jobTest) {
		job := t.create()
		t.lost(job.ID, 0, "job was never claimed")
		t.lost(job.ID, 1, "job was never claimed")
		t.lost(t.job().ID, 0, "job does not exist")
		t.lost(t.job().ID, 1, "job does not exist")
	},
}}
