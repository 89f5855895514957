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
		b.decoded = http.MaxBytesReader(c.w.ResponseWriter, c.w.sent, h.cfg.MaxBody)
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
