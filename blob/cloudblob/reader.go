package cloudblob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"gocloud.dev/blob"

	"github.com/bulkops/bulkops/bulk"
)

// A reader reads a blob. Whoever reads a payload works on its rows meanwhile, for
// minutes; services close connections that are idle for so long.
type reader struct {
	ctx   context.Context // of Get, whose contract binds the reads to it
	store *Store
	key   string
	body  *blob.Reader
	at    int64 // bytes read
	// broken is how often the connection broke since it last yielded anything.
	broken int
	err    error // that ended the reader
}

// Of reopening: how often without a byte in between, and the pause before the first,
// which doubles.
const (
	maxBroken   = 5
	reopenPause = 100 * time.Millisecond
)

var errNoProgress = errors.New("the connection broke again and again")

// Read implements [io.Reader].
func (r *reader) Read(p []byte) (int, error) {
	for {
		if r.err == nil {
			r.err = r.ctx.Err()
		}
		if r.err != nil {
			return 0, r.err
		}
		n, err := r.body.Read(p)
		r.at += int64(n)
		if n > 0 {
			r.broken = 0
		}
		switch {
		case err == io.EOF && r.at == r.body.Size(): //nolint:errorlint // as readers have it
			r.err = io.EOF
		case err == nil:
		case r.ctx.Err() != nil:
			r.err = r.failed(classify(r.ctx, err))
		default:
			if err := r.reopen(err); err != nil {
				r.err = r.failed(err)
			}
		}
		if n > 0 || len(p) == 0 {
			return n, nil // an error comes with the next call
		}
	}
}

// reopen opens the blob again behind what was read: it is immutable.
func (r *reader) reopen(cause error) error {
	for {
		if r.broken++; r.broken > maxBroken {
			return fmt.Errorf("%w: %w", errNoProgress, cause)
		}
		pause := time.NewTimer(reopenPause << (r.broken - 1))
		select {
		case <-pause.C:
		case <-r.ctx.Done():
			pause.Stop()
			return r.ctx.Err()
		}
		body, err := r.store.bucket.NewRangeReader(r.ctx, r.key, r.at, -1, nil)
		if err == nil {
			_ = r.body.Close() // it is broken
			r.body = body
			return nil
		}
		if err = classify(r.ctx, err); !bulk.Retryable(err) {
			return err
		}
		cause = err
	}
}

func (r *reader) failed(err error) error {
	return fmt.Errorf("cloudblob: read %q: %w", r.key, err)
}

// Close implements [io.Closer].
func (r *reader) Close() error {
	if errors.Is(r.err, fs.ErrClosed) {
		return nil
	}
	r.err = fs.ErrClosed
	return r.body.Close()
}
