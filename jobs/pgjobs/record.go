package pgjobs

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/bulkops/bulkops/bulk"
)

// A record is a row: the job, and what only this package knows of it.
type record struct {
	job         bulk.Job
	cancelNonce pgtype.UUID
	saveStamp   int64
}

// one returns the record of the only row of a query, or [pgx.ErrNoRows].
func one(rows pgx.Rows, err error) (record, error) {
	if err != nil {
		return record{}, err
	}
	return pgx.CollectOneRow(rows, scan)
}

// scan reads the columns of [columns]. What stands behind them is not looked at.
func scan(row pgx.CollectableRow) (r record, err error) {
	var spec, progress, failure []byte
	var updated, started, completed, lease, notBefore pgtype.Timestamptz
	var attempts int32
	job := &r.job
	targets := []any{&spec, &job.Status, &updated, &started, &completed, &job.CancelRequested, &job.Token, &attempts, &job.Worker,
		&lease, &notBefore, &progress, &job.Results, &failure, &job.Notify, &r.cancelNonce, &r.saveStamp}
	targets = append(targets, make([]any, len(row.FieldDescriptions())-len(targets))...)
	if err := row.Scan(targets...); err != nil {
		return record{}, err
	}
	job.UpdatedAt, job.StartedAt, job.CompletedAt = moment(updated), moment(started), moment(completed)
	job.LeaseUntil, job.NotBefore = moment(lease), moment(notBefore)
	job.Attempts = int(attempts)
	for _, part := range []struct {
		name string
		text []byte
		into any
	}{{"spec", spec, &job.JobSpec}, {"progress", progress, &job.Progress}, {"error", failure, &job.Error}} {
		if part.text == nil {
			continue
		}
		if err := json.Unmarshal(part.text, part.into); err != nil {
			return record{}, bulk.Permanent(fmt.Errorf("column %s: %w", part.name, err))
		}
	}
	return r, nil
}

// moment returns a time of the database, the zero time for NULL.
func moment(t pgtype.Timestamptz) time.Time {
	if !t.Valid {
		return time.Time{}
	}
	return t.Time.UTC()
}

// document returns a value as JSON.
func document(value any) (string, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return "", bulk.Permanent(err)
	}
	return string(text), nil
}
