package dynamojobs

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/bulkops/bulkops/bulk"
)

// Limits of the service.
const (
	// MaxItem is the size of an item in bytes. Source: DynamoDB developer guide,
	// "Quotas", Items.
	MaxItem = bulk.MaxItem
	// MaxKeys is how many items one BatchGetItem reads. Source: API reference,
	// BatchGetItem.
	MaxKeys = 100
	// MaxSortKey is the length of a sort key in bytes. Source: DynamoDB developer
	// guide, "Quotas", Partition keys and sort keys.
	MaxSortKey = 1024

	// MaxJobID is the length of a job's id in bytes: the rest of a sort key is the
	// tenant's place in the index of claims.
	MaxJobID = MaxSortKey - placeSize - len(jobSeparator)
)

// A Queue is a [bulk.JobQueue] and [bulk.IdempotencyKeyStore] in a DynamoDB table. It is safe for concurrent use
// and has no goroutines. Make one with [New].
type Queue struct {
	client  Client
	opts    Options
	stamps  stamps
	ring    ring
	former  former
	changed signal
}

var (
	_ bulk.JobQueue            = (*Queue)(nil)
	_ bulk.JobNotifier         = (*Queue)(nil)
	_ bulk.IdempotencyKeyStore = (*Queue)(nil)
)

// New returns a queue, or a [*bulk.ConfigError]. It calls nothing.
func New(client Client, opts Options) (*Queue, error) {
	if client == nil {
		return nil, &bulk.ConfigError{Field: "client", Problem: "is required"}
	}
	if err := opts.fill(); err != nil {
		return nil, err
	}
	return &Queue{
		client: client,
		opts:   opts,
		ring:   ring{served: placeOf(rand.Text())}, // a random place
	}, nil
}

// Create implements [bulk.JobQueue].
func (q *Queue) Create(ctx context.Context, spec bulk.JobSpec) error {
	if err := q.create(ctx, spec); err != nil {
		return fmt.Errorf("dynamojobs: create job %q: %w", spec.ID, err)
	}
	q.changed.send()
	return nil
}

func (q *Queue) create(ctx context.Context, spec bulk.JobSpec) error {
	if !possible(spec.ID) {
		return bulk.Permanent(fmt.Errorf("an id must be valid UTF-8 of 1 to %d bytes", MaxJobID))
	}
	record, err := newItem(spec)
	if err != nil {
		return err
	}
	u := newUpdate()
	u.whenMissing(attrID)
	return q.put(ctx, record, u, bulk.ErrJobExists)
}

// possible reports whether a job can have that id. For others DynamoDB would
// refuse the call, where the answer is that there is no such job.
func possible(id string) bool {
	return id != "" && len(id) <= MaxJobID && utf8.ValidString(id)
}

// Get implements [bulk.JobQueue].
func (q *Queue) Get(ctx context.Context, id string) (bulk.Job, error) {
	job, err := q.get(ctx, id)
	if err != nil {
		return bulk.Job{}, fmt.Errorf("dynamojobs: get job %q: %w", id, err)
	}
	return job, nil
}

func (q *Queue) get(ctx context.Context, id string) (bulk.Job, error) {
	if !possible(id) {
		return bulk.Job{}, bulk.ErrJobNotFound
	}
	var it item
	err := q.retry(ctx, func() (err error) {
		it, err = q.read(ctx, id)
		return err
	})
	switch {
	case err != nil:
		return bulk.Job{}, err
	case !it.exists(time.Now()):
		return bulk.Job{}, bulk.ErrJobNotFound
	}
	return it.job()
}

// Save implements [bulk.JobQueue].
func (q *Queue) Save(ctx context.Context, id string, token int64, change bulk.JobChange) (bulk.Job, error) {
	job, err := q.save(ctx, id, token, change)
	if err != nil {
		return bulk.Job{}, fmt.Errorf("dynamojobs: save job %q: %w", id, err)
	}
	if job.LeaseUntil.IsZero() && job.NotBefore.IsZero() && !change.Notified { // given up or ended
		q.changed.send()
	}
	return job, nil
}

func (q *Queue) save(ctx context.Context, id string, token int64, to bulk.JobChange) (bulk.Job, error) {
	if to.End != "" && !to.End.Ended() {
		return bulk.Job{}, bulk.Permanent(fmt.Errorf("a job cannot end as %q", to.End))
	}
	if !possible(id) {
		return bulk.Job{}, bulk.ErrLeaseLost
	}
	it, err := q.change(ctx, id, change{
		nonce: saveNonce(token),
		apply: func(u *update, now time.Time) error {
			u.when(attrToken, "=", number(token))
			u.whenThere(attrLease)
			switch { // an ended job is leased only to tell of it
			case to.Notified:
				u.whenThere(attrCompleted)
			case runs(to):
				u.whenMissing(attrCompleted)
			}
			return applySave(u, stamp(now), to)
		},
		refused: func(it item, now time.Time) error {
			ended := it.has(attrCompleted)
			if !it.exists(now) || it.number(attrToken) != token || !it.has(attrLease) || ended && runs(to) || !ended && to.Notified {
				return bulk.ErrLeaseLost
			}
			return nil
		},
	})
	if err != nil {
		return bulk.Job{}, err
	}
	return it.job()
}

// runs reports whether a change is one of a job that has not ended.
func runs(to bulk.JobChange) bool { return to.End != "" || to.Progress != nil }

