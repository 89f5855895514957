package rowio

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/rowerrors"
	"github.com/bulkops/bulkops/internal/rowtext"
)

// CSV reads rows of the media types text/csv and text/tab-separated-values: the
// grammar of [rowtext.Records], with a header row.
//
// The header names userId, email, customFields.NAME and metadata.NAME. Values of
// fields are strings unless :number, :boolean or :json stands behind the name. An
// empty cell is an absent field. Notes are passed over; customFields:json and
// metadata:json hold whole objects. An unknown column, or one that appears twice, is
// INVALID_REQUEST, and so is a text that is not CSV. A record fails as a row if it
// is too long or has too many cells, fewer cells than the header, or a value
// without a column; and so does one with a cell that does not fit its type.
//
// A cell that begins like a formula behind an apostrophe loses one apostrophe: the
// one that [Table] put there against spreadsheets. In a text with a column _index,
// which [Table] has written, that goes for what follows a separator in the cell
// too.
type CSV struct {
	records *rowtext.Records
	columns []rowtext.Column // nil before the header is read
	// Where to find what in a record: the columns of each part, and, counted
	// from 1, the ones that hold a part as a whole.
	parts    [rowtext.Nameless + 1][]int
	whole    [rowtext.Note]int
	exported bool // by Table
	index    int  // of the next row
	writer   rowWriter
	scratch  []byte // the text of a cell
	err      error
}

// NewCSV returns a reader of a text whose cells any of [rowtext.Separators]
// separates.
func NewCSV(text io.Reader) *CSV {
	return &CSV{records: rowtext.NewRecords(text, rowtext.Separators, MaxRow)}
}

// NewTSV returns a reader of a text whose cells tabs separate.
func NewTSV(text io.Reader) *CSV {
	return &CSV{records: rowtext.NewRecords(text, "\t", MaxRow)}
}

// Next returns the next row; see [bulk.RowReader].
func (r *CSV) Next() (bulk.Row, error) {
	if r.err != nil {
		return bulk.Row{}, r.err
	}
	row, err := r.next()
	r.err = textFault(err, bulk.CodeInvalidRequest)
	return row, r.err
}

func (r *CSV) next() (bulk.Row, error) {
	if r.columns == nil {
		if err := r.header(); err != nil {
			return bulk.Row{}, err
		}
	}
	rec, err := r.records.Next()
	if err != nil {
		return bulk.Row{}, err
	}
	w := &r.writer
	*w = rowWriter{rec: rec, row: bulk.Row{Line: rec.Line}, text: append(w.text[:0], '{'), most: rowerrors.Most(r.index), before: w.before + len(w.row.Errors)}
	r.index++
	if r.refuse(w) {
		return w.done(), nil
	}
	r.appendIdentity(w, rowtext.UserID)
	r.appendIdentity(w, rowtext.Email)
	r.appendFields(w, rowtext.CustomFields)
	r.appendFields(w, rowtext.Metadata)
	w.text = append(w.text, '}')
	if w.long {
		return bulk.Row{Line: rec.Line, Errors: []bulk.RowError{tooLong()}}, nil
	}
	w.row.JSON = w.text
	return w.done(), nil
}

// header reads the header row.
func (r *CSV) header() error {
	h, err := r.records.Header()
	if err != nil {
		return err
	}
	r.columns = h.Columns
	for i, c := range h.Columns {
		switch {
		case c.Part < rowtext.Note && c.Name == "" && c.Kind == rowtext.JSON:
			r.whole[c.Part] = i + 1
		case c.Part != rowtext.Note:
			r.parts[c.Part] = append(r.parts[c.Part], i)
		case c.Name == rowtext.NoteIndex:
			r.exported = true
		}
	}
	return nil
}

// refuse fails the row for what is wrong with its record. It reports whether
// nothing can be read of it.
func (r *CSV) refuse(w *rowWriter) bool {
	rec, want := w.rec, len(r.columns)
	switch {
	case rec.TooLong:
		w.fail(bulk.CodeUserTooLarge, "", "the record has more than %d bytes; a quote may not be closed", MaxRow)
		return true
	case rec.Used > rowtext.MaxCells:
		w.fail(bulk.CodeInvalidUser, "", "the record has %d cells; the limit is %d", rec.Used, rowtext.MaxCells)
		return true
	case rec.Cells < want, rec.Used > want:
		w.fail(bulk.CodeInvalidUser, "", "the record has another number of cells than the header: %d, not %d", rec.Cells, want)
	}
	if rec.Blank > 0 {
		w.fail(bulk.CodeInvalidUser, "", "column %d%s: the cell begins with blanks and then a quote: remove the blanks",
			rec.Blank, r.nameOf(rec.Blank-1))
	}
	for _, i := range r.parts[rowtext.Nameless] {
		if i < rec.Known() && len(rec.Cell(i)) > 0 {
			w.fail(bulk.CodeInvalidUser, "", "column %d: the cell has a value, but the header has no name for it", i+1)
		}
	}
	return false
}

// nameOf shows the name of a column for messages.
func (r *CSV) nameOf(i int) string {
	if i >= len(r.columns) || r.columns[i].Part == rowtext.Nameless {
		return ""
	}
	return " (" + rowtext.Quote(r.columns[i].Header()) + ")"
}

