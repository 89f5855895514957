// Package canon gives JSON objects one canonical text, so that two values are
// equal exactly when their texts are, and merging two objects is a merge of two
// sorted lists.
//
// Canonical text is compact; the members of every object stand in the byte
// order of their quoted names, each name once; strings have only the escapes
// that JSON requires; numbers are exact and written in one way, whatever the
// sender wrote (1, 1.0 and 10e-1 are all 1). It is what a store that knows
// numbers only by value (DynamoDB) can give back unchanged.
//
// Everything here takes text that a JSON parser has already accepted; nothing
// here checks grammar or UTF-8 again.
package canon

import (
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// Scanner steps through the members of one JSON object without parsing their
// values.
type Scanner struct {
	text []byte
	pos  int
}

// Scan returns a scanner of the JSON object text. The text need not be compact.
func Scan(object []byte) Scanner {
	return Scanner{text: object, pos: skipSpace(object, 0) + 1}
}

// Next returns the quoted name and the value of the next member, both slices of
// the object's text, or ok == false after the last one.
func (s *Scanner) Next() (name, value []byte, ok bool) {
	name, ok = s.Name()
	if !ok {
		return nil, nil, false
	}
	return name, s.Value(), true
}

// Name returns the quoted name of the next member, or ok == false after the last one.
// Its value has to be read before the next name: by Value, or by Canonical.
func (s *Scanner) Name() (name []byte, ok bool) {
	i := skipSpace(s.text, s.pos)
	if i < len(s.text) && s.text[i] == ',' {
		i = skipSpace(s.text, i+1)
	}
	if i >= len(s.text) || s.text[i] != '"' {
		return nil, false
	}
	end, _ := stringEnd(s.text, i)
	s.pos = skipSpace(s.text, skipSpace(s.text, end)+1) // past the colon
	return s.text[i:end], true
}

// Value returns the value of the member whose name was read.
func (s *Scanner) Value() []byte {
	start := s.pos
	s.pos = valueEnd(s.text, start)
	return s.text[start:s.pos]
}

// Kind returns what the value of the member begins with whose name was read.
func (s *Scanner) Kind() jsontext.Kind { return jsontext.Value(s.text[s.pos:]).Kind() }

// Canonical appends the canonical form of the value of the member whose name was read,
// with the problems of [Value]. Where there are any, what is appended is of no use. nulls
// reports whether a member of the value itself is null.
func (s *Scanner) Canonical(dst []byte, limits Limits) (canonical []byte, nulls bool, problems []Problem, more int) {
	w := walkers.Get().(*walker)
	defer w.release()
	w.walk(slices.Grow(dst, len(s.text)-s.pos), s.text, s.pos, limits)
	s.pos = w.pos
	return w.dst, w.nulls, w.problems, w.more
}

// text is JSON text as it is kept or as it is read.
type text interface{ string | []byte }

func skipSpace(text []byte, i int) int {
	for i < len(text) {
		switch text[i] {
		case ' ', '\t', '\n', '\r':
			i++
		default:
			return i
		}
	}
	return i
}

// stringEnd returns the index behind the string that starts at i, and whether it is
// plain: without a backslash, so that it means what stands between its quotes.
func stringEnd[T text](text T, i int) (end int, plain bool) {
	plain = true
	for i++; i < len(text); i++ {
		switch text[i] {
		case '\\':
			plain = false
			i++
		case '"':
			return i + 1, plain
		}
	}
	return len(text), plain
}

// valueEnd returns the index behind the value that starts at i.
func valueEnd[T text](text T, i int) int {
	if i >= len(text) {
		return len(text)
	}
	switch text[i] {
	case '"':
		end, _ := stringEnd(text, i)
		return end
	case '{', '[':
		depth := 0
		for i < len(text) {
			switch text[i] {
			case '"':
				i, _ = stringEnd(text, i)
				continue
			case '{', '[':
				depth++
			case '}', ']':
				depth--
				if depth == 0 {
					return i + 1
				}
			}
			i++
		}
		return len(text)
	default:
		for i < len(text) {
			switch text[i] {
			case ',', ']', '}', ':', ' ', '\t', '\n', '\r':
				return i
			}
			i++
		}
		return len(text)
	}
}

// Depth returns how deep the containers of a value nest: 0 for a scalar, 1 for
// an object or array without containers in it.
func Depth(text []byte) int {
	depth, deepest := 0, 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			end, _ := stringEnd(text, i)
			i = end - 1
		case '{', '[':
			depth++
			deepest = max(deepest, depth)
		case '}', ']':
			depth--
		}
	}
	return deepest
}
