package otelbulk

import (
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// The keys of attributes.
const (
	keyErrorType  = attribute.Key("error.type")
	keyOutcome    = attribute.Key("bulkops.outcome")
	keyOperation  = attribute.Key("bulkops.operation")
	keyBackend    = attribute.Key("bulkops.backend")
	keyRowStatus  = attribute.Key("bulkops.row.status")
	keyMode       = attribute.Key("bulkops.import.mode")
	keyJobStatus  = attribute.Key("bulkops.job.status")
	keyQueueState = attribute.Key("bulkops.queue.state")

	// Of spans alone.
	keyTenant   = attribute.Key("bulkops.tenant")
	keyJob      = attribute.Key("bulkops.job.id")
	keyAttempt  = attribute.Key("bulkops.job.attempt")
	keyImport   = attribute.Key("bulkops.import.id")
	keySize     = attribute.Key("bulkops.size")
	keyFailed   = attribute.Key("bulkops.failed")
	keyThrottle = attribute.Key("bulkops.throttled")
	keyReplayed = attribute.Key("bulkops.request.replayed")
	keyDryRun   = attribute.Key("bulkops.dry_run")
	keyRows     = attribute.Key("bulkops.rows")
)

// An instrument is a metric as it is documented.
type instrument struct {
	name, kind, unit, description string
	attributes                    []attribute.Key
}

// The kinds of instruments.
const (
	counter       = "counter"
	upDownCounter = "up-down counter"
	histogram     = "histogram"
	gauge         = "gauge"
)

// The instruments, in the order of docs/operations.md.
var (
	requestDuration = instrument{"bulkops.request.duration", histogram, "s",
		"requests that may change something, by the method of the importer",
		[]attribute.Key{keyOperation, keyOutcome, keyErrorType}}
	rows = instrument{"bulkops.rows", counter, "{row}",
		"rows whose results are final; those of dry runs are not counted",
		[]attribute.Key{keyRowStatus, keyMode}}
	jobDuration = instrument{"bulkops.job.duration", histogram, "s",
		"jobs that have ended, from their creation to their end",
		[]attribute.Key{keyJobStatus, keyErrorType}}
	jobWait = instrument{"bulkops.job.wait_time", histogram, "s",
		"jobs that were begun, from their creation to their first claim", nil}
	attemptDuration = instrument{"bulkops.attempt.duration", histogram, "s",
		"attempts of workers at jobs",
		[]attribute.Key{keyOutcome, keyErrorType}}
	attemptActive = instrument{"bulkops.attempt.active", upDownCounter, "{attempt}",
		"attempts under way", nil}
	batchDuration = instrument{"bulkops.batch.duration", histogram, "s",
		"batches of rows, from lookup to commit",
		[]attribute.Key{keyErrorType}}
	checkpointDuration = instrument{"bulkops.checkpoint.duration", histogram, "s",
		"checkpoints of jobs, the end of a job included",
		[]attribute.Key{keyErrorType}}
	callDuration = instrument{"bulkops.call.duration", histogram, "s",
		"calls to backends",
		[]attribute.Key{keyBackend, keyOperation, keyOutcome, keyErrorType}}
	callElements = instrument{"bulkops.call.elements", counter, "{element}",
		"references, writes and messages that were sent in these calls; those of the Mailer are welcome emails",
		[]attribute.Key{keyBackend, keyOperation, keyOutcome}}
	callThrottles = instrument{"bulkops.call.throttles", counter, "{part}",
		"parts of calls that a service refused for coming too fast, whether they were repeated or not",
		[]attribute.Key{keyBackend, keyOperation}}
	queueJobs = instrument{"bulkops.queue.jobs", upDownCounter, "{job}",
		"jobs that have not ended, of the whole queue",
		[]attribute.Key{keyQueueState}}
	queueOldest = instrument{"bulkops.queue.oldest_age", gauge, "s",
		"how long ago the oldest job that could be claimed was created; 0 if there is none", nil}
)

var instruments = []instrument{
	requestDuration, rows, jobDuration, jobWait, attemptDuration, attemptActive, batchDuration, checkpointDuration,
	callDuration, callElements, callThrottles, queueJobs, queueOldest,
}

// The bounds of histograms in seconds: those that the conventions advise for requests
// and calls, and wider ones for jobs.
var (
	secondsOfCalls = metric.WithExplicitBucketBoundaries(0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
	secondsOfJobs  = metric.WithExplicitBucketBoundaries(0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600)
)

// meters are the instruments that events move.
type meters struct {
	request, job, wait, attempt, batch, checkpoint, call metric.Float64Histogram

	rows, elements, throttles metric.Int64Counter
	active                    metric.Int64UpDownCounter
}

func newMeters(m metric.Meter) (*meters, error) {
	var all []error
	durations := func(i instrument, bounds metric.HistogramOption) metric.Float64Histogram {
		h, err := m.Float64Histogram(i.name, metric.WithUnit(i.unit), metric.WithDescription(i.description), bounds)
		all = append(all, err)
		return h
	}
	counts := func(i instrument) metric.Int64Counter {
		c, err := m.Int64Counter(i.name, metric.WithUnit(i.unit), metric.WithDescription(i.description))
		all = append(all, err)
		return c
	}
	active, err := m.Int64UpDownCounter(attemptActive.name, metric.WithUnit(attemptActive.unit), metric.WithDescription(attemptActive.description))
	all = append(all, err)
	made := &meters{
		request: durations(requestDuration, secondsOfCalls), batch: durations(batchDuration, secondsOfCalls),
		checkpoint: durations(checkpointDuration, secondsOfCalls), call: durations(callDuration, secondsOfCalls),
		job: durations(jobDuration, secondsOfJobs), wait: durations(jobWait, secondsOfJobs), attempt: durations(attemptDuration, secondsOfJobs),
		rows: counts(rows), elements: counts(callElements), throttles: counts(callThrottles), active: active,
	}
	return made, errors.Join(all...)
}
