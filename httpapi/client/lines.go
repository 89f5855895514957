package client

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// MaxRecord is the most bytes that a line of NDJSON, a record of CSV or a user of
// JSON may have in a text that is imported. It bounds what is held of it. The
// service takes no row as large as that.
const MaxRecord = 16 << 20

var errLongRecord = fmt.Errorf("the row has more than %d bytes; a quote may not be closed", MaxRecord)

// lines reads a text line by line.
type lines struct {
	in *bufio.Reader
	n  int // lines read so far
}

func newLines(r io.Reader) lines { return lines{in: bufio.NewReaderSize(r, 64<<10)} }

// appendLine appends the next line with its end. The last line may lack one. It
// returns io.EOF if there is no line.
func (l *lines) appendLine(dst []byte) ([]byte, error) {
	start := len(dst)
	for {
		piece, err := l.in.ReadSlice('\n')
		if len(dst)+len(piece) > MaxRecord {
			return dst[:start], errLongRecord
		}
		dst = append(dst, piece...)
		switch {
		case err == bufio.ErrBufferFull:
			continue
		case err == io.EOF && len(dst) > start:
			err = nil
		case err != nil:
			return dst[:start], err
		}
		l.n++
		return dst, err
	}
}

// isSpace reports whether JSON takes the text for white space.
func isSpace(text []byte) bool {
	for _, c := range text {
		switch c {
		case ' ', '\t', '\r', '\n':
		default:
			return false
		}
	}
	return true
}

var errUTF8 = errors.New("the text is not valid UTF-8")
