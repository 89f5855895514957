package rowtext

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A spreadsheet may run a cell as a formula if it begins with one of these, as
// OWASP lists them for CSV injection; four of them exist in a wide form too.
const (
	formulaSigns  = "=+-@＝＋－＠"
	formulaBlanks = "\t\r\n"
)

// CellBreaks are what a program takes for the end of a cell that does not know that
// commas separate them: it takes no notice of quotes within a cell either. JSON
// has the first two in strings only.
const CellBreaks = ";|\t\r\n"

// A text that begins with any number of apostrophes and characters that are not
// seen, and then with a sign of a formula, gets one more apostrophe in front when
// it is written, and loses one when it is read. So every text comes back as it was,
// also one that truly begins with an apostrophe, and a cell that begins with an
// apostrophe and a letter is never touched. The same is done behind each of
// CellBreaks within the text, and undone where it is known to have been done.

// Defuse returns the cell for a text so that no spreadsheet runs it, or a part of
// it.
func Defuse(text string) string {
	var b strings.Builder
	starts := startsFormula
	for rest := []byte(text); len(rest) > 0; starts = startsSign {
		if starts(rest) {
			b.WriteByte('\'')
		}
		n := segment(rest)
		b.Write(rest[:n])
		rest = rest[n:]
	}
	return b.String()
}

// DefuseJSON is [Defuse] for JSON, which begins no formula itself.
func DefuseJSON(text []byte) string {
	var b strings.Builder
	for rest := text; len(rest) > 0; {
		n := segment(rest)
		part, c := rest[:n], rest[n-1]
		rest = rest[n:]
		if (c == ';' || c == '|') && startsSign(rest) {
			fmt.Fprintf(&b, `%s\u%04x`, part[:n-1], c)
		} else {
			b.Write(part)
		}
	}
	return b.String()
}

// Restore returns the text of a cell that may have been defused: at its beginning,
// or within it too. It uses the room of scratch, which may grow.
func Restore(cell []byte, within bool, scratch *[]byte) []byte {
	if bytes.IndexByte(cell, '\'') < 0 {
		return cell
	}
	if cell[0] == '\'' && startsFormula(cell) {
		cell = cell[1:]
	}
	if !within {
		return cell
	}
	text := slices.Grow((*scratch)[:0], len(cell))
	for rest := cell; ; {
		n := segment(rest)
		text = append(text, rest[:n]...)
		if rest = rest[n:]; len(rest) == 0 {
			*scratch = text
			return text
		}
		if rest[0] == '\'' && startsSign(rest) {
			rest = rest[1:]
		}
	}
}

// segment is how long a text is up to the first of CellBreaks, that included.
func segment(text []byte) int {
	if n := bytes.IndexAny(text, CellBreaks); n >= 0 {
		return n + 1
	}
	return len(text)
}

// startsFormula reports whether a text begins like a formula.
func startsFormula(text []byte) bool {
	text = bytes.TrimLeft(text, "'")
	if len(text) > 0 && strings.IndexByte(formulaBlanks, text[0]) >= 0 {
		return true
	}
	return isSign(bytes.TrimLeftFunc(text, func(r rune) bool { return r == '\'' || isUnseen(r) }))
}

// startsSign reports whether what stands before the first of CellBreaks begins like
// a formula.
func startsSign(text []byte) bool {
	return isSign(bytes.TrimLeftFunc(text, func(r rune) bool {
		return r == '\'' || isUnseen(r) && !strings.ContainsRune(CellBreaks, r)
	}))
}

func isSign(text []byte) bool {
	r, _ := utf8.DecodeRune(text)
	return r != utf8.RuneError && strings.ContainsRune(formulaSigns, r)
}

// isUnseen reports whether a character is not seen where it stands: white space, a
// control character, or one for formatting, as those without width.
func isUnseen(r rune) bool {
	return unicode.IsSpace(r) || unicode.IsControl(r) || unicode.Is(unicode.Cf, r)
}

// AppendCell appends the cell for a text, quoted if it must be, or if it has another
// of [Separators]. Spaces at the ends are quoted because some programs trim them else.
func AppendCell(dst []byte, text string) []byte {
	if !strings.ContainsAny(text, "\",;|\t\r\n") && strings.TrimSpace(text) == text {
		return append(dst, text...)
	}
	dst = append(dst, '"')
	dst = append(dst, strings.ReplaceAll(text, `"`, `""`)...)
	return append(dst, '"')
}
