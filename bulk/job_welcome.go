package bulk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/bulkops/bulkops/internal/redact"
)

// Welcome emails go out when all rows of an import have their results, to the
// address that each created user has then. Those of a job go segment by segment;
// the progress is saved after every batch of messages, so a crash repeats one batch
// at most, with the same keys. When a segment is through, its results are written
// once more, with the outcomes of its emails.

// A postman sends the welcome emails of an import.
type postman struct {
	cfg         *Config
	run, tenant string
	silent      bool // the mailer let its time run out
}

// send sends the welcome emails of rows that created users, at most
// [MaxWelcomeBatch] of them, and notes the outcomes in the rows. A user that has no
// address by then gets none. An error is one of the backends as a whole, after
// which nothing may be noted.
func (p *postman) send(ctx context.Context, rows []*RowResult) error {
	var (
		messages []Welcome
		to       []*RowResult
	)
	for some := range slices.Chunk(rows, BatchSize(p.cfg.Store)) {
		found, err := p.lookup(ctx, some)
		if err != nil {
			return err
		}
		for i, row := range some {
			user := found[i].ByID
			switch {
			case found[i].Err != nil:
				row.WelcomeEmail = WelcomeFailed
			case user == nil || user.Email == "":
			case hasControl(user.Email): // another program's: no mail header should have it
				row.WelcomeEmail = WelcomeFailed
			default:
				messages = append(messages, Welcome{Key: p.run + "/" + strconv.Itoa(row.Index), Tenant: p.tenant, User: user.User})
				to = append(to, row)
			}
		}
	}
	if len(messages) == 0 {
		return nil
	}
	outcomes, err := p.cfg.mailer().send(ctx, messages)
	for i, err := range outcomes {
		to[i].WelcomeEmail = WelcomeSent
		p.silent = p.silent || errors.Is(err, context.DeadlineExceeded)
		if err != nil {
			to[i].WelcomeEmail = WelcomeFailed
			p.cfg.Logger.WarnContext(ctx, "welcome email failed", "import", p.run, "row", to[i].Index, "code", mailCode(err))
		}
	}
	return err
}

// mailCode says what went wrong with an email. The text of the error may have the
// address in it, in whatever words the service has for it.
func mailCode(err error) string {
	var coded interface{ ErrorCode() string }
	switch {
	case errors.As(err, &coded):
		return redact.Text(coded.ErrorCode())
	case errors.Is(err, context.DeadlineExceeded):
		return "deadline exceeded"
	case errors.Is(err, context.Canceled):
		return "cancelled"
	}
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(err) {
		err = inner
	}
	return fmt.Sprintf("%T", err)
}

func (p *postman) lookup(ctx context.Context, rows []*RowResult) (found []Found, err error) {
	refs := make([]Ref, len(rows))
	for i, row := range rows {
		refs[i].ID = row.UserID
	}
	err = syncBackoff.retry(ctx, func() error {
		found, err = p.cfg.store().Lookup(ctx, p.tenant, refs)
		return err
	})
	return found, err
}

// created returns the rows that created users, from that row on.
func created(rows []RowResult, from int) []*RowResult {
	var list []*RowResult
	for i := range rows {
		if row := &rows[i]; row.Status == StatusCreated && row.Index >= from {
			list = append(list, row)
		}
	}
	return list
}

// mails reports whether the job sends welcome emails.
func (a *attempt) mails() bool {
	return a.job.Options.SendWelcomeEmail && !a.job.Options.DryRun
}

// mailed reports whether no welcome email is outstanding.
func (a *attempt) mailed() bool {
	return !a.mails() || a.at.Mailed == a.job.TotalRecords
}

// mail sends the emails of all segments, whose results are durable. When the worker
// is to stop it leaves the rest to the next attempt.
func (a *attempt) mail(ctx context.Context) error {
	for !a.mailed() && !a.stopped.Load() {
		number := 0
		if n := len(a.at.MailSpans); n > 0 {
			number = a.at.MailSpans[n-1].Until
		}
		if err := a.mailSegment(ctx, number); err != nil {
			return err
		}
	}
	return nil
}

// mailSegment sends the emails of a segment and writes its final results.
func (a *attempt) mailSegment(ctx context.Context, number int) error {
	rows, err := a.readSegment(ctx, number)
	if err != nil {
		return err
	}
	first := number * a.job.SegmentRows
	for _, row := range created(rows[:max(0, a.at.Mailed-first)], first) {
		switch {
		case slices.Contains(a.at.MailFailed, row.Index):
			row.WelcomeEmail = WelcomeFailed
		case !slices.Contains(a.at.MailNone, row.Index):
			row.WelcomeEmail = WelcomeSent
		}
	}
	due := created(rows, max(first, a.at.Mailed))
	post := &postman{cfg: a.cfg, run: a.job.ID, tenant: a.job.Tenant}
	for len(due) > 0 {
		batch := due[:min(len(due), MaxWelcomeBatch)]
		due = due[len(batch):]
		if a.mailerSilent && a.cancelled.Load() {
			// A cancel does not wait for every message to fail in its turn.
			for _, row := range batch {
				row.WelcomeEmail = WelcomeFailed
			}
		} else if err := post.send(ctx, batch); err != nil {
			return err
		}
		a.mailerSilent = a.mailerSilent || post.silent
		if err := context.Cause(ctx); err != nil {
			return err // what was not sent for want of time is not failed
		}
		if len(due) == 0 {
			break // saved with the segment
		}
		for _, row := range batch {
			switch row.WelcomeEmail {
			case WelcomeFailed:
				a.at.MailFailed = append(a.at.MailFailed, row.Index)
			case "":
				a.at.MailNone = append(a.at.MailNone, row.Index)
			}
		}
		a.at.Mailed = batch[len(batch)-1].Index + 1
		if err := a.saveProgress(ctx, a.job.Progress); err != nil || a.stopped.Load() {
			return err
		}
	}
	if err := a.put(ctx, mailedKey(a.job, number, a.job.Token), appendResults(nil, rows)); err != nil {
		return err
	}
	a.at.Mailed, a.at.MailFailed, a.at.MailNone = first+len(rows), nil, nil
	a.at.MailSpans = extend(a.at.MailSpans, a.job.Token, number+1)
	return a.saveProgress(ctx, a.job.Progress)
}

func (a *attempt) readSegment(ctx context.Context, number int) ([]RowResult, error) {
	key := a.at.segmentKey(a.job, number)
	text, err := a.recent.read(ctx, a.patience, a.blobs, key)
	if err != nil {
		return nil, err
	}
	rows := make([]RowResult, 0, a.job.SegmentRows)
	err = readResults(bytes.NewReader(text), func(result RowResult) error {
		rows = append(rows, result)
		return nil
	})
	if err != nil { // all of it is here, so it is damaged
		return nil, Permanent(fmt.Errorf("bulk: read %s: %w", key, err))
	}
	return rows, nil
}
