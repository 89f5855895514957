package rowio

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/canon"
	"github.com/bulkops/bulkops/internal/rowtext"
)

// MaxFieldColumns is how many fields get columns of their own in a [Table]. Rows
// with fields beyond them have their fields in one column as a JSON object.
const MaxFieldColumns = 1000

// A Table writes rows and their results as CSV that can be mended and sent again:
// [CSV] reads the rows as they were, with absent, null, empty and typed values
// told apart, and passes over what the results add.
//
// The columns depend on all rows, so these are passed over twice: [Table.Add] for
// each, then [Table.AppendHeader], then [Table.AppendRecord] for each. It holds
// the columns and no rows.
//
// The notes are _index, _line, _status and _errors; and _rest, if a row has what no
// column can hold: unknown keys, or keys that stand twice, as a JSON object; or a
// row that is not an object.
type Table struct {
	fields [rowtext.Note]fieldColumns
	rest   bool
}

// fieldColumns are the columns of the fields of a part.
type fieldColumns struct {
	columns []rowtext.Column
	index   map[string]int // by name
	whole   bool           // there is a column for whole objects
	// full means that there will be no more columns, so that a row which needed
	// others is told by its names from one whose values the columns suit.
	full bool
}

// Add makes columns for what a row holds. The row is JSON, or empty for a row
// that could not be read.
func (t *Table) Add(row []byte) {
	members, rest := splitRow(row)
	t.rest = t.rest || len(rest) > 0
	for _, p := range []rowtext.Part{rowtext.CustomFields, rowtext.Metadata} {
		if !isNull(members[p]) {
			t.addFields(p, members[p])
		}
	}
}

// addFields makes columns for the fields of an object, or, if they cannot all
// have columns of their own, sees to a column for the whole object.
func (t *Table) addFields(p rowtext.Part, object []byte) {
	f := &t.fields[p]
	fresh, ok := f.fit(object)
	if ok && fresh > 0 {
		columns := len(t.fields[rowtext.CustomFields].columns) + len(t.fields[rowtext.Metadata].columns)
		f.full = f.full || columns+fresh > MaxFieldColumns
		ok = !f.full
	}
	if !ok {
		f.whole = true
		return
	}
	if f.index == nil {
		f.index = make(map[string]int)
	}
	scan := canon.Scan(object)
	for {
		quoted, value, ok := scan.Next()
		if !ok {
			return
		}
		name, kind := canon.Unquote(quoted), kindOf(value)
		i, known := f.index[name]
		switch {
		case !known:
			f.index[name] = len(f.columns)
			f.columns = append(f.columns, rowtext.Column{Part: p, Name: name, Kind: kind})
		case f.columns[i].Kind != kind:
			f.columns[i].Kind = rowtext.JSON
		}
	}
}

// fit reports whether the text is an object whose fields can be columns, and how
// many of them have none yet.
func (f *fieldColumns) fit(object []byte) (fresh int, ok bool) {
	if jsontext.Value(object).Kind() != '{' {
		return 0, false
	}
	seen := make(map[string]bool)
	scan := canon.Scan(object)
	for {
		quoted, _, ok := scan.Next()
		if !ok {
			return fresh, true
		}
		name := canon.Unquote(quoted)
		n := utf8.RuneCountInString(name)
		if seen[name] || n < 1 || n > bulk.MaxFieldName || name != strings.TrimSpace(name) || strings.ContainsAny(name, rowtext.CellBreaks) {
			return 0, false
		}
		seen[name] = true
		if _, known := f.index[name]; !known {
			fresh++
		}
	}
}

// kindOf returns the kind of the column that a value needs. A cell cannot tell an
// empty string from nothing, so that takes JSON.
func kindOf(value []byte) rowtext.Kind {
	switch jsontext.Value(value).Kind() {
	case '0':
		return rowtext.Number
	case 't', 'f':
		return rowtext.Boolean
	case '"':
		if len(value) > len(`""`) {
			return rowtext.String
		}
	}
	return rowtext.JSON
}

