package otelbulk

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/bulkops/bulkops/bulk"
)

// Scope is the name of the instrumentation scope of all metrics and spans.
const Scope = "github.com/bulkops/bulkops/observe/otelbulk"

// Options say where metrics and spans go. The zero value of a field is the provider
// that is registered globally when the observer is made.
type Options struct {
	MeterProvider  metric.MeterProvider
	TracerProvider trace.TracerProvider
}

// An Observer is a [bulk.Observer] that makes metrics and spans. One may serve any
// number of importers and workers.
type Observer struct {
	meter  metric.Meter
	meters *meters
	tracer trace.Tracer
}

var _ bulk.Observer = (*Observer)(nil)

// New returns an observer, or an error of the provider of meters.
func New(opts Options) (*Observer, error) {
	if opts.MeterProvider == nil {
		opts.MeterProvider = otel.GetMeterProvider()
	}
	if opts.TracerProvider == nil {
		opts.TracerProvider = otel.GetTracerProvider()
	}
	o := &Observer{meter: opts.MeterProvider.Meter(Scope), tracer: opts.TracerProvider.Tracer(Scope)}
	var err error
	if o.meters, err = newMeters(o.meter); err != nil {
		return nil, fmt.Errorf("otelbulk: %w", err)
	}
	return o, nil
}

// Begin implements [bulk.Observer].
func (o *Observer) Begin(ctx context.Context, e bulk.Event) context.Context {
	if a, ok := e.(*bulk.AttemptEvent); ok {
		o.meters.active.Add(ctx, 1)
		if a.Job.Token == 1 {
			o.meters.wait.Record(ctx, a.Job.StartedAt.Sub(a.Job.CreatedAt).Seconds())
		}
	}
	return o.startSpan(ctx, e)
}

// End implements [bulk.Observer].
func (o *Observer) End(ctx context.Context, e bulk.Event) {
	switch e := e.(type) {
	case *bulk.RequestEvent:
		o.request(ctx, e)
	case *bulk.AttemptEvent:
		o.attempt(ctx, e)
	case *bulk.BatchEvent:
		o.meters.batch.Record(ctx, e.Took.Seconds(), with(withError(nil, e.Err)...))
	case *bulk.CheckpointEvent:
		o.meters.checkpoint.Record(ctx, e.Took.Seconds(), with(withError(nil, e.Err)...))
		if !e.DryRun {
			o.countRows(ctx, e.Rows, "job")
		}
	case *bulk.CallEvent:
		o.call(ctx, e)
	}
	endSpan(ctx, e)
}

func (o *Observer) request(ctx context.Context, e *bulk.RequestEvent) {
	attrs := []attribute.KeyValue{keyOperation.String(e.Operation), keyOutcome.String(requestOutcome(e))}
	o.meters.request.Record(ctx, e.Took.Seconds(), with(withError(attrs, e.Err)...))
	mode := "sync"
	if e.Operation == "Cancel" {
		mode = "job"
		if e.Rows.Total() > 0 { // of a job that ended by it
			o.jobEnded(ctx, e.Job)
		}
	}
	if !e.DryRun {
		o.countRows(ctx, e.Rows, mode)
	}
}

func (o *Observer) attempt(ctx context.Context, e *bulk.AttemptEvent) {
	o.meters.active.Add(ctx, -1)
	attrs := []attribute.KeyValue{keyOutcome.String(attemptOutcome(e.Err))}
	if outcome := attemptOutcome(e.Err); outcome == outcomeFailed {
		attrs = withError(attrs, e.Err)
	}
	o.meters.attempt.Record(ctx, e.Took.Seconds(), with(attrs...))
	if e.Job.Status.Ended() {
		o.jobEnded(ctx, e.Job)
	}
}

func (o *Observer) jobEnded(ctx context.Context, job *bulk.Job) {
	attrs := []attribute.KeyValue{keyJobStatus.String(string(job.Status))}
	if job.Error != nil {
		attrs = append(attrs, keyErrorType.String(job.Error.Code))
	}
	o.meters.job.Record(ctx, job.CompletedAt.Sub(job.CreatedAt).Seconds(), with(attrs...))
}

func (o *Observer) call(ctx context.Context, e *bulk.CallEvent) {
	which := []attribute.KeyValue{keyBackend.String(e.Backend), keyOperation.String(e.Operation)}
	which = which[:2:2]
	o.meters.call.Record(ctx, e.Took.Seconds(), with(withError(append(which, keyOutcome.String(callOutcome(e.Err))), e.Err)...))
	failed := e.Failed
	if e.Err != nil {
		failed = e.Size
	}
	if ok := e.Size - failed; ok > 0 {
		o.meters.elements.Add(ctx, int64(ok), with(append(which, keyOutcome.String(outcomeOK))...))
	}
	if failed > 0 {
		o.meters.elements.Add(ctx, int64(failed), with(append(which, keyOutcome.String(outcomeFailed))...))
	}
	if e.Throttled > 0 {
		o.meters.throttles.Add(ctx, int64(e.Throttled), with(which...))
	}
}

func (o *Observer) countRows(ctx context.Context, s bulk.Summary, mode string) {
	for _, count := range []struct {
		status bulk.Status
		rows   int
	}{
		{bulk.StatusCreated, s.Created}, {bulk.StatusUpdated, s.Updated}, {bulk.StatusUnchanged, s.Unchanged},
		{bulk.StatusSkipped, s.Skipped}, {bulk.StatusFailed, s.Failed}, {bulk.StatusNotProcessed, s.NotProcessed},
	} {
		if count.rows > 0 {
			o.meters.rows.Add(ctx, int64(count.rows), with(keyRowStatus.String(string(count.status)), keyMode.String(mode)))
		}
	}
}

// withError adds error.type if there is an error.
func withError(attrs []attribute.KeyValue, err error) []attribute.KeyValue {
	if err == nil {
		return attrs
	}
	return append(attrs, keyErrorType.String(errorType(err)))
}

func with(attrs ...attribute.KeyValue) metric.MeasurementOption {
	return metric.WithAttributeSet(attribute.NewSet(attrs...))
}
