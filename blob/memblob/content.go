package memblob

import (
	"context"
	"io"
	"io/fs"
	"slices"
)

// Chunks start small, for the many small blobs, and double up to a size at which
// the unused rest of the last one does not matter.
const (
	firstChunk = 1 << 10
	lastChunk  = 512 << 10
)

// content is the bytes of a blob in chunks. Chunks never move while the blob
// grows, so that a blob needs its own size in memory and not twice that.
type content struct {
	chunks [][]byte
	size   int64
}

// readContent reads r until io.EOF.
func readContent(ctx context.Context, r io.Reader) (content, error) {
	var c content
	var chunk []byte
	for {
		if err := ctx.Err(); err != nil {
			return content{}, err
		}
		if len(chunk) == cap(chunk) {
			c.add(chunk)
			chunk = make([]byte, 0, min(max(2*cap(chunk), firstChunk), lastChunk))
		}
		n, err := r.Read(chunk[len(chunk):cap(chunk)])
		chunk = chunk[:len(chunk)+n]
		// Not errors.Is: an error that wraps io.EOF is a failure of r.
		if err == io.EOF { //nolint:errorlint
			break
		}
		if err != nil {
			return content{}, err
		}
	}
	if len(chunk) < cap(chunk)/2 {
		chunk = slices.Clone(chunk) // gives the rest back
	}
	c.add(chunk)
	// The context may have ended while r yielded its last bytes.
	return c, ctx.Err()
}

func (c *content) add(chunk []byte) {
	if len(chunk) > 0 {
		c.chunks = append(c.chunks, chunk)
		c.size += int64(len(chunk))
	}
}

// A reader reads the content of a blob. It keeps working when the blob is
// deleted.
type reader struct {
	ctx    context.Context // of Get, whose contract binds the reads to it
	chunks [][]byte
	offset int // into the first chunk
	closed bool
}

// Read implements [io.Reader].
func (r *reader) Read(p []byte) (int, error) {
	if err := r.usable(); err != nil {
		return 0, err
	}
	if len(r.chunks) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.chunks[0][r.offset:])
	if r.offset += n; r.offset == len(r.chunks[0]) {
		r.chunks, r.offset = r.chunks[1:], 0
	}
	return n, nil
}

// WriteTo implements [io.WriterTo], which saves [io.Copy] its buffer.
func (r *reader) WriteTo(w io.Writer) (int64, error) {
	var written int64
	for {
		if err := r.usable(); err != nil {
			return written, err
		}
		if len(r.chunks) == 0 {
			return written, nil
		}
		// A Writer must not modify what it gets, so the chunk needs no copy.
		n, err := w.Write(r.chunks[0][r.offset:])
		written += int64(n)
		if err != nil {
			r.offset += n
			return written, err
		}
		r.chunks, r.offset = r.chunks[1:], 0
	}
}

func (r *reader) usable() error {
	if r.closed {
		return fs.ErrClosed
	}
	return r.ctx.Err()
}

// Close implements [io.Closer].
func (r *reader) Close() error {
	r.closed, r.chunks = true, nil
	return nil
}
