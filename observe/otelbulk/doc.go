// Package otelbulk tells OpenTelemetry what importers and workers do: metrics of
// requests, rows, jobs, batches, calls to backends and the queue, and traces from a
// request to the last batch of its job.
//
//	observer, err := otelbulk.New(otelbulk.Options{MeterProvider: meters, TracerProvider: tracers})
//	cfg.Observer = observer
//	registration, err := observer.WatchQueue(cfg.Jobs, time.Minute)
//
// docs/operations.md of the library lists the metrics and spans, with their attributes.
// It follows the semantic conventions of OpenTelemetry: base units that are not in the
// name, error.type for what something failed with, and a namespace of its own for what
// they do not know.
//
// # Attributes
//
// No attribute of a metric has a tenant, job or user in it, so there are as many series
// as there are operations and outcomes. Spans have the tenant and the job. Neither has
// the text of an error, which may name a user.
//
// # Traces
//
// The span of a request is a child of the one that its context has, as that of a
// middleware for HTTP. The job takes the trace context along, in W3C's format, and the
// span of each attempt at the job is a child of the request's: one trace has the request,
// the attempts with their batches and checkpoints, and their calls to backends. A call
// that is for no request and no attempt, as that of an idle worker for the next job, has
// no span. Instrumentation of the AWS SDK adds its spans below those of the calls.
package otelbulk
