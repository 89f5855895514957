package rowtext

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"unicode/utf8"
)

// MaxCells is how many cells a record may have. Empty ones at its end do not
// count.
const MaxCells = 2000

// Separators are what cells may be separated by.
const Separators = ",;\t|"

// Records reads the records of a CSV text: RFC 4180 in UTF-8, where records may
// end with LF alone and cells may have another separator; see [Records.Header].
// Records whose cells are all empty are passed over. A quote in a cell that does
// not begin with one stands for itself, as in 6'2" from programs that quote only
// where they must. A carriage return outside quotes that no line feed follows is
// refused.
//
// Package encoding/csv is not used because it turns CRLF within quotes into LF,
// and a cell must come through byte by byte; because it does not give the text of
// a record; and because it holds a record of any length, as when a quote is not
// closed.
type Records struct {
	in         io.Reader
	separators string
	limit      int
	renamed    map[string]string

	buf    []byte
	pos    int   // where the next record begins in buf
	err    error // of in
	lines  int   // that have ended before pos
	sep    byte
	mark   int // what is read is kept from here on while marked
	marked bool
	head   int // lines before the header row

	record Record
}

// NewRecords returns a reader of the text, whose cells have one of the separators.
// It holds records of up to limit bytes. [Records.Header] must be called first.
func NewRecords(text io.Reader, separators string, limit int) *Records {
	return &Records{in: text, separators: separators, limit: limit}
}

// Rename gives columns other names when the header is read: those whose header, without
// the blanks around it, is a key. A column that is renamed to "" is passed over.
func (r *Records) Rename(names map[string]string) { r.renamed = names }

// Separator is what cells are separated by, once the header was read.
func (r *Records) Separator() byte { return r.sep }

// Line is the line that is read next.
func (r *Records) Line() int { return r.lines + 1 }

// A Record is a record of a CSV text. It is valid until the next one is read.
type Record struct {
	Line int // that it begins on, from 1
	Gap  int // lines in front of it that were passed over
	// Text is the record as it stands, with its end.
	Text []byte
	// TooLong is set for a record that is longer than what is held: nothing but its
	// place and its number of cells is known then.
	TooLong bool
	// Cells is how many cells it has, and Used how many up to the last one that is
	// not empty.
	Cells, Used int
	// Blank is the number, from 1, of the first cell that begins with blanks and
	// then a quote, 0 for none.
	Blank int

	spans   []span // of the first MaxCells cells
	scratch []byte
}

// A span is where a cell stands in the text of its record, quotes included.
type span struct{ start, end int }

// Known is how many cells there are to be had: all, or the first [MaxCells].
func (r *Record) Known() int { return len(r.spans) }

// Raw returns a cell as it stands, quotes included.
func (r *Record) Raw(i int) []byte { return r.Text[r.spans[i].start:r.spans[i].end] }

// Cell returns what a cell means. It is valid until Cell is called again.
func (r *Record) Cell(i int) []byte {
	cell := r.Raw(i)
	if len(cell) == 0 || cell[0] != '"' {
		return cell
	}
	cell = cell[1 : len(cell)-1]
	if bytes.IndexByte(cell, '"') < 0 {
		return cell
	}
	r.scratch = slices.Grow(r.scratch[:0], len(cell))
	for {
		part, rest, more := bytes.Cut(cell, []byte(`""`))
		r.scratch = append(r.scratch, part...)
		if !more {
			return r.scratch
		}
		r.scratch = append(r.scratch, '"')
		cell = rest
	}
}

// Next reads the next record that has a cell which is not empty. It returns io.EOF
// after the last one, an [*Error], or the error of the stream.
func (r *Records) Next() (*Record, error) {
	before := r.lines
	for {
		r.skipEmptyLines()
		if err := r.read(); err != nil {
			return nil, err
		}
		if r.record.Used > 0 {
			r.record.Gap = r.record.Line - 1 - before
			return &r.record, nil
		}
	}
}

// skipEmptyLines makes empty lines cost next to nothing.
func (r *Records) skipEmptyLines() {
	for {
		switch rest := r.buf[r.pos:]; {
		case len(rest) > 0 && rest[0] == '\n':
			r.pos++
		case len(rest) > 1 && rest[0] == '\r' && rest[1] == '\n':
			r.pos += 2
		default:
			return
		}
		r.lines++
	}
}

// The states of a reader within a record.
type state int

const (
	begin  state = iota // of a cell
	blank               // nothing but blanks in the cell so far
	plain               // in a cell without quotes
	quoted              // in a quoted one
	closed              // behind a quote in a quoted one
	cr                  // behind a carriage return that has to end the record
)

