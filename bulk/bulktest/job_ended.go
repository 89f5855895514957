package bulktest

import (
	"errors"
	"time"

	"github.com/bulkops/bulkops/bulk"
)

// endedCases are about jobs that have ended and are to be told of.
var endedCases = []jobCase{{
	name: "Ended/SaveSetsNotify",
	rule: "Notify with End sets the job's Notify and its Attempts to 0; without End it sets nothing",
	run: func(t *jobTest) {
		for _, change := range []bulk.JobChange{
			{End: bulk.JobCompleted, Results: "bulktest/results", Progress: fullProgress(), Notify: true},
			{End: bulk.JobFailed, Error: &bulk.JobError{Code: "code"}, Notify: true, RetryAfter: longLease},
			{End: bulk.JobCancelled, Notify: true},
		} {
			job := t.processing(longLease)
			if job = t.save(job, bulk.JobChange{Lease: longLease, Notify: true}); job.Notify {
				t.Error("a heartbeat set Notify")
			}
			got := t.save(job, change)
			want := job
			want.Status, want.Results, want.Error = change.End, change.Results, change.Error
			if change.Progress != nil {
				want.Progress = *change.Progress
			}
			want.Notify, want.Attempts = true, 0
			want.CompletedAt, want.UpdatedAt, want.LeaseUntil = got.CompletedAt, got.UpdatedAt, time.Time{}
			t.same(want, got, "the job did not end as promised")
			t.same(got, t.get(job.ID), "Get does not have the job as it ended")
			t.listed(job.ID)
			t.lists(bulk.JobFilter{Tenant: t.tenant, Status: change.End, Limit: 100}, job.ID)
			t.notClaimed(job.ID, "has ended")
			t.lost(job.ID, job.Token, "job has ended")
		}
	},
}, {
	name: "Ended/CancelSetsNotify",
	rule: "Notify of a cancellation is set on a pending job, which it ends, and on no other",
	run: func(t *jobTest) {
		cancellation := bulk.Cancellation{Results: "bulktest/results", Notify: true}
		pending := t.create()
		got, err := t.queue.Cancel(t.ctx, pending.ID, cancellation)
		if err != nil {
			t.Fatalf("Cancel: %v", err)
		}
		want := pending
		want.Status, want.Results, want.Notify = bulk.JobCancelled, cancellation.Results, true
		want.CompletedAt, want.UpdatedAt, want.CancelRequested = got.CompletedAt, got.UpdatedAt, got.CancelRequested
		t.same(want, got, "the job was not cancelled as promised")
		t.same(got, t.get(pending.ID), "Get does not have the job as it was cancelled")
		t.notClaimed(pending.ID, "was cancelled")
		claimed := t.claimEnded(pending.ID, longLease)
		if !claimed.StartedAt.IsZero() || claimed.Token != 1 || claimed.Attempts != 1 {
			t.Errorf("the job is %+v, want it not started, with token 1 and one attempt", claimed)
		}

		processing := t.processing(longLease)
		if got, err := t.queue.Cancel(t.ctx, processing.ID, cancellation); err != nil || got.Notify || !got.CancelRequested {
			t.Errorf("Cancel of a job that is processing: error is %v and Notify %t, want neither", err, got.Notify)
		}
		ended := t.save(processing, bulk.JobChange{End: bulk.JobCompleted})
		if _, err := t.queue.Cancel(t.ctx, ended.ID, cancellation); !errors.Is(err, bulk.ErrJobEnded) {
			t.Errorf("Cancel of a job that has ended: error is %v, want %q", errText(err), bulk.ErrJobEnded)
		}
		t.same(ended, t.get(ended.ID), "Cancel changed a job that had ended")
	},
}, {
	name: "Ended/ClaimGivesTheLease",
	rule: "a claim with Ended sets LeaseUntil and Worker, adds one to Token and Attempts, and leaves all else",
	run: func(t *jobTest) {
		job := t.untold(bulk.JobFailed)
		from := now()
		got := t.claimEnded(job.ID, longLease)
		to := now()
		t.within(got.LeaseUntil, "LeaseUntil", from.Add(longLease), to.Add(longLease))
		t.within(got.UpdatedAt, "UpdatedAt", from, to)
		want := job
		want.LeaseUntil, want.UpdatedAt = got.LeaseUntil, got.UpdatedAt
		want.Token, want.Attempts, want.Worker = job.Token+1, 1, "teller of "+job.ID
		t.same(want, got, "the job claimed is not as promised")
		t.same(got, t.get(job.ID), "Get does not have the job as it was claimed")
		t.notClaimedEnded(job.ID, "is leased")
		t.notClaimed(job.ID, "has ended")
		t.lost(job.ID, job.Token, "job was claimed to be told of")
		if cancelled, err := t.queue.Cancel(t.ctx, job.ID, bulk.Cancellation{Notify: true}); !errors.Is(err, bulk.ErrJobEnded) {
			t.Errorf("Cancel: error is %v, want %q; job %+v", errText(err), bulk.ErrJobEnded, cancelled)
		}
		t.same(got, t.get(job.ID), "Cancel changed a job that had ended")
	},
}, {
	name: "Ended/ClaimRefusesOthers",
	rule: "a claim with Ended is ErrNoJob for a job that has not ended, is not to be told of, or does not exist",
	run: func(t *jobTest) {
		t.notClaimedEnded(t.create().ID, "is pending")
		processing := t.processing(longLease)
		t.notClaimedEnded(processing.ID, "is processing")
		t.save(processing, bulk.JobChange{})
		t.notClaimedEnded(processing.ID, "was given back")
		for _, status := range []bulk.JobStatus{bulk.JobCompleted, bulk.JobFailed, bulk.JobCancelled} {
			job := t.save(t.processing(longLease), bulk.JobChange{End: status})
			t.notClaimedEnded(job.ID, "has ended and is not to be told of")
			t.same(job, t.get(job.ID), "a Claim that was refused changed the job")
		}
		t.notClaimedEnded(t.cancel(t.create().ID, "results").ID, "was cancelled and is not to be told of")
		t.notClaimedEnded(t.job().ID, "does not exist")
	},
}, {
	name: "Ended/LeaseEndsByItself",
	rule: "the lease of a job that has ended ends by itself: the next claim has a higher token, and the one before is refused",
	run: func(t *jobTest) {
		job := t.untold(bulk.JobCompleted)
		begin := time.Now()
		first := t.claimEnded(job.ID, shortLease)
		if time.Now().Before(first.LeaseUntil.Add(-shortLease / 2)) {
			t.notClaimedEnded(job.ID, "is leased")
		}
		second := t.reclaimEnded(job.ID)
		t.elapsed(begin, shortLease, "the lease")
		if second.Token != first.Token+1 || second.Attempts != 2 {
			t.Errorf("the second claim has token %d and %d attempts, want %d and 2", second.Token, second.Attempts, first.Token+1)
		}
		t.lost(job.ID, first.Token, "job was claimed by another when the lease had run out")

		lapsed := t.claimEnded(t.untold(bulk.JobCompleted).ID, shortLease)
		t.lapsed(lapsed)
		if got := t.save(lapsed, bulk.JobChange{Notified: true}); got.Notify {
			t.Error("a lease that has lapsed and was not claimed by another does not serve")
		}
	},
}, {
	name: "Ended/SaveRenewsAndGivesBack",
	rule: "Save renews the lease of a job that has ended or gives it back, at once or until RetryAfter, and leaves all else",
	run: func(t *jobTest) {
		first := t.claimEnded(t.untold(bulk.JobCompleted).ID, shortLease)
		from := now()
		job := t.save(first, bulk.JobChange{Lease: longLease})
		t.within(job.LeaseUntil, "LeaseUntil", from.Add(longLease), now().Add(longLease))
		want := first
		want.LeaseUntil, want.UpdatedAt = job.LeaseUntil, job.UpdatedAt
		t.same(want, job, "a heartbeat changed the job")
		t.lapsed(first)
		t.notClaimedEnded(job.ID, "has a lease that was renewed")

		got := t.save(job, bulk.JobChange{})
		want.LeaseUntil, want.UpdatedAt = time.Time{}, got.UpdatedAt
		t.same(want, got, "a release changed more of the job")
		t.same(got, t.get(job.ID), "Get does not have the job as it was saved")
		t.lost(job.ID, job.Token, "lease was given up")
		t.notClaimed(job.ID, "has ended")

		job = t.claimEnded(job.ID, longLease)
		if job.Attempts != 2 {
			t.Errorf("Attempts is %d after two claims, want 2", job.Attempts)
		}
		begin := time.Now()
		got = t.save(job, bulk.JobChange{RetryAfter: shortDelay})
		if time.Now().Before(got.NotBefore.Add(-shortDelay / 2)) {
			t.notClaimedEnded(job.ID, "must wait")
		}
		job = t.reclaimEnded(job.ID)
		t.elapsed(begin, shortDelay, "RetryAfter")
		t.save(job, bulk.JobChange{RetryAfter: longLease})
		t.notClaimedEnded(job.ID, "must wait")
	},
}, {
	name: "Ended/SaveNotified",
	rule: "Notified clears Notify and the lease for good: the job is not claimed any more, and a later Save is ErrLeaseLost",
	run: func(t *jobTest) {
		job := t.claimEnded(t.untold(bulk.JobCompleted).ID, longLease)
		got := t.save(job, bulk.JobChange{Notified: true})
		want := job
		want.Notify, want.LeaseUntil, want.UpdatedAt = false, time.Time{}, got.UpdatedAt
		t.same(want, got, "Notified changed more of the job")
		t.same(got, t.get(job.ID), "Get does not have the job as it was saved")
		t.notClaimedEnded(job.ID, "was told of")
		t.lost(job.ID, job.Token, "job was told of")
	},
}, {
	name: "Ended/SaveRefusesRunning",
	rule: "a checkpoint or an end is ErrLeaseLost on a job that has ended, and Notified on one that has not",
	run: func(t *jobTest) {
		job := t.claimEnded(t.untold(bulk.JobCompleted).ID, longLease)
		for _, change := range kindsOfChange() {
			if change.Progress == nil && change.End == "" {
				continue
			}
			if _, err := t.queue.Save(t.ctx, job.ID, job.Token, change); !errors.Is(err, bulk.ErrLeaseLost) {
				t.Errorf("Save of %s to a job that has ended: error is %v, want %q", describeChange(change), errText(err), bulk.ErrLeaseLost)
			}
			t.same(job, t.get(job.ID), "a Save that was refused changed the job")
		}
		for _, token := range []int64{0, job.Token - 1, job.Token + 1} {
			t.lost(job.ID, token, "token is not the job's")
		}
		t.save(job, bulk.JobChange{Notified: true})

		processing := t.processing(longLease)
		if _, err := t.queue.Save(t.ctx, processing.ID, processing.Token, bulk.JobChange{Notified: true}); !errors.Is(err, bulk.ErrLeaseLost) {
			t.Errorf("Save of Notified to a job that is processing: error is %v, want %q", errText(err), bulk.ErrLeaseLost)
		}
		t.same(processing, t.get(processing.ID), "a Save that was refused changed the job")
		t.save(processing, bulk.JobChange{Lease: longLease})
	},
}, {
	name: "Ended/Delete",
	rule: "Delete removes a job that is to be told of, leased or not: nobody is told of it any more",
	run: func(t *jobTest) {
		free, leased := t.untold(bulk.JobCompleted), t.claimEnded(t.untold(bulk.JobFailed).ID, longLease)
		for _, job := range []bulk.Job{free, leased} {
			if err := t.queue.Delete(t.ctx, job.ID); err != nil {
				t.Fatalf("Delete of a job that is to be told of: %v", err)
			}
			t.notClaimedEnded(job.ID, "was deleted")
			t.lost(job.ID, job.Token, "job was deleted")
			if _, err := t.queue.Get(t.ctx, job.ID); !errors.Is(err, bulk.ErrJobNotFound) {
				t.Errorf("Get of a job that was deleted: error is %v, want %q", errText(err), bulk.ErrJobNotFound)
			}
		}
	},
}, {
	name: "Ended/Expiry",
	rule: "a job whose ExpiresAt has passed does not exist, whether or not it was told of",
	run: func(t *jobTest) {
		untold := func(job bulk.JobSpec) (bulk.Job, error) {
			return t.claimAndSave(job.ID, bulk.JobChange{End: bulk.JobCompleted, Notify: true})
		}
		free := t.expiring(untold)
		leased := t.expiring(func(job bulk.JobSpec) (bulk.Job, error) {
			if _, err := untold(job); err != nil {
				return bulk.Job{}, err
			}
			return t.tryClaimEnded(job.ID, longLease)
		})
		time.Sleep(time.Until(leased.ExpiresAt))
		t.soon("Get returns a job that has expired", func() bool {
			_, err := t.queue.Get(t.ctx, leased.ID)
			return errors.Is(err, bulk.ErrJobNotFound)
		})
		t.notClaimedEnded(free.ID, "has expired")
		t.lost(leased.ID, leased.Token, "job has expired")
	},
}, {
	name: "Ended/RaceOneClaim",
	rule: "of several claims at once one wins, and a lease that ran out tells before it or not at all",
	run: func(t *jobTest) {
		for range raceRounds {
			id := t.untold(bulk.JobCompleted).ID
			outcomes := make([]error, racers)
			race(racers, func(i int) { _, outcomes[i] = t.tryClaimEnded(id, longLease) })
			t.oneWins(outcomes, bulk.ErrNoJob, "claims of one job that has ended")
		}
		jobs := make([]bulk.Job, raceRounds)
		for i := range jobs {
			jobs[i] = t.claimEnded(t.untold(bulk.JobCompleted).ID, shortLease)
		}
		t.lapsed(jobs...)
		for _, job := range jobs {
			var claimErr, saveErr error
			race(2, func(i int) {
				if i == 0 {
					_, claimErr = t.tryClaimEnded(job.ID, longLease)
				} else {
					_, saveErr = t.queue.Save(t.ctx, job.ID, job.Token, bulk.JobChange{Notified: true})
				}
			})
			got := t.get(job.ID)
			switch {
			case claimErr == nil && errors.Is(saveErr, bulk.ErrLeaseLost) && got.Notify && got.Token == job.Token+1:
			case errors.Is(claimErr, bulk.ErrNoJob) && saveErr == nil && !got.Notify && got.Token == job.Token:
			default:
				t.Errorf("Claim returned %v and Save of Notified %v, and Notify is %t", errText(claimErr), errText(saveErr), got.Notify)
			}
		}
	},
}}

