package client

import (
	"bufio"
	"encoding/binary"
	"io"

	"github.com/bulkops/bulkops/internal/rowtext"
)

// A decoder makes UTF-8 of UTF-16 that begins with a byte order mark, as
// spreadsheets save "Unicode text". Other text it leaves as it is.
type decoder struct {
	in  io.Reader
	out io.Reader // nil before the first read
}

func (d *decoder) Read(p []byte) (int, error) {
	if d.out == nil {
		in := bufio.NewReader(d.in)
		mark, _ := in.Peek(4) // an error comes again
		d.out = in
		if order := orderOf(mark); order != nil {
			_, _ = in.Discard(2) // it is there
			d.out = newUTF16Reader(in, order)
		}
	}
	return d.out.Read(p)
}

// orderOf returns the byte order of UTF-16 that begins so, nil for other text.
func orderOf(head []byte) binary.ByteOrder {
	switch {
	case len(head) < 2 || len(head) == 4 && head[2] == 0 && head[3] == 0: // UTF-32
		return nil
	case head[0] == 0xff && head[1] == 0xfe:
		return binary.LittleEndian
	case head[0] == 0xfe && head[1] == 0xff:
		return binary.BigEndian
	}
	return nil
}

// A text is a text without the byte order mark that it may begin with, in UTF-8.
type text struct {
	in      io.Reader
	begun   bool
	skipped int // bytes of the byte order mark
}

func newText(r io.Reader) *text { return &text{in: &decoder{in: r}} }

func (t *text) Read(p []byte) (int, error) {
	if !t.begun {
		in, skipped, err := rowtext.Begin(t.in)
		if err != nil {
			return 0, err
		}
		t.in, t.skipped, t.begun = in, skipped, true
	}
	return t.in.Read(p)
}
