package client

import (
	"encoding/binary"
	"errors"
	"io"
	"unicode/utf16"
	"unicode/utf8"
)

// A utf16Reader makes UTF-8 of UTF-16. What is no UTF-16, half a surrogate pair or
// an odd byte at the end, becomes U+FFFD, as it does in browsers and in Go.
type utf16Reader struct {
	in    io.Reader
	order binary.ByteOrder

	raw [4096]byte // raw[:held] is read and not yet decoded
	// held is at most three bytes between two reads: a surrogate and half a unit.
	held int
	out  []byte // decoded and not yet handed out; its array is used again
	buf  []byte
	err  error // of in, to be returned after out
}

// newUTF16Reader reads text that has no byte order mark any more.
func newUTF16Reader(in io.Reader, order binary.ByteOrder) *utf16Reader {
	return &utf16Reader{in: in, order: order}
}

func (r *utf16Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	// A stream may yield nothing now and then, or less than a character.
	for idle := 0; len(r.out) == 0; idle++ {
		if r.err != nil {
			return 0, r.err
		}
		if idle == maxIdle {
			return 0, io.ErrNoProgress
		}
		n, err := r.in.Read(r.raw[r.held:])
		r.held += n
		r.err = err
		r.decode(errors.Is(err, io.EOF))
	}
	n := copy(p, r.out)
	r.out = r.out[n:]
	return n, nil
}

// maxIdle is how many reads in a row may yield no character, as in package bufio.
const maxIdle = 100

// decode decodes what is held but for the beginning of a character, of which, at
// the end of the text, no more will come.
func (r *utf16Reader) decode(end bool) {
	held := r.raw[:r.held]
	out := r.buf[:0]
	for len(held) >= 2 {
		c, size := rune(r.order.Uint16(held)), 2
		if utf16.IsSurrogate(c) {
			if len(held) < 4 && !end {
				break // the other half of the pair may come
			}
			pair := utf8.RuneError
			if len(held) >= 4 {
				pair = utf16.DecodeRune(c, rune(r.order.Uint16(held[2:])))
			}
			if pair != utf8.RuneError {
				size = 4
			}
			c = pair
		}
		out = utf8.AppendRune(out, c)
		held = held[size:]
	}
	if end && len(held) > 0 {
		out = utf8.AppendRune(out, utf8.RuneError)
		held = nil
	}
	r.held = copy(r.raw[:], held)
	r.out, r.buf = out, out
}
