package rowio

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/bulkops/bulkops/bulk"
)

// records reads the records of a CSV text as RFC 4180 defines it, in UTF-8.
//
// Package encoding/csv is not used because it turns CRLF within quotes into LF,
// and a cell must come through byte by byte; and because it holds a record of
// any length, as when a quote is not closed.
//
// Beyond RFC 4180 a record may end with LF alone, and empty lines are passed
// over, and a quote in a cell that does not begin with one stands for itself, as
// in 6'2" from programs that quote only where they must. A carriage return outside
// quotes that no line feed follows is refused.
type records struct {
	in   *bufio.Reader
	long []byte // a line that is longer than the reader's buffer
	line int    // lines read so far

	start int    // line that the record starts on
	text  []byte // its cells, unquoted, one after the other
	ends  []int  // where each cell ends in text
}

var byteOrderMark = []byte("\xef\xbb\xbf")

func newRecords(text io.Reader) *records {
	return &records{in: bufio.NewReaderSize(text, 16<<10)}
}

// cells is the number of cells of the record.
func (r *records) cells() int { return len(r.ends) }

// cell returns a cell, valid until the next record is read.
func (r *records) cell(i int) []byte {
	start := 0
	if i > 0 {
		start = r.ends[i-1]
	}
	return r.text[start:r.ends[i]]
}

// next reads the next record. It returns io.EOF after the last one.
func (r *records) next() error {
	var line []byte
	for len(line) == 0 {
		var err error
		r.start = r.line + 1
		if line, err = r.readLine(); err != nil {
			return err
		}
		if len(trimEnd(line)) == 0 {
			line = nil
		}
	}
	r.text, r.ends = r.text[:0], r.ends[:0]
	for more := true; more; {
		var err error
		if line, more, err = r.readCell(line); err != nil {
			return err
		}
		r.ends = append(r.ends, len(r.text))
	}
	if !utf8.Valid(r.text) {
		return invalidRequest("line %d: the CSV is not valid UTF-8", r.start)
	}
	return nil
}

// readCell reads the cell that line starts with. It returns the rest of the line
// and whether it has more cells.
func (r *records) readCell(line []byte) (rest []byte, more bool, err error) {
	if len(line) > 0 && line[0] == '"' {
		return r.readQuoted(line[1:])
	}
	cell, rest, more := bytes.Cut(line, []byte{','})
	if !more {
		cell = trimEnd(cell)
	}
	if bytes.IndexByte(cell, '\r') >= 0 {
		return nil, false, r.broken("a carriage return that no line feed follows")
	}
	return rest, more, r.add(cell)
}

// readQuoted reads a cell whose first quote has been read.
func (r *records) readQuoted(line []byte) (rest []byte, more bool, err error) {
	for {
		part, rest, closed := bytes.Cut(line, []byte{'"'})
		if err := r.add(part); err != nil {
			return nil, false, err
		}
		switch {
		case !closed:
			line, err = r.readLine()
			if err == io.EOF {
				err = invalidRequest("line %d: the quoted cell of the record that starts here has no end", r.start)
			}
			if err != nil {
				return nil, false, err
			}
		case len(rest) > 0 && rest[0] == '"':
			r.text = append(r.text, '"')
			line = rest[1:]
		case len(rest) > 0 && rest[0] == ',':
			return rest[1:], true, nil
		case len(trimEnd(rest)) == 0:
			return nil, false, nil
		default:
			return nil, false, r.broken("text behind the closing quote of a cell")
		}
	}
}

func (r *records) add(part []byte) error {
	if len(r.text)+len(part) > MaxRow {
		return r.tooLong()
	}
	r.text = append(r.text, part...)
	return nil
}

// readLine returns the next line with its end, valid until the next call.
func (r *records) readLine() ([]byte, error) {
	line, err := r.in.ReadSlice('\n')
	if err == bufio.ErrBufferFull {
		r.long = r.long[:0]
		for err == bufio.ErrBufferFull {
			if len(r.long)+len(line) > 2*MaxRow {
				r.line++
				return nil, r.tooLong()
			}
			r.long = append(r.long, line...)
			line, err = r.in.ReadSlice('\n')
		}
		r.long = append(r.long, line...)
		line = r.long
	}
	switch {
	case err == io.EOF && len(line) > 0:
		err = nil
	case errors.Is(err, io.ErrUnexpectedEOF):
		err = invalidRequest("the body ended before it was complete")
	case err != nil && err != io.EOF:
		err = fmt.Errorf("read body: %w", err)
	}
	if err != nil {
		return nil, err
	}
	r.line++
	if r.line == 1 {
		line = bytes.TrimPrefix(line, byteOrderMark)
	}
	return line, nil
}

func (r *records) broken(what string) *bulk.RequestError {
	return invalidRequest("line %d: the CSV has %s", r.line, what)
}

func (r *records) tooLong() *bulk.RequestError {
	return invalidRequest("line %d: the record that starts here has more than %d bytes; a quote may not be closed",
		r.start, MaxRow)
}

// trimEnd removes the end of a line. A lone carriage return is one at the end of
// the text.
func trimEnd(line []byte) []byte {
	line = bytes.TrimSuffix(line, []byte{'\n'})
	return bytes.TrimSuffix(line, []byte{'\r'})
}
