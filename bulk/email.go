package bulk

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// validEmail reports whether s matches ^[^\s@]+@[^\s@]+\.[^\s@]+$ with the \s of
// ECMAScript, and has at most [MaxEmail] code points, none of them a control character
// (Unicode's category Cc). The rule is loose on
// purpose: only the mail server of the domain knows which addresses exist.
//
// It is written out because Go's \s is ASCII only, and a regular expression
// takes ten times as long.
func validEmail(s string) bool {
	at := strings.IndexByte(s, '@')
	if at < 1 {
		return false
	}
	domain := s[at+1:]
	if strings.IndexByte(domain, '@') >= 0 {
		return false
	}
	// A dot with something before and behind it, in the domain.
	if len(domain) < 3 || strings.IndexByte(domain[1:len(domain)-1], '.') < 0 {
		return false
	}
	if graphic(s) {
		return len(s) <= MaxEmail
	}
	length := 0
	for _, r := range s {
		if ecmaSpace(r) || unicode.IsControl(r) {
			return false
		}
		length++
	}
	return length <= MaxEmail && utf8.ValidString(s)
}

// ecmaSpace reports whether ECMAScript's \s matches r: WhiteSpace and
// LineTerminator of ECMA-262, 12.2 and 12.3.
func ecmaSpace(r rune) bool {
	switch {
	case r <= ' ':
		return r == ' ' || '\t' <= r && r <= '\r'
	case r < 0xa0:
		return false
	case 0x2000 <= r && r <= 0x200a:
		return true
	}
	switch r {
	case 0xa0, 0x1680, 0x2028, 0x2029, 0x202f, 0x205f, 0x3000, 0xfeff:
		return true
	}
	return false
}
