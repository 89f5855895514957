package bulk

import (
	"context"
	"time"
)

// An Observer is told what importers and workers do, for metrics and traces. Module
// observe/otelbulk has one for OpenTelemetry.
//
// Begin and End are called in pairs, by any number of goroutines at once, and for
// things that lie within each other: a request has batches, a batch has calls. Both
// are called on the way of the work, as handlers of a log are, so they must return at
// once: what they take, the work takes. What may block is to be handed to a goroutine
// of the observer's own. They must not call the importer or worker.
//
// An observer can do no harm to an import otherwise. If it panics, the first panic is
// logged and what it was told is lost. What happens when a process dies is not told,
// so counts made of events are those of what this process saw.
type Observer interface {
	// Begin is told that something begins, by one of the events of this package. It
	// returns the context in which it is done and in which backends are called for
	// it: ctx, or one that derives from ctx, with a span in it, say. Begin may keep e
	// until its End.
	Begin(ctx context.Context, e Event) context.Context

	// End is told that it has ended. ctx is what Begin returned, and e what Begin was
	// given, now with how it ended.
	End(ctx context.Context, e Event)
}

// An Event is what an [Observer] is told of: a [*RequestEvent], [*AttemptEvent],
// [*BatchEvent], [*CheckpointEvent] or [*CallEvent]. Later versions may have others,
// which an observer is to pass over.
//
// Events have ids, names and counts. The text of an error is a backend's, and may
// have the address of a user in it.
type Event interface {
	ended(took time.Duration, err error)
}

// An Ending is how something ended. It is set when [Observer.End] is called.
type Ending struct {
	Took time.Duration
	Err  error // nil if all went well
}

func (e *Ending) ended(took time.Duration, err error) { e.Took, e.Err = took, err }

// A RequestEvent is a request to an [Importer] that may change something.
type RequestEvent struct {
	// Operation is the method that was called: "Accept", "Import", "Submit", "Retry",
	// "Cancel" or "Delete".
	Operation string
	Tenant    string
	// TraceContext may be set by Begin, to tell the worker of the job that the request
	// becomes where the request came from: it is the [JobSpec.TraceContext].
	TraceContext string

	// Job is the job that the request became, or that was cancelled, with as much of
	// it as is known here; nil if there is none. It is not to be changed.
	Job *Job
	// Replayed says that the answer is that of an earlier request with the same
	// idempotency key.
	Replayed bool
	// Rows counts the rows whose results this request made final: those of a request
	// that was imported at once, or of a job that was cancelled before it began. Those
	// of a dry run are what they would have been.
	Rows   Summary
	DryRun bool // of what Rows counts

	// Refused says that Err is about the request: it is a [*RequestError] or one of the
	// sentinels of this package, or what the reader of its rows failed with. Any other
	// error is a failure of a backend or of this package, or that of ctx.
	Refused bool

	Ending
}

// An AttemptEvent is the work of a [Worker] on a job that it has claimed.
type AttemptEvent struct {
	// Job is the job as it was claimed, and at the end as this worker leaves it: if
	// the worker has ended it, with Status, Progress, Error and CompletedAt. It is not
	// to be changed.
	Job *Job

	// Err is nil if the job has ended; [ErrJobLeft] if it was left in good order;
	// [ErrLeaseLost] if it is another worker's by now. Any other error failed the
	// attempt, and the queue offers the job again.
	Ending
}

// A BatchEvent is the way of some rows of an import through the store: they are looked
// up, decided, written down and committed.
type BatchEvent struct {
	// Import is the id of the job, or the name of a request that is imported at once.
	Import string
	Size   int // rows

	// Err is what ended the import as a whole; rows that fail are no error.
	Ending
}

// A CheckpointEvent makes results of a job durable. The last one of a job ends it.
type CheckpointEvent struct {
	JobID string
	// Status is what the job ends as, "" if it goes on.
	Status JobStatus
	// Rows counts the rows whose results are durable by this checkpoint and were not
	// before. Those of all checkpoints of a job are its summary. Those of a dry run
	// are what they would have been.
	Rows   Summary
	DryRun bool // of what Rows counts

	Ending
}

// A CallEvent is a call to a backend. What a backend calls in turn is its own
// business; but see [ReportThrottle].
type CallEvent struct {
	// Backend is the interface, as in "Store", and Operation its method.
	Backend, Operation string
	// Size is how many references, writes or messages were sent, 0 for operations
	// that are about one thing.
	Size int

	// Failed is how many of them came back with an error of their own: writes that
	// lost a race too.
	Failed int
	// Throttled is how many parts of the call a database refused for coming too fast,
	// as far as the backend reports it; one that was refused three times counts
	// three times.
	Throttled int

	// Took is without the time that a reader took which the caller gave. That of
	// BlobStore.Get ends when the blob can be read. Err is the error of the call as
	// a whole; answers such as [ErrNoJob] are errors too.
	Ending
}

// observe tells an observer that something begins. It returns the context for it, and
// what tells that it has ended.
func observe(ctx context.Context, o Observer, e Event) (within context.Context, end func(error)) {
	if o == nil {
		return ctx, func(error) {}
	}
	return begin(ctx, o, e)
}

// begin is apart from observe so that it alone allocates.
func begin(ctx context.Context, o Observer, e Event) (context.Context, func(error)) {
	ctx = o.Begin(ctx, e)
	began := time.Now()
	return ctx, func(err error) {
		e.ended(time.Since(began), err)
		o.End(ctx, e)
	}
}
