package bulk

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/bulkops/bulkops/internal/redact"
)

// end ends the job: every write that was sent has its result by then, or is known
// to be unknown, and the results file is there.
func (a *attempt) end(ctx context.Context, status JobStatus) error {
	a.engine.halt()
	a.engine.settleLast(ctx, a.cfg.StopGrace)
	if err := context.Cause(ctx); err != nil {
		return err // what is unknown for want of time may be known to the next claim
	}
	a.reportInherited(ctx)
	if status == JobCancelled && !a.cancelled.Load() && a.ledger.complete() && !a.cutShort() {
		status = JobCompleted // too many rows failed, and earlier claims had reached all
	}
	if status != JobFailed && a.mails() {
		err := a.closeBooks(ctx)
		if err == nil {
			err = a.mail(ctx)
		}
		if err != nil {
			return errors.Join(err, a.giveBack(ctx, a.retryAfter()))
		}
		if !a.mailed() { // the worker is to stop
			if err := a.giveBack(ctx, 0); err != nil {
				return err
			}
			return ErrJobLeft
		}
	}
	r := &composition{
		blobs: a.blobs, backoff: a.patience, job: a.job, at: &a.at, rest: a.ledger.rest(), recent: a.recent, lost: !a.known,
	}
	key, summary, err := r.put(ctx, status)
	if err != nil {
		if status != JobFailed || Retryable(err) || ctx.Err() != nil {
			return errors.Join(err, a.giveBack(ctx, a.retryAfter()))
		}
		// The blob store is at fault for good, so there can be no file.
		a.cfg.Logger.ErrorContext(ctx, "no results file", "job", a.job.ID, redact.Error(err))
		key = ""
	}
	failure := a.failure
	if status == JobCancelled {
		failure = tooManyFailed(a.job.Options, summary)
	}
	p := a.job.Progress
	p.Summary = summary
	p.Summary.NotProcessed = 0
	if status == JobCompleted {
		p.Rows = a.job.TotalRecords
	}
	a.at.Chunks, a.at.Paces = len(a.journal.keys()), nil
	if p.Checkpoint, err = a.at.text(); err != nil {
		return err
	}
	written := a.segments(a.job.Progress.Rows)
	if err := a.saveEnd(ctx, JobChange{Progress: &p, End: status, Results: key, Error: failure, Notify: a.cfg.Notifier != nil}); err != nil {
		return fmt.Errorf("bulk: end %s: %w", a.job.ID, err)
	}
	logEnd(ctx, a.cfg.Logger, a.job)
	a.tidy(ctx, written)
	return nil
}

// saveEnd saves the end of the job, with the last checkpoint.
func (a *attempt) saveEnd(ctx context.Context, change JobChange) (err error) {
	ctx, end := a.observeCheckpoint(ctx, change.End)
	defer func() { end(err) }()
	err = jobBackoff.retry(ctx, func() error { return a.lease.save(ctx, change) })
	if errors.Is(err, ErrLeaseLost) && a.ended(ctx, change.End) {
		err = nil // by our own call, whose answer was lost
	}
	if err != nil {
		return err
	}
	a.job.Status, a.job.Progress, a.job.Results, a.job.Error = change.End, *change.Progress, change.Results, change.Error
	a.job.CompletedAt = time.Now().UTC().Truncate(time.Millisecond)
	return nil
}

// ended reports whether this claim has ended the job. The token may have risen since, by
// claims to tell of the end.
func (a *attempt) ended(ctx context.Context, status JobStatus) bool {
	job, err := a.lease.jobs.Get(ctx, a.job.ID)
	return err == nil && ranToken(&job) == a.job.Token && job.Status == status
}

// reportInherited reports the results that were come to by the journal alone and
// whose rows were not read.
func (a *attempt) reportInherited(ctx context.Context) {
	var rows *payloadRows
	for _, index := range slices.Sorted(maps.Keys(a.engine.inherited)) {
		if index < a.job.Progress.Rows || a.ledger.reported(index) {
			continue
		}
		if rows == nil {
			rows = newPayloadRows(ctx, a.patience, a.blobs, a.job)
			defer rows.close()
		}
		p, err := rows.plan(index)
		if err != nil {
			p = &plan{index: index}
		}
		old := a.engine.inherited[index]
		a.engine.report(p, old.entryRow, old.userID)
	}
}

// closeBooks makes the results of all rows durable, in one step: an entry of the
// journal that was not carried out may have rows in several segments, and must not
// be carried out once one of them is not processed. Rows without a result are not
// processed any more.
func (a *attempt) closeBooks(ctx context.Context) (err error) {
	p := a.job.Progress
	if p.Rows == a.job.TotalRecords {
		return nil
	}
	ctx, end := a.observeCheckpoint(ctx, "")
	defer func() { end(err) }()
	rest := a.ledger.rest()
	rows := newPayloadRows(ctx, a.patience, a.blobs, a.job)
	defer rows.close()
	var segments []*segment
	for first := p.Rows; first < a.job.TotalRecords; first += a.job.SegmentRows {
		s := rest[first/a.job.SegmentRows]
		if s == nil {
			s = &segment{first: first, rows: make([]RowResult, min(a.job.SegmentRows, a.job.TotalRecords-first))}
		}
		for i := range s.rows {
			if s.rows[i].Status == "" {
				r, err := rows.unreached(first + i)
				if err != nil {
					return err
				}
				s.rows[i] = r
			}
		}
		// As many as are put at a time: of a large job that was cancelled early, nearly
		// all rows are among them.
		if segments = append(segments, s); len(segments) == a.cfg.Parallel {
			if err := a.putSegments(ctx, &p, segments...); err != nil {
				return err
			}
			segments = nil
		}
	}
	if err := a.putSegments(ctx, &p, segments...); err != nil {
		return err
	}
	return a.advance(ctx, p, a.job.TotalRecords)
}

// tidy removes the journal and the segments of a job that has ended, of which so many
// were written, as far as that goes. What is left expires.
func (a *attempt) tidy(ctx context.Context, segments int) {
	keys := a.journal.keys()
	for n := range segments {
		token, _ := spanToken(a.at.Spans, n)
		keys = append(keys, segmentKey(a.job, n, token))
		if token, ok := spanToken(a.at.MailSpans, n); ok {
			keys = append(keys, mailedKey(a.job, n, token))
		}
	}
	var group errgroup.Group
	group.SetLimit(max(8, a.cfg.Parallel))
	for _, key := range keys {
		group.Go(func() error { return a.blobs.Delete(ctx, key) })
	}
	if err := group.Wait(); err != nil {
		a.cfg.Logger.WarnContext(ctx, "blobs not removed", "job", a.job.ID, redact.Error(err))
	}
}
