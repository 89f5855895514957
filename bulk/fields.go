package bulk

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/bulkops/bulkops/internal/canon"
)

// Limits of custom fields and metadata.
const (
	// MaxFieldDepth is how deep objects and arrays may nest in [Fields], the
	// object itself counted. DynamoDB stores 32 levels; two are left to stores.
	MaxFieldDepth = 30
	// MaxFieldName is the length of a field's name in Unicode code points.
	MaxFieldName = 255
)

var fieldLimits = canon.Limits{Depth: MaxFieldDepth, NameLength: MaxFieldName}

// Fields is a JSON object: the custom fields or the metadata of a user, or a
// change to them. It keeps the JSON text, so that numbers stay exact
// (9007199254740993 does not become 9007199254740992) and nothing is decoded
// that nobody asks for.
//
// The text is canonical: compact, names in order, numbers written in one way.
// So two Fields of the same value are ==, whatever their senders wrote. It is valid
// UTF-8 and nowhere has the character U+0000, so that a column of type jsonb can
// hold it.
//
// In a patch (a [Row], [Patch]) a null removes the field of that name, and a
// field that is not there stays as it is. The zero value has no fields. Fields
// are immutable and safe for concurrent use.
type Fields struct {
	text string // "" or a canonical object with at least one member
}

// ParseFields reads a JSON object. It refuses what is not an object or not valid
// JSON, a name that appears twice in one object, a name or string with the character
// U+0000, which most databases cannot hold, and what exceeds [MaxFieldDepth],
// [MaxFieldName] or the numbers that DynamoDB can hold (38 digits, 1e-130 to
// 9.99e125), and says which field is at fault. A null counts as an object without
// fields.
func ParseFields(text []byte) (Fields, error) {
	v := jsontext.Value(text)
	if !v.IsValid(jsontext.AllowDuplicateNames(true)) {
		return Fields{}, errors.New("bulk: fields are not valid JSON")
	}
	switch v.Kind() {
	case 'n':
		return Fields{}, nil
	case '{':
	default:
		return Fields{}, fmt.Errorf("bulk: fields are not a JSON object but %s", canon.KindName(jsontext.Value(text).Kind()))
	}
	fields, problems, _ := fieldsOf(text)
	if len(problems) > 0 {
		return Fields{}, fmt.Errorf("bulk: field %q: %s", clip(problems[0].Path), problemText(problems[0].Kind))
	}
	return fields, nil
}

// NewFields makes fields of Go values, encoded by [encoding/json]. It returns
// the errors of [ParseFields] and of the encoding.
func NewFields(values map[string]any) (Fields, error) {
	text, err := json.Marshal(values)
	if err != nil {
		return Fields{}, fmt.Errorf("bulk: encode fields: %w", err)
	}
	return ParseFields(text)
}

// fieldsOf makes fields of an object that is valid JSON; see [canon.Value] for its
// problems.
func fieldsOf(object []byte) (_ Fields, problems []canon.Problem, more int) {
	text, problems, more := canon.Value(object, fieldLimits)
	if text == "{}" {
		text = ""
	}
	return Fields{text}, problems, more
}

// fieldsText takes over canonical text.
func fieldsText(text []byte) Fields {
	if len(text) <= len("{}") {
		return Fields{}
	}
	return Fields{string(text)}
}

// IsZero reports whether there are no fields. Package encoding/json asks it for
// omitzero.
func (f Fields) IsZero() bool { return f.text == "" }

// Equal reports whether f and g have the same fields with the same values.
func (f Fields) Equal(g Fields) bool { return f == g }

// String returns the fields as canonical JSON text, "{}" if there are none.
func (f Fields) String() string {
	if f.text == "" {
		return "{}"
	}
	return f.text
}

// Len returns the number of fields.
func (f Fields) Len() int {
	n := 0
	for range f.All() {
		n++
	}
	return n
}

// Get returns the value of the field of that name as canonical JSON text.
func (f Fields) Get(name string) (json.RawMessage, bool) {
	for n, value := range f.All() {
		if n == name {
			return value, true
		}
	}
	return nil, false
}

// All iterates over the fields, each with its value as canonical JSON text, in
// the order of the text.
func (f Fields) All() iter.Seq2[string, json.RawMessage] {
	return func(yield func(string, json.RawMessage) bool) {
		s := canon.Scan([]byte(f.text))
		for {
			name, value, ok := s.Next()
			if !ok || !yield(canon.Unquote(name), json.RawMessage(value)) {
				return
			}
		}
	}
}

// Merge returns f with patch laid over it: a field of patch replaces the one of
// f, a null removes it. So the fields of a new user are Fields{}.Merge(patch).
func (f Fields) Merge(patch Fields) Fields {
	switch {
	case patch.IsZero():
		return f
	case f.IsZero() && !strings.Contains(patch.text, ":null"):
		return patch // nothing in it removes a field
	}
	dst := make([]byte, 0, len(f.text)+len(patch.text))
	return fieldsText(canon.Merge(dst, []byte(f.text), []byte(patch.text)))
}

// diff returns the fields of patch that would change f.
func (f Fields) diff(patch Fields) Fields {
	if patch.IsZero() {
		return patch
	}
	return fieldsText(canon.Diff(nil, []byte(f.text), []byte(patch.text)))
}

// missing returns the fields of patch that f lacks.
func (f Fields) missing(patch Fields) Fields {
	if patch.IsZero() {
		return patch
	}
	return fieldsText(canon.Missing(nil, []byte(f.text), []byte(patch.text)))
}

// changes returns the patch that makes g of f.
func (f Fields) changes(g Fields) Fields {
	if f == g {
		return Fields{}
	}
	return fieldsText(canon.Changes(nil, []byte(f.text), []byte(g.text)))
}

// size is how many bytes DynamoDB counts for the fields.
func (f Fields) size() int {
	return canon.Size(f.String())
}

// MarshalJSON returns the canonical text.
func (f Fields) MarshalJSON() ([]byte, error) { return []byte(f.String()), nil }

// UnmarshalJSON is [ParseFields].
func (f *Fields) UnmarshalJSON(text []byte) error {
	parsed, err := ParseFields(text)
	if err != nil {
		return err
	}
	*f = parsed
	return nil
}

// problemText says for people what a problem of a value is.
func problemText(kind canon.Kind) string {
	switch kind {
	case canon.DuplicateName:
		return "stands twice in one object"
	case canon.TooDeep:
		return fmt.Sprintf("nests deeper than %d levels", MaxFieldDepth)
	case canon.NameLength:
		return fmt.Sprintf("its name must have 1 to %d characters", MaxFieldName)
	case canon.NullCharacter:
		return "has the character U+0000"
	case canon.NumberRange:
		return "a number has more than 38 digits or is outside 1e-130 to 9.99e125"
	default:
		return "is not allowed"
	}
}

// clip shortens a name from a request for a message.
func clip(s string) string { return canon.Clip(s, 64) }
