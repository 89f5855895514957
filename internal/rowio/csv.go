package rowio

import (
	"bytes"
	"fmt"
	"io"

	"github.com/bulkops/bulkops/bulk"
)

// CSV reads rows of the media type text/csv: RFC 4180 in UTF-8, with or without
// a byte order mark, and with a header row. Records may end with LF alone; empty
// lines are passed over.
//
// The header names userId, email, customFields.NAME and metadata.NAME. Values of
// fields are strings unless :number, :boolean or :json stands behind the name. An
// empty cell is an absent field. A column whose name begins with an underscore is
// a note and passed over; customFields:json and metadata:json hold whole objects.
// An unknown column, or one that stands twice, is INVALID_REQUEST, and so is a
// text that is not CSV. A record with more or fewer cells than the header fails as
// a row, and so does one with a cell that does not fit its type.
//
// A cell that begins with apostrophes and then one of = + - @, in their wide
// forms too, or a tab, carriage return or line feed, loses one apostrophe: the
// one that [Table] put there against spreadsheets.
type CSV struct {
	records *records
	columns []column // nil before the header is read
	// Where to find what in a record: the columns of each part, and, counted
	// from 1, the ones that hold a part as a whole.
	parts [note][]int
	whole [note]int
	row   []byte
	err   error
}

// maxRowErrors bounds the errors of one row.
const maxRowErrors = 100

// NewCSV returns a reader of the text.
func NewCSV(text io.Reader) *CSV { return &CSV{records: newRecords(text)} }

// Next returns the next row; see [bulk.RowReader].
func (r *CSV) Next() (bulk.Row, error) {
	if r.err != nil {
		return bulk.Row{}, r.err
	}
	row, err := r.next()
	r.err = err
	return row, err
}

func (r *CSV) next() (bulk.Row, error) {
	if r.columns == nil {
		if err := r.header(); err != nil {
			return bulk.Row{}, err
		}
	}
	if err := r.records.next(); err != nil {
		return bulk.Row{}, err
	}
	row := bulk.Row{Line: r.records.start}
	if have, want := r.records.cells(), len(r.columns); have != want {
		row.Errors = append(row.Errors, bulk.RowError{
			Code:    bulk.CodeInvalidUser,
			Message: fmt.Sprintf("line %d has another number of cells than the header: %d, not %d", row.Line, have, want),
		})
	}
	r.row = append(r.row[:0], '{')
	r.appendIdentity(userID)
	r.appendIdentity(email)
	r.appendFields(customFields, &row)
	r.appendFields(metadata, &row)
	r.row = append(r.row, '}')
	row.JSON = r.row
	return row, nil
}

// header reads the header row.
func (r *CSV) header() error {
	err := r.records.next()
	if err == io.EOF {
		return invalidRequest("the CSV has no header row")
	}
	if err != nil {
		return err
	}
	type place struct {
		part part
		name string
	}
	seen := make(map[place]bool, r.records.cells())
	for i := range r.records.cells() {
		header := string(r.records.cell(i))
		c, err := parseColumn(header)
		if err != nil {
			return err
		}
		if c.part != note {
			if seen[place{c.part, c.name}] {
				return invalidRequest("column %s stands twice", quote(c.field()))
			}
			seen[place{c.part, c.name}] = true
			if c.name == "" && c.kind == jsonKind {
				r.whole[c.part] = i + 1
			} else {
				r.parts[c.part] = append(r.parts[c.part], i)
			}
		}
		r.columns = append(r.columns, c)
	}
	return nil
}

// cell returns the text of a cell, nil if the record does not reach so far.
func (r *CSV) cell(i int) []byte {
	if i >= r.records.cells() {
		return nil
	}
	return restore(r.records.cell(i))
}

// appendKey begins a member of the row.
func (r *CSV) appendKey(p part) {
	if len(r.row) > 1 {
		r.row = append(r.row, ',')
	}
	r.row = append(r.row, '"')
	r.row = append(r.row, p.key()...)
	r.row = append(r.row, `":`...)
}

// appendIdentity appends userId or email, unless its cell is empty.
func (r *CSV) appendIdentity(p part) {
	for _, i := range r.parts[p] { // one at most
		if cell := r.cell(i); len(cell) > 0 {
			r.appendKey(p)
			r.row = appendString(r.row, cell)
		}
	}
}

// appendFields appends customFields or metadata, unless all their cells are
// empty.
func (r *CSV) appendFields(p part, row *bulk.Row) {
	open, fields := false, false // the object has begun, and has a member
	if i := r.whole[p]; i > 0 {
		whole := bytes.TrimSpace(r.cell(i - 1))
		switch {
		case len(whole) == 0 || string(whole) == "null":
		case isObject(whole):
			// The columns of single fields go on where the object ends.
			members := bytes.TrimSpace(whole[1 : len(whole)-1])
			r.appendKey(p)
			r.row = append(append(r.row, '{'), members...)
			open, fields = true, len(members) > 0
		default:
			// Not an object: the row fails, whatever other columns have.
			r.appendKey(p)
			r.appendValue(r.columns[i-1], whole, row)
			return
		}
	}
	for _, i := range r.parts[p] {
		cell := r.cell(i)
		if len(cell) == 0 {
			continue
		}
		if !open {
			r.appendKey(p)
			r.row = append(r.row, '{')
			open = true
		}
		if fields {
			r.row = append(r.row, ',')
		}
		fields = true
		r.row = append(appendString(r.row, r.columns[i].name), ':')
		r.appendValue(r.columns[i], cell, row)
	}
	if open {
		r.row = append(r.row, '}')
	}
}

// appendValue appends the value of a cell, and says in row what is wrong with it.
func (r *CSV) appendValue(c column, cell []byte, row *bulk.Row) {
	var problem string
	r.row, problem = c.appendValue(r.row, cell)
	if problem != "" && len(row.Errors) < maxRowErrors {
		row.Errors = append(row.Errors, bulk.RowError{
			Code:    c.part.code(),
			Field:   c.field(),
			Message: fmt.Sprintf("line %d: the cell of %s %s", row.Line, quote(c.field()), problem),
		})
	}
}
