package bulk

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// A RetrySelection says which rows of a job are tried again.
type RetrySelection string

// The selections of rows.
const (
	RetryAll          RetrySelection = ""             // those that failed and those that were not processed
	RetryFailed       RetrySelection = "failed"       // those that failed
	RetryRetryable    RetrySelection = "retryable"    // those that failed with an error that says so
	RetryNotProcessed RetrySelection = "notProcessed" // those that were not reached
)

// has reports whether a row of that result is selected.
func (s RetrySelection) has(r *RowResult) bool {
	switch s {
	case RetryAll:
		return r.Status == StatusFailed || r.Status == StatusNotProcessed
	case RetryRetryable:
		return r.Status == StatusFailed && slices.ContainsFunc(r.Errors, func(e RowError) bool { return e.Retryable })
	default:
		return string(r.Status) == string(s)
	}
}

// A RetryRequest is a request to try rows of an ended job again.
type RetryRequest struct {
	// Principal is who asks. The job must be of its own tenant.
	Principal Principal
	// JobID is the job whose rows are tried again.
	JobID string
	// Only selects rows. Defaults to those that failed and those that were not
	// processed.
	Only RetrySelection
	// IdempotencyKey is [Request.IdempotencyKey]. The job and the selection belong to
	// what it stands for.
	IdempotencyKey string
}

// Retry makes a new job of rows of a job that has ended. The new job has the other as
// its [JobSpec.ParentID], its options and label, and each of its results the row's
// [RowResult.ParentIndex]; a retry of a dry run is none.
//
// It returns [ErrJobNotFound] for a job that does not exist or is another tenant's,
// also to those who may read it; [ErrJobNotEnded]; [ErrNothingToRetry] if the job has
// no such rows; [ErrNoResults] if it ended without results; and otherwise the errors of
// Accept.
func (im *Importer) Retry(ctx context.Context, req RetryRequest) (answer *Accepted, err error) {
	ctx, e := im.observe(ctx, "Retry", req.Principal)
	defer func() { e.answer(answer, err) }()
	if !slices.Contains([]RetrySelection{RetryAll, RetryFailed, RetryRetryable, RetryNotProcessed}, req.Only) {
		return nil, &RequestError{Code: CodeInvalidRequest, Message: `only must be "failed", "retryable" or "notProcessed"`}
	}
	if err := req.Principal.Authorize(); err != nil {
		return nil, err
	}
	r := im.newRequest(Request{Principal: req.Principal, Async: true, IdempotencyKey: req.IdempotencyKey}, e)
	r.retry = &req
	if req.IdempotencyKey != "" {
		return im.acceptKeyed(ctx, r)
	}
	return im.accept(ctx, r)
}

// fingerprint returns what a key of the request stands for. Rows and options of a job
// that has ended do not change, and after a while they are gone.
func (r *RetryRequest) fingerprint() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "retry %q %q", r.JobID, r.Only))
	return hex.EncodeToString(sum[:])
}

// acceptRetry makes the job of a retry.
func (im *Importer) acceptRetry(ctx context.Context, req *request) (*Accepted, error) {
	if req.key != nil && req.key.token > 1 {
		// The job that is tried again may be gone, if the request before has made one.
		job, err := im.join(ctx, req)
		if !errors.Is(err, ErrJobNotFound) {
			return &Accepted{Job: job}, err
		}
	}
	parent, err := im.parent(ctx, req.retry)
	if err != nil {
		return nil, fmt.Errorf("bulk: retry: %w", err)
	}
	rows, err := im.openRetry(ctx, parent, req.retry.Only)
	if err != nil {
		return nil, fmt.Errorf("bulk: retry %s: %w", parent.ID, err)
	}
	defer rows.Close()
	req.rows.rows = rows
	req.Options = parent.Options
	req.Options.DryRun, req.Options.Label = false, parent.Label
	job, err := im.submit(ctx, req)
	return &Accepted{Job: job}, err
}

// parent returns the job whose rows are to be tried again.
func (im *Importer) parent(ctx context.Context, req *RetryRequest) (*Job, error) {
	job, err := im.Job(ctx, req.Principal, req.JobID)
	switch {
	case err != nil:
		return nil, err
	case job.Tenant != req.Principal.Tenant:
		return nil, ErrJobNotFound
	case !job.Status.Ended():
		return nil, ErrJobNotEnded
	}
	return job, nil
}

// A retryReader yields the rows of a job that are tried again.
type retryReader struct {
	only    RetrySelection
	results *jsontext.Decoder // at the next result
	payload *payload
	skip    int // lines of the payload to be passed over
	any     bool
	closers []io.Closer
}

// openRetry opens the results and the payload of a job.
func (im *Importer) openRetry(ctx context.Context, job *Job, only RetrySelection) (*retryReader, error) {
	file, err := im.Results(ctx, job)
	if err != nil {
		return nil, err
	}
	r := &retryReader{only: only, results: jsontext.NewDecoder(file), closers: []io.Closer{file}}
	if err := r.begin(); err != nil {
		r.Close()
		return nil, err
	}
	if r.payload, err = openPayload(ctx, syncBackoff, im.blobs, job, 0); err != nil {
		r.Close()
		return nil, err
	}
	r.closers = append(r.closers, r.payload)
	return r, nil
}

// Close closes what the rows are read from.
func (r *retryReader) Close() error {
	var errs []error
	for _, c := range r.closers {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// begin reads the file up to its first result.
func (r *retryReader) begin() error {
	if token, err := r.results.ReadToken(); err != nil || token.Kind() != '{' {
		return damagedResults(err)
	}
	for {
		name, err := r.results.ReadToken()
		if err != nil || name.Kind() != '"' {
			return damagedResults(err)
		}
		if name.String() == "results" {
			break
		}
		if err := r.results.SkipValue(); err != nil {
			return damagedResults(err)
		}
	}
	if token, err := r.results.ReadToken(); err != nil || token.Kind() != '[' {
		return damagedResults(err)
	}
	return nil
}

// Next returns the next row that is selected.
func (r *retryReader) Next() (Row, error) {
	for r.results.PeekKind() == '{' {
		text, err := r.results.ReadValue()
		if err != nil {
			return Row{}, damagedResults(err)
		}
		var result RowResult
		if err := json.Unmarshal(text, &result); err != nil {
			return Row{}, damagedResults(nil)
		}
		if !r.only.has(&result) {
			r.skip++
			continue
		}
		if err := r.payload.skip(r.skip); err != nil {
			return Row{}, err
		}
		row, err := r.payload.row()
		if err != nil {
			return Row{}, noEOF(err)
		}
		r.skip, r.any, row.parent = 0, true, result.Index+1
		return row, nil
	}
	// A file that is cut off must not pass for one that is complete.
	if token, err := r.results.ReadToken(); err != nil || token.Kind() != ']' {
		return Row{}, damagedResults(err)
	}
	if !r.any {
		return Row{}, ErrNothingToRetry
	}
	return Row{}, io.EOF
}

// damagedResults is a results file that could not be read, or, with no error or one
// of syntax, one that is none.
func damagedResults(err error) error {
	var syntax *jsontext.SyntacticError
	if err == nil || errors.As(err, &syntax) {
		return Permanent(errors.New("bulk: results file is damaged"))
	}
	return fmt.Errorf("bulk: read results file: %w", err)
}
