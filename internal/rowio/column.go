package rowio

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/bulkops/bulkops/bulk"
)

// A column is what a column of a CSV table holds.
type column struct {
	part part
	// name is the field's name in its part, "" for the whole part.
	name string
	kind kind
}

// A part is a member of a row, or what is not one.
type part int

const (
	userID part = iota
	email
	customFields
	metadata
	note // for people, passed over when it is read
)

// key is the part's name in a row.
func (p part) key() string {
	return [...]string{userID: "userId", email: "email", customFields: "customFields", metadata: "metadata"}[p]
}

// code is the error code of the part's values.
func (p part) code() bulk.RowCode {
	if p == metadata {
		return bulk.CodeInvalidMetadata
	}
	return bulk.CodeInvalidCustomFields
}

// A kind is the type of the values in a column.
type kind string

const (
	stringKind  kind = "string"
	numberKind  kind = "number"
	booleanKind kind = "boolean"
	jsonKind    kind = "json"
)

// parseColumn reads the header of a column:
//
//   - userId and email.
//   - customFields.NAME and metadata.NAME, whose values are strings, or what
//     :string, :number, :boolean or :json behind the name says. NAME is all up to
//     the last colon: :string serves for names that have one.
//   - customFields:json and metadata:json, which hold whole objects, for fields
//     that have no columns of their own.
//   - names that begin with an underscore: notes, which are passed over.
func parseColumn(header string) (column, error) {
	switch {
	case header == "userId":
		return column{part: userID, kind: stringKind}, nil
	case header == "email":
		return column{part: email, kind: stringKind}, nil
	case strings.HasPrefix(header, "_"):
		return column{part: note, name: header}, nil
	}
	for _, p := range []part{customFields, metadata} {
		rest, ok := strings.CutPrefix(header, p.key())
		if !ok {
			continue
		}
		if rest == ":json" {
			return column{part: p, kind: jsonKind}, nil
		}
		if name, ok := strings.CutPrefix(rest, "."); ok {
			return parseField(p, header, name)
		}
	}
	if strings.ContainsAny(header, ";\t") && !strings.Contains(header, ".") {
		return column{}, invalidRequest("unknown column %s: cells are separated by commas", quote(header))
	}
	return column{}, invalidRequest("unknown column %s: there are userId, email, customFields.NAME and metadata.NAME", quote(header))
}

func parseField(p part, header, name string) (column, error) {
	c := column{part: p, name: name, kind: stringKind}
	if i := strings.LastIndexByte(name, ':'); i >= 0 {
		c.name, c.kind = name[:i], kind(name[i+1:])
		switch c.kind {
		case stringKind, numberKind, booleanKind, jsonKind:
		default:
			return column{}, invalidRequest(
				"column %s: a type is string, number, boolean or json; put :string behind a name that has a colon", quote(header))
		}
	}
	if n := utf8.RuneCountInString(c.name); n < 1 || n > bulk.MaxFieldName {
		return column{}, invalidRequest("column %s: the name of a field has 1 to %d characters", quote(header), bulk.MaxFieldName)
	}
	return c, nil
}

// header is what parseColumn reads.
func (c column) header() string {
	if c.part == note {
		return c.name
	}
	header := c.part.key()
	if c.name != "" {
		header += "." + c.name
	}
	if c.kind != stringKind || strings.Contains(c.name, ":") {
		header += ":" + string(c.kind)
	}
	return header
}

// field is the path of the column's values for error messages.
func (c column) field() string {
	if c.name == "" {
		return c.part.key()
	}
	return c.part.key() + "." + c.name
}

// appendValue appends the JSON value that a cell stands for. If the cell does
// not fit its kind it appends the text of the cell as a string, and says what
// the cell is not.
func (c column) appendValue(dst, cell []byte) (_ []byte, problem string) {
	switch c.kind {
	case numberKind:
		if isNumber(cell) {
			return append(dst, cell...), ""
		}
		problem = "is not a JSON number"
	case booleanKind:
		// Spreadsheets write TRUE and FALSE.
		if bytes.EqualFold(cell, []byte("true")) {
			return append(dst, "true"...), ""
		}
		if bytes.EqualFold(cell, []byte("false")) {
			return append(dst, "false"...), ""
		}
		problem = "is neither true nor false"
	case jsonKind:
		if isJSON(cell) {
			return append(dst, cell...), ""
		}
		problem = fmt.Sprintf("is not JSON of at most %d levels", MaxDepth-2)
	}
	return appendString(dst, cell), problem
}

// isJSON reports whether the text is a JSON value that may stand in a row.
func isJSON(text []byte) bool {
	// The row and the object in it take two levels.
	return jsontext.Value(text).IsValid(jsontext.AllowDuplicateNames(true)) && !deeper(text, MaxDepth-2)
}

// isObject reports whether the text, without white space around it, is a JSON
// object that may stand in a row.
func isObject(text []byte) bool { return text[0] == '{' && isJSON(text) }

// appendString appends a text of valid UTF-8 as a JSON string.
func appendString[T ~string | ~[]byte](dst []byte, text T) []byte {
	dst, _ = jsontext.AppendQuote(dst, text) // it fails on invalid UTF-8 only
	return dst
}

// isNumber reports whether the text is a number by the grammar of JSON.
func isNumber(text []byte) bool {
	digits := func() bool {
		n := 0
		for n < len(text) && '0' <= text[n] && text[n] <= '9' {
			n++
		}
		text = text[n:]
		return n > 0
	}
	text = bytes.TrimPrefix(text, []byte{'-'})
	if len(text) > 1 && text[0] == '0' && '0' <= text[1] && text[1] <= '9' {
		return false
	}
	if !digits() {
		return false
	}
	if len(text) > 0 && text[0] == '.' {
		text = text[1:]
		if !digits() {
			return false
		}
	}
	if len(text) > 0 && (text[0] == 'e' || text[0] == 'E') {
		text = text[1:]
		if len(text) > 0 && (text[0] == '+' || text[0] == '-') {
			text = text[1:]
		}
		if !digits() {
			return false
		}
	}
	return len(text) == 0
}
