package pgjobs

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/jobs/pgjobs/internal/database"
)

var errBadEnd = errors.New("a job can end as completed, failed or cancelled")

// Save implements [bulk.JobQueue].
func (q *Queue) Save(ctx context.Context, id string, token int64, change bulk.JobChange) (job bulk.Job, err error) {
	if change.End != "" && !change.End.Ended() {
		return bulk.Job{}, bulk.Permanent(fmt.Errorf("pgjobs: save job %q: end %q: %w", id, change.End, errBadEnd))
	}
	if !storable(id) {
		return bulk.Job{}, fmt.Errorf("pgjobs: save job %q: %w", id, bulk.ErrLeaseLost)
	}
	arguments, tells, err := q.saveArguments(change)
	if err == nil {
		job, err = q.save(ctx, id, token, arguments)
	}
	if err != nil {
		return bulk.Job{}, database.Failure(ctx, fmt.Sprintf("pgjobs: save job %q", id), err)
	}
	if tells {
		q.changed.tell()
	}
	return job, nil
}

// saveArguments returns the arguments of the statement from the fourth on, and whether the
// change is one that others wait for.
func (q *Queue) saveArguments(change bulk.JobChange) (arguments []any, tells bool, err error) {
	var lease, delay *time.Duration // at most one: how the lease goes on, or the job
	var progress, end, failure *string
	switch {
	case change.End != "":
		end, tells = (*string)(&change.End), true
	case change.Notified:
	case change.Lease > 0:
		lease = new(change.Lease.Truncate(time.Millisecond))
	case change.RetryAfter > 0:
		delay = new(change.RetryAfter.Truncate(time.Millisecond))
	default:
		tells = true
	}
	if change.Progress != nil {
		text, err := document(change.Progress)
		if err != nil {
			return nil, false, err
		}
		progress = &text
	}
	if change.Error != nil {
		text, err := document(change.Error)
		if err != nil {
			return nil, false, err
		}
		failure = &text
	}
	notify := change.Notify && end != nil
	return []any{lease, delay, progress, end, change.Results, failure, notify, change.Notified, tells, q.schema}, tells, nil
}

func (q *Queue) save(ctx context.Context, id string, token int64, arguments []any) (job bulk.Job, err error) {
	stamp := nextStamp()
	arguments = append([]any{id, token, stamp}, arguments...)
	err = q.db.Do(ctx, func(conn database.Conn, doubt bool) error {
		r, err := one(conn.Query(ctx, q.text.save, arguments...))
		if errors.Is(err, pgx.ErrNoRows) && doubt {
			// It has the stamp if the call before was done.
			r, err = one(conn.Query(ctx, q.text.get, id))
			if err == nil && (r.job.Token != token || r.saveStamp != stamp) {
				err = bulk.ErrLeaseLost
			}
		}
		job = r.job
		return absent(err, bulk.ErrLeaseLost)
	})
	return job, err
}

var lastStamp atomic.Int64

// nextStamp returns a number that is higher than all before it, also those of processes that
// ran before. A save that comes late, after its sender gave up on it and went on, is so known
// to be older than what it would overwrite.
func nextStamp() int64 {
	for {
		last := lastStamp.Load()
		if next := max(last+1, time.Now().UnixNano()); lastStamp.CompareAndSwap(last, next) {
			return next
		}
	}
}
