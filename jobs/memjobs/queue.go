// Package memjobs keeps jobs in memory, for unit tests, examples and programs
// whose workers run in the same process and may lose their jobs with it.
//
// It follows the same rules as the queues of real databases and returns the same
// errors.
package memjobs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/cursor"
)

// A Queue is a [bulk.JobQueue] and [bulk.JobNotifier] in memory. A claim costs
// logarithmic time in the number of jobs that have not ended, a listing the jobs
// that it returns; jobs are dropped once they expire. It is safe for concurrent
// use and has no goroutines. Make one with [New].
type Queue struct {
	mu      sync.Mutex
	jobs    map[string]*entry
	tenants map[string]*tenant
	// turns has the tenants with jobs that can be claimed, the next one first, but for
	// the one that was served last: it gets in line with the next claim, behind those
	// that have come meanwhile. A tenant whose jobs went otherwise meanwhile is passed
	// over at its turn.
	turns []*tenant
	last  *string // the name of that tenant
	// untold has the jobs that have ended and can be claimed now to tell of it, the one
	// that was to be told first of all first.
	untold entryHeap
	// later has the jobs that can be claimed only later, by when.
	later entryHeap
	// expiry has all jobs, by when they expire.
	expiry entryHeap
	// changed is what Changed returned since it was last closed, nil if nothing.
	changed chan struct{}

	keys keyTable
}

var (
	_ bulk.JobQueue            = (*Queue)(nil)
	_ bulk.JobNotifier         = (*Queue)(nil)
	_ bulk.IdempotencyKeyStore = (*Queue)(nil)
)

// New returns a queue without jobs.
func New() *Queue {
	return &Queue{
		jobs:    make(map[string]*entry),
		tenants: make(map[string]*tenant),
		untold:  newUntoldHeap(),
		later:   newLaterHeap(),
		expiry:  newExpiryHeap(),
	}
}

// Create implements [bulk.JobQueue].
func (q *Queue) Create(ctx context.Context, spec bulk.JobSpec) error {
	now, unlock, err := q.enter(ctx)
	if err != nil {
		return fmt.Errorf("memjobs: create job %q: %w", spec.ID, err)
	}
	defer unlock()
	if q.jobs[spec.ID] != nil {
		return fmt.Errorf("memjobs: create job %q: %w", spec.ID, bulk.ErrJobExists)
	}
	q.add(&entry{job: copyJob(bulk.Job{JobSpec: spec, Status: bulk.JobPending, UpdatedAt: spec.CreatedAt})}, now)
	q.notify()
	return nil
}

// Get implements [bulk.JobQueue].
func (q *Queue) Get(ctx context.Context, id string) (bulk.Job, error) {
	_, unlock, err := q.enter(ctx)
	if err != nil {
		return bulk.Job{}, fmt.Errorf("memjobs: get job %q: %w", id, err)
	}
	defer unlock()
	e := q.jobs[id]
	if e == nil {
		return bulk.Job{}, fmt.Errorf("memjobs: get job %q: %w", id, bulk.ErrJobNotFound)
	}
	return copyJob(e.job), nil
}

// List implements [bulk.JobQueue]. Its pages are full: a cursor means that there
// is another job.
func (q *Queue) List(ctx context.Context, filter bulk.JobFilter) ([]bulk.Job, string, error) {
	before, err := cursor.Read(filter.Tenant, filter.Cursor)
	if err != nil {
		return nil, "", fmt.Errorf("memjobs: list jobs: %w", err)
	}
	if filter.Limit < 1 || filter.Limit > maxPage {
		return nil, "", bulk.Permanent(fmt.Errorf("memjobs: list jobs: limit %d is not from 1 to %d", filter.Limit, maxPage))
	}
	_, unlock, err := q.enter(ctx)
	if err != nil {
		return nil, "", fmt.Errorf("memjobs: list jobs: %w", err)
	}
	defer unlock()
	t := q.tenants[filter.Tenant]
	if t == nil {
		return nil, "", nil
	}
	page, more := t.lists[filter.Status].page(before, filter.Limit)
	jobs := make([]bulk.Job, len(page))
	for i, e := range page {
		jobs[i] = copyJob(e.job)
	}
	if !more {
		return jobs, "", nil
	}
	return jobs, cursor.Make(filter.Tenant, jobs[len(jobs)-1].ID), nil
}

// maxPage is the largest [bulk.JobFilter.Limit].
const maxPage = 100

