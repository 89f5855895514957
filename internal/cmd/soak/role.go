//go:build unix

package main

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
	"sync"
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

// A message is a line that a process of a role writes.
type message struct {
	Fired  *fuse   `json:",omitempty"` // what is about to happen to it
	Answer *answer `json:",omitempty"`
}

// A request is a line that an importer reads.
type request struct {
	Principal bulk.Principal
	Options   bulk.Options
	Rows      []json.RawMessage
	Key       string
	Async     bool
}

// An answer is an importer's to a request.
type answer struct {
	Report  *bulk.Report `json:",omitempty"`
	Job     string       `json:",omitempty"`
	Refused bool         `json:",omitempty"` // the error says that nothing was written
	Error   string       `json:",omitempty"`
}

// runRole is a process of a role, from beginning to end.
func runRole(role string) error {
	in := bufio.NewReader(os.Stdin)
	line, err := in.ReadBytes('\n')
	if err != nil {
		return err
	}
	var s settings
	if err := json.Unmarshal(line, &s); err != nil {
		return err
	}
	var writing sync.Mutex
	write := func(m message) {
		writing.Lock()
		defer writing.Unlock()
		_ = json.NewEncoder(os.Stdout).Encode(m) // nobody reads it any more: the input ends too
	}
	calls := &fused{
		next: transport(), fuses: s.Fuses, hold: s.Lease * 3 / 2, calls: make(map[string]int),
		fired: func(f fuse) { write(message{Fired: &f}) },
	}
	b, err := s.open(calls, slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})))
	if err != nil {
		return err
	}
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer cancel()
	switch role {
	case roleWorker:
		return work(ctx, cancel, b, in)
	case roleImporter:
		return importAll(ctx, b, in, write)
	default:
		return fmt.Errorf("there is no role %q", role)
	}
}

func work(ctx context.Context, cancel context.CancelFunc, b *backend, in io.Reader) error {
	w, err := bulk.NewWorker(b.cfg)
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
func importAll(ctx context.Context, b *backend, in *bufio.Reader, write func(message)) error {
	im, err := bulk.NewImporter(b.cfg)
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
		a := accept(ctx, im, r)
		write(message{Answer: &a})
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
