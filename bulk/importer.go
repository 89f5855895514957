package bulk

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/bulkops/bulkops/internal/redact"
)

// An Importer takes requests: it imports small ones at once and makes jobs of
// large ones. It has no goroutines of its own and is safe for concurrent use.
type Importer struct {
	cfg   Config
	blobs guardedBlobs
	jobs  guardedJobs
	rules map[string]string // what FieldRules returns
}

// NewImporter returns an importer, or a [*ConfigError] that names the field at
// fault.
func NewImporter(cfg Config) (*Importer, error) {
	cfg, err := cfg.complete()
	if err != nil {
		return nil, err
	}
	rules, err := cfg.rules().describe()
	if err != nil {
		return nil, err
	}
	_, signs := ability[URLSigner](cfg.Blobs)
	cfg.Logger.Debug("importer made", "maxBatch", BatchSize(cfg.Store), "idempotencyKeys", cfg.IdempotencyKeys != nil, "signedURLs", signs)
	if cfg.IdempotencyKeys == nil {
		cfg.Logger.Warn("requests with an idempotency key will be refused: Config.IdempotencyKeys is not set, and Config.Jobs keeps no keys nor unwraps to what does",
			"jobs", fmt.Sprintf("%T", cfg.Jobs))
	}
	return &Importer{cfg: cfg, blobs: cfg.blobs(), jobs: cfg.jobs(), rules: rules}, nil
}

// FieldRules returns the rules of [Config.FieldRules] in words, by the field that
// they are for, as in "customFields.age". It is nil without rules.
func (im *Importer) FieldRules() map[string]string { return maps.Clone(im.rules) }

// Logger returns [Config.Logger], for those who serve the importer.
func (im *Importer) Logger() *slog.Logger { return im.cfg.Logger }

// SyncThreshold returns [Config.SyncThreshold] with its default: so many rows of a
// request are held in memory, unless it is made a job before.
func (im *Importer) SyncThreshold() int { return im.cfg.SyncThreshold }

// PutMemory returns what a request that becomes a job takes for its payload: that of
// [PutMemory].
func (im *Importer) PutMemory() int64 { return PutMemory(im.cfg.Blobs) }

// A Request is a request to import users.
type Request struct {
	// Principal is who asks. Its tenant is where the users go.
	Principal Principal
	// Rows yields the rows. They are read once. If it is an [OptionsReader], it
	// yields the options too.
	Rows RowReader
	// Options say what to do with users that exist, unless Rows yields them.
	Options Options
	// Async makes a job of the request however few rows it has.
	Async bool
	// IdempotencyKey makes it safe to send the request again: for 24 hours Accept
	// answers the same rows and options under the same key of the same tenant
	// with the first answer, and other ones with [ErrIdempotencyKeyReused]. While
	// the first request is under way it returns [ErrIdempotencyKeyInProgress]. ""
	// is no key. It needs [Config.IdempotencyKeys]. A request that is refused
	// leaves its key free.
	//
	// Should the process die in the middle of a synchronous request, a repetition
	// goes on with it and gives the results that the first would have given.
	IdempotencyKey string
}

// An Accepted is the answer to a request: a report or a job.
type Accepted struct {
	// Report is the outcome of a request that was imported at once.
	Report *Report
	// Job is what another request has become.
	Job *Job
	// Replayed says that the answer is that of an earlier request with the same
	// idempotency key.
	Replayed bool
}

// A request is a Request under way.
type request struct {
	Request
	rows *limitedReader
	key  *keyed // nil without an idempotency key
	seen *observedRequest

	// retry says whose rows it has, nil for a request with rows of its own. They and
	// the options are known once they are opened.
	retry *RetryRequest
}

func (im *Importer) newRequest(r Request, seen *observedRequest) *request {
	rows := &limitedReader{rows: r.Rows, limit: im.cfg.MaxUsers}
	if r.Rows != nil { // or they are those of a job
		seen.rows = rows
	}
	return &request{Request: r, rows: rows, seen: seen}
}

// options returns the options. They are complete once the rows have ended.
func (r *request) options() Options {
	if reader, ok := r.Rows.(OptionsReader); ok {
		return reader.Options()
	}
	return r.Options
}