// Claim implements [bulk.JobQueue].
func (q *Queue) Claim(ctx context.Context, claim bulk.Claim) (bulk.Job, error) {
	now, unlock, err := q.enter(ctx)
	if err != nil {
		return bulk.Job{}, fmt.Errorf("memjobs: claim job %q: %w", claim.JobID, err)
	}
	defer unlock()
	var e *entry
	switch {
	case claim.JobID != "":
		named := q.jobs[claim.JobID]
		if named != nil && named.job.Status.Ended() == claim.Ended && q.ready(named) {
			e = named
		}
	case claim.Ended:
		e = q.untold.first()
	default:
		e = q.next()
	}
	if e == nil {
		return bulk.Job{}, fmt.Errorf("memjobs: claim job %q: %w", claim.JobID, bulk.ErrNoJob)
	}
	q.change(e, now, func(job *bulk.Job, stamp time.Time) {
		if !claim.Ended {
			job.Status = bulk.JobProcessing
			if job.StartedAt.IsZero() {
				job.StartedAt = stamp
			}
		}
		job.LeaseUntil = stamp.Add(claim.Lease)
		job.Token++
		job.Attempts++
		job.Worker = claim.Worker
	})
	return copyJob(e.job), nil
}

var errBadEnd = errors.New("a job can end as completed, failed or cancelled")

// Save implements [bulk.JobQueue].
func (q *Queue) Save(ctx context.Context, id string, token int64, change bulk.JobChange) (bulk.Job, error) {
	job, err := q.save(ctx, id, token, change)
	if err != nil {
		return bulk.Job{}, fmt.Errorf("memjobs: save job %q: %w", id, err)
	}
	return job, nil
}

func (q *Queue) save(ctx context.Context, id string, token int64, change bulk.JobChange) (bulk.Job, error) {
	if change.End != "" && !change.End.Ended() {
		return bulk.Job{}, bulk.Permanent(fmt.Errorf("end %q: %w", change.End, errBadEnd))
	}
	now, unlock, err := q.enter(ctx)
	if err != nil {
		return bulk.Job{}, err
	}
	defer unlock()
	e := q.jobs[id]
	if e == nil || e.job.Token != token || e.job.LeaseUntil.IsZero() || !fits(change, e.job.Status) {
		return bulk.Job{}, bulk.ErrLeaseLost
	}
	q.change(e, now, func(job *bulk.Job, stamp time.Time) {
		if change.Progress != nil {
			job.Progress = *change.Progress
			job.Attempts = 0
		}
		job.LeaseUntil, job.NotBefore = time.Time{}, time.Time{}
		switch {
		case change.End != "":
			job.Status = change.End
			job.CompletedAt = stamp
			job.Results = change.Results
			job.Error = clone(change.Error)
			if change.Notify {
				job.Notify, job.Attempts = true, 0
			}
		case change.Notified:
			job.Notify = false
		case change.Lease > 0:
			job.LeaseUntil = stamp.Add(change.Lease)
		case change.RetryAfter > 0:
			job.NotBefore = stamp.Add(change.RetryAfter)
		}
	})
	if q.ready(e) || change.End != "" {
		q.notify()
	}
	return copyJob(e.job), nil
}

// fits reports whether a change is one for jobs of that status: those that have ended
// are leased only to tell of it.
func fits(change bulk.JobChange, status bulk.JobStatus) bool {
	if status.Ended() {
		return change.End == "" && change.Progress == nil
	}
	return !change.Notified
}

// Cancel implements [bulk.JobQueue].
func (q *Queue) Cancel(ctx context.Context, id string, cancellation bulk.Cancellation) (bulk.Job, error) {
	now, unlock, err := q.enter(ctx)
	if err != nil {
		return bulk.Job{}, fmt.Errorf("memjobs: cancel job %q: %w", id, err)
	}
	defer unlock()
	e := q.jobs[id]
	switch {
	case e == nil:
		return bulk.Job{}, fmt.Errorf("memjobs: cancel job %q: %w", id, bulk.ErrJobNotFound)
	case e.job.Status.Ended():
		return copyJob(e.job), fmt.Errorf("memjobs: cancel job %q: %w", id, bulk.ErrJobEnded)
	}
	q.change(e, now, func(job *bulk.Job, stamp time.Time) {
		if job.Status == bulk.JobPending {
			job.Status = bulk.JobCancelled
			job.CompletedAt = stamp
			job.Results, job.Notify = cancellation.Results, cancellation.Notify
			return
		}
		job.CancelRequested = true
	})
	if e.job.Status.Ended() {
		q.notify()
	}
	return copyJob(e.job), nil
}

