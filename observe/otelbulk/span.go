package otelbulk

import (
	"context"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/bulkops/bulkops/bulk"
)

// A spanKey is the key of the span of an event, in the context for it.
type spanKey struct{}

// An eventSpan is the span of an event. The context of an event without one has that
// of an event around it, which must not be ended in its place.
type eventSpan struct {
	event bulk.Event
	span  trace.Span
}

// startSpan starts the span of an event, if it has one.
func (o *Observer) startSpan(ctx context.Context, e bulk.Event) context.Context {
	name, kind := "", trace.SpanKindInternal
	var attrs []attribute.KeyValue
	switch e := e.(type) {
	case *bulk.RequestEvent:
		name, attrs = "Importer."+e.Operation, []attribute.KeyValue{keyTenant.String(e.Tenant)}
	case *bulk.AttemptEvent:
		ctx = extract(ctx, e.Job.TraceContext)
		name, kind = "job", trace.SpanKindConsumer
		attrs = []attribute.KeyValue{keyTenant.String(e.Job.Tenant), keyJob.String(e.Job.ID), keyAttempt.Int64(e.Job.Token)}
	case *bulk.BatchEvent:
		name, attrs = "batch", []attribute.KeyValue{keyImport.String(e.Import), keySize.Int(e.Size)}
	case *bulk.CheckpointEvent:
		name, attrs = "checkpoint", []attribute.KeyValue{keyJob.String(e.JobID)}
	case *bulk.CallEvent:
		if !trace.SpanContextFromContext(ctx).IsValid() {
			return ctx // of an idle worker
		}
		name, attrs = e.Backend+"."+e.Operation, []attribute.KeyValue{keyBackend.String(e.Backend), keyOperation.String(e.Operation)}
		if e.Size > 0 {
			attrs = append(attrs, keySize.Int(e.Size))
		}
	default:
		return ctx
	}
	ctx, span := o.tracer.Start(ctx, name, trace.WithSpanKind(kind), trace.WithAttributes(attrs...))
	if r, ok := e.(*bulk.RequestEvent); ok {
		r.TraceContext = inject(ctx)
	}
	return context.WithValue(ctx, spanKey{}, eventSpan{e, span})
}

// endSpan ends the span of an event, if it has one.
func endSpan(ctx context.Context, e bulk.Event) {
	s, ok := ctx.Value(spanKey{}).(eventSpan)
	if !ok || s.event != e {
		return
	}
	defer s.span.End()
	if !s.span.IsRecording() {
		return
	}
	switch e := e.(type) {
	case *bulk.RequestEvent:
		if e.Job != nil {
			s.span.SetAttributes(keyJob.String(e.Job.ID))
		}
		s.span.SetAttributes(keyReplayed.Bool(e.Replayed), keyDryRun.Bool(e.DryRun), keyRows.Int(e.Rows.Total()))
		s.fail(e.Err, requestOutcome(e))
	case *bulk.AttemptEvent:
		s.span.SetAttributes(keyJobStatus.String(string(e.Job.Status)))
		s.fail(e.Err, attemptOutcome(e.Err))
	case *bulk.BatchEvent:
		s.fail(e.Err, callOutcome(e.Err))
	case *bulk.CheckpointEvent:
		s.span.SetAttributes(keyRows.Int(e.Rows.Total()))
		s.fail(e.Err, callOutcome(e.Err))
	case *bulk.CallEvent:
		if e.Failed > 0 {
			s.span.SetAttributes(keyFailed.Int(e.Failed))
		}
		if e.Throttled > 0 {
			s.span.SetAttributes(keyThrottle.Int(e.Throttled))
		}
		s.fail(e.Err, callOutcome(e.Err))
	}
}

// fail notes an error on the span. What was answered with no is no fault of the span.
func (s eventSpan) fail(err error, outcome string) {
	s.span.SetAttributes(keyOutcome.String(outcome))
	if err == nil {
		return
	}
	s.span.SetAttributes(keyErrorType.String(errorType(err)))
	if outcome == outcomeFailed || outcome == outcomeLost {
		s.span.SetStatus(codes.Error, errorType(err))
	}
}

var w3c propagation.TraceContext

// inject returns the trace context as a job takes it along: the values of the header
// fields traceparent and, if there is one, tracestate, with a blank between them.
func inject(ctx context.Context) string {
	fields := propagation.MapCarrier{}
	w3c.Inject(ctx, fields)
	text := strings.TrimSpace(fields["traceparent"] + " " + fields["tracestate"])
	if len(text) > bulk.MaxTraceContext {
		return fields["traceparent"] // as the specification allows
	}
	return text
}

// extract returns a context in the trace of a job's request, ctx if the job has none.
func extract(ctx context.Context, text string) context.Context {
	parent, state, _ := strings.Cut(text, " ")
	return w3c.Extract(ctx, propagation.MapCarrier{"traceparent": parent, "tracestate": state})
}
