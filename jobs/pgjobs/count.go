package pgjobs

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/jobs/pgjobs/internal/database"
)

var _ bulk.JobCounter = (*Queue)(nil)

// CountJobs implements [bulk.JobCounter] in one statement, which reads the jobs that have
// not ended by their indexes, and no others: about a page for each eight of them.
func (q *Queue) CountJobs(ctx context.Context) (counts bulk.JobCounts, err error) {
	var oldest pgtype.Text
	err = q.db.Do(ctx, func(conn database.Conn, _ bool) error {
		return conn.QueryRow(ctx, q.text.count).Scan(&counts.Ready, &counts.Held, &oldest)
	})
	if err == nil && oldest.Valid {
		counts.OldestReady, err = time.Parse(time.RFC3339Nano, oldest.String)
	}
	return counts, database.Failure(ctx, "pgjobs: count jobs", err)
}
