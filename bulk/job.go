package bulk

import "time"

// A JobStatus is where a job stands: pending, then processing, then one of the
// three that end it.
type JobStatus string

// The statuses of a job.
const (
	JobPending    JobStatus = "pending"
	JobProcessing JobStatus = "processing"
	JobCompleted  JobStatus = "completed" // every row was reached; rows may have failed
	JobFailed     JobStatus = "failed"    // the system failed; Job.Error says how
	JobCancelled  JobStatus = "cancelled" // stopped by Cancel or Options.MaxFailed; no row is written any more
)

// Ended reports whether a job of this status never changes again.
func (s JobStatus) Ended() bool {
	return s == JobCompleted || s == JobFailed || s == JobCancelled
}

// JobTypeUserImport is the [Job.Type] of imports, the only type there is.
const JobTypeUserImport = "user_import"

// A JobSpec is what the importer says of a job when it creates it. It never changes.
type JobSpec struct {
	ID        string  `json:"id"` // "job_" and a UUIDv7: ids sort by time
	Tenant    string  `json:"tenant"`
	Type      string  `json:"type"`
	CreatedBy string  `json:"createdBy"`
	Options   Options `json:"options"`
	Label     string  `json:"label,omitempty"` // text of the caller's own
	// ParentID is the job whose rows a retry tries again, "" for other imports.
	ParentID     string    `json:"parentId,omitempty"`
	TotalRecords int       `json:"totalRecords"`
	CreatedAt    time.Time `json:"createdAt"` // UTC, whole milliseconds
	ExpiresAt    time.Time `json:"expiresAt"` // from then on the job does not exist
	// Payload is the key of the blob with the rows.
	Payload string `json:"payload"`
	// SegmentRows is how many rows a segment of the results has. It is part of
	// the job, so that workers of different settings agree on it.
	SegmentRows int `json:"segmentRows"`
	// Fingerprint identifies the rows and options of a job that was made under an
	// idempotency key.
	Fingerprint string `json:"fingerprint,omitempty"`
	// TraceContext says which trace the request belongs to, in the words of the
	// [Observer] of the importer, for that of the worker: up to [MaxTraceContext]
	// printable ASCII characters.
	TraceContext string `json:"traceContext,omitempty"`
}

// MaxTraceContext is the length of a trace context in bytes: what the header fields
// traceparent and tracestate of W3C Trace Context have at least room for together.
const MaxTraceContext = 1024

// A Job is the record of an asynchronous import, and its entry in the
// [JobQueue]. A queue may keep the [JobSpec] as one JSON document, whose fields may
// become more with later versions, beside the fields that it searches by.
type Job struct {
	JobSpec

	// What the queue sets.

	Status      JobStatus `json:"status"`
	StartedAt   time.Time `json:"startedAt,omitzero"`   // the first claim
	UpdatedAt   time.Time `json:"updatedAt"`            // the last change of any kind
	CompletedAt time.Time `json:"completedAt,omitzero"` // when the job ended
	// CancelRequested asks the worker to stop.
	CancelRequested bool `json:"cancelRequested,omitempty"`
	// Token is the fencing token: 0 at first, one more with every claim of any kind.
	Token int64 `json:"token"`
	// LeaseUntil is when the lease ends by itself; zero if nobody holds one.
	LeaseUntil time.Time `json:"leaseUntil,omitzero"`
	// NotBefore is when the job may be claimed again after a failed attempt.
	NotBefore time.Time `json:"notBefore,omitzero"`
	// Attempts is the number of claims since progress was last saved, and of a job that
	// has ended, of those to tell of its end.
	Attempts int `json:"attempts"`
	// Worker is the name of the worker of the last claim, for people.
	Worker string `json:"worker,omitempty"`

	// What the worker sets by JobQueue.Save.

	Progress Progress `json:"progress"`
	// Results is the key of the blob with the results file, "" if there is none.
	Results string `json:"results,omitempty"`
	// Error is why a failed job failed, or why one was cancelled by itself.
	Error *JobError `json:"error,omitempty"`
	// Notify says that the job has ended and a [Notifier] is still to be told.
	Notify bool `json:"notify,omitempty"`
}

// A JobError is why an import ended before its time.
type JobError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// The codes of job errors.
const (
	JobErrorUnavailable = "UNAVAILABLE"    // a backend stayed down or throttled
	JobErrorInternal    = "INTERNAL_ERROR" // a fault of ours or of a backend; the log has the cause
	JobErrorAttempts    = "TOO_MANY_ATTEMPTS"
	// JobErrorTooManyFailed is the error of an import of which more rows have failed
	// than [Options.MaxFailed] allows, while others were left. These are
	// [StatusNotProcessed], and the job is [JobCancelled].
	JobErrorTooManyFailed = "TOO_MANY_FAILED"
)

// Progress is the checkpoint of a job: what is durable and need not be done
// again. Queues keep it as it is.
type Progress struct {
	// Rows is how many rows, from the first, have durable results.
	Rows int `json:"rows"`
	// Summary counts these rows. NotProcessed is 0 here.
	Summary Summary `json:"summary"`
	// Checkpoint is what else a worker has to know to go on. It is opaque.
	Checkpoint string `json:"checkpoint,omitempty"`
}

// Summary counts all rows of the job: those not reached are NotProcessed.
func (j Job) Summary() Summary {
	s := j.Progress.Summary
	s.NotProcessed = j.TotalRecords - s.Processed()
	return s
}

// Percent is the share of rows that were processed, 0 to 100, rounded down.
func (j Job) Percent() int {
	if j.TotalRecords == 0 {
		return 0
	}
	return j.Progress.Summary.Processed() * 100 / j.TotalRecords
}
