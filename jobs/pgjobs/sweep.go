package pgjobs

import (
	"context"
	"time"

	"github.com/bulkops/bulkops/jobs/pgjobs/internal/database"
)

// Of the removal of what has expired: how many jobs, and keys, a batch has at most, and how
// often a queue that is claimed from removes one.
const (
	sweepBatch = 500
	sweepEvery = time.Minute
)

// Sweep removes the jobs and idempotency keys that have expired, in batches of up to 500, and
// returns how many of both there were. Nobody sees them before either. Processes that claim
// jobs without an id remove a batch a minute; others, or those with more, call it from time to
// time.
func (q *Queue) Sweep(ctx context.Context) (removed int, err error) {
	for {
		n, err := q.sweep(ctx)
		removed += n
		if err != nil || n == 0 {
			return removed, database.Failure(ctx, "pgjobs: sweep", err)
		}
	}
}

// sweep removes a batch.
func (q *Queue) sweep(ctx context.Context) (removed int, err error) {
	for _, text := range []string{q.text.sweepJobs, q.text.sweepKeys} {
		err := q.db.Do(ctx, func(conn database.Conn, _ bool) error {
			tag, err := conn.Exec(ctx, text, sweepBatch)
			removed += int(tag.RowsAffected())
			return err
		})
		if err != nil {
			return removed, err
		}
	}
	return removed, nil
}