// AppendHeader appends the byte order mark by which spreadsheets know UTF-8, and
// the header row.
func (t *Table) AppendHeader(dst []byte) []byte {
	dst = append(dst, "\ufeff"...)
	for _, note := range []string{rowtext.NoteIndex, rowtext.NoteLine, rowtext.NoteStatus, rowtext.NoteErrors} {
		dst = append(append(dst, note...), ',')
	}
	dst = append(dst, "userId,email"...)
	for _, p := range []rowtext.Part{rowtext.CustomFields, rowtext.Metadata} {
		for _, c := range t.fields[p].columns {
			dst = rowtext.AppendCell(append(dst, ','), c.Header())
		}
		if t.fields[p].whole {
			dst = rowtext.AppendCell(append(dst, ','), rowtext.Column{Part: p, Kind: rowtext.JSON}.Header())
		}
	}
	if t.rest {
		dst = append(append(dst, ','), rowtext.NoteRest...)
	}
	return append(dst, "\r\n"...)
}

// AppendRecord appends the record of a row, which must have been added, and its
// result.
func (t *Table) AppendRecord(dst, row []byte, result bulk.RowResult) []byte {
	dst = strconv.AppendInt(dst, int64(result.Index), 10)
	dst = append(dst, ',')
	if result.Line > 0 {
		dst = strconv.AppendInt(dst, int64(result.Line), 10)
	}
	dst = rowtext.AppendCell(append(dst, ','), string(result.Status))
	dst = rowtext.AppendCell(append(dst, ','), rowtext.Defuse(errorText(result.Errors)))

	members, rest := splitRow(row)
	for _, p := range []rowtext.Part{rowtext.UserID, rowtext.Email} {
		dst = append(dst, ',')
		if !isNull(members[p]) {
			dst = appendText(dst, members[p])
		}
	}
	for _, p := range []rowtext.Part{rowtext.CustomFields, rowtext.Metadata} {
		dst = t.fields[p].appendCells(dst, members[p])
	}
	if t.rest {
		dst = rowtext.AppendCell(append(dst, ','), rowtext.Defuse(rowtext.DefuseJSON(rest)))
	}
	return append(dst, "\r\n"...)
}

// appendCells appends the cells of the fields of an object.
func (f *fieldColumns) appendCells(dst, object []byte) []byte {
	cells := make([][]byte, len(f.columns))
	var whole []byte
	if !isNull(object) {
		if fresh, ok := f.fit(object); !ok || fresh > 0 {
			whole = object
		} else {
			scan := canon.Scan(object)
			for quoted, value, ok := scan.Next(); ok; quoted, value, ok = scan.Next() {
				cells[f.index[canon.Unquote(quoted)]] = value
			}
		}
	}
	for i, value := range cells {
		dst = append(dst, ',')
		switch {
		case value == nil:
		case f.columns[i].Kind == rowtext.String:
			dst = appendText(dst, value)
		default:
			// No JSON begins a formula but a number, which is none.
			dst = rowtext.AppendCell(dst, rowtext.DefuseJSON(value))
		}
	}
	if f.whole {
		dst = rowtext.AppendCell(append(dst, ','), rowtext.DefuseJSON(whole))
	}
	return dst
}

// appendText appends the cell of a string's text, defused. Another value, where a
// string should have been, is shown as JSON.
func appendText(dst, value []byte) []byte {
	if value[0] == '"' {
		return rowtext.AppendCell(dst, rowtext.Defuse(canon.Unquote(value)))
	}
	return rowtext.AppendCell(dst, rowtext.DefuseJSON(value))
}

// errorText shows the errors of a row for people.
func errorText(errs []bulk.RowError) string {
	var b strings.Builder
	for i, e := range errs {
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(string(e.Code))
		b.WriteString(": ")
		b.WriteString(e.Message)
	}
	return b.String()
}

// splitRow returns the members of a row by part, nil for those it lacks, and the
// rest as JSON.
func splitRow(row []byte) (members [rowtext.Note][]byte, rest []byte) {
	row = bytes.TrimSpace(row)
	if len(row) == 0 || row[0] != '{' {
		return members, row
	}
	scan := canon.Scan(row)
	for {
		quoted, value, ok := scan.Next()
		if !ok {
			break
		}
		p := partOf(canon.Unquote(quoted))
		if p != rowtext.Note && members[p] == nil {
			members[p] = value
			continue
		}
		if rest == nil {
			rest = append(rest, '{')
		} else {
			rest = append(rest, ',')
		}
		rest = append(append(append(rest, quoted...), ':'), value...)
	}
	if rest != nil {
		rest = append(rest, '}')
	}
	return members, rest
}

func partOf(key string) rowtext.Part {
	for p := range rowtext.Note {
		if p.Key() == key {
			return p
		}
	}
	return rowtext.Note
}

func isNull(value []byte) bool { return value == nil || string(value) == "null" }
