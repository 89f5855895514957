package client

import (
	"bytes"
	"errors"
	"io"
	"iter"
	"unicode/utf8"

	"github.com/bulkops/bulkops/bulk"
)

// CSV is a source of the users of a CSV text: RFC 4180 in UTF-8, with or without a
// byte order mark, and with a header row, which each request repeats. Quoted cells
// may have line breaks. What breaks the grammar ends the import with a
// [*SourceError], as the service would refuse a request that has it; what cells
// mean is for the service.
//
// The reader is read while the import goes on, and not closed.
func CSV(r io.Reader) Source {
	return Source{csvFormat, func() rows { return &csvRows{records: newRecords(r)} }}
}

type csvRows struct {
	records records
	head    []byte
}

func (r *csvRows) next() (row, error) {
	if r.head == nil {
		record, _, err := r.records.next()
		if err != nil {
			return row{}, err
		}
		r.head = bytes.Clone(record.Text)
		if bytes.HasPrefix(r.head, byteOrderMark) {
			// Not at the beginning of the whole, so it is none; nor is it to become one.
			r.head = append(bytes.Clone(byteOrderMark), r.head...)
		}
	}
	record, gap, err := r.records.next()
	return row{text: record.Text, line: record.Line, gap: gap}, err
}

func (r *csvRows) header() []byte                 { return r.head }
func (r *csvRows) line() int                      { return r.records.start }
func (r *csvRows) options() (*bulk.Options, bool) { return nil, true }
func (r *csvRows) close()                         {}

// A Record is a record of a CSV text as it stands there, quotes included.
type Record struct {
	// Line is the line that it begins on, from 1: the Line of its result.
	Line int
	// Text is the record with the end of its line, which the last one may lack.
	// It is valid until the next record is read.
	Text []byte
}

// Cells iterates over the cells of the record as they stand there, quotes
// included.
func (r Record) Cells() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		text := trimEnd(r.Text)
		start, quoted := 0, false
		for i, c := range text {
			switch {
			case c == '"':
				quoted = !quoted
			case c == ',' && !quoted:
				if !yield(text[start:i:i]) {
					return
				}
				start = i + 1
			}
		}
		yield(text[start:])
	}
}

// CSVRecords iterates over the records of a CSV text, the header first and
// without a byte order mark, by the grammar of [CSV]. Empty lines are passed over.
// An error is the last that it yields: a [*SourceError] that names the line, also
// for errors of the reader. A record of more than [MaxRecord] bytes is one.
func CSVRecords(r io.Reader) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		records := newRecords(r)
		for row := -1; ; row++ {
			record, _, err := records.next()
			if err == io.EOF {
				return
			}
			if err != nil {
				yield(Record{}, &SourceError{Row: max(0, row), Line: records.start, Err: err})
				return
			}
			if !yield(record, nil) {
				return
			}
		}
	}
}

// records reads the records of a CSV text by the grammar of the service: RFC 4180,
// where a record may also end with LF alone and empty lines are passed over.
//
// Package encoding/csv is not used because it changes the line breaks of quoted
// cells and does not give the text of a record.
type records struct {
	lines lines
	text  []byte
	start int // line that the record begins on
}

func newRecords(r io.Reader) records { return records{lines: newLines(r), start: 1} }

var (
	errBehindQuote = errors.New("text behind the closing quote of a cell")
	errStrayReturn = errors.New("a carriage return that no line feed follows")
	errUnclosed    = errors.New("the quoted cell of the record that starts here has no end")
	byteOrderMark  = []byte("\xef\xbb\xbf")
	lineFeed       = []byte{'\n'}
	carriageReturn = []byte{'\r'}
)

// next returns the next record and how many empty lines are in front of it.
func (r *records) next() (Record, int, error) {
	for gap := 0; ; gap++ {
		r.start = r.lines.n + 1
		if err := r.readLine(true); err != nil {
			return Record{}, 0, err
		}
		if len(trimEnd(r.text)) > 0 {
			err := r.complete()
			return Record{Line: r.start, Text: r.text}, gap, err
		}
	}
}

// readLine reads a line, the first or a further one of a record.
func (r *records) readLine(first bool) (err error) {
	if first {
		r.text = r.text[:0]
	}
	r.text, err = r.lines.appendLine(r.text)
	if err == nil && r.lines.n == 1 {
		r.text = append(r.text[:0], bytes.TrimPrefix(r.text, byteOrderMark)...)
	}
	return err
}

// complete reads the lines that belong to the record, the first of which has been
// read.
func (r *records) complete() error {
	const (
		begin  = iota // of a cell
		plain         // in a cell without quotes
		quoted        // in a quoted one
		closed        // behind a quote in a quoted one
	)
	state := begin
	for i := 0; ; i++ {
		if i == len(r.text) {
			if state != quoted {
				break
			}
			if err := r.readLine(false); err == io.EOF {
				return errUnclosed
			} else if err != nil {
				return err
			}
		}
		c := r.text[i]
		if state == quoted {
			if c == '"' {
				state = closed
			}
			continue
		}
		if len(trimEnd(r.text[i:])) == 0 {
			break
		}
		switch {
		case c == ',':
			state = begin
		case c == '"' && state == begin, c == '"' && state == closed:
			state = quoted
		case state == closed:
			return errBehindQuote
		case c == '\r':
			return errStrayReturn
		default:
			state = plain
		}
	}
	if !utf8.Valid(r.text) {
		return errUTF8
	}
	return nil
}

// trimEnd removes the end of a line. A lone carriage return is one at the end of
// the text.
func trimEnd(line []byte) []byte {
	return bytes.TrimSuffix(bytes.TrimSuffix(line, lineFeed), carriageReturn)
}
