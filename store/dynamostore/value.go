package dynamostore

import (
	"bytes"
	"encoding/base64"
	"slices"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/canon"
)

// mapOf returns fields as the map that is stored for them.
func mapOf(fields bulk.Fields) map[string]types.AttributeValue {
	values := make(map[string]types.AttributeValue)
	for name, value := range fields.All() {
		values[name] = valueOf(value)
	}
	return values
}

// valueOf returns what is stored for a value in canonical JSON text. Numbers go as
// their text, so that they stay exact.
func valueOf(text []byte) types.AttributeValue {
	r := valueReader{text: text}
	return r.value()
}

// A valueReader reads canonical JSON, which has no white space and no errors.
type valueReader struct {
	text []byte
	pos  int
}

func (r *valueReader) value() types.AttributeValue {
	switch r.text[r.pos] {
	case '"':
		return &types.AttributeValueMemberS{Value: r.string()}
	case '{':
		members := make(map[string]types.AttributeValue)
		for r.more('}') {
			name := r.string()
			r.pos++ // the colon
			members[name] = r.value()
		}
		return &types.AttributeValueMemberM{Value: members}
	case '[':
		elements := []types.AttributeValue{}
		for r.more(']') {
			elements = append(elements, r.value())
		}
		return &types.AttributeValueMemberL{Value: elements}
	case 't':
		r.pos += len("true")
		return &types.AttributeValueMemberBOOL{Value: true}
	case 'f':
		r.pos += len("false")
		return &types.AttributeValueMemberBOOL{Value: false}
	case 'n':
		r.pos += len("null")
		return &types.AttributeValueMemberNULL{Value: true}
	default:
		start := r.pos
		for r.pos < len(r.text) && r.text[r.pos] != ',' && r.text[r.pos] != '}' && r.text[r.pos] != ']' {
			r.pos++
		}
		return &types.AttributeValueMemberN{Value: string(r.text[start:r.pos])}
	}
}

// more steps past the opening bracket or the comma to the next element, or past
// the closing bracket.
func (r *valueReader) more(closing byte) bool {
	if r.text[r.pos] == closing {
		r.pos++
		return false
	}
	r.pos++
	if r.text[r.pos] == closing { // an empty one
		r.pos++
		return false
	}
	return true
}

func (r *valueReader) string() string {
	start := r.pos
	for r.pos++; r.text[r.pos] != '"'; r.pos++ {
		if r.text[r.pos] == '\\' {
			r.pos++
		}
	}
	r.pos++
	return canon.Unquote(r.text[start:r.pos])
}

// fieldsOf returns the fields that a stored attribute means. Other programs may
// have stored what JSON or [bulk.Fields] do not have, which must not hide the user:
//
//   - a set is an array, in order; binary is base64;
//   - what nests too deep is null;
//   - a name that is too long or empty is left out, and so is a field that is null;
//   - an attribute that is not a map has no fields.
//
// It is only for reading: fields are written one by one, and what nobody names
// stays as it is.
func fieldsOf(value types.AttributeValue) (bulk.Fields, error) {
	m, ok := value.(*types.AttributeValueMemberM)
	if !ok || len(m.Value) == 0 {
		return bulk.Fields{}, nil
	}
	fields := make(map[string]types.AttributeValue, len(m.Value))
	for name, value := range m.Value {
		if _, null := value.(*types.AttributeValueMemberNULL); !null {
			fields[name] = value
		}
	}
	return bulk.ParseFields(appendMap(nil, fields, 1))
}

// appendMap appends a map as JSON. It stands at that depth, from 1.
func appendMap(dst []byte, members map[string]types.AttributeValue, depth int) []byte {
	dst = append(dst, '{')
	first := true
	for name, value := range members {
		if n := utf8.RuneCountInString(name); n < 1 || n > bulk.MaxFieldName {
			continue
		}
		dst = comma(dst, &first)
		dst = appendString(dst, name)
		dst = append(dst, ':')
		dst = appendValue(dst, value, depth)
	}
	return append(dst, '}')
}

// appendValue appends a value that stands in a container of that depth.
func appendValue(dst []byte, value types.AttributeValue, depth int) []byte {
	switch v := value.(type) {
	case *types.AttributeValueMemberS:
		return appendString(dst, v.Value)
	case *types.AttributeValueMemberN:
		return append(dst, v.Value...)
	case *types.AttributeValueMemberBOOL:
		if v.Value {
			return append(dst, "true"...)
		}
		return append(dst, "false"...)
	case *types.AttributeValueMemberB:
		return appendBinary(dst, v.Value)
	}
	if depth == bulk.MaxFieldDepth {
		return append(dst, "null"...)
	}
	switch v := value.(type) {
	case *types.AttributeValueMemberM:
		return appendMap(dst, v.Value, depth+1)
	case *types.AttributeValueMemberL:
		return appendArray(dst, v.Value, func(dst []byte, element types.AttributeValue) []byte {
			return appendValue(dst, element, depth+1)
		})
	case *types.AttributeValueMemberSS:
		return appendArray(dst, slices.Sorted(slices.Values(v.Value)), appendString)
	case *types.AttributeValueMemberNS:
		// Sorted as text, for the same text each time; a set has no order.
		return appendArray(dst, slices.Sorted(slices.Values(v.Value)), func(dst []byte, number string) []byte {
			return append(dst, number...)
		})
	case *types.AttributeValueMemberBS:
		return appendArray(dst, slices.SortedFunc(slices.Values(v.Value), bytes.Compare), appendBinary)
	default: // NULL, or a type that this SDK does not know
		return append(dst, "null"...)
	}
}

func appendArray[T any](dst []byte, elements []T, appendElement func([]byte, T) []byte) []byte {
	dst = append(dst, '[')
	first := true
	for _, element := range elements {
		dst = comma(dst, &first)
		dst = appendElement(dst, element)
	}
	return append(dst, ']')
}

func comma(dst []byte, first *bool) []byte {
	if *first {
		*first = false
		return dst
	}
	return append(dst, ',')
}

func appendString(dst []byte, s string) []byte {
	// The error says that invalid UTF-8 was replaced, which is as well as can be.
	dst, _ = jsontext.AppendQuote(dst, s)
	return dst
}

func appendBinary(dst, value []byte) []byte {
	dst = append(dst, '"')
	dst = base64.StdEncoding.AppendEncode(dst, value)
	return append(dst, '"')
}
