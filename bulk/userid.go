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
	first, _ := utf8.DecodeRuneInString(s)
	last, _ := utf8.DecodeLastRuneInString(s)
	if s == "" || ecmaSpace(first) || ecmaSpace(last) {
		return false
	}
	return utf8.RuneCountInString(s) <= MaxUserID && !hasControl(s)
}

func hasControl(s string) bool { return strings.ContainsFunc(s, unicode.IsControl) }