// Delete implements [bulk.JobQueue].
func (q *Queue) Delete(ctx context.Context, id string) error {
	_, unlock, err := q.enter(ctx)
	if err != nil {
		return fmt.Errorf("memjobs: delete job %q: %w", id, err)
	}
	defer unlock()
	e := q.jobs[id]
	switch {
	case e == nil:
		return fmt.Errorf("memjobs: delete job %q: %w", id, bulk.ErrJobNotFound)
	case !e.job.Status.Ended():
		return fmt.Errorf("memjobs: delete job %q: %w", id, bulk.ErrJobNotEnded)
	}
	q.remove(e)
	return nil
}

// Changed implements [bulk.JobNotifier]. The channel is closed when a job is
// created, when one is given up for others to claim at once, to be run or to be told
// of, and when one ends; not when time alone makes a job claimable.
func (q *Queue) Changed() <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.changed == nil {
		q.changed = make(chan struct{})
	}
	return q.changed
}

func (q *Queue) notify() {
	if q.changed != nil {
		close(q.changed)
		q.changed = nil
	}
}

// enter begins a call: it locks the queue and does what the time that went by
// has made due.
func (q *Queue) enter(ctx context.Context) (now time.Time, unlock func(), err error) {
	if err := ctx.Err(); err != nil {
		return time.Time{}, nil, err
	}
	q.mu.Lock()
	now = time.Now()
	for e := q.expiry.first(); e != nil && !e.job.ExpiresAt.After(now); e = q.expiry.first() {
		q.remove(e)
	}
	for e := q.later.first(); e != nil && !e.claimable().After(now); e = q.later.first() {
		q.place(e, now)
	}
	return now, q.mu.Unlock, nil
}

// next returns the oldest job of the tenant whose turn it is, or nil.
func (q *Queue) next() *entry {
	last := q.lastServed()
	q.last = nil
	if last != nil && last.ready.Len() > 0 {
		q.await(last)
	}
	for len(q.turns) > 0 {
		t := q.turns[0]
		q.turns[0] = nil
		q.turns = q.turns[1:]
		t.waiting = false
		if e := t.ready.first(); e != nil {
			q.last = &t.name
			return e
		}
	}
	return nil
}

// lastServed returns the tenant that was served last, nil if there is none or it has no
// jobs any more.
func (q *Queue) lastServed() *tenant {
	if q.last == nil {
		return nil
	}
	return q.tenants[*q.last]
}

// await lets a tenant wait for its next turn.
func (q *Queue) await(t *tenant) {
	if !t.waiting && (q.last == nil || t.name != *q.last) {
		t.waiting = true
		q.turns = append(q.turns, t)
	}
}

// change applies one change to a job and puts the job where it belongs then.
func (q *Queue) change(e *entry, now time.Time, apply func(job *bulk.Job, stamp time.Time)) {
	// Whole milliseconds of UTC, as CreatedAt has them, without the monotonic
	// clock: the times of a job come back the same from any encoding.
	stamp := now.UTC().Truncate(time.Millisecond)
	before := e.job.Status
	apply(&e.job, stamp)
	e.job.UpdatedAt = stamp
	if e.job.Status != before {
		e.tenant.lists[before].remove(e)
		e.tenant.list(e.job.Status).insert(e)
	}
	q.place(e, now)
}

// ready reports whether a job can be claimed now.
func (q *Queue) ready(e *entry) bool { return e.claims == &e.tenant.ready || e.claims == &q.untold }

// place puts a job among those that can be claimed now, later or never more.
func (q *Queue) place(e *entry, now time.Time) {
	if e.claims != nil {
		e.claims.remove(e)
		e.claims = nil
	}
	switch {
	case e.job.Status.Ended() && !e.job.Notify:
		return
	case e.claimable().After(now):
		e.claims = &q.later
	case e.job.Status.Ended():
		e.claims = &q.untold
	default:
		e.claims = &e.tenant.ready
		q.await(e.tenant)
	}
	e.claims.add(e)
}

func (q *Queue) add(e *entry, now time.Time) {
	t := q.tenants[e.job.Tenant]
	if t == nil {
		t = newTenant(e.job.Tenant)
		q.tenants[t.name] = t
	}
	e.tenant = t
	q.jobs[e.job.ID] = e
	q.expiry.add(e)
	t.list(allStatuses).insert(e)
	t.list(e.job.Status).insert(e)
	q.place(e, now)
}

func (q *Queue) remove(e *entry) {
	if e.claims != nil {
		e.claims.remove(e)
	}
	t := e.tenant
	t.lists[e.job.Status].remove(e)
	t.lists[allStatuses].remove(e)
	q.expiry.remove(e)
	delete(q.jobs, e.job.ID)
	if len(t.lists[allStatuses].entries) == 0 {
		delete(q.tenants, t.name)
		q.turns = slices.DeleteFunc(q.turns, func(other *tenant) bool { return other == t })
	}
}
