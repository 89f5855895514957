package bulk

import (
	"cmp"
	"fmt"
	"log/slog"
	"math"
	"time"
)

// Limits and defaults of a [Config].
const (
	DefaultMaxUsers      = 10_000
	DefaultSyncThreshold = 100
	DefaultRetention     = 30 * 24 * time.Hour
	defaultDownloadTTL   = time.Hour
	DefaultParallel      = 8
	defaultSegmentRows   = 500
	defaultLease         = time.Minute
	defaultPoll          = time.Second
	defaultMaxAttempts   = 5
	defaultStopGrace     = 10 * time.Second
	defaultCallTimeout   = 30 * time.Second
)

// A Config says what an [Importer] or a [Worker] works with. Store, Blobs and
// Jobs are required; the zero value of every other field takes its default. The
// importers and workers of one queue should have equal values.
type Config struct {
	// Store keeps the users. Required.
	Store Store
	// Blobs keeps payloads and results. Required.
	Blobs BlobStore
	// Jobs keeps the jobs. Required.
	Jobs JobQueue
	// IdempotencyKeys keeps idempotency keys. Defaults to Jobs if that, or what it
	// unwraps to, is an [IdempotencyKeyStore], as the queues of this module are.
	// Without one, a request with a key is refused.
	IdempotencyKeys IdempotencyKeyStore
	// Mailer sends welcome emails. Without one, a request that asks for them is
	// refused.
	Mailer Mailer
	// Notifier is told of the end of each job, by workers. An importer does not call
	// it: it only has to know that there is one, for jobs that it cancels before they
	// were begun. So all processes of a queue need one, or none; a worker without one
	// leaves the telling to others. Defaults to none.
	Notifier Notifier
	// FieldRules are the host's own rules for custom fields and metadata, checked for
	// every row. Defaults to none.
	FieldRules FieldChecker
	// Logger gets what callers are not told. It gets ids and counts, never
	// emails, custom fields or URLs. Defaults to [slog.Default].
	Logger *slog.Logger
	// Observer is told what is done, for metrics and traces. Defaults to nobody, which
	// costs nothing.
	Observer Observer

	// MaxUsers is the most users a request may have. Defaults to 10,000.
	MaxUsers int
	// SyncThreshold is the number of users from which on a request becomes a job.
	// 1 makes every request a job. At most MaxUsers+1, which makes none a job.
	// Defaults to 100.
	SyncThreshold int
	// Retention is how long jobs, payloads and results are kept. Defaults to 30
	// days. A longer one needs blobs that are kept as long.
	Retention time.Duration
	// DownloadTTL is how long a download link works. Defaults to one hour.
	DownloadTTL time.Duration

	// Parallel is how many batches a request or job works on at the same time.
	// Defaults to 8, at most 256.
	Parallel int
	// SegmentRows is how many rows a checkpoint covers, from 1 to 10,000.
	// Defaults to 500.
	SegmentRows int
	// Lease is how long a worker may be silent before its job is given to
	// another, at least one second. It is renewed three times in that time.
	// Defaults to one minute.
	Lease time.Duration
	// Poll is how often an idle worker asks for a job, and how often a busy one
	// asks whether its job was cancelled. After a minute without a job a worker asks
	// 12 times as rarely, until there is one or the queue is a [JobNotifier] and says
	// so. Defaults to one second.
	Poll time.Duration
	// MaxAttempts is how often a job is begun without any progress before it
	// fails. Defaults to 5.
	MaxAttempts int
	// StopGrace is how long a worker that is told to stop may take to end the calls
	// under way, save its progress and give up the lease. Defaults to 10 seconds.
	StopGrace time.Duration
	// CallTimeout is how long a call to a backend may take, or a stream of a blob
	// be silent, before it counts as failed. A backend that does not return then,
	// although its context has ended, is given up: its goroutine is left behind,
	// and the request or the attempt fails. Defaults to 30 seconds.
	CallTimeout time.Duration
	// WorkerName names a worker in the jobs that it claims. Defaults to the host
	// name and the process id.
	WorkerName string
}

