package dynamojobs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bulkops/bulkops/bulk"
)

// Claim implements [bulk.JobQueue]. What it promises of turns and what it costs
// is in the documentation of the package.
func (q *Queue) Claim(ctx context.Context, claim bulk.Claim) (bulk.Job, error) {
	take := q.claimNext
	if claim.JobID != "" {
		take = q.claimNamed
	}
	job, err := take(ctx, claim)
	if err != nil {
		return bulk.Job{}, fmt.Errorf("dynamojobs: claim job %q: %w", claim.JobID, err)
	}
	return job, nil
}

// claimNamed claims the job of that id. [bulk.ErrNoJob] is for any that cannot be
// claimed.
func (q *Queue) claimNamed(ctx context.Context, claim bulk.Claim) (bulk.Job, error) {
	if !possible(claim.JobID) {
		return bulk.Job{}, bulk.ErrNoJob
	}
	it, err := q.change(ctx, claim.JobID, change{
		nonce: attrClaimNonce,
		apply: func(u *update, now time.Time) error {
			u.when(attrClaimAt, "<=", number(now.UnixMilli()))
			at := stamp(now)
			until := at.Add(claim.Lease)
			if claim.Ended {
				u.whenThere(attrCompleted)
			} else {
				u.whenMissing(attrCompleted)
				u.set(attrStatus, text(string(bulk.JobProcessing)))
				u.setOnce(attrStarted, moment(at))
				u.set(attrShard, text(partition))
			}
			u.set(attrLease, moment(until))
			u.setFirst(attrReady, attrReady, attrTurn)
			claimLater(u, until)
			u.increment(attrToken)
			u.increment(attrAttempts)
			u.set(attrWorker, text(claim.Worker))
			return nil
		},
		refused: func(it item, now time.Time) error {
			asked := it.has(attrClaimAt) && it.has(attrCompleted) == claim.Ended
			if !it.exists(now) || !asked || it.number(attrClaimAt) > now.UnixMilli() {
				return bulk.ErrNoJob
			}
			return nil
		},
	})
	if err != nil {
		return bulk.Job{}, err
	}
	return it.job()
}

// claimNext claims the next job. Where one page has all that can be claimed, it tells
// whose turn it is; else the ring is walked around once, from the tenant that was
// served last.
func (q *Queue) claimNext(ctx context.Context, claim bulk.Claim) (bulk.Job, error) {
	t := tour{q: q, claim: claim}
	if claim.Ended {
		job, _, err := t.walk(ctx, claimable(endedPartition, time.Now()))
		return job, err
	}
	if err := t.moveFormer(ctx); err != nil {
		return bulk.Job{}, err
	}
	for h, ok := q.ring.spare(); ok; h, ok = q.ring.spare() {
		if job, _, err := t.take(ctx, []hint{h}); !isNoJob(err) {
			return job, err
		}
	}
	if !q.ring.isLarge() {
		job, all, err := t.glance(ctx)
		if all || err != nil {
			return job, err
		}
	}
	if q.ring.overdue() {
		if _, _, err := t.page(ctx, becameDue(time.Now()), nil, minHints); err != nil {
			return bulk.Job{}, err
		}
	}
	served := q.ring.lastServed()
	front, rest := ahead(served, time.Now())
	if job, _, err := t.walk(ctx, front); !isNoJob(err) {
		return job, err
	}
	job, others, err := t.walk(ctx, rest)
	q.ring.setLarge(t.more)
	if err == nil && t.lost == 0 && placeOf(job.Tenant) == served {
		q.ring.keep(others) // of the same tenant, as no other has any
	}
	return job, err
}

func isNoJob(err error) bool { return errors.Is(err, bulk.ErrNoJob) }
