package client

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/bulkops/bulkops/bulk"
)

// MaxKey is the length of an [Options.IdempotencyKey] in bytes. The service takes
// longer ones; the rest is for what tells parts apart.
const MaxKey = bulk.MaxIdempotencyKey - 1 - contentKeyLen

// Options say how users are imported. The zero value, and nil, is an import with
// the defaults of the API.
type Options struct {
	// Import are the options of the API. nil means those of the source, if it is
	// JSON with options, or else [bulk.DefaultOptions]. Beware that the zero value
	// of [bulk.Options] does not upsert.
	Import *bulk.Options
	// IdempotencyKey is what the keys of the requests are made of: 1 to [MaxKey]
	// printable ASCII characters. The same source under the same key does nothing
	// twice within 24 hours, and continues what was interrupted, as long as
	// [Config.MaxUsers], [Config.MaxBody] and Import are the same: with others the
	// service refuses it as [bulk.ErrIdempotencyKeyReused]. Defaults to a random key: see
	// [Import.Key]. A dry run has no keys: another one is to see what has changed
	// in between.
	IdempotencyKey string
	// ContentKeys makes the key of each part of IdempotencyKey, the options and the
	// rows up to the end of the part. So a source that was mended, or has more rows
	// now, is continued at the first part that differs, and what was imported before
	// that is not imported again; and other limits or options do not reuse a key.
	ContentKeys bool
	// Async makes a job of each request, however few users it has.
	Async bool
	// Progress is called whenever the state of the import changes, by the
	// goroutine that called the client. May be nil.
	Progress func(Progress)
}

// Progress is how far an import is.
type Progress struct {
	// Parts is how many parts the service has accepted.
	Parts int
	// Accepted is how many rows these have.
	Accepted int
	// Summary counts these rows: those not processed yet are NotProcessed.
	Summary bulk.Summary
	// Job is the job that is waited for, as the service described it last; nil while
	// none is.
	Job *Job
}

// An Import is users that the service has accepted, in one or more parts.
type Import struct {
	// Key is what the idempotency keys of the parts are made of. The same source
	// under this key continues the import.
	Key string
	// Parts are what was accepted, in order.
	Parts []Part

	client   *Client
	progress func(Progress)
}

// A Part is the rows of one request.
type Part struct {
	// Key is its idempotency key, "" for a dry run.
	Key string
	// First is the index of its first row in the whole.
	First int
	// Rows is how many it has.
	Rows int
	// Replayed is set if the service had accepted it before, in an earlier run. It
	// is not where an attempt of this run may have been accepted, and its answer lost.
	Replayed bool
	// Report is what became of its rows, with the indexes and lines of the whole,
	// if the service answered at once; nil if it made a job of them.
	Report *bulk.Report
	// Job is the state of its job as far as it is known; nil if there is none.
	Job *Job

	shift int // to be added to lines
}

// Summary counts the rows of the part as far as is known.
func (p *Part) Summary() bulk.Summary {
	switch {
	case p.Report != nil:
		return p.Report.Summary
	case p.Job != nil:
		return p.Job.Summary
	default:
		return bulk.Summary{NotProcessed: p.Rows}
	}
}

// Import imports users. It sends them in as many parts as are needed, and each once
// the one before has been applied, so all rows apply in the order given. It
// returns when all have been. Rows that fail are no error: see [Import.Summary] and
// [Import.Failed].
//
// If something else goes wrong it returns what was accepted, and with it a
// [*PartError], a [*SourceError], [ErrNoUsers], or why ctx ended. A job that fails
// or is cancelled is a PartError, and the parts behind it are not sent. What was
// accepted goes on: importing the same again under [Import.Key] waits for it and
// continues behind it: see [PartError.Retryable].
func (c *Client) Import(ctx context.Context, source Source, opts *Options) (*Import, error) {
	return c.run(ctx, source, opts, true)
}

// Submit is Import without the wait for jobs to end: see [Import.Wait]. Parts are
// applied as the service comes to them, so rows of different parts that name the
// same user apply in any order.
func (c *Client) Submit(ctx context.Context, source Source, opts *Options) (*Import, error) {
	return c.run(ctx, source, opts, false)
}