// complete fills in the defaults and checks the bounds.
func (c Config) complete() (Config, error) {
	switch {
	case c.Store == nil:
		return c, &ConfigError{"Config.Store", "is required"}
	case c.Blobs == nil:
		return c, &ConfigError{"Config.Blobs", "is required"}
	case c.Jobs == nil:
		return c, &ConfigError{"Config.Jobs", "is required"}
	}
	if n := BatchSize(c.Store); n < 1 || n > maxBatchSize {
		return c, &ConfigError{"Config.Store", fmt.Sprintf("has a MaxBatch of %d; it must be from 1 to %d", n, maxBatchSize)}
	}
	c.MaxUsers = cmp.Or(c.MaxUsers, DefaultMaxUsers)
	c.SyncThreshold = cmp.Or(c.SyncThreshold, min(DefaultSyncThreshold, c.MaxUsers+1))
	c.Retention = cmp.Or(c.Retention, DefaultRetention)
	c.DownloadTTL = cmp.Or(c.DownloadTTL, defaultDownloadTTL)
	c.Parallel = cmp.Or(c.Parallel, DefaultParallel)
	c.SegmentRows = cmp.Or(c.SegmentRows, defaultSegmentRows)
	c.Lease = cmp.Or(c.Lease, defaultLease)
	c.Poll = cmp.Or(c.Poll, defaultPoll)
	c.MaxAttempts = cmp.Or(c.MaxAttempts, defaultMaxAttempts)
	c.StopGrace = cmp.Or(c.StopGrace, defaultStopGrace)
	c.CallTimeout = cmp.Or(c.CallTimeout, defaultCallTimeout)
	if c.IdempotencyKeys == nil {
		c.IdempotencyKeys, _ = ability[IdempotencyKeyStore](c.Jobs)
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Observer != nil {
		c.Observer = &guardedObserver{Observer: c.Observer, log: c.Logger}
	}
	if c.WorkerName == "" {
		c.WorkerName = workerName()
	}
	if err := c.checkBounds(); err != nil {
		return c, err
	}
	if c.SyncThreshold > c.MaxUsers+1 {
		return c, &ConfigError{"Config.SyncThreshold",
			fmt.Sprintf("is %d; with MaxUsers %d it can be at most %d", c.SyncThreshold, c.MaxUsers, c.MaxUsers+1)}
	}
	return c, nil
}

// checkBounds returns an error for the first number that is out of its bounds.
func (c *Config) checkBounds() error {
	const (
		many = math.MaxInt
		long = time.Duration(math.MaxInt64)
	)
	return cmp.Or(
		bound("Config.MaxUsers", c.MaxUsers, 1, many),
		bound("Config.SyncThreshold", c.SyncThreshold, 1, many),
		bound("Config.Retention", c.Retention, time.Second, long),
		bound("Config.DownloadTTL", c.DownloadTTL, time.Second, long),
		bound("Config.Parallel", c.Parallel, 1, 256),
		bound("Config.SegmentRows", c.SegmentRows, 1, 10_000),
		bound("Config.Lease", c.Lease, time.Second, long),
		bound("Config.Poll", c.Poll, time.Millisecond, long),
		bound("Config.MaxAttempts", c.MaxAttempts, 1, many),
		bound("Config.StopGrace", c.StopGrace, time.Millisecond, long),
		bound("Config.CallTimeout", c.CallTimeout, time.Millisecond, long),
	)
}

// bound returns a [*ConfigError] if the value is not within its bounds.
func bound[T cmp.Ordered](field string, value, least, most T) error {
	switch {
	case value < least:
		return &ConfigError{field, fmt.Sprintf("is %v; it must be at least %v", value, least)}
	case value > most:
		return &ConfigError{field, fmt.Sprintf("is %v; it must be at most %v", value, most)}
	}
	return nil
}

// maxGrace bounds how long a call may take to notice that its context has ended.
const maxGrace = time.Second

// guard is what stands in front of the backends. The grace of a call is part of
// that of the worker, which otherwise could not keep it.
func (c *Config) guard() guard {
	return guard{timeout: c.CallTimeout, grace: min(maxGrace, c.StopGrace/10), observer: c.Observer}
}

func (c *Config) store() guardedStore       { return guardedStore{c.Store, c.guard()} }
func (c *Config) blobs() guardedBlobs       { return guardedBlobs{c.Blobs, c.guard()} }
func (c *Config) jobs() guardedJobs         { return guardedJobs{c.Jobs, c.guard()} }
func (c *Config) keys() guardedKeys         { return guardedKeys{c.IdempotencyKeys, c.guard()} }
func (c *Config) mailer() guardedMailer     { return guardedMailer{c.Mailer, c.guard()} }
func (c *Config) notifier() guardedNotifier { return guardedNotifier{c.Notifier, c.guard()} }
