package bulk

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// validUserID reports whether s has 1 to [MaxUserID] code points, none of them a
// control character (Unicode's category Cc), and no white space of ECMAScript at
// either end, which databases and people lose.
func validUserID(s string) bool {
	if graphic(s) {
		return s != "" && len(s) <= MaxUserID
	}
	first, _ := utf8.DecodeRuneInString(s)
	last, _ := utf8.DecodeLastRuneInString(s)
	if s == "" || ecmaSpace(first) || ecmaSpace(last) {
		return false
	}
	return utf8.RuneCountInString(s) <= MaxUserID && !hasControl(s)
}

func hasControl(s string) bool { return strings.ContainsFunc(s, unicode.IsControl) }

// graphic reports whether a text is ASCII without white space and control characters,
// as nearly all ids and emails are: of such a text, nothing but the length is left to
// be checked.
func graphic(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
