package bulk

import (
	"context"
	"errors"
)

// An observedRequest is a request of which an observer is told.
type observedRequest struct {
	event RequestEvent
	rows  *limitedReader // those that its caller sent, nil for none
	end   func(error)
}

// observe tells the observer, if there is one, of a request.
func (im *Importer) observe(ctx context.Context, operation string, p Principal) (context.Context, *observedRequest) {
	r := &observedRequest{event: RequestEvent{Operation: operation, Tenant: p.Tenant}}
	ctx, r.end = observe(ctx, im.cfg.Observer, &r.event)
	return ctx, r
}

// traceContext returns the trace context of the request, "" if there is none that a
// job can have.
func (r *observedRequest) traceContext() string {
	text := r.event.TraceContext
	if len(text) > MaxTraceContext {
		return ""
	}
	for _, c := range []byte(text) {
		if c < ' ' || c > '~' {
			return ""
		}
	}
	return text
}

// imported notes what became of the rows of a request that was imported at once.
func (r *observedRequest) imported(opts Options, rows Summary) {
	r.event.DryRun, r.event.Rows = opts.DryRun, rows
}

// cancelled notes what became of the rows of a job that ended by being cancelled.
func (r *observedRequest) cancelled(job *Job) {
	r.event.DryRun, r.event.Rows = job.Options.DryRun, job.Summary()
}

// answer tells how the request was answered.
func (r *observedRequest) answer(a *Accepted, err error) {
	switch {
	case err != nil:
		r.event.Refused = refused(err) || r.rows != nil && r.rows.failed
		r.event.Rows = Summary{} // another request may come to other results
	case a != nil: // or the reader of the rows has panicked
		r.event.Job, r.event.Replayed = a.Job, a.Replayed
	}
	r.end(err)
}

// refused reports whether an error is about the request, and no failure of what
// answers it.
func refused(err error) bool {
	var request *RequestError
	if errors.As(err, &request) {
		return true
	}
	for _, refusal := range []error{
		ErrForbidden, ErrJobNotFound, ErrJobEnded, ErrJobNotEnded, ErrNothingToRetry, ErrNoResults,
		ErrIdempotencyKeyInProgress, ErrIdempotencyKeyReused,
	} {
		if errors.Is(err, refusal) {
			return true
		}
	}
	return false
}