func (c *Client) run(ctx context.Context, source Source, opts *Options, inOrder bool) (*Import, error) {
	if opts == nil {
		opts = new(Options)
	}
	im := &Import{Key: opts.IdempotencyKey, client: c, progress: opts.Progress}
	if im.Key == "" {
		im.Key = rand.Text()
	}
	if len(im.Key) > MaxKey || im.Key[0] == ' ' || strings.ContainsFunc(im.Key, func(r rune) bool { return r < ' ' || r > '~' }) {
		return im, &bulk.ConfigError{Field: "client.Options.IdempotencyKey",
			Problem: fmt.Sprintf("has more than %d characters, or others than printable ASCII, or a space in front", MaxKey)}
	}
	rows := source.rows()
	defer rows.close()
	parts := &splitter{rows: rows, format: source.format, maxUsers: c.cfg.MaxUsers, maxBody: c.cfg.MaxBody, given: opts.Import}
	keys := keyring{base: im.Key, byContent: opts.ContentKeys}
	for {
		p, err := parts.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return im, err
		}
		err = im.post(ctx, p, source.format, parts.opts, opts.Async, &keys)
		if err == nil && inOrder {
			// The part's text is not needed any more.
			p.body = nil
			err = im.waitPart(ctx, len(im.Parts)-1)
		}
		if err != nil {
			p.placeError(err)
			return im, &PartError{Part: p.number, First: p.first, Line: p.line, Err: err}
		}
	}
	if len(im.Parts) == 0 {
		return im, ErrNoUsers
	}
	return im, nil
}

// acceptedData is the data of an answer to users: a report or a job.
type acceptedData struct {
	Mode         string           `json:"mode"`
	TotalRecords int              `json:"totalRecords"`
	Summary      bulk.Summary     `json:"summary"`
	Results      []bulk.RowResult `json:"results"`
	Error        *bulk.JobError   `json:"error"`
	JobID        string           `json:"jobId"`
	Status       bulk.JobStatus   `json:"status"`
	CreatedAt    time.Time        `json:"createdAt"`
	ExpiresAt    time.Time        `json:"expiresAt"`
}

// post sends a part.
func (im *Import) post(ctx context.Context, p *part, f format, opts bulk.Options, async bool, keys *keyring) error {
	accepted := Part{First: p.first, Rows: p.rows, shift: p.shift}
	q := &call{method: http.MethodPost, path: "users", body: p.body, header: http.Header{"Content-Type": {f.contentType}}}
	if async {
		q.header.Set("Prefer", "respond-async")
	}
	if f.inQuery {
		q.query = optionsQuery(opts)
	}
	if !opts.DryRun {
		accepted.Key = keys.next(p, q)
		q.header.Set("Idempotency-Key", accepted.Key)
	}
	a, err := do[acceptedData](ctx, im.client, q)
	if err != nil {
		return err
	}
	accepted.Replayed = a.header.Get("Idempotency-Replayed") == "true" && !a.lost
	if a.data.TotalRecords != p.rows {
		return fmt.Errorf("client: %d rows were sent and %d accepted", p.rows, a.data.TotalRecords)
	}
	switch {
	case a.data.Mode == "async" && a.data.JobID != "":
		accepted.Job = &Job{
			ID: a.data.JobID, Type: bulk.JobTypeUserImport, Status: a.data.Status, TotalRecords: p.rows,
			Summary: bulk.Summary{NotProcessed: p.rows}, Options: opts, CreatedAt: a.data.CreatedAt, ExpiresAt: a.data.ExpiresAt,
		}
	case a.data.Mode == "sync" && len(a.data.Results) == p.rows:
		accepted.Report = &bulk.Report{Summary: a.data.Summary, Results: a.data.Results, Error: a.data.Error}
		for i := range accepted.Report.Results {
			accepted.place(&accepted.Report.Results[i])
		}
	default:
		return fmt.Errorf("client: %s: %w", q, ErrNotAPI)
	}
	im.Parts = append(im.Parts, accepted)
	im.report()
	return nil
}

