package rowio

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"

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
	// base is the offset in the whole text of what the decoder reads.
	base int64
	// inside is the beginning of a text whose next value stands where those do that
	// are read by value.
	inside string
}

// reset begins with a text that stands at that offset of the whole.
func (v *values) reset(r io.Reader, base int64) {
	v.src.r, v.base = r, base
	// Package bulk reports names that stand twice, as errors of their rows.
	v.dec.Reset(&v.src, jsontext.AllowDuplicateNames(true))
}

// offset is the offset in the whole text behind what was read.
func (v *values) offset() int64 { return v.base + v.dec.InputOffset() }

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
// next read. A value longer than MaxRow is passed over: long is true and text is
// nil. deep reports whether the whole text nests deeper than MaxDepth there.
func (v *values) value() (text jsontext.Value, long, deep bool, err error) {
	// Reading ahead, or white space in front, may use a part of the allowance.
	v.src.left = lookahead
	depth := v.dec.StackDepth()
	text, err = v.dec.ReadValue()
	switch {
	case errors.Is(err, errLong):
		if deep, err = v.skip(); errors.Is(err, errLong) {
			deeper, err := v.skipText(depth)
			return nil, true, deep || deeper, err
		}
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

// skipText passes over the rest of a value that the decoder cannot read, because
// one of its strings or numbers is too long, and begins anew behind it. depth is
// that around the value. What is passed over is held to no more of the grammar than
// it takes to find its end.
func (v *values) skipText(depth int) (deep bool, err error) {
	text := bufio.NewReaderSize(io.MultiReader(bytes.NewReader(v.dec.UnreadBuffer()), v.src.r), 32<<10)
	begun, inString, level := false, false, v.dec.StackDepth()
	n := v.offset()
	for ended := false; !ended; n++ {
		if inString {
			n += skipPlain(text)
		}
		c, err := text.ReadByte()
		if err == io.EOF && begun && !inString && level == depth {
			break // behind a number
		}
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return deep, err
		}
		switch {
		case inString && c == '\\':
			n++
			_, _ = text.ReadByte() // an error comes again
		case inString:
			inString = c != '"'
			ended = !inString && level == depth
		case c == '"':
			inString = true
		case c == '{' || c == '[':
			level++
			deep = deep || level > MaxDepth
		case (c == '}' || c == ']') && level > depth:
			level--
			ended = level == depth
		case begun && level == depth: // what follows a number
			if strings.IndexByte(",]} \t\r\n", c) >= 0 {
				_ = text.UnreadByte() // it was just read
				n--
				ended = true
			}
		}
		begun = begun || strings.IndexByte(",: \t\r\n", c) < 0
	}
	v.reset(io.MultiReader(strings.NewReader(v.inside+"0"), text), n-int64(len(v.inside)+1))
	for v.offset() < n {
		if _, err := v.token(); err != nil {
			return deep, err
		}
	}
	return deep, nil
}

// skipPlain passes over what is buffered of a string up to a quote or backslash.
func skipPlain(text *bufio.Reader) int64 {
	part, _ := text.Peek(text.Buffered())
	n := bytes.IndexAny(part, `"\`)
	if n < 0 {
		n = len(part)
	}
	_, _ = text.Discard(n) // it is in the buffer
	return int64(n)
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
