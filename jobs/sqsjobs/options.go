package sqsjobs

import (
	"log/slog"
	"strings"
	"time"

	"github.com/bulkops/bulkops/bulk"
)

// DefaultTimeout is the default of [Options.Timeout].
const DefaultTimeout = 2 * time.Second

// Options say which queue rings. QueueURL is required; the zero value of every other
// field takes its default.
type Options struct {
	// QueueURL is the URL of a standard SQS queue. A FIFO queue is refused: it
	// delays no single message, and would let a tenant have one job at a time.
	// Required.
	QueueURL string
	// Timeout is how long a ring may take, with all tries: as long as that it can
	// hold up a job's creation while SQS does not answer. Defaults to 2 seconds.
	Timeout time.Duration
	// Logger gets what has not rung, by job. Defaults to [slog.Default].
	Logger *slog.Logger
}

func (o *Options) fill() error {
	switch {
	case o.QueueURL == "":
		return &bulk.ConfigError{Field: "Options.QueueURL", Problem: "is required"}
	case strings.HasSuffix(o.QueueURL, ".fifo"):
		return &bulk.ConfigError{Field: "Options.QueueURL", Problem: "is that of a FIFO queue; it must be a standard one"}
	case o.Timeout < 0:
		return &bulk.ConfigError{Field: "Options.Timeout", Problem: "is negative"}
	}
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return nil
}