// Accept does what the API does with a request: below [Config.SyncThreshold]
// rows it is [Importer.Import], from there on [Importer.Submit].
func (im *Importer) Accept(ctx context.Context, req Request) (answer *Accepted, err error) {
	ctx, e := im.observe(ctx, "Accept", req.Principal)
	defer func() { e.answer(answer, err) }()
	if err := req.Principal.Authorize(); err != nil {
		return nil, err
	}
	r := im.newRequest(req, e)
	if req.IdempotencyKey != "" {
		return im.acceptKeyed(ctx, r)
	}
	return im.accept(ctx, r)
}

// accept is Accept without the key's part.
func (im *Importer) accept(ctx context.Context, req *request) (*Accepted, error) {
	if req.retry != nil {
		return im.acceptRetry(ctx, req)
	}
	if !req.Async {
		ended, err := req.rows.readAhead(im.cfg.SyncThreshold)
		if err != nil {
			return nil, err
		}
		if ended {
			if req.key != nil && req.key.token > 1 {
				// The request before may have been one for a job, whatever its rows.
				job, err := im.join(ctx, req)
				if !errors.Is(err, ErrJobNotFound) {
					return &Accepted{Job: job}, err
				}
			}
			report, err := im.importRows(ctx, req)
			return &Accepted{Report: report}, err
		}
	}
	job, err := im.submit(ctx, req)
	return &Accepted{Job: job}, err
}

// checkEnd returns why the request is refused once its rows have ended.
func (im *Importer) checkEnd(req *request) error {
	if req.rows.count == 0 {
		return &RequestError{Code: CodeEmptyUsers, Message: "users is empty; a request has at least one user"}
	}
	if err := req.options().check(); err != nil {
		return err
	}
	if req.options().SendWelcomeEmail && im.cfg.Mailer == nil {
		return &RequestError{Code: CodeInvalidRequest, Message: "option sendWelcomeEmail: this service sends no welcome emails",
			Details: map[string]any{"option": "sendWelcomeEmail"}}
	}
	return nil
}

// Import imports the rows and returns when all are done, with one result a row.
//
// It returns [ErrForbidden]; a [*RequestError] for no rows, more than
// [Config.MaxUsers] or options that cannot be met; the error of the reader; and
// [ErrUnavailable] if the store did not answer for a single row. In all these
// cases nothing was written. When ctx is cancelled it returns ctx's error once
// the batches under way have ended; rows may then have been written, and the same
// request may be sent again.
func (im *Importer) Import(ctx context.Context, req Request) (report *Report, err error) {
	ctx, e := im.observe(ctx, "Import", req.Principal)
	defer func() { e.answer(&Accepted{Report: report}, err) }()
	if err := req.Principal.Authorize(); err != nil {
		return nil, err
	}
	r := im.newRequest(req, e)
	if _, err := r.rows.readAhead(im.cfg.MaxUsers + 1); err != nil {
		return nil, err
	}
	return im.importRows(ctx, r)
}

// callsAhead is how many batches of a synchronous import may be under way for each call
// that may be. Where calls take unequally long, some batches wait for one before them;
// more of them would but take memory, as nothing but the calls is waited for.
const callsAhead = 4

// importRows imports the rows of a request that were all read.
func (im *Importer) importRows(ctx context.Context, req *request) (*Report, error) {
	rows := req.rows.ahead
	req.rows.count = len(rows)
	if err := im.checkEnd(req); err != nil {
		return nil, err
	}
	opts := req.options()
	run, log, err := im.syncRun(ctx, req)
	if err != nil {
		return nil, err
	}
	report := make(reportSink, len(rows))
	e := newEngine(&im.cfg, req.Principal.Tenant, run, opts, report, log)
	e.abreast = callsAhead * im.cfg.Parallel
	if err := im.runSync(ctx, e, &rowSource{rows: &rowList{rows: rows}}, req.key); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err() // and not the cause, which is for others
		}
		return nil, fmt.Errorf("bulk: import: %w", err)
	}
	if e.health.silent() {
		return nil, fmt.Errorf("%w: the store did not answer for any row", ErrUnavailable)
	}
	if e.failures.passed() {
		e.leave(report, rows)
	}
	if opts.SendWelcomeEmail && !opts.DryRun {
		im.welcome(ctx, req.Principal.Tenant, run, report)
	}
	s := report.summary()
	req.seen.imported(opts, s)
	return &Report{Summary: s, Results: report, Error: tooManyFailed(opts, s)}, nil
}

// leave reports the rows that an import was stopped before: as not processed, unless
// an earlier request with its key had come to a result.
func (e *engine) leave(report reportSink, rows []Row) {
	var (
		reader rowReader
		p      plan
	)
	for i, row := range rows {
		if report[i].Status != "" {
			continue
		}
		reader.read(&p, i, row)
		if old, ok := e.inherited[i]; ok {
			e.report(&p, old.entryRow, old.userID)
		} else {
			report[i] = p.result(StatusNotProcessed)
		}
	}
}

