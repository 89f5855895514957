package rowio

import (
	"strings"
	"unicode/utf8"
)

// A spreadsheet may run a cell as a formula if it begins with one of these, as
// OWASP lists them for CSV injection; four of them exist in a wide form too.
const formulaStarts = "=+-@\t\r\n＝＋－＠"

// A cell that begins with any number of apostrophes and then one of
// formulaStarts gets one more apostrophe when it is written, and loses one when
// it is read. So every text comes back as it was, also one that truly begins
// with an apostrophe, and a cell that begins with an apostrophe and a letter is
// never touched.

// defuse returns the cell for a text so that no spreadsheet runs it.
func defuse(text string) string {
	if startsFormula(text) {
		return "'" + text
	}
	return text
}

// restore returns the text of a cell that may have been defused.
func restore(cell []byte) []byte {
	if len(cell) > 0 && cell[0] == '\'' && startsFormula(string(cell)) {
		return cell[1:]
	}
	return cell
}

func startsFormula(text string) bool {
	r, _ := utf8.DecodeRuneInString(strings.TrimLeft(text, "'"))
	return r != utf8.RuneError && strings.ContainsRune(formulaStarts, r)
}