// cell returns the text of a cell, nil if the record does not reach so far. It is
// valid until cell is called again.
func (r *CSV) cell(rec *rowtext.Record, i int) []byte {
	if i >= rec.Known() {
		return nil
	}
	return rowtext.Restore(rec.Cell(i), r.exported, &r.scratch)
}

// appendIdentity appends userId or email, unless its cell is empty.
func (r *CSV) appendIdentity(w *rowWriter, p rowtext.Part) {
	for _, i := range r.parts[p] { // one at most
		if cell := r.cell(w.rec, i); w.fits(cell) {
			w.appendKey(p)
			w.text = appendString(w.text, cell)
		}
	}
}

// appendFields appends customFields or metadata, unless all their cells are
// empty.
func (r *CSV) appendFields(w *rowWriter, p rowtext.Part) {
	open, fields := false, false // the object has begun, and has a member
	if i := r.whole[p]; i > 0 {
		whole := bytes.TrimSpace(r.cell(w.rec, i-1))
		switch {
		case !w.fits(whole) || string(whole) == "null":
		case isObject(whole):
			// The columns of single fields go on where the object ends.
			members := bytes.TrimSpace(whole[1 : len(whole)-1])
			w.appendKey(p)
			w.text = append(append(w.text, '{'), members...)
			open, fields = true, len(members) > 0
		default:
			// Not an object: the row fails, whatever other columns have.
			w.appendKey(p)
			r.appendValue(w, i-1, whole)
			return
		}
	}
	for _, i := range r.parts[p] {
		if i >= w.rec.Known() || w.long {
			break
		}
		cell := r.cell(w.rec, i)
		if !w.fits(cell) {
			continue
		}
		if !open {
			w.appendKey(p)
			w.text = append(w.text, '{')
			open = true
		}
		if fields {
			w.text = append(w.text, ',')
		}
		fields = true
		w.text = append(appendString(w.text, r.columns[i].Name), ':')
		r.appendValue(w, i, cell)
	}
	if open {
		w.text = append(w.text, '}')
	}
}

// appendValue appends the value of a cell, and says in the row what is wrong with
// it.
func (r *CSV) appendValue(w *rowWriter, i int, cell []byte) {
	c := r.columns[i]
	var problem string
	w.text, problem = appendValue(w.text, c.Kind, cell)
	switch {
	case problem == "":
	case w.full():
		w.omitted++ // and not shown, as of a hostile row there may be many
	default:
		w.fail(codeOf(c.Part), c.Field(), "column %d%s: %s %s",
			i+1, r.nameOf(i), rowtext.Quote(cell), problem)
	}
}

// A rowWriter makes the row of a record.
type rowWriter struct {
	rec     *rowtext.Record
	row     bulk.Row
	text    []byte
	long    bool // the text would be longer than MaxRow
	most    int  // errors
	omitted int
	before  int // errors of the rows before
}

// maxErrors is how many errors of a text are made. Requests have fewer rows, but
// one with many more is read to its end so as to count them.
const maxErrors = 100_000

// oneOfMany are the errors of rows behind the first maxErrors.
var oneOfMany = []bulk.RowError{{
	Code:    bulk.CodeInvalidUser,
	Message: fmt.Sprintf("the row has an error; more than %d were found before it", maxErrors),
}}

// fits reports whether a cell has something in it for which the row has room, and
// makes that for a large one. What is written to escape it counts.
func (w *rowWriter) fits(cell []byte) bool {
	const large = 4 << 10
	n := len(cell)
	if n > large {
		n = quotedLen(cell)
	}
	w.long = w.long || len(w.text)+n > MaxRow
	if n > large && !w.long {
		w.text = slices.Grow(w.text, n+large) // with the key in front of it
	}
	return n > 0 && !w.long
}

// appendKey begins a member of the row.
func (w *rowWriter) appendKey(p rowtext.Part) {
	if len(w.text) > 1 {
		w.text = append(w.text, ',')
	}
	w.text = append(w.text, '"')
	w.text = append(w.text, p.Key()...)
	w.text = append(w.text, `":`...)
}

func (w *rowWriter) fail(code bulk.RowCode, field, format string, args ...any) {
	switch {
	case w.before >= maxErrors:
		w.row.Errors = oneOfMany
		return
	case w.full():
		w.omitted++
		return
	}
	w.row.Errors = append(w.row.Errors, bulk.RowError{Code: code, Field: field, Message: fmt.Sprintf(format, args...)})
}

// full reports whether further errors are but counted.
func (w *rowWriter) full() bool {
	return len(w.row.Errors) == w.most || w.before >= maxErrors && len(w.row.Errors) > 0
}

// done returns the row.
func (w *rowWriter) done() bulk.Row {
	if w.omitted > 0 && w.before < maxErrors {
		w.row.Errors[w.most-1].Message += rowerrors.Omitted(w.omitted)
	}
	return w.row
}

// textFault returns the error of a reader for one of package rowtext or of the
// stream.
func textFault(err error, code bulk.RequestCode) error {
	if err == nil || err == io.EOF {
		return err
	}
	var refused *rowtext.Error
	switch {
	case errors.As(err, &refused):
		err := &bulk.RequestError{Code: code, Message: refused.Error()}
		if refused.Line == 0 {
			return err
		}
		return onLine(refused.Line).noted(err)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return &bulk.RequestError{Code: code, Message: "the body ended before it was complete"}
	default:
		return fmt.Errorf("read body: %w", err)
	}
}