// read reads the next record, whatever its cells are.
func (r *Records) read() error {
	rec := &r.record
	*rec = Record{Line: r.lines + 1, spans: rec.spans[:0], scratch: rec.scratch}
	s, text := begin, r.buf[r.pos:]
	cell, end, filled := 0, 0, false // where the cell begins, where it ends for cr, and if there is something in it
	for i := 0; ; i++ {
		switch s {
		case plain:
			i += indexPlainEnd(text[i:], r.sep)
		case quoted:
			n := r.quotedEnd(text[i:])
			i, filled = i+n, filled || n > 0
		}
		if i == len(text) {
			dropped, err := r.more(i)
			if dropped {
				i, cell, end = 0, 0, 0
			}
			if err == io.EOF {
				return r.finish(s, span{cell, i}, end, filled)
			} else if err != nil {
				return err
			}
			text = r.buf[r.pos:]
			i-- // the byte is still to be looked at
			continue
		}
		switch c := text[i]; {
		case s == quoted:
			s = closed
		case s == closed && c == '"':
			s, filled = quoted, true
		case s == cr && c != '\n':
			return r.broken("a carriage return that no line feed follows, in")
		case c == '\n':
			if s != cr {
				end = i
			}
			rec.add(span{cell, end}, filled)
			r.lines++
			return r.end(i + 1)
		case c == '\r':
			s, end = cr, i
		case c == r.sep:
			rec.add(span{cell, i}, filled)
			s, cell, filled = begin, i+1, false
		case s == closed:
			return r.broken("text behind the closing quote of")
		case s == begin && c == '"':
			s = quoted
		case s <= blank && (c == ' ' || c == '\t'):
			s, filled = blank, true
		default:
			if s == blank && c == '"' && rec.Blank == 0 {
				rec.Blank = rec.Cells + 1
			}
			s, filled = plain, true
		}
	}
}

// quotedEnd returns where the next quote is, len(text) if there is none, and counts
// the lines up to there.
func (r *Records) quotedEnd(text []byte) int {
	n := bytes.IndexByte(text, '"')
	if n < 0 {
		n = len(text)
	}
	r.lines += bytes.Count(text[:n], []byte{'\n'})
	return n
}

// finish ends the record that the text ends with.
func (r *Records) finish(s state, cell span, end int, filled bool) error {
	if s == quoted {
		return &Error{r.record.Line, "the quoted cell of the record that starts here has no end"}
	}
	if s == begin && r.record.Cells == 0 {
		return io.EOF
	}
	length := cell.end
	if s == cr {
		cell.end = end
	}
	r.record.add(cell, filled)
	return r.end(length)
}

// end ends the record after that many bytes.
func (r *Records) end(length int) error {
	rec := &r.record
	rec.TooLong = rec.TooLong || length > r.limit
	if rec.TooLong {
		rec.spans = rec.spans[:0]
	} else {
		rec.Text = r.buf[r.pos : r.pos+length : r.pos+length]
		if !utf8.Valid(rec.Text) {
			return &Error{lineOfFault(rec.Text, rec.Line), "the CSV is " + NotUTF8}
		}
	}
	r.pos += length
	return nil
}

// add adds a cell to the record.
func (r *Record) add(cell span, filled bool) {
	r.Cells++
	if filled {
		r.Used = r.Cells
	}
	if r.Cells <= MaxCells {
		r.spans = append(r.spans, cell)
	}
}

// indexPlainEnd returns where an unquoted cell ends, len(text) if it does not.
func indexPlainEnd(text []byte, sep byte) int {
	for i, c := range text {
		if c == sep || c == '\n' || c == '\r' {
			return i
		}
	}
	return len(text)
}

// more reads more of the text, of whose current record that many bytes are in the
// buffer. If they have become too many it drops them.
func (r *Records) more(have int) (dropped bool, err error) {
	if r.err != nil {
		return false, r.err
	}
	base := r.pos
	switch {
	case r.marked:
		base = r.mark
		if len(r.buf)-base > r.limit {
			return false, &Error{r.record.Line, "the header row is too long; a quote may not be closed"}
		}
	case have > r.limit || r.record.TooLong:
		r.record.TooLong = true
		base += have
		dropped = true
	}
	if base > 0 {
		r.buf = r.buf[:copy(r.buf, r.buf[base:])]
		r.pos = max(0, r.pos-base)
		r.mark = 0
	}
	if len(r.buf) == cap(r.buf) {
		r.buf = append(make([]byte, 0, max(16<<10, 2*cap(r.buf))), r.buf...)
	}
	for range maxIdle {
		var n int
		n, r.err = r.in.Read(r.buf[len(r.buf):cap(r.buf)])
		r.buf = r.buf[:len(r.buf)+n]
		switch {
		case n > 0:
			return dropped, nil
		case r.err != nil:
			return dropped, r.err
		}
	}
	r.err = io.ErrNoProgress
	return dropped, r.err
}

func (r *Records) broken(what string) *Error {
	return &Error{r.lines + 1, fmt.Sprintf("the CSV has %s cell %d", what, r.record.Cells+1)}
}