// endedNextCases claim without an id. They do not run in parallel.
var endedNextCases = []jobCase{{
	name: "EndedNext/TakesEachOnce",
	rule: "without an id a claim with Ended takes any job that is to be told of, each once, and no other",
	run: func(t *jobTest) {
		left := map[string]bool{}
		for range 3 {
			left[t.untold(bulk.JobCompleted).ID] = true
		}
		other := t.in(unique("tenant"))
		left[other.untold(bulk.JobFailed).ID] = true
		leased, delayed := t.claimEnded(t.untold(bulk.JobCompleted).ID, longLease), t.claimEnded(t.untold(bulk.JobCompleted).ID, longLease)
		t.save(delayed, bulk.JobChange{RetryAfter: longLease})
		told := t.save(t.claimEnded(t.untold(bulk.JobCompleted).ID, longLease), bulk.JobChange{Notified: true})
		deleted := t.untold(bulk.JobCompleted)
		if err := t.queue.Delete(t.ctx, deleted.ID); err != nil {
			t.Fatalf("Delete: %v", err)
		}
		pending, processing := t.create(), t.processing(longLease)
		silent := t.save(t.processing(longLease), bulk.JobChange{End: bulk.JobCompleted})
		for len(left) > 0 {
			job := t.nextEnded()
			if !left[job.ID] {
				t.Fatalf("the job %s is claimed, want one of %v; others are: leased %s, delayed %s, told of %s, deleted %s, pending %s, processing %s, not to be told of %s",
					job.ID, left, leased.ID, delayed.ID, told.ID, deleted.ID, pending.ID, processing.ID, silent.ID)
			}
			if !job.Status.Ended() || job.Attempts != 1 || job.Worker != "next" {
				t.Errorf("the job claimed is %+v, want it ended, with one attempt and the name of its worker", job)
			}
			delete(left, job.ID)
		}
		t.noNextEnded("all are leased, delayed or not to be told of")
		t.listed(t.untold(bulk.JobCompleted).ID)
		if got := t.next(); got.ID != pending.ID {
			t.Errorf("the job %s is claimed to be run, want %s", got.ID, pending.ID)
		}
		t.noNext("all others have ended or are leased")
	},
}, {
	name: "EndedNext/TakesGivenBack",
	rule: "a job that is to be told of and was given back is claimed again; while it waits it holds up no other",
	run: func(t *jobTest) {
		first := t.untold(bulk.JobCompleted)
		second := t.untold(bulk.JobCompleted)
		job := t.nextEnded()
		t.save(job, bulk.JobChange{RetryAfter: 2 * shortDelay})
		other := t.nextEnded()
		if other.ID == job.ID || other.ID != first.ID && other.ID != second.ID {
			t.Fatalf("the job %s is claimed after %s, want the other of %s and %s", other.ID, job.ID, first.ID, second.ID)
		}
		again := t.nextEnded()
		if again.ID != job.ID || again.Attempts != 2 {
			t.Errorf("the job %s is claimed with %d attempts, want %s with 2", again.ID, again.Attempts, job.ID)
		}
		t.save(again, bulk.JobChange{})
		if got := t.nextEnded(); got.ID != job.ID {
			t.Errorf("the job %s is claimed, want %s, which was given back", got.ID, job.ID)
		}
		t.noNextEnded("all are leased")
	},
}, {
	name: "EndedNext/TakesLapsedLeaseButNoExpiredJob",
	rule: "a lease ends by itself, and the job is claimed with a higher token; a job that has expired does not exist",
	run: func(t *jobTest) {
		expiring := t.expiring(func(job bulk.JobSpec) (bulk.Job, error) {
			return t.claimAndSave(job.ID, bulk.JobChange{End: bulk.JobCompleted, Notify: true})
		})
		lapsing := t.claimEnded(t.untold(bulk.JobCompleted).ID, shortLease)
		time.Sleep(time.Until(expiring.ExpiresAt.Add(20 * time.Millisecond)))
		if got := t.nextEnded(); got.ID != lapsing.ID || got.Token != lapsing.Token+1 || got.Attempts != 2 {
			t.Errorf("the job %s is claimed with token %d, want %s with token %d", got.ID, got.Token, lapsing.ID, lapsing.Token+1)
		}
		t.noNextEnded("one has a lease, the other has expired")
	},
}}

