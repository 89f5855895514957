package bulk

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// A payload is the rows of a job in a blob: a line for each row with its line
// number and, in a retry, a slash and its place in the parent from 1, its JSON, the errors of its reader as JSON, if it has any, and a checksum
// of all that, separated by tabs. JSON has no raw tabs or line feeds, once it is
// compact.

const payloadType = "application/x-ndjson"

// checksums is the table of the payload's CRC-32, in hexadecimal digits.
var checksums = crc32.MakeTable(crc32.Castagnoli)

const checksumLength = 8

// appendRow appends the payload's line for a row.
func appendRow(dst []byte, row Row) ([]byte, error) {
	start := len(dst)
	dst = strconv.AppendInt(dst, int64(row.Line), 10)
	if row.parent > 0 {
		dst = append(dst, '/')
		dst = strconv.AppendInt(dst, int64(row.parent), 10)
	}
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
	sum := checksum(dst[start:])
	dst = append(dst, '\t')
	dst = append(dst, sum[:]...)
	return append(dst, '\n'), nil
}

func checksum(line []byte) (text [checksumLength]byte) {
	var sum [checksumLength / 2]byte
	binary.BigEndian.PutUint32(sum[:], crc32.Checksum(line, checksums))
	hex.Encode(text[:], sum[:])
	return text
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

// A lineReader yields the lines of a blob.
type lineReader struct {
	in   *bufio.Reader
	long []byte // a line that is longer than the reader's buffer
}

func newLineReader(r io.Reader) *lineReader {
	return &lineReader{in: bufio.NewReaderSize(r, 64<<10)}
}

// row reads the next line as that of a row of a payload.
func (r *lineReader) row() (Row, error) {
	line, err := r.line()
	if err != nil {
		return Row{}, err
	}
	end := len(line) - checksumLength - 1
	if end < 0 || line[end] != '\t' {
		return Row{}, &payloadError{"a line without a checksum"}
	}
	if sum := checksum(line[:end]); string(sum[:]) != string(line[end+1:]) {
		return Row{}, &payloadError{"a line that does not fit its checksum"}
	}
	number, rest, ok := bytes.Cut(line[:end], []byte{'\t'})
	if !ok {
		return Row{}, &payloadError{"a line without a tab"}
	}
	text, errs, failed := bytes.Cut(rest, []byte{'\t'})
	row := Row{JSON: text}
	if string(number) != "0" { // that of most formats
		if err := row.place(number); err != nil {
			return Row{}, err
		}
	}
	if failed {
		if err := json.Unmarshal(errs, &row.Errors); err != nil {
			return Row{}, &payloadError{"errors that are not JSON"}
		}
	}
	return row, nil
}

// place reads the row's line number and its place in the parent.
func (row *Row) place(text []byte) (err error) {
	line, parent, retried := bytes.Cut(text, []byte{'/'})
	if row.Line, err = strconv.Atoi(string(line)); err != nil {
		return &payloadError{"a line without a number"}
	}
	if retried {
		if row.parent, err = strconv.Atoi(string(parent)); err != nil || row.parent < 1 {
			return &payloadError{"a line without a place in the parent"}
		}
	}
	return nil
}

// line returns the next line without its line feed.
func (r *lineReader) line() ([]byte, error) {
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

// skip skips n lines.
func (r *lineReader) skip(n int) error {
	for range n {
		if _, err := r.line(); err != nil {
			return noEOF(err)
		}
	}
	return nil
}

// A payload is the rows of a job from some row on, as many as the job has.
type payload struct {
	*lineReader
	io.Closer
	left int
}

// openPayload opens the rows of the job from that one on.
func openPayload(ctx context.Context, patience backoff, blobs guardedBlobs, job *Job, from int) (*payload, error) {
	r, err := blobs.open(ctx, patience, job.Payload)
	if err != nil {
		return nil, err
	}
	p := &payload{newLineReader(r), r, job.TotalRecords - from}
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
	row, err := p.row()
	return row, noEOF(err)
}

// payloadRows reads single rows of a payload, in order, for results that are given
// all the same where a row cannot be read.
type payloadRows struct {
	reader rowReader
	open   func() (*payload, error)
	in     *payload
	next   int
	gone   bool // the rest cannot be read
}

func newPayloadRows(ctx context.Context, patience backoff, blobs guardedBlobs, job *Job) *payloadRows {
	return &payloadRows{open: func() (*payload, error) {
		r, err := blobs.open(ctx, patience, job.Payload)
		if err != nil {
			return nil, err
		}
		return &payload{newLineReader(r), r, job.TotalRecords}, nil
	}}
}

func (r *payloadRows) close() {
	if r.in != nil {
		r.in.Close()
	}
}

// plan returns the row of that index, or one of which nothing but the index is
// known. An error is one that may pass.
func (r *payloadRows) plan(index int) (*plan, error) {
	bare := &plan{index: index}
	if r.gone {
		return bare, nil
	}
	row, err := r.read(index)
	var damaged *payloadError
	switch {
	case err == nil:
		p := new(plan)
		r.reader.read(p, index, row)
		return p, nil
	case errors.As(err, &damaged):
		return bare, nil // the next line may be whole
	case Retryable(err) && !errors.Is(err, errSilent):
		return nil, err
	default:
		r.gone = true
		return bare, nil
	}
}

func (r *payloadRows) read(index int) (Row, error) {
	if r.in == nil {
		in, err := r.open()
		if err != nil {
			return Row{}, err
		}
		r.in = in
	}
	if err := r.in.skip(index - r.next); err != nil {
		r.gone = !Retryable(err)
		return Row{}, err
	}
	r.next = index + 1
	row, err := r.in.row()
	return row, noEOF(err)
}

// unreached returns the result of a row that was not reached.
func (r *payloadRows) unreached(index int) (RowResult, error) {
	p, err := r.plan(index)
	if err != nil {
		return RowResult{}, err
	}
	return p.result(StatusNotProcessed), nil
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
