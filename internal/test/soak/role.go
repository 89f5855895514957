//go:build unix

package soak

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/bulkops/bulkops/bulk"
)

// The roles of the processes that are killed and stopped. Each is this program
// again, with the role as its argument, its settings as the first line of its
// input, and its end when the input ends or at SIGTERM.
const (
	roleWorker   = "worker"
	roleImporter = "importer"
)

// A request is a line that an importer reads.
type request struct {
	Principal bulk.Principal
	Options   bulk.Options
	Rows      []json.RawMessage
	Key       string
	Async     bool
}

// An answer is an importer's to a request, a line that it writes.
type answer struct {
	Report  *bulk.Report `json:",omitempty"`
	Job     string       `json:",omitempty"`
	Refused bool         `json:",omitempty"` // the error says that nothing was written
	Error   string       `json:",omitempty"`
}

// runRole is a process of a role, from beginning to end.
func runRole(b Backend, role string) error {
	in := bufio.NewReader(os.Stdin)
	line, err := in.ReadBytes('\n')
	if err != nil {
		return err
	}
	var s settings
	if err := json.Unmarshal(line, &s); err != nil {
		return err
	}
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer cancel()
	logger := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	_, cfg, err := s.open(ctx, b, logger)
	if err != nil {
		return err
	}
	switch role {
	case roleWorker:
		return work(ctx, cancel, cfg, in)
	case roleImporter:
		return importAll(ctx, cfg, in, os.Stdout)
	default:
		return fmt.Errorf("there is no role %q", role)
	}
}

func work(ctx context.Context, cancel context.CancelFunc, cfg bulk.Config, in io.Reader) error {
	w, err := bulk.NewWorker(cfg)
	if err != nil {
		return err
	}
	go func() {
		_, _ = io.Copy(io.Discard, in)
		cancel()
	}()
	return w.Run(ctx)
}

// importAll answers requests one after the other.
func importAll(ctx context.Context, cfg bulk.Config, in *bufio.Reader, out io.Writer) error {
	im, err := bulk.NewImporter(cfg)
	if err != nil {
		return err
	}
	for ctx.Err() == nil {
		line, err := in.ReadBytes('\n')
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		var r request
		if err := json.Unmarshal(line, &r); err != nil {
			return err
		}
		_ = json.NewEncoder(out).Encode(accept(ctx, im, r)) // nobody reads it any more: the input ends too
	}
	return nil
}

// accept makes one request.
func accept(ctx context.Context, im *bulk.Importer, r request) answer {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	accepted, err := im.Accept(ctx, bulk.Request{
		Principal: r.Principal, Rows: &rowReader{r.Rows}, Options: r.Options, Async: r.Async, IdempotencyKey: r.Key,
	})
	switch {
	case err != nil:
		var refused *bulk.RequestError
		none := errors.Is(err, bulk.ErrUnavailable) || errors.As(err, &refused) || r.Async
		return answer{Refused: none, Error: err.Error()}
	case accepted.Job != nil:
		return answer{Job: accepted.Job.ID}
	default:
		return answer{Report: accepted.Report}
	}
}

// requestTimeout bounds a request. It is far longer than any is to take.
const requestTimeout = time.Minute

// A rowReader yields rows as they are.
type rowReader struct{ rows []json.RawMessage }

func (r *rowReader) Next() (bulk.Row, error) {
	if len(r.rows) == 0 {
		return bulk.Row{}, io.EOF
	}
	row := bulk.Row{JSON: r.rows[0]}
	r.rows = r.rows[1:]
	return row, nil
}