// untold creates a job and ends it, to be told of.
func (t *jobTest) untold(status bulk.JobStatus) bulk.Job {
	t.Helper()
	change := bulk.JobChange{End: status, Results: "results", Progress: fullProgress(), Notify: true}
	if status == bulk.JobFailed {
		change.Error = &bulk.JobError{Code: "code", Message: "message"}
	}
	return t.save(t.processing(longLease), change)
}

func (t *jobTest) tryClaimEnded(id string, lease time.Duration) (bulk.Job, error) {
	return t.queue.Claim(t.ctx, bulk.Claim{JobID: id, Lease: lease, Worker: "teller of " + id, Ended: true})
}

// claimEnded claims a job that has ended by its id.
func (t *jobTest) claimEnded(id string, lease time.Duration) bulk.Job {
	t.Helper()
	job, err := t.tryClaimEnded(id, lease)
	if err != nil {
		t.Fatalf("Claim with Ended of job %s: %v", id, err)
	}
	return job
}

// notClaimedEnded fails if a job can be claimed to be told of.
func (t *jobTest) notClaimedEnded(id, why string) {
	t.Helper()
	if job, err := t.tryClaimEnded(id, longLease); !errors.Is(err, bulk.ErrNoJob) {
		t.Fatalf("Claim with Ended of a job that %s: error is %v, want %q; job %+v", why, errText(err), bulk.ErrNoJob, job)
	}
}

// reclaimEnded claims a job that has ended once its lease or its delay is over.
func (t *jobTest) reclaimEnded(id string) (job bulk.Job) {
	t.Helper()
	t.soon("a job that has ended cannot be claimed when its time has come", func() bool {
		var err error
		if job, err = t.tryClaimEnded(id, longLease); err != nil && !errors.Is(err, bulk.ErrNoJob) {
			t.Fatalf("Claim with Ended of job %s: %v", id, err)
		}
		return err == nil
	})
	return job
}

// nextEnded claims the next job of this case that is to be told of, which may take a
// little.
func (t *jobTest) nextEnded() (job bulk.Job) {
	t.Helper()
	return t.nextBy("Claim with Ended and without an id finds no job, though there is one", t.anyNextEnded)
}

// noNextEnded fails if a job of this case can be claimed to be told of.
func (t *jobTest) noNextEnded(why string) {
	t.Helper()
	t.noNextBy(why, t.anyNextEnded)
}

func (t *jobTest) anyNextEnded() (bulk.Job, error) { return t.anyNextBy(bulk.Claim{Ended: true}) }
