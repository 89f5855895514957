package pgjobs

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/cursor"
	"github.com/bulkops/bulkops/jobs/pgjobs/internal/database"
)

// maxPage is the largest [bulk.JobFilter.Limit].
const maxPage = 100

// List implements [bulk.JobQueue]. Its pages are full: a cursor means that there is another job.
func (q *Queue) List(ctx context.Context, filter bulk.JobFilter) (jobs []bulk.Job, next string, err error) {
	before, err := cursor.Read(filter.Tenant, filter.Cursor)
	switch {
	case err == nil && !storable(before):
		err = bulk.ErrBadCursor
	case err == nil && (filter.Limit < 1 || filter.Limit > maxPage):
		err = bulk.Permanent(fmt.Errorf("limit %d is not from 1 to %d", filter.Limit, maxPage))
	}
	if err == nil {
		jobs, err = q.page(ctx, filter, before)
	}
	if err != nil {
		return nil, "", database.Failure(ctx, "pgjobs: list jobs", err)
	}
	if len(jobs) > filter.Limit {
		jobs = jobs[:filter.Limit]
		next = cursor.Make(filter.Tenant, jobs[len(jobs)-1].ID)
	}
	return jobs, next, nil
}

// page returns up to one job more than the limit.
func (q *Queue) page(ctx context.Context, filter bulk.JobFilter, before string) (jobs []bulk.Job, err error) {
	text, next, arguments := q.text.list, q.text.listNext, []any{filter.Tenant, filter.Limit + 1}
	if filter.Status != "" {
		text, next, arguments = q.text.listStatus, q.text.listStatusNext, append(arguments, filter.Status)
	}
	if before != "" {
		text, arguments = next, append(arguments, before)
	}
	err = q.db.Do(ctx, func(conn database.Conn, _ bool) error {
		rows, err := conn.Query(ctx, text, arguments...)
		if err != nil {
			return err
		}
		records, err := pgx.CollectRows(rows, scan)
		jobs = make([]bulk.Job, len(records))
		for i, r := range records {
			jobs[i] = r.job
		}
		return err
	})
	return jobs, err
}
