package bulktest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/bulkops/bulkops/bulk"
)

// nextCases claim without an id. They do not run in parallel.
var nextCases = []jobCase{{
	name: "ClaimNext/TakesTheOldest",
	rule: "without an id the oldest job of a tenant is taken",
	run: func(t *jobTest) {
		var want []string
		for range 5 {
			want = append(want, t.create().ID)
		}
		t.listed(want...)
		var got []string
		for range want {
			job := t.next()
			if job.Status != bulk.JobProcessing || job.Token != 1 || job.Attempts != 1 || job.Worker != "next" {
				t.Errorf("the job claimed is %+v, want it processing, with token 1, one attempt and the name of its worker", job)
			}
			got = append(got, job.ID)
		}
		if !slices.Equal(got, want) {
			t.Errorf("jobs were claimed in the order %v, want %v", got, want)
		}
		t.noNext("all have a lease")
	},
}, {
	name: "ClaimNext/TenantsTakeTurns",
	rule: "the tenants take turns: one with many jobs does not keep the others waiting",
	run: func(t *jobTest) {
		many, few, late := t, t.in(unique("tenant")), t.in(unique("tenant"))
		names := map[string]string{many.tenant: "many", few.tenant: "few", late.tenant: "late"}
		var ids []string
		for range 15 {
			ids = append(ids, many.create().ID)
		}
		many.listed(ids...)
		few.listed(few.create().ID, few.create().ID)
		var order []string
		claimed := make(map[string]int)
		for n := range len(ids) + 3 {
			if n == 6 {
				late.listed(late.create().ID)
			}
			job := t.next()
			order = append(order, names[job.Tenant])
			claimed[job.Tenant]++
			// In turns the tenant with few jobs is served by the fourth claim, the
			// late one by the eighth. Two more are allowed: an index may lag.
			if n == 5 && claimed[few.tenant] < 2 || n == 9 && claimed[late.tenant] < 1 {
				t.Fatalf("jobs were claimed in the order of tenants %v", order)
			}
		}
		t.noNext("all have a lease")
	},
}, {
	name: "ClaimNext/PassesOverOthers",
	rule: "a job that has ended, is leased or must wait for NotBefore is not claimed",
	run: func(t *jobTest) {
		leased := t.processing(longLease)
		delayed := t.processing(longLease)
		t.save(delayed, bulk.JobChange{RetryAfter: longLease})
		for _, status := range []bulk.JobStatus{bulk.JobCompleted, bulk.JobFailed, bulk.JobCancelled} {
			t.save(t.processing(longLease), bulk.JobChange{End: status})
		}
		if _, err := t.queue.Cancel(t.ctx, t.create().ID, bulk.Cancellation{}); err != nil {
			t.Fatalf("Cancel: %v", err)
		}
		free := t.create()
		if got := t.next(); got.ID != free.ID {
			t.Errorf("the job %s is claimed, want %s; %s is leased and %s delayed", got.ID, free.ID, leased.ID, delayed.ID)
		}
		t.noNext("one has a lease, one must wait, and the others have ended")
	},
}, {
	name: "ClaimNext/TakesReleasedJob",
	rule: "a job whose lease is given up can be claimed by others at once, or after RetryAfter",
	run: func(t *jobTest) {
		released, delayed := t.processing(longLease), t.processing(longLease)
		t.save(released, bulk.JobChange{})
		t.save(delayed, bulk.JobChange{RetryAfter: shortDelay})
		for _, want := range []bulk.Job{released, delayed} {
			if got := t.next(); got.ID != want.ID || got.Token != 2 {
				t.Errorf("the job %s is claimed with token %d, want %s with token 2", got.ID, got.Token, want.ID)
			}
		}
	},
}, {
	name: "ClaimNext/TakesLapsedLeaseButNoExpiredJob",
	rule: "a lease ends by itself, and the job is claimed with a higher token; a job that has expired does not exist",
	run: func(t *jobTest) {
		expiring := t.job()
		expiring.ExpiresAt = now().Add(shortLease / 2)
		t.add(expiring)
		lapsing := t.processing(shortLease)
		time.Sleep(time.Until(expiring.ExpiresAt.Add(20 * time.Millisecond)))
		if got := t.next(); got.ID != lapsing.ID || got.Token != 2 || got.Attempts != 2 {
			t.Errorf("the job %s is claimed with token %d, want %s with token 2", got.ID, got.Token, lapsing.ID)
		}
		t.noNext("one has a lease, the other has expired")
	},
}, {
	name: "ClaimNext/EachJobOnce",
	rule: "of several claims at once one wins: no job is given to two workers, and none is left",
	run: func(t *jobTest) {
		const jobs, workers = 24, 8
		for i := range jobs {
			t.in(fmt.Sprint(t.tenant, i%3)).create()
		}
		var mu sync.Mutex
		claims := make(map[string]int)
		deadline := time.Now().Add(patience)
		race(workers, func(int) {
			for {
				mu.Lock()
				enough := len(claims) == jobs
				mu.Unlock()
				if enough || time.Now().After(deadline) {
					return
				}
				switch job, err := t.anyNext(); {
				case errors.Is(err, bulk.ErrNoJob):
					time.Sleep(10 * time.Millisecond) // it may come a little late
				case err != nil:
					t.Errorf("Claim: %v", err)
					return
				case t.isOwn(job):
					mu.Lock()
					claims[job.ID]++
					mu.Unlock()
				}
			}
		})
		if len(claims) != jobs {
			t.Errorf("%d of %d jobs were claimed", len(claims), jobs)
		}
		for id, n := range claims {
			if n != 1 {
				t.Errorf("job %s was claimed %d times while its lease was held", id, n)
			}
		}
		t.noNext("all have a lease")
	},
}}