func optionsQuery(opts bulk.Options) url.Values {
	query := url.Values{}
	query.Set("upsert", strconv.FormatBool(opts.Upsert))
	query.Set("skipDuplicates", strconv.FormatBool(opts.SkipDuplicates))
	query.Set("sendWelcomeEmail", strconv.FormatBool(opts.SendWelcomeEmail))
	query.Set("dryRun", strconv.FormatBool(opts.DryRun))
	// The newer ones only where they are asked for: a service may not know them.
	if opts.UpdateOnly {
		query.Set("updateOnly", "true")
	}
	if opts.Merge != bulk.MergeKeys {
		query.Set("merge", opts.Merge.String())
	}
	if opts.MaxFailed != nil {
		query.Set("maxFailed", strconv.Itoa(*opts.MaxFailed))
	}
	if opts.Label != "" {
		query.Set("label", opts.Label)
	}
	return query
}

// optionsJSON is optionsQuery for a body.
func optionsJSON(opts bulk.Options) ([]byte, error) {
	values := map[string]any{
		"upsert": opts.Upsert, "skipDuplicates": opts.SkipDuplicates, "sendWelcomeEmail": opts.SendWelcomeEmail, "dryRun": opts.DryRun,
	}
	if opts.UpdateOnly {
		values["updateOnly"] = true
	}
	if opts.Merge != bulk.MergeKeys {
		values["merge"] = opts.Merge
	}
	if opts.MaxFailed != nil {
		values["maxFailed"] = *opts.MaxFailed
	}
	if opts.Label != "" {
		values["label"] = opts.Label
	}
	return json.Marshal(values)
}

// stopped returns a [*JobError] if the part was answered at once and had more failed
// rows than allowed.
func (p *Part) stopped() error {
	if p.Report.Error == nil {
		return nil
	}
	return &JobError{Job: Job{
		Type: bulk.JobTypeUserImport, Status: bulk.JobCancelled, TotalRecords: p.Rows,
		ProcessedRecords: p.Report.Summary.Processed(), Summary: p.Report.Summary, Error: p.Report.Error,
	}}
}

// place gives a result of the part its place in the whole.
func (p *Part) place(r *bulk.RowResult) {
	r.Index += p.First
	if r.Line > 0 {
		r.Line += p.shift
	}
}

// Wait waits until all jobs of the import have ended, as [Client.Wait] does for
// one, and calls [Options.Progress]. Jobs that failed or were cancelled are
// [*PartError]s, joined; a job that cannot be asked for ends it.
func (im *Import) Wait(ctx context.Context) error {
	var failed []error
	for i := range im.Parts {
		err := im.waitPart(ctx, i)
		if err == nil {
			continue
		}
		p := &im.Parts[i]
		err = &PartError{Part: i + 1, First: p.First, Err: err}
		var ended *JobError
		if !errors.As(err, &ended) {
			return errors.Join(append(failed, err)...)
		}
		failed = append(failed, err)
	}
	return errors.Join(failed...)
}

// waitPart waits for the job of a part, if it has one.
func (im *Import) waitPart(ctx context.Context, i int) error {
	p := &im.Parts[i]
	if p.Job == nil {
		return p.stopped()
	}
	if p.Job.Status.Ended() {
		return p.Job.Err()
	}
	hold := maxHold
	if im.progress != nil {
		hold = shownHold
	}
	job, err := im.client.wait(ctx, p.Job.ID, hold, func(job Job) {
		p.Job = &job
		im.report()
	})
	if err != nil {
		return err
	}
	return job.Err()
}

// report tells how far the import is.
func (im *Import) report() {
	if im.progress == nil {
		return
	}
	p := Progress{Parts: len(im.Parts), Summary: im.Summary()}
	p.Accepted = p.Summary.Total()
	for i := range im.Parts {
		if job := im.Parts[i].Job; job != nil && !job.Status.Ended() {
			p.Job = job
			break
		}
	}
	im.progress(p)
}

// Summary counts the rows of all parts as far as is known. Rows that were not
// accepted are not among them.
func (im *Import) Summary() bulk.Summary {
	var sum bulk.Summary
	for i := range im.Parts {
		s := im.Parts[i].Summary()
		sum.Created += s.Created
		sum.Updated += s.Updated
		sum.Unchanged += s.Unchanged
		sum.Skipped += s.Skipped
		sum.Failed += s.Failed
		sum.NotProcessed += s.NotProcessed
	}
	return sum
}

// Replayed returns how many parts the service had accepted before, in an earlier
// run under the same key.
func (im *Import) Replayed() int {
	n := 0
	for i := range im.Parts {
		if im.Parts[i].Replayed {
			n++
		}
	}
	return n
}
