package bulk

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
)

// A checkpoint is what a worker notes in [Progress.Checkpoint] beside the number of
// rows whose results are durable.
type checkpoint struct {
	// Chunk is the number of the first chunk of the journal that says anything
	// about later rows.
	Chunk int `json:"chunk,omitempty"`
	// Spans says which claim wrote which segments of the results.
	Spans []span `json:"spans,omitempty"`
	// Unknown has the segments with rows whose outcome is unknown, as long as rows are
	// left, and some between them if there are very many.
	Unknown []stretch `json:"unknown,omitempty"`
	// Mailed is how many rows, from the first, need no welcome email any more.
	Mailed int `json:"mailed,omitempty"`
	// MailFailed has the rows of the segment of Mailed whose email failed, and
	// MailNone those that had no address to send it to.
	MailFailed []int `json:"mailFailed,omitempty"`
	MailNone   []int `json:"mailNone,omitempty"`
	// MailSpans says which claim wrote which segments of the results that have
	// the outcomes of their emails.
	MailSpans []span `json:"mailSpans,omitempty"`
	// Chunks is how many chunks the journal had when the job ended.
	Chunks int `json:"chunks,omitempty"`
	// Paces says how fast the claim gets on.
	Paces []pace `json:"paces,omitempty"`
}

// A span is a run of segments, up to but without Until, that a claim wrote. It
// starts where the span before it ends.
type span struct {
	Token int64 `json:"token"`
	Until int   `json:"until"`
}

func (c *checkpoint) parse(text string) error {
	if text == "" {
		return nil
	}
	return json.Unmarshal([]byte(text), c)
}

func (c *checkpoint) text() (string, error) {
	text, err := json.Marshal(c)
	return string(text), err
}

// segmentKey returns the key of the results of a segment, as they are best known.
func (c *checkpoint) segmentKey(job *Job, number int) string {
	if token, ok := spanToken(c.MailSpans, number); ok {
		return mailedKey(job, number, token)
	}
	token, _ := spanToken(c.Spans, number)
	return segmentKey(job, number, token)
}

// spanToken returns the token of the claim that wrote a segment.
func spanToken(spans []span, segment int) (int64, bool) {
	for _, s := range spans {
		if segment < s.Until {
			return s.Token, true
		}
	}
	return 0, false
}

// A stretch is segments that follow each other, up to but without Until.
type stretch struct {
	From  int `json:"from"`
	Until int `json:"until"`
}

// maxStretches bounds what a checkpoint has of them.
const maxStretches = 100

// include adds a segment that is behind all of the stretches. If there are very many, the
// last one takes in what is between.
func include(stretches []stretch, segment int) []stretch {
	if n := len(stretches); n > 0 && (stretches[n-1].Until == segment || n == maxStretches) {
		stretches[n-1].Until = segment + 1
		return stretches
	}
	return append(stretches, stretch{segment, segment + 1})
}

// extend says that the claim wrote the segments up to until.
func extend(spans []span, token int64, until int) []span {
	if n := len(spans); n > 0 && spans[n-1].Token == token {
		spans[n-1].Until = until
		return spans
	}
	return append(spans, span{Token: token, Until: until})
}

// save makes results durable as segments fill, until there are no more.
func (a *attempt) save(ctx context.Context) error {
	for {
		a.ledger.gather(ctx)
		segments, until := a.ledger.next(ctx)
		if segments == nil {
			return context.Cause(ctx)
		}
		if err := a.checkpoint(ctx, segments, until); err != nil {
			return err
		}
	}
}

// checkpoint writes the results of segments and then saves the progress.
func (a *attempt) checkpoint(ctx context.Context, segments []*segment, until int) (err error) {
	ctx, end := a.observeCheckpoint(ctx, "")
	defer func() { end(err) }()
	p := a.job.Progress
	if err := a.putSegments(ctx, &p, segments...); err != nil {
		return err
	}
	if err := a.journal.bind(ctx); err != nil {
		return err
	}
	for _, s := range segments {
		if slices.ContainsFunc(s.rows, unknownOutcome) {
			a.at.Unknown = include(a.at.Unknown, s.first/a.job.SegmentRows)
		}
	}
	return a.advance(ctx, p, until)
}

// observeCheckpoint tells the observer, if there is one, of a checkpoint, which ends
// the job if a status is given. What it returns tells of its end, and which rows have
// become durable by it.
func (a *attempt) observeCheckpoint(ctx context.Context, status JobStatus) (context.Context, func(error)) {
	e := &CheckpointEvent{JobID: a.job.ID, Status: status, DryRun: a.job.Options.DryRun}
	before := a.job.Progress.Summary
	ctx, end := observe(ctx, a.cfg.Observer, e)
	return ctx, func(err error) {
		e.Rows = a.job.Progress.Summary.minus(before)
		if err == nil && status != "" {
			e.Rows.NotProcessed = a.job.Summary().NotProcessed
		}
		end(err)
	}
}

// putSegments writes the results of segments and adds them to the summary of p.
func (a *attempt) putSegments(ctx context.Context, p *Progress, segments ...*segment) error {
	puts, putCtx := errgroup.WithContext(ctx)
	puts.SetLimit(a.cfg.Parallel)
	for _, s := range segments {
		for i := range s.rows {
			p.Summary.add(s.rows[i].Status)
		}
		puts.Go(func() error {
			key := segmentKey(a.job, s.first/a.job.SegmentRows, a.job.Token)
			return a.put(putCtx, key, appendResults(make([]byte, 0, 128*len(s.rows)), s.rows))
		})
	}
	return puts.Wait()
}

// advance saves that the results of all rows before until are written.
func (a *attempt) advance(ctx context.Context, p Progress, until int) error {
	p.Rows = until
	p.Summary.NotProcessed = 0
	a.at.Spans = extend(a.at.Spans, a.job.Token, a.segments(until))
	a.at.Chunk = a.journal.start(until)
	if err := a.saveProgress(ctx, p); err != nil {
		return err
	}
	a.ledger.saved(until)
	return nil
}

// segments returns how many segments the first rows make: the last one of a job
// may be short.
func (a *attempt) segments(rows int) int {
	return (rows + a.job.SegmentRows - 1) / a.job.SegmentRows
}

// put writes the results of a segment.
func (a *attempt) put(ctx context.Context, key string, text []byte) error {
	err := a.patience.retry(ctx, func() error {
		return putOnce(ctx, a.blobs, key, bytes.NewReader(text), segmentType)
	})
	if err == nil {
		a.recent.keep(key, text)
	}
	return err
}

// saveProgress saves the progress with the checkpoint.
func (a *attempt) saveProgress(ctx context.Context, p Progress) error {
	a.at.Paces = appendPace(a.at.Paces, time.Now(), p.Rows)
	text, err := a.at.text()
	if err != nil {
		return err
	}
	p.Checkpoint = text
	err = a.patience.retry(ctx, func() error {
		return a.lease.save(ctx, JobChange{Lease: a.cfg.Lease, Progress: &p})
	})
	if err != nil {
		return fmt.Errorf("bulk: save progress of %s: %w", a.job.ID, err)
	}
	a.job.Progress = p
	return nil
}
