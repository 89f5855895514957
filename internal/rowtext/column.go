package rowtext

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/bulkops/bulkops/bulk"
)

// A Column is what a column of a CSV table holds.
type Column struct {
	Part Part
	// Name is the field's name in its part, "" for the whole part; that of a note
	// for a note.
	Name string
	Kind Kind
}

// A Part is a member of a row, or what is not one.
type Part int

// The parts.
const (
	UserID Part = iota
	Email
	CustomFields
	Metadata
	Note     // for people, passed over when it is read
	Nameless // a column without a name, which has to be empty
)

// Key is the part's name in a row.
func (p Part) Key() string {
	return [...]string{UserID: "userId", Email: "email", CustomFields: "customFields", Metadata: "metadata"}[p]
}

// A Kind is the type of the values in a column.
type Kind string

// The kinds.
const (
	String  Kind = "string"
	Number  Kind = "number"
	Boolean Kind = "boolean"
	JSON    Kind = "json"
)

// The notes that results have.
const (
	NoteIndex  = "_index"
	NoteLine   = "_line"
	NoteStatus = "_status"
	NoteErrors = "_errors"
	NoteRest   = "_rest"
)

// parseColumn reads the header of a column:
//
//   - userId and email, in any case and with any blanks, _ and -, as in "User ID"
//     and "E-mail".
//   - customFields.NAME and metadata.NAME, the part in any case, whose values are
//     strings, or what :string, :number, :boolean or :json behind the name says.
//     NAME is all up to the last colon: :string serves for names that have one.
//   - customFields:json and metadata:json, which hold whole objects, for fields
//     that have no columns of their own.
//   - _index, _line, _status, _errors and _rest: notes, which are passed over.
//   - nothing.
//
// Blanks around names and types are dropped; those around the header have been. If
// the header is none of these it says what is wrong with it.
func parseColumn(header string) (_ Column, problem string) {
	switch header {
	case "":
		return Column{Part: Nameless}, ""
	case NoteIndex, NoteLine, NoteStatus, NoteErrors, NoteRest:
		return Column{Part: Note, Name: header}, ""
	}
	if header[0] == '_' {
		return Column{}, fmt.Sprintf("is unknown: only %s, %s, %s, %s and %s begin with an underscore",
			NoteIndex, NoteLine, NoteStatus, NoteErrors, NoteRest)
	}
	switch identityOf(header) {
	case "userid":
		return Column{Part: UserID, Kind: String}, ""
	case "email":
		return Column{Part: Email, Kind: String}, ""
	}
	for _, p := range []Part{CustomFields, Metadata} {
		n := len(p.Key())
		if len(header) < n || !strings.EqualFold(header[:n], p.Key()) {
			continue
		}
		if name, ok := strings.CutPrefix(header[n:], "."); ok {
			return parseField(p, name)
		}
		if kind, ok := strings.CutPrefix(strings.TrimSpace(header[n:]), ":"); ok && strings.TrimSpace(kind) == string(JSON) {
			return Column{Part: p, Kind: JSON}, ""
		}
		return Column{}, fmt.Sprintf("is unknown: it could be %s.NAME for one field, or %[1]s:json for all of them", p.Key())
	}
	name := header
	if strings.ContainsAny(name, Separators) || Quote(name) != `"`+name+`"` {
		name = "NAME"
	}
	return Column{}, fmt.Sprintf("is unknown: it could be userId, email, customFields.%s or metadata.%[1]s", name)
}

// identityOf returns a header as it is compared with those of userId and email.
func identityOf(header string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '_' || r == '-' || unicode.IsSpace(r):
			return -1
		case 'A' <= r && r <= 'Z':
			return r - 'A' + 'a'
		}
		return r
	}, header)
}

func parseField(p Part, name string) (_ Column, problem string) {
	c := Column{Part: p, Name: name, Kind: String}
	if i := strings.LastIndexByte(name, ':'); i >= 0 {
		c.Name, c.Kind = name[:i], Kind(strings.TrimSpace(name[i+1:]))
		switch c.Kind {
		case String, Number, Boolean, JSON:
		default:
			return Column{}, "has an unknown type: there are :string, :number, :boolean and :json; put :string behind a name that has a colon"
		}
	}
	c.Name = strings.TrimSpace(c.Name)
	if n := utf8.RuneCountInString(c.Name); n < 1 || n > bulk.MaxFieldName {
		return Column{}, fmt.Sprintf("has a field name that is empty or too long: it could be %s.NAME, where NAME has 1 to %d characters", p.Key(), bulk.MaxFieldName)
	}
	return c, ""
}

// Header is what parseColumn reads.
func (c Column) Header() string {
	switch {
	case c.Part == Note:
		return c.Name
	case c.Part == Nameless:
		return ""
	}
	header := c.Part.Key()
	if c.Name != "" {
		header += "." + c.Name
	}
	if c.Kind != String || strings.Contains(c.Name, ":") {
		header += ":" + string(c.Kind)
	}
	return header
}

// Field is the path of the column's values for error messages.
func (c Column) Field() string {
	switch {
	case c.Part >= Note:
		return ""
	case c.Name == "":
		return c.Part.Key()
	default:
		return c.Part.Key() + "." + c.Name
	}
}
