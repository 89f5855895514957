package client

import (
	"bufio"
	"io"

	"golang.org/x/text/encoding/unicode"

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
		isUTF32 := len(mark) == 4 && mark[2] == 0 && mark[3] == 0
		if len(mark) >= 2 && (string(mark[:2]) == "\xff\xfe" || string(mark[:2]) == "\xfe\xff") && !isUTF32 {
			d.out = unicode.UTF16(unicode.LittleEndian, unicode.ExpectBOM).NewDecoder().Reader(in)
		}
	}
	return d.out.Read(p)
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
