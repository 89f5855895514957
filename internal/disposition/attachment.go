// Package disposition makes the Content-Disposition headers of downloads.
package disposition

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Attachment returns the value of a Content-Disposition header for a download with
// that file name, which may be any text. Source: RFC 6266, with its appendix D.
//
// mime.FormatMediaType has no plain name beside the encoded one, and escapes
// quotes with backslashes, which browsers do not agree on.
func Attachment(name string) string {
	name = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsControl(r), r == utf8.RuneError:
			return -1
		case r == '/', r == '\\':
			return '_' // a name, not a path
		}
		return r
	}, name)
	if name == "" {
		return "attachment"
	}
	plain := strings.Map(func(r rune) rune {
		if r > unicode.MaxASCII || r == '"' || r == '%' {
			return '_'
		}
		return r
	}, name)
	if plain == name {
		return fmt.Sprintf(`attachment; filename="%s"`, plain)
	}
	return fmt.Sprintf(`attachment; filename="%s"; filename*=UTF-8''%s`, plain, extendedValue(name))
}

// extendedValue encodes text as an ext-value without its charset. Source: RFC 8187,
// 3.2.1.
func extendedValue(text string) string {
	var b strings.Builder
	for _, c := range []byte(text) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9',
			strings.IndexByte("!#$&+-.^_`|~", c) >= 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
