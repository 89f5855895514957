package rowio

import (
	"bufio"
	"bytes"
	"io"
)

// lines reads a text line by line: Read yields the bytes of one line, without its
// line feed, and then io.EOF until next is called.
type lines struct {
	in     *bufio.Reader
	number int   // of the line, from 1
	start  int64 // offset of the line in the text
	offset int64 // of what is read next
	ended  bool  // the line has been read
	err    error // of the stream, io.EOF included
}

// newLines returns the lines of a text that begins at that offset.
func newLines(text io.Reader, offset int64) lines {
	return lines{in: bufio.NewReaderSize(text, 16<<10), offset: offset, ended: true}
}

// skipBlank passes over blank lines that have been buffered as a whole, and over
// all empty ones: a text may have millions.
func (l *lines) skipBlank() {
	for l.err == nil {
		text, _ := l.in.Peek(l.in.Buffered())
		read, more := 0, true
		for i := 0; i < len(text) && more; i++ {
			switch text[i] {
			case '\n':
				read = i + 1
				l.number++
			case ' ', '\t', '\r':
			default:
				more = false
			}
		}
		_, _ = l.in.Discard(read) // it is in the buffer
		l.offset += int64(read)
		if !more || read < len(text) {
			return
		}
		_, l.err = l.in.Peek(1)
	}
}

// next goes on to the next line that is not known to be blank and reports whether
// there is one. It is called when the line before has been read. If the stream
// fails, the next line is one whose first Read has the error.
func (l *lines) next() bool {
	l.skipBlank()
	if l.err == io.EOF {
		return false
	}
	l.number++
	l.start = l.offset
	l.ended = false
	return true
}

func (l *lines) Read(p []byte) (int, error) {
	if l.ended {
		return 0, io.EOF
	}
	if l.err == nil {
		_, l.err = l.in.Peek(1)
	}
	if l.err != nil {
		return 0, l.err
	}
	part, _ := l.in.Peek(min(len(p), l.in.Buffered()))
	n := len(part)
	if i := bytes.IndexByte(part, '\n'); i >= 0 {
		n = i
		l.ended = true
	}
	copy(p, part[:n])
	read := n
	if l.ended {
		read++
	}
	_, _ = l.in.Discard(read) // it is in the buffer
	l.offset += int64(read)
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}
