package rowtext

import (
	"bytes"
	"fmt"
	"io"
	"unicode/utf8"
)

var byteOrderMark = []byte("\xef\xbb\xbf")

// maxIdle is how many times in a row a stream may yield nothing, as in package bufio.
const maxIdle = 100

// foreign are the beginnings of files that are taken for text.
var foreign = []struct{ magic, name string }{
	{"\xff\xfe\x00\x00", notUTF8Name("UTF-32")},
	{"\x00\x00\xfe\xff", notUTF8Name("UTF-32")},
	{"\xff\xfe", notUTF8Name("UTF-16")},
	{"\xfe\xff", notUTF8Name("UTF-16")},
	{"\x1f\x8b", "the text is compressed with gzip; decompress it, or send it with Content-Encoding: gzip"},
	{"PK\x03\x04", "the text is a spreadsheet file (xlsx, ods) or another zip archive; save it as CSV in UTF-8"},
	{"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "the text is a spreadsheet file (xls); save it as CSV in UTF-8"},
}

func notUTF8Name(encoding string) string {
	return fmt.Sprintf("the text is %s; save it as UTF-8", encoding)
}

// NotUTF8 says what a text is that has bytes which are no UTF-8.
const NotUTF8 = "not valid UTF-8; it may be Latin-1 or Windows-1252: save it as UTF-8"

// Begin returns the text without the byte order mark that it may begin with, and
// the length of that. A text that begins like one in another encoding, or like a
// file of another kind, is an [*Error] that names it. Errors of the stream are left
// to whoever reads on.
func Begin(text io.Reader) (rest io.Reader, skipped int, err error) {
	head := make([]byte, 8)
	n, idle := 0, 0
	for n < len(head) && err == nil {
		var m int
		m, err = text.Read(head[n:])
		n += m
		if m > 0 {
			idle = 0
		} else if idle++; idle == maxIdle && err == nil {
			err = io.ErrNoProgress
		}
	}
	head = head[:n]
	if err != nil {
		text = failedReader{err}
	}
	for _, f := range foreign {
		if bytes.HasPrefix(head, []byte(f.magic)) {
			return nil, 0, &Error{Message: f.name}
		}
	}
	if n >= 4 && (head[0] == 0) != (head[1] == 0) && (head[0] == 0) == (head[2] == 0) && (head[1] == 0) == (head[3] == 0) {
		return nil, 0, &Error{Message: notUTF8Name("UTF-16")}
	}
	if bytes.HasPrefix(head, byteOrderMark) {
		skipped = len(byteOrderMark)
	}
	return io.MultiReader(bytes.NewReader(head[skipped:]), text), skipped, nil
}

// failedReader is what follows the beginning of a stream that has ended there.
type failedReader struct{ err error }

func (r failedReader) Read([]byte) (int, error) { return 0, r.err }

// lineOfFault returns the line of the first byte that is no UTF-8, counted from
// that of the beginning.
func lineOfFault(text []byte, line int) int {
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		if r == utf8.RuneError && n == 1 {
			break
		}
		if r == '\n' {
			line++
		}
		text = text[n:]
	}
	return line
}
