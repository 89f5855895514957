package httpapi

import (
	"compress/flate"
	"compress/gzip"
	"errors"
	"io"
	"net/http"

	"github.com/bulkops/bulkops/bulk"
)

// A body is the body of a request, within its limits. Its errors are ones that
// problemOf knows, and io.ErrUnexpectedEOF for a body that was cut off.
type body struct {
	decoded io.Reader
	held    *held
}

// openBody returns the body of a request. Nothing is read yet.
func (h *Handler) openBody(c *call, held *held) (*body, error) {
	zipped, err := isGzip(c.r)
	if err != nil {
		return nil, err
	}
	if c.r.ContentLength > h.cfg.MaxBody {
		return nil, tooLarge(h.cfg.MaxBody, "")
	}
	b := &body{decoded: http.NoBody, held: held}
	if c.r.Body != nil {
		c.w.sent = newArrival(c, h.cfg.BodyIdle, h.cfg.BodyTimeout)
		// It tells the server to close the connection when the limit is exceeded,
		// which takes the server's own ResponseWriter.
		b.decoded = buffered(http.MaxBytesReader(c.w.ResponseWriter, c.w.sent, h.cfg.MaxBody), c.r.ContentLength, held)
	}
	if zipped {
		b.decoded = &gunzip{src: b.decoded, limit: h.cfg.MaxDecoded, left: h.cfg.MaxDecoded}
	}
	return b, nil
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.decoded.Read(p)
	if full := b.held.read(n); full != nil {
		return 0, full
	}
	if err == nil || err == io.EOF {
		return n, err
	}
	var (
		known   *problem
		refused *bulk.RequestError
		large   *http.MaxBytesError
	)
	if err == io.ErrUnexpectedEOF || errors.As(err, &known) || errors.As(err, &refused) || errors.As(err, &large) {
		return n, err
	}
	return n, &bodyError{err}
}

// A bodyBuffer reads a body in large pieces. Decoders ask for 4 KB at most, and of a connection
// each read costs a system call and a new deadline.
//
// It begins small and grows as long as what arrives fills it, so a body that never comes holds
// next to nothing, whatever its length is said to be.
type bodyBuffer struct {
	src    io.Reader
	held   *held
	buf    []byte
	filled bool // by the last read
	unread []byte
	err    error // that follows what is unread
}

const (
	// firstBodyBuffer is what the buffer of a body begins with, lastBodyBuffer what it
	// grows to, and bodyBufferGrowth how many times as large the next one is.
	firstBodyBuffer, lastBodyBuffer = 16 << 10, 256 << 10
	bodyBufferGrowth                = 4
)

// buffered returns a reader of a body of that length, negative if it is not known. A short
// body is not worth a buffer.
func buffered(src io.Reader, length int64, held *held) io.Reader {
	if 0 <= length && length < firstBodyBuffer {
		return src
	}
	return &bodyBuffer{src: src, held: held, buf: make([]byte, firstBodyBuffer)}
}

func (b *bodyBuffer) Read(p []byte) (int, error) {
	if len(b.unread) == 0 && b.err == nil {
		if err := b.fill(); err != nil {
			return 0, err
		}
	}
	if len(b.unread) == 0 {
		return 0, b.err
	}
	n := copy(p, b.unread)
	b.unread = b.unread[n:]
	return n, nil
}

// fill reads the next piece.
func (b *bodyBuffer) fill() error {
	if b.filled && len(b.buf) < lastBodyBuffer {
		size := min(bodyBufferGrowth*len(b.buf), lastBodyBuffer)
		if err := b.held.buffer(size); err != nil {
			return err
		}
		b.buf = make([]byte, size)
	}
	n, err := b.src.Read(b.buf)
	b.filled, b.unread, b.err = n == len(b.buf), b.buf[:n], err
	return nil
}

// A bodyError is a body that could not be read, because the connection broke or
// was too slow for the server.
type bodyError struct{ err error }

func (e *bodyError) Error() string { return "read body: " + e.err.Error() }
func (e *bodyError) Unwrap() error { return e.err }

// ErrorCode names the error to observers, as the answer to it does.
func (e *bodyError) ErrorCode() string { return codeInvalidRequest }

// gunzip decompresses up to limit bytes. However much a few bytes would expand
// to, no more than that is made.
type gunzip struct {
	src   io.Reader
	zip   *gzip.Reader
	limit int64
	left  int64
	err   error
}

func (g *gunzip) Read(p []byte) (int, error) {
	if g.err != nil {
		return 0, g.err
	}
	n, err := g.read(p)
	g.err = err
	return n, err
}

func (g *gunzip) read(p []byte) (int, error) {
	if g.zip == nil {
		zip, err := gzip.NewReader(g.src)
		if err == io.ErrUnexpectedEOF {
			err = gzip.ErrHeader // too short to have one
		}
		if err != nil {
			return 0, gzipFault(err)
		}
		g.zip = zip
	}
	// One byte more than is left tells a body that ends at the limit from one
	// that exceeds it.
	if int64(len(p)) > g.left+1 {
		p = p[:g.left+1]
	}
	n, err := g.zip.Read(p)
	if int64(n) > g.left {
		return int(g.left), tooLarge(g.limit, " after decompression")
	}
	g.left -= int64(n)
	if err == io.EOF {
		return n, io.EOF
	}
	return n, gzipFault(err)
}

// gzipFault tells bad data from a connection that failed.
func gzipFault(err error) error {
	var corrupt flate.CorruptInputError
	if err == io.EOF || errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) || errors.As(err, &corrupt) {
		return &bulk.RequestError{Code: bulk.CodeInvalidRequest, Message: "the body is not valid gzip"}
	}
	return err
}
