package bulk

import (
	"context"
	"fmt"
	"slices"
	"strconv"
)

// Welcome emails of a job go out segment by segment, once the segment's results
// are durable. The progress is saved after every batch of messages, so a crash
// repeats one batch at most, with the same keys. When a segment is through, its
// results are written once more, with the outcomes of its emails.

// mails reports whether the job sends welcome emails.
func (a *attempt) mails() bool {
	return a.job.Options.SendWelcomeEmail && !a.job.Options.DryRun
}

// mailed reports whether no welcome email is outstanding.
func (a *attempt) mailed() bool {
	return !a.mails() || a.job.Progress.Mailed == a.job.TotalRecords
}

// mailSegments sends the emails of whole segments as they become durable. When
// the worker is to stop it leaves the rest to the next attempt.
func (a *attempt) mailSegments(ctx context.Context) error {
	for {
		more := a.mailable.wait(ctx)
		for {
			a.progress.lock()
			next, ready := wholeUntil(a.job.Progress.MailSpans), wholeUntil(a.job.Progress.Spans)
			a.progress.unlock()
			if a.stopping() == finish {
				return nil
			}
			if next >= ready {
				break
			}
			if err := a.mailSegment(ctx, next); err != nil {
				return err
			}
		}
		if !more {
			return context.Cause(ctx)
		}
	}
}

// mailSegment sends the emails of a segment and writes its final results.
func (a *attempt) mailSegment(ctx context.Context, number int) error {
	rows, err := a.readSegment(ctx, number)
	if err != nil {
		return err
	}
	a.progress.lock()
	p := a.job.Progress // what is used of it here changes nowhere else
	a.progress.unlock()
	first, until := number*a.job.SegmentRows, number*a.job.SegmentRows+len(rows)
	failed := p.MailFailed
	for i := range rows[:max(0, p.Mailed-first)] {
		if row := &rows[i]; welcomed(row) {
			row.WelcomeEmail = WelcomeSent
			if slices.Contains(failed, row.Index) {
				row.WelcomeEmail = WelcomeFailed
			}
		}
	}
	messages, err := a.messages(ctx, rows, max(p.Mailed, first))
	if err != nil {
		return err
	}
	for len(messages) > 0 {
		batch := messages[:min(len(messages), MaxWelcomeBatch)]
		messages = messages[len(batch):]
		a.sendWelcome(ctx, batch)
		if err := context.Cause(ctx); err != nil {
			return err
		}
		if len(messages) == 0 {
			break // saved with the segment
		}
		for _, m := range batch {
			if m.row.WelcomeEmail == WelcomeFailed {
				failed = append(failed[:len(failed):len(failed)], m.row.Index)
			}
		}
		mailed := batch[len(batch)-1].row.Index + 1
		err := a.change(ctx, func(p *Progress) { p.Mailed, p.MailFailed = mailed, failed })
		if err != nil {
			return err
		}
		if a.stopping() == finish {
			return nil
		}
	}
	key := mailedKey(a.job, number, a.job.Token)
	text := appendResults(nil, rows)
	if err := a.put(ctx, key, text); err != nil {
		return err
	}
	return a.change(ctx, func(p *Progress) {
		p.Mailed, p.MailFailed = until, nil
		p.MailSpans = extend(p.MailSpans, a.job.Token, number+1)
	})
}

// mailRest sends the emails of the rows behind the last durable segment, and
// notes the outcomes in their results, which go straight into the results file.
func (a *attempt) mailRest(ctx context.Context, rest map[int]*segment) error {
	for _, s := range rest {
		messages, err := a.messages(ctx, s.rows, s.first)
		if err != nil {
			return err
		}
		for batch := range slices.Chunk(messages, MaxWelcomeBatch) {
			a.sendWelcome(ctx, batch)
		}
	}
	return context.Cause(ctx)
}

// change changes the progress and saves it.
func (a *attempt) change(ctx context.Context, f func(*Progress)) error {
	a.progress.lock()
	defer a.progress.unlock()
	p := a.job.Progress
	f(&p)
	return a.saveProgress(ctx, p)
}

func (a *attempt) readSegment(ctx context.Context, number int) ([]RowResult, error) {
	a.progress.lock()
	token, _ := spanToken(a.job.Progress.Spans, number)
	a.progress.unlock()
	r, err := a.recent.open(ctx, jobBackoff, a.blobs, segmentKey(a.job, number, token))
	if err != nil {
		return nil, err
	}
	defer r.Close()
	rows := make([]RowResult, 0, a.job.SegmentRows)
	err = readResults(r, func(result RowResult) error {
		rows = append(rows, result)
		return nil
	})
	return rows, err
}

// welcomed reports whether the row is due a welcome email.
func welcomed(r *RowResult) bool { return r.Status == StatusCreated && r.Email != "" }

// A message is a welcome email of a row.
type message struct {
	row     *RowResult
	welcome Welcome
}

// messages makes the emails that are due to the rows from that one on. rows are
// in order and without gaps.
func (a *attempt) messages(ctx context.Context, rows []RowResult, from int) ([]message, error) {
	var due []*RowResult
	for i := range rows {
		if row := &rows[i]; row.Index >= from && welcomed(row) {
			due = append(due, row)
		}
	}
	if len(due) == 0 {
		return nil, nil
	}
	in, err := a.open(ctx, due[0].Index)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	messages := make([]message, 0, len(due))
	at := due[0].Index
	for _, r := range due {
		if err := in.skip(r.Index - at); err != nil {
			return nil, fmt.Errorf("bulk: read %s: %w", a.job.Payload, err)
		}
		at = r.Index + 1
		row, err := in.Next()
		if err != nil {
			return nil, fmt.Errorf("bulk: read %s: %w", a.job.Payload, err)
		}
		messages = append(messages, newMessage(a.job.ID, a.job.Tenant, r, readRow(r.Index, row)))
	}
	return messages, nil
}

func newMessage(run, tenant string, r *RowResult, p *plan) message {
	return message{row: r, welcome: Welcome{
		Key:    run + "/" + strconv.Itoa(r.Index),
		Tenant: tenant,
		User: User{
			ID:           r.UserID,
			Email:        r.Email,
			CustomFields: Fields{}.Merge(p.CustomFields),
			Metadata:     Fields{}.Merge(p.Metadata),
		},
	}}
}

func (a *attempt) sendWelcome(ctx context.Context, batch []message) {
	sendWelcome(ctx, a.cfg, a.job.ID, batch)
}

// sendWelcome sends a batch of messages and notes the outcomes in their rows.
func sendWelcome(ctx context.Context, cfg *Config, run string, batch []message) {
	var (
		welcomes []Welcome
		sent     []*RowResult
	)
	for _, m := range batch {
		m.row.WelcomeEmail = WelcomeFailed
		// The rule for emails keeps line breaks out, but no other control
		// characters, and no mail header should have those.
		if !hasControl(m.row.Email) {
			welcomes = append(welcomes, m.welcome)
			sent = append(sent, m.row)
		}
	}
	if len(welcomes) == 0 {
		return
	}
	for i, err := range (guardedMailer{cfg.Mailer}).send(ctx, welcomes) {
		if err != nil {
			cfg.Logger.WarnContext(ctx, "welcome email failed", "import", run, "row", sent[i].Index, "error", err)
			continue
		}
		sent[i].WelcomeEmail = WelcomeSent
	}
}
