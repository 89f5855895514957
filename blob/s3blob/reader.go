package s3blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/bulkops/bulkops/internal/backoff"
)

// A reader reads a blob. Whoever reads a payload works on its rows meanwhile, for
// minutes; S3 closes connections that are idle for so long.
type reader struct {
	ctx   context.Context // of Get, whose contract binds the reads to it
	store *Store
	key   string
	etag  *string
	body  io.ReadCloser
	at    int64 // bytes read
	size  int64 // of the blob, -1 if it is not known
	// broken is how often the connection broke since it last yielded anything.
	broken int
	err    error // that ended the reader
}

const maxBroken = 5

var reopenPause = backoff.Backoff{Base: 100 * time.Millisecond, Cap: 1600 * time.Millisecond}

var errNoProgress = errors.New("the connection broke again and again")

func newReader(ctx context.Context, store *Store, key string, out *s3.GetObjectOutput) *reader {
	r := &reader{ctx: ctx, store: store, key: key, etag: out.ETag, body: out.Body, size: -1}
	if out.ContentLength != nil {
		r.size = *out.ContentLength
	}
	return r
}

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
		switch {
		case err == nil:
		case err == io.EOF:
			r.err = io.EOF
		case r.ctx.Err() != nil:
			r.err = r.failed(classify(r.ctx, err))
		case r.at == r.size:
			// All is there, so it is not the connection: the checksum is wrong.
			r.err = r.failed(err)
		default:
			if err := r.reopen(err); err != nil {
				r.err = r.failed(err)
			}
		}
		if n > 0 {
			r.broken = 0
			return n, nil // an error comes with the next call
		}
		if err == nil {
			return 0, nil
		}
	}
}

// reopen opens the blob again behind what was read. It is the same blob: it is
// immutable, and the condition says so to S3.
func (r *reader) reopen(cause error) error {
	r.body.Close()
	for {
		if r.broken++; r.broken > maxBroken {
			return fmt.Errorf("%w: %w", errNoProgress, cause)
		}
		if err := reopenPause.Wait(r.ctx, r.broken); err != nil {
			return err
		}
		out, err := r.store.client.GetObject(r.ctx, &s3.GetObjectInput{
			Bucket:  aws.String(r.store.opts.Bucket),
			Key:     r.store.objectKey(r.key),
			Range:   aws.String(fmt.Sprintf("bytes=%d-", r.at)),
			IfMatch: r.etag,
		})
		if err == nil {
			r.body = out.Body
			return nil
		}
		if status := httpStatus(err); status >= 400 && status < 500 {
			return classify(r.ctx, err)
		}
		cause = err
	}
}

func (r *reader) failed(err error) error {
	return fmt.Errorf("s3blob: read %q: %w", r.key, err)
}

// Close implements [io.Closer].
func (r *reader) Close() error {
	if errors.Is(r.err, fs.ErrClosed) {
		return nil
	}
	r.err = fs.ErrClosed
	return r.body.Close()
}
