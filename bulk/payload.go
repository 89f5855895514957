package bulk

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// A payload is the rows of a job in a blob: a line for each row with its line
// number, its JSON and, if it has any, the errors of its reader as JSON,
// separated by tabs. JSON has no raw tabs or line feeds, once it is compact.

const payloadType = "application/x-ndjson"

// appendRow appends the payload's line for a row.
func appendRow(dst []byte, row Row) ([]byte, error) {
	dst = strconv.AppendInt(dst, int64(row.Line), 10)
	dst = append(dst, '\t')
	if bytes.IndexByte(row.JSON, '\n') < 0 && bytes.IndexByte(row.JSON, '\t') < 0 {
		dst = append(dst, row.JSON...)
	} else {
		compact := jsontext.Value(bytes.Clone(row.JSON))
		if err := compact.Compact(jsontext.AllowDuplicateNames(true)); err != nil {
			return nil, fmt.Errorf("bulk: row is not valid JSON: %w", err)
		}
		dst = append(dst, compact...)
	}
	if len(row.Errors) > 0 {
		text, err := json.Marshal(row.Errors)
		if err != nil {
			return nil, fmt.Errorf("bulk: encode row errors: %w", err)
		}
		dst = append(dst, '\t')
		dst = append(dst, text...)
	}
	return append(dst, '\n'), nil
}

// A payloadWriter turns rows into the bytes of a payload as they are read, so
// that no request is in memory as a whole.
type payloadWriter struct {
	rows   RowReader
	end    func() error // called when the rows have ended: the last word on them
	buf    []byte
	unread []byte
	err    error
}

// payloadChunk is how much of a payload is made at a time.
const payloadChunk = 32 << 10

func (w *payloadWriter) Read(p []byte) (int, error) {
	for len(w.unread) == 0 {
		if w.err != nil {
			return 0, w.err
		}
		w.fill()
	}
	n := copy(p, w.unread)
	w.unread = w.unread[n:]
	return n, nil
}

func (w *payloadWriter) fill() {
	// Here and not by the caller of Put, which may read in a goroutine of its own.
	defer catch("RowReader.Next", &w.err)
	w.buf = w.buf[:0]
	for len(w.buf) < payloadChunk && w.err == nil {
		var row Row
		row, w.err = w.rows.Next()
		switch w.err {
		case nil:
			w.buf, w.err = appendRow(w.buf, row)
		case io.EOF:
			if err := w.end(); err != nil {
				w.err = err
			}
		}
	}
	w.unread = w.buf
}

// A payloadReader yields the rows of a payload.
type payloadReader struct {
	in   *bufio.Reader
	long []byte // a line that is longer than the reader's buffer
}

func newPayloadReader(r io.Reader) *payloadReader {
	return &payloadReader{in: bufio.NewReaderSize(r, 64<<10)}
}

func (r *payloadReader) Next() (Row, error) {
	line, err := r.line()
	if err != nil {
		return Row{}, err
	}
	number, rest, ok := bytes.Cut(line, []byte{'\t'})
	if !ok {
		return Row{}, &payloadError{"a line without a tab"}
	}
	text, errs, failed := bytes.Cut(rest, []byte{'\t'})
	row := Row{JSON: text}
	if string(number) != "0" { // that of most formats
		if row.Line, err = strconv.Atoi(string(number)); err != nil {
			return Row{}, &payloadError{"a line without a number"}
		}
	}
	if failed {
		if err := json.Unmarshal(errs, &row.Errors); err != nil {
			return Row{}, &payloadError{"errors that are not JSON"}
		}
	}
	return row, nil
}

// line returns the next line without its line feed.
func (r *payloadReader) line() ([]byte, error) {
	part, err := r.in.ReadSlice('\n')
	if err == bufio.ErrBufferFull {
		r.long = r.long[:0]
		for err == bufio.ErrBufferFull {
			r.long = append(r.long, part...)
			part, err = r.in.ReadSlice('\n')
		}
		r.long = append(r.long, part...)
		part = r.long
	}
	if err == io.EOF && len(part) > 0 {
		return nil, &payloadError{"a line that is cut off"}
	}
	if err != nil {
		return nil, err
	}
	return part[:len(part)-1], nil
}

// skip passes over n rows.
func (r *payloadReader) skip(n int) error {
	for range n {
		if _, err := r.line(); err != nil {
			return noEOF(err)
		}
	}
	return nil
}

// A payload is the rows of a job from some row on, as many as the job has.
type payload struct {
	payloadReader
	io.Closer
	left int
}

// openPayload opens the rows of the job from that one on.
func openPayload(ctx context.Context, blobs guardedBlobs, job *Job, from int) (*payload, error) {
	r, err := blobs.open(ctx, syncBackoff, job.Payload)
	if err != nil {
		return nil, err
	}
	p := &payload{*newPayloadReader(r), r, job.TotalRecords - from}
	if err := p.skip(from); err != nil {
		r.Close()
		return nil, fmt.Errorf("bulk: read %s: %w", job.Payload, err)
	}
	return p, nil
}

func (p *payload) Next() (Row, error) {
	if p.left == 0 {
		return Row{}, io.EOF
	}
	p.left--
	row, err := p.payloadReader.Next()
	return row, noEOF(err)
}

// noEOF makes the end of a payload that ends too early an error.
func noEOF(err error) error {
	if err == io.EOF {
		return &payloadError{"fewer rows than its job"}
	}
	return err
}

// A payloadError is a payload that we cannot have written.
type payloadError struct{ text string }

func (e *payloadError) Error() string   { return "bulk: payload has " + e.text }
func (e *payloadError) Retryable() bool { return false }