// anyNext claims whatever is next. What is not of this case is given back at its
// end.
func (t *jobTest) anyNext() (bulk.Job, error) { return t.anyNextBy(bulk.Claim{}) }

func (t *jobTest) anyNextBy(claim bulk.Claim) (bulk.Job, error) {
	claim.Lease, claim.Worker = longLease, "next"
	job, err := t.queue.Claim(t.ctx, claim)
	if err == nil && !t.isOwn(job) {
		t.Cleanup(func() {
			_, err := t.queue.Save(context.WithoutCancel(t.ctx), job.ID, job.Token, bulk.JobChange{})
			if err != nil {
				t.Logf("job %s of others is not given back: %v", job.ID, err)
			}
		})
	}
	return job, err
}

func (t *jobTest) isOwn(job bulk.Job) bool {
	_, own := t.own.Load(job.ID)
	return own
}

// next claims the next job of this case, which may take a little.
func (t *jobTest) next() (job bulk.Job) {
	t.Helper()
	return t.nextBy("Claim without an id finds no job, though there is one", t.anyNext)
}

func (t *jobTest) nextBy(none string, claim func() (bulk.Job, error)) (job bulk.Job) {
	t.Helper()
	t.soon(none, func() bool {
		for {
			var err error
			switch job, err = claim(); {
			case errors.Is(err, bulk.ErrNoJob):
				return false
			case err != nil:
				t.Fatalf("Claim: %v", err)
			case t.isOwn(job):
				return true
			}
		}
	})
	return job
}

// noNext fails if a job of this case can be claimed.
func (t *jobTest) noNext(why string) {
	t.Helper()
	t.noNextBy(why, t.anyNext)
}

func (t *jobTest) noNextBy(why string, claim func() (bulk.Job, error)) {
	t.Helper()
	for {
		switch job, err := claim(); {
		case errors.Is(err, bulk.ErrNoJob):
			return
		case err != nil:
			t.Fatalf("Claim: error is %v, want %q", err, bulk.ErrNoJob)
		case t.isOwn(job):
			t.Fatalf("Claim without an id returns job %s, though %s: %+v", job.ID, why, job)
		}
	}
}

// listed waits until List has the jobs of the tenant: what finds jobs in the
// queue is up to date then, as far as can be seen.
func (t *jobTest) listed(ids ...string) {
	t.Helper()
	t.soon("List does not have all jobs", func() bool {
		jobs := t.walk(bulk.JobFilter{Tenant: t.tenant, Limit: 100}, nil)
		for _, id := range ids {
			if !slices.ContainsFunc(jobs, func(job bulk.Job) bool { return job.ID == id }) {
				return false
			}
		}
		return true
	})
}
