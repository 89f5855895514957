package rowio

import (
	"bytes"
	"errors"
	"io"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/bulkops/bulkops/internal/canon"
)

// errLong is the error of a source whose allowance is used up.
var errLong = errors.New("value is too long")

// A source is a stream with an allowance, so that no single value makes its
// decoder buffer without bound.
type source struct {
	r    io.Reader
	left int // bytes that may still be read
}

func (s *source) Read(p []byte) (int, error) {
	if s.left <= 0 {
		return 0, errLong
	}
	if len(p) > s.left {
		p = p[:s.left]
	}
	n, err := s.r.Read(p)
	s.left -= n
	return n, err
}

// values reads JSON values one after the other and bounds their length and depth.
type values struct {
	src source
	dec jsontext.Decoder
}

func (v *values) reset(r io.Reader) {
	v.src.r = r
	// Package bulk reports names that stand twice, as errors of their rows.
	v.dec.Reset(&v.src, jsontext.AllowDuplicateNames(true))
}

// peek returns the kind of the next token, or an invalid kind if there is none:
// then the next read has the error.
func (v *values) peek() jsontext.Kind {
	v.src.left = lookahead
	return v.dec.PeekKind()
}

// token reads the next token.
func (v *values) token() (jsontext.Token, error) {
	v.src.left = lookahead
	return v.dec.ReadToken()
}

// value reads the next value, which peek has seen and which is valid until the
// next read. A value longer
// than MaxRow is passed over: long is true and text is nil. deep reports whether
// the whole text nests deeper than MaxDepth there.
func (v *values) value() (text jsontext.Value, long, deep bool, err error) {
	// Reading ahead, or white space in front, may use a part of the allowance.
	v.src.left = lookahead
	text, err = v.dec.ReadValue()
	switch {
	case errors.Is(err, errLong):
		deep, err = v.skip()
		return nil, true, deep, err
	case err != nil:
		return nil, false, false, err
	}
	deep = deeper(text, MaxDepth-v.dec.StackDepth())
	if len(text) > MaxRow {
		return nil, true, deep, nil
	}
	return text, false, deep, nil
}

// skip passes over the next value without holding it.
func (v *values) skip() (deep bool, err error) {
	depth := v.dec.StackDepth()
	for {
		if _, err := v.token(); err != nil {
			return deep, err
		}
		switch d := v.dec.StackDepth(); {
		case d > MaxDepth:
			deep = true
		case d <= depth:
			return deep, nil
		}
	}
}

// deeper reports whether containers nest deeper than most levels in a value.
func deeper(text []byte, most int) bool {
	// Counting is many times as fast as walking, and settles all but the oddest
	// values.
	if bytes.Count(text, []byte{'{'})+bytes.Count(text, []byte{'['}) <= most {
		return false
	}
	return canon.Depth(text) > most
}

// kindName names the kind of a value for people.
func kindName(kind jsontext.Kind) string {
	switch kind {
	case 'n':
		return "null"
	case 't', 'f':
		return "a boolean"
	case '"':
		return "a string"
	case '0':
		return "a number"
	case '[':
		return "an array"
	default:
		return "an object"
	}
}