// syncRun returns the name and the journal of a synchronous import. One with a key
// has those of the key, which then stands for these rows and no others. Nobody can
// go on with one that has no key, so it needs no journal.
func (im *Importer) syncRun(ctx context.Context, req *request) (string, *journal, error) {
	if req.key == nil {
		return newID("req_", time.Now()), nil, nil
	}
	if err := req.key.pin(ctx, req.fingerprint()); err != nil {
		return "", nil, err
	}
	run := runID(req.key.run)
	if req.options().DryRun {
		return run, nil, nil
	}
	return run, req.key.journal(im.blobs), nil
}

// runSync runs a synchronous import, after what an earlier request with its key has
// begun.
func (im *Importer) runSync(ctx context.Context, e *engine, rows *rowSource, k *keyed) error {
	if e.journal != nil && k.token > 1 {
		h, err := e.journal.takeOver(ctx, 0, 0)
		if err != nil {
			return err
		}
		e.inherit(h)
		e.patient = true // the request may be sent once more
		if err := e.settleSent(ctx); err != nil {
			return err
		}
		e.patient = false
	}
	return e.do(ctx, rows)
}

// welcome sends the welcome emails of a synchronous import. A caller that goes
// away meanwhile does not take them back: the users are created.
func (im *Importer) welcome(ctx context.Context, tenant, run string, report reportSink) {
	post := &postman{cfg: &im.cfg, run: run, tenant: tenant}
	for batch := range slices.Chunk(created(report, 0), MaxWelcomeBatch) {
		if err := post.send(ctx, batch); err != nil {
			im.cfg.Logger.WarnContext(ctx, "welcome emails failed", "import", run, redact.Error(err))
			for _, row := range batch {
				row.WelcomeEmail = cmp.Or(row.WelcomeEmail, WelcomeFailed)
			}
		}
	}
}

// Submit stores the rows and makes a job of them, for a [Worker]. When it
// returns the job, payload and record are durable. Its errors are those of Import,
// and those of the backends: see [Retryable]. With any of them no job was made and
// no blob is left behind.
func (im *Importer) Submit(ctx context.Context, req Request) (job *Job, err error) {
	ctx, e := im.observe(ctx, "Submit", req.Principal)
	defer func() { e.answer(&Accepted{Job: job}, err) }()
	if err := req.Principal.Authorize(); err != nil {
		return nil, err
	}
	return im.submit(ctx, im.newRequest(req, e))
}

func (im *Importer) submit(ctx context.Context, req *request) (*Job, error) {
	spec := im.newSpec(req)
	// The payload's end is where the request turns out to be good or bad, so a
	// bad one fails the Put, which then stores nothing.
	source := &payloadWriter{rows: req.rows, end: func() error { return im.checkEnd(req) }}
	err := im.blobs.Put(ctx, spec.Payload, source, BlobInfo{ContentType: payloadType})
	switch {
	case source.err != nil && source.err != io.EOF:
		return nil, source.err // the reason, whatever the store made of it
	case err != nil:
		im.discard(ctx, spec.Payload)
		return nil, fmt.Errorf("bulk: put payload of %s: %w", spec.ID, err)
	case source.err == nil || len(source.unread) > 0:
		im.discard(ctx, spec.Payload)
		return nil, &contractError{"BlobStore.Put did not read to the end"}
	}
	spec.TotalRecords = req.rows.count
	spec.Options = req.options()
	if req.key != nil {
		spec.Fingerprint = req.fingerprint()
	}
	spec.Label, spec.Options.Label = spec.Options.Label, ""
	err = im.create(ctx, spec)
	if req.key != nil && errors.Is(err, ErrJobExists) {
		return im.join(ctx, req)
	}
	if err != nil {
		return nil, err
	}
	return &Job{JobSpec: *spec, Status: JobPending, UpdatedAt: spec.CreatedAt}, nil
}

