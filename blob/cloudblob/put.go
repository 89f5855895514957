package cloudblob

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"github.com/bulkops/bulkops/bulk"
)

// nonceName is the metadata by which a Put knows its object.
const nonceName = "bulkopsput"

// cleanupTimeout bounds what a Put does after its context has ended, or after it
// has failed: to find out what became of it.
const cleanupTimeout = 3 * time.Second

func (s *Store) put(ctx context.Context, key string, r io.Reader, info bulk.BlobInfo) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	// A writer whose context has ended when it is closed stores nothing.
	writing, abort := context.WithCancel(ctx)
	defer abort()
	nonce := rand.Text()
	w, err := s.bucket.NewWriter(writing, key, &blob.WriterOptions{
		BufferSize:     s.opts.PartSize,
		MaxConcurrency: s.opts.Concurrency,
		ContentType:    cmp.Or(info.ContentType, "application/octet-stream"),
		Metadata:       map[string]string{nonceName: nonce},
		IfNotExist:     true,
	})
	if err != nil {
		return classify(ctx, err)
	}
	src := &source{ctx: ctx, r: r}
	_, err = io.Copy(w, src)
	if err != nil {
		abort()
		_ = w.Close() // it says that it was aborted
	} else {
		err = s.end(ctx, abort, w)
	}
	switch {
	case err == nil:
		return nil
	case src.err != nil:
		return src.err // of r or ctx; what else went wrong is its consequence
	}
	return s.settle(ctx, key, nonce, err)
}

// end makes what was written visible.
func (s *Store) end(ctx context.Context, abort context.CancelFunc, w *blob.Writer) error {
	if s.ending != nil {
		select {
		case s.ending <- struct{}{}:
			defer func() { <-s.ending }()
		case <-ctx.Done():
			abort()
			_ = w.Close()
			return ctx.Err()
		}
	}
	return w.Close()
}

// settle finds out what became of a write that failed with err, and returns nil if
// the blob is stored, also if ctx has ended: others may have seen the blob.
func (s *Store) settle(ctx context.Context, key, nonce string, err error) error {
	fresh, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	stored, attrErr := s.bucket.Attributes(fresh, key)
	switch {
	case isMissing(attrErr) && gcerrors.Code(err) == gcerrors.FailedPrecondition:
		return err // by a blob that is gone again
	case isMissing(attrErr):
		return classify(ctx, err) // not stored, or deleted again
	case attrErr != nil:
		return classify(ctx, fmt.Errorf("whether it is stored is not known: %w, after: %w", attrErr, err))
	case stored.Metadata[nonceName] != nonce:
		return fmt.Errorf("%w: %w", bulk.ErrBlobExists, err)
	}
	return nil
}

// source is the reader of a Put. It ends with the context, and remembers its error:
// drivers hide errors behind those that they cause.
type source struct {
	ctx context.Context
	r   io.Reader
	err error // by which it ended, nil if that was io.EOF
}

func (s *source) Read(p []byte) (int, error) {
	if s.err = s.ctx.Err(); s.err != nil {
		return 0, s.err
	}
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF { //nolint:errorlint // one that wraps io.EOF is a failure of r
		s.err = err
	}
	return n, err
}