func applySave(u *update, now time.Time, to bulk.JobChange) error {
	if to.Progress != nil {
		progress, err := document(to.Progress)
		if err != nil {
			return err
		}
		u.set(attrProgress, progress)
	}
	if to.Progress != nil || to.End != "" && to.Notify {
		u.set(attrAttempts, number(0))
	}
	switch {
	case to.End != "":
		if to.Results != "" {
			u.set(attrResults, text(to.Results))
		}
		if to.Error != nil {
			failure, err := document(to.Error)
			if err != nil {
				return err
			}
			u.set(attrError, failure)
		}
		u.remove(attrLease, attrNotBefore)
		end(u, to.End, to.Notify, now)
	case to.Notified:
		u.remove(attrNotify, attrLease, attrNotBefore)
		leaveIndex(u)
	case to.Lease > 0:
		until := now.Add(to.Lease)
		u.set(attrLease, moment(until))
		claimLater(u, until)
		u.remove(attrNotBefore)
	case to.RetryAfter > 0:
		at := now.Add(to.RetryAfter)
		u.set(attrNotBefore, moment(at))
		claimLater(u, at)
		u.remove(attrLease)
	default:
		// At once means at once by every clock.
		u.set(attrClaimAt, number(0))
		u.setFirst(attrTurn, attrReady, attrTurn)
		u.remove(attrLease, attrNotBefore)
	}
	return nil
}

// claimLater lets a job be claimed from then on.
func claimLater(u *update, at time.Time) {
	u.set(attrClaimAt, moment(at))
	u.set(attrTurn, text(laterTurn(at)))
}

// leaveIndex takes a job out of the index of claims.
func leaveIndex(u *update) { u.remove(attrClaimAt, attrShard, attrTurn, attrReady) }

// end ends a job, which takes it out of the index of claims, or from the jobs that are
// to be run to those that are to be told of.
func end(u *update, status bulk.JobStatus, notify bool, now time.Time) {
	u.set(attrStatus, text(string(status)))
	u.set(attrCompleted, moment(now))
	if !notify {
		leaveIndex(u)
		return
	}
	u.set(attrNotify, boolean(true))
	u.set(attrClaimAt, number(0))
	u.set(attrShard, text(endedPartition))
	u.set(attrTurn, text(laterTurn(now)))
	u.set(attrReady, text(laterTurn(now)))
}

// Cancel implements [bulk.JobQueue].
func (q *Queue) Cancel(ctx context.Context, id string, cancellation bulk.Cancellation) (bulk.Job, error) {
	job, err := q.cancel(ctx, id, cancellation)
	if err != nil {
		return job, fmt.Errorf("dynamojobs: cancel job %q: %w", id, err)
	}
	if job.Status.Ended() {
		q.changed.send()
	}
	return job, nil
}

// errProcessing is why a job cannot be ended by cancel.
var errProcessing = bulk.Permanent(errors.New("the job is processing"))

func (q *Queue) cancel(ctx context.Context, id string, cancellation bulk.Cancellation) (bulk.Job, error) {
	if !possible(id) {
		return bulk.Job{}, bulk.ErrJobNotFound
	}
	it, err := q.change(ctx, id, change{
		nonce: attrCancelNonce,
		apply: func(u *update, now time.Time) error {
			u.when(attrStatus, "=", text(string(bulk.JobPending)))
			if cancellation.Results != "" {
				u.set(attrResults, text(cancellation.Results))
			}
			end(u, bulk.JobCancelled, cancellation.Notify, stamp(now))
			return nil
		},
		refused: refuseUnless(bulk.JobPending),
	})
	if errors.Is(err, errProcessing) { // and never pending again
		it, err = q.change(ctx, id, change{
			nonce: attrCancelNonce,
			apply: func(u *update, _ time.Time) error {
				u.when(attrStatus, "=", text(string(bulk.JobProcessing)))
				u.set(attrCancel, boolean(true))
				return nil
			},
			refused: refuseUnless(bulk.JobProcessing),
		})
	}
	if err != nil && !errors.Is(err, bulk.ErrJobEnded) {
		return bulk.Job{}, err
	}
	job, decodeErr := it.job()
	if decodeErr != nil {
		return bulk.Job{}, decodeErr
	}
	return job, err
}

// Delete implements [bulk.JobQueue]. Of the record, what is about its job and its
// tenant is removed at once, which takes it out of the index too. Its id stays in use
// until DynamoDB's time to live removes the rest.
func (q *Queue) Delete(ctx context.Context, id string) error {
	if err := q.delete(ctx, id); err != nil {
		return fmt.Errorf("dynamojobs: delete job %q: %w", id, err)
	}
	return nil
}

func (q *Queue) delete(ctx context.Context, id string) error {
	if !possible(id) {
		return bulk.ErrJobNotFound
	}
	_, err := q.change(ctx, id, change{
		nonce: attrDeleteNonce,
		apply: func(u *update, now time.Time) error {
			u.whenThere(attrJob)
			u.whenThere(attrCompleted)
			u.set(attrExpires, moment(now))
			u.set(attrTTL, ttl(now))
			u.remove(attrJob, attrTenant, attrStatus, attrWorker, attrProgress, attrResults, attrError, attrNotify)
			leaveIndex(u)
			return nil
		},
		refused: func(it item, now time.Time) error {
			switch {
			case !it.exists(now):
				return bulk.ErrJobNotFound
			case !it.has(attrCompleted):
				return bulk.ErrJobNotEnded
			default:
				return nil
			}
		},
	})
	return err
}

// refuseUnless returns the refusal of a cancel that is for jobs of that status.
func refuseUnless(status bulk.JobStatus) func(item, time.Time) error {
	return func(it item, now time.Time) error {
		switch {
		case !it.exists(now):
			return bulk.ErrJobNotFound
		case it.status() == status:
			return nil
		case it.status().Ended():
			return bulk.ErrJobEnded
		default:
			return errProcessing
		}
	}
}