// newSpec returns the job that a request becomes, but for what its rows say.
func (im *Importer) newSpec(req *request) *JobSpec {
	clock := time.Now()
	now := clock.UTC().Truncate(time.Millisecond)
	tenant := req.Principal.Tenant
	spec := &JobSpec{
		ID:          newID("job_", clock),
		Tenant:      tenant,
		Type:        JobTypeUserImport,
		CreatedBy:   req.Principal.ID,
		CreatedAt:   now,
		ExpiresAt:   now.Add(im.cfg.Retention),
		SegmentRows: im.cfg.SegmentRows,

		TraceContext: req.seen.traceContext(),
	}
	spec.Payload = payloadKey(tenant, spec.ID)
	if req.retry != nil {
		spec.ParentID = req.retry.JobID
	}
	if k := req.key; k != nil {
		// Two requests that meet in one job have a payload each, until one wins.
		spec.ID = jobID(k.run)
		spec.Payload = fmt.Sprintf("%s-%d", payloadKey(tenant, spec.ID), k.token)
	}
	return spec
}

// create adds the job to the queue. If that fails it removes the payload, unless
// the job exists all the same, by a call whose answer was lost. Where the queue
// cannot tell, such a job is left without a payload and will fail: no row of a
// request that was refused is ever written.
func (im *Importer) create(ctx context.Context, spec *JobSpec) error {
	err := syncBackoff.retry(ctx, func() error { return im.jobs.Create(ctx, *spec) })
	if err == nil {
		return nil
	}
	ask, cancel := context.WithTimeout(context.WithoutCancel(ctx), discardTimeout)
	defer cancel()
	made, getErr := im.jobs.Get(ask, spec.ID)
	if getErr == nil && made.Payload == spec.Payload {
		return nil
	}
	im.discard(ctx, spec.Payload)
	return fmt.Errorf("bulk: create %s: %w", spec.ID, err)
}

// discard removes a blob that no job will use. If that fails it expires.
func (im *Importer) discard(ctx context.Context, key string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), discardTimeout)
	defer cancel()
	if err := im.blobs.Delete(ctx, key); err != nil {
		im.cfg.Logger.WarnContext(ctx, "blob not removed", "key", key, redact.Error(err))
	}
}

// discardTimeout bounds the cleaning up after a request whose context may have
// ended.
const discardTimeout = 15 * time.Second

// Job returns a job. A job that does not exist, has expired or belongs to a
// tenant that the principal may not see is [ErrJobNotFound].
func (im *Importer) Job(ctx context.Context, p Principal, id string) (*Job, error) {
	if err := p.Authorize(); err != nil {
		return nil, err
	}
	job, err := im.JobByID(ctx, id)
	if err != nil {
		return nil, err
	}
	if !p.mayUse(*job) {
		return nil, fmt.Errorf("bulk: get job: %w", ErrJobNotFound)
	}
	return job, nil
}

// JobByID returns a job of any tenant, for whoever has shown that it may be seen, as
// by a link that was signed for it. It returns [ErrJobNotFound] as Job does.
func (im *Importer) JobByID(ctx context.Context, id string) (*Job, error) {
	job, err := im.jobs.Get(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("bulk: get job: %w", err)
	}
	return &job, nil
}

// Wait returns a job once it has ended, or as it is after that time. It learns of
// changes from the queue, if that is a [JobNotifier], and asks every [Config.Poll].
// It returns the errors of Job, and that of ctx when ctx ends.
func (im *Importer) Wait(ctx context.Context, p Principal, id string, atMost time.Duration) (*Job, error) {
	over := time.NewTimer(atMost)
	defer over.Stop()
	poll := time.NewTicker(im.cfg.Poll)
	defer poll.Stop()
	for {
		changed, err := im.jobs.changed() // before the look, so that no change is missed
		if err != nil {
			im.cfg.Logger.WarnContext(ctx, "queue does not notify", redact.Error(err))
		}
		job, err := im.Job(ctx, p, id)
		if err != nil || job.Status.Ended() {
			return job, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-over.C:
			return im.Job(ctx, p, id)
		case <-changed:
		case <-poll.C:
		}
	}
}

// Jobs lists the jobs of the principal's tenant, newest first. status "" selects
// all. limit is from 1 to 100. cursor is "" for the first page; the cursor
// returned is "" after the last one. A bad cursor is [ErrBadCursor].
func (im *Importer) Jobs(ctx context.Context, p Principal, status JobStatus, limit int, cursor string) (jobs []Job, next string, err error) {
	if err := p.Authorize(); err != nil {
		return nil, "", err
	}
	jobs, next, err = im.jobs.List(ctx, JobFilter{Tenant: p.Tenant, Status: status, Limit: limit, Cursor: cursor})
	if err != nil {
		return nil, "", fmt.Errorf("bulk: list jobs: %w", err)
	}
	return jobs, next, nil
}

