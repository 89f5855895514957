package browser

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf16"
)

// file writes a file for the page to read and returns its path.
func file(tb testing.TB, name, content string) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}

// lines joins the lines of a file.
func lines(all ...string) string { return strings.Join(all, "\r\n") + "\r\n" }

// windows1252 encodes a text of Latin-1 and the euro sign.
func windows1252(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case r == '€':
			b.WriteByte(0x80)
		case r < 0x100:
			b.WriteByte(byte(r))
		default:
			panic("not in the table")
		}
	}
	return b.String()
}

// utf16Text encodes a text with its byte order mark.
func utf16Text(text string, order binary.AppendByteOrder) string {
	var b []byte
	for _, unit := range utf16.Encode([]rune("\ufeff" + text)) {
		b = order.AppendUint16(b, unit)
	}
	return string(b)
}

// downloaded waits for a download and returns its content. Names are patterns of
// [filepath.Match].
func (p *tab) downloaded(pattern string) string {
	p.Helper()
	for end := time.Now().Add(patience); ; {
		found, err := filepath.Glob(filepath.Join(p.downloads, pattern))
		if err != nil {
			p.Fatal(err)
		}
		if len(found) == 1 { // it has another name until it is whole
			content, err := os.ReadFile(found[0])
			if err != nil {
				p.Fatal(err)
			}
			return string(content)
		}
		if time.Now().After(end) {
			p.Fatalf("downloads like %s are %q; the page shows:\n%s", pattern, found, p.shown())
		}
		eval[any](p, `ms => new Promise(done => setTimeout(done, ms))`, pause.Milliseconds())
	}
}

// rewrite replaces the content of a file.
func rewrite(tb testing.TB, path, content string) {
	tb.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		tb.Fatal(err)
	}
}