// Cancel stops a job. A pending one is cancelled at once; for a running one
// CancelRequested is set, and its worker stops before its next batch once it has
// seen it, at most [Config.Poll] later. When the returned job, or a later one,
// has the status [JobCancelled], no row is written any more. It returns the
// errors of Job, and [ErrJobEnded] for a job that has ended.
func (im *Importer) Cancel(ctx context.Context, p Principal, id string) (cancelled *Job, err error) {
	ctx, e := im.observe(ctx, "Cancel", p)
	defer func() { e.answer(&Accepted{Job: cancelled}, err) }()
	job, err := im.Job(ctx, p, id)
	if err != nil {
		return nil, err
	}
	ended, err := im.cancel(ctx, job)
	if err != nil {
		return nil, fmt.Errorf("bulk: cancel %s: %w", id, err)
	}
	if ended.Status.Ended() && ranToken(&ended) == 0 { // and not by a worker
		e.cancelled(&ended)
		logEnd(ctx, im.cfg.Logger, &ended)
	}
	return &ended, nil
}

// cancel cancels a job that was looked up.
func (im *Importer) cancel(ctx context.Context, job *Job) (Job, error) {
	id := job.ID
	results := ""
	if job.Status == JobPending {
		// Nobody works on it who would write its results. They are written before
		// the job ends, so that no ended job lacks them.
		r := composition{blobs: im.blobs, backoff: syncBackoff, job: job, at: new(checkpoint)}
		var err error
		if results, _, err = r.put(ctx, JobCancelled); err != nil {
			return Job{}, err
		}
	}
	cancelled, err := im.jobs.Cancel(ctx, id, Cancellation{Results: results, Notify: im.cfg.Notifier != nil})
	if err != nil && !errors.Is(err, ErrJobEnded) {
		cancelled, err = im.tellCancelled(ctx, id, err)
	}
	if results != "" && cancelled.ID != "" && cancelled.Results != results {
		im.discard(ctx, results) // a worker was faster
	}
	return cancelled, err
}

// tellCancelled returns the job after a Cancel that failed, which may have been
// done all the same: then without an error.
func (im *Importer) tellCancelled(ctx context.Context, id string, failure error) (Job, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), discardTimeout)
	defer cancel()
	job, err := im.jobs.Get(ctx, id)
	switch {
	case err != nil:
		return Job{}, failure
	case job.Status == JobCancelled || job.CancelRequested:
		return job, nil
	default:
		return job, failure
	}
}

// Results opens the results file of an ended job: a JSON document with the
// members jobId, status, totalRecords, summary and results, one result a row in
// order. It returns [ErrNoResults] for a job that has none. The caller closes it.
func (im *Importer) Results(ctx context.Context, job *Job) (io.ReadCloser, error) {
	if !job.Status.Ended() || job.Results == "" {
		return nil, ErrNoResults
	}
	return im.blobs.open(ctx, syncBackoff, job.Results)
}

// Rows opens the rows of a job as they were sent, in order. The caller closes
// what it returns.
func (im *Importer) Rows(ctx context.Context, job *Job) (RowReadCloser, error) {
	rows, err := openPayload(ctx, syncBackoff, im.blobs, job, 0)
	if err != nil {
		return nil, err
	}
	return rows, nil
}

// DownloadURL returns a URL for the results file of an ended job and the time at
// which it stops working. The URL is "" if the job has no results, or if the blob
// store cannot sign URLs: package httpapi then signs one of its own, which stops
// working at that time.
func (im *Importer) DownloadURL(ctx context.Context, job *Job) (url string, expires time.Time, err error) {
	if !job.Status.Ended() || job.Results == "" {
		return "", time.Time{}, nil
	}
	// A link must not outlive the results that it leads to.
	ttl := min(im.cfg.DownloadTTL, time.Until(job.ExpiresAt))
	url, expires, err = im.blobs.sign(ctx, job.Results, SignOptions{
		TTL: ttl, FileName: ResultsFileName(job), ContentType: resultsType,
	})
	if err != nil {
		url, err = "", fmt.Errorf("bulk: sign results of %s: %w", job.ID, err)
	}
	if url == "" {
		expires = time.Now().Add(ttl).UTC().Truncate(time.Millisecond)
	}
	return url, expires, err
}

// ResultsFileName is the name under which the results file of a job is saved by
// those who download it.
func ResultsFileName(job *Job) string { return job.ID + "-results.json" }
