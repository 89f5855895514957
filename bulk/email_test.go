package bulk_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"

	"github.com/bulkops/bulkops/bulk"
)

// ecmaSpaces are the code points that \s of ECMAScript matches: WhiteSpace
// (ECMA-262, 12.2), with all of Unicode's category Zs, and LineTerminator (12.3).
var ecmaSpaces = []rune{
	'\t', '\n', '\v', '\f', '\r', ' ', 0xa0, 0x1680, 0x2000, 0x2001, 0x2002, 0x2003, 0x2004, 0x2005,
	0x2006, 0x2007, 0x2008, 0x2009, 0x200a, 0x2028, 0x2029, 0x202f, 0x205f, 0x3000, 0xfeff,
}

// emailRule is the rule of the contract, with \s written out.
var emailRule = func() *regexp.Regexp {
	var class strings.Builder
	for _, r := range ecmaSpaces {
		fmt.Fprintf(&class, `\x{%x}`, r)
	}
	not := "[^" + class.String() + "@]+"
	return regexp.MustCompile("^" + not + "@" + not + `\.` + not + "$")
}()

func validEmail(s string) bool {
	return !strings.ContainsFunc(s, isControl) && utf8.ValidString(s) && utf8.RuneCountInString(s) <= bulk.MaxEmail && emailRule.MatchString(s)
}

// isControl reports whether r is of Unicode's category Cc, whose list is closed.
func isControl(r rune) bool { return r < 0x20 || 0x7f <= r && r < 0xa0 }

func TestValidEmail(t *testing.T) {
	for _, good := range []string{
		"a@b.c", "ana@example.com", "a+b.c@x.y.z", "ü@ö.ä", "a@b..c", "a@.b.c", "a@..c", "a@b.c.", "...@a.b",
		"日本@例え.テスト", "a\u00adb@c.d", "a@b.\u200b", "a\u180e@b.c", // neither of these is white space any more
	} {
		assert.True(t, bulk.ValidEmail(good), "%q", good)
	}
	for _, bad := range []string{
		"", "@", ".", "a", "a@", "@b.c", "a@b", "a@b.", "a@.b", "a@.", "a@b@c.d", "a@@b.c", "a@b.c@", "a.b@c",
		"a@..", "\xff@b.c", "a@b.\xff", " a@b.c", "a@b.c\n", "a\x00b@c.d", "a\x7f@b.c", "a@b.c\u0085",
	} {
		assert.False(t, bulk.ValidEmail(bad), "%q", bad)
	}
}

// TestValidEmailOfDotsAndAts compares all short texts of the characters that the
// rule is about.
func TestValidEmailOfDotsAndAts(t *testing.T) {
	texts := []string{""}
	for range 7 {
		var longer []string
		for _, text := range texts {
			for _, c := range []string{"a", "é", ".", "@"} {
				if got, want := bulk.ValidEmail(text+c), validEmail(text+c); got != want {
					t.Fatalf("ValidEmail(%q) = %t", text+c, got)
				}
				longer = append(longer, text+c)
			}
		}
		texts = longer
	}
}

func TestValidEmailRefusesWhiteSpaceAndControls(t *testing.T) {
	spaces := map[rune]bool{}
	for _, r := range ecmaSpaces {
		spaces[r] = true
	}
	for r := rune(0); r <= 0x10ffff; r++ {
		if r == '@' || !utf8.ValidRune(r) {
			continue
		}
		if got, want := bulk.ValidEmail("a"+string(r)+"@b.c"), !spaces[r] && !isControl(r); got != want {
			t.Errorf("U+%04X: ValidEmail = %t", r, got)
		}
	}
	for _, r := range ecmaSpaces {
		for _, text := range []string{"%ca@b.c", "a@%cb.c", "a@b%c.c", "a@b.%cc", "a@b.c%c"} {
			text = fmt.Sprintf(text, r)
			assert.False(t, bulk.ValidEmail(text), "%q", text)
		}
	}
}

// The two ends of an id are looked at for all of white space, and its inside is not.
func TestUserIDsHaveNoWhiteSpaceAtTheirEnds(t *testing.T) {
	for r := rune(0); r <= 0x10ffff; r++ {
		if !utf8.ValidRune(r) {
			continue
		}
		space := slices.Contains(ecmaSpaces, r)
		for id, want := range map[string]bool{
			string(r): !space, string(r) + "a": !space, "a" + string(r): !space, "a" + string(r) + "a": true,
		} {
			want = want && !isControl(r)
			if got := bulk.ValidUserID(id); got != want {
				t.Errorf("ValidUserID(%q) = %t", id, got)
			}
		}
	}
}

func TestValidEmailLength(t *testing.T) {
	for _, c := range []string{"a", "é", "😀"} { // code points count, not bytes
		rest := "@b.c"
		assert.True(t, bulk.ValidEmail(strings.Repeat(c, bulk.MaxEmail-len(rest))+rest), "320 of %s", c)
		assert.False(t, bulk.ValidEmail(strings.Repeat(c, bulk.MaxEmail-len(rest)+1)+rest), "321 of %s", c)
	}
}

func FuzzValidEmail(f *testing.F) {
	for _, seed := range []string{"a@b.c", "a@b", "é@.x.", "a\u2028@b.c", strings.Repeat("a", 316) + "@b.c", "\xff@b.c"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got, want := bulk.ValidEmail(s), validEmail(s); got != want {
			t.Fatalf("ValidEmail(%q) = %t, the rule says %t", s, got, want)
		}
	})
}

func TestEmailKey(t *testing.T) {
	for _, test := range []struct{ email, want string }{
		{"", ""},
		{"ana@example.com", "ana@example.com"},
		{"Ana@EXAMPLE.Com", "ana@example.com"},
		{"AZaz09[]@x.y", "azaz09[]@x.y"},
		{"\u212a@x.y", "\u212a@x.y"}, // the Kelvin sign is not a k
		{"\u0130@x.y", "\u0130@x.y"}, // nor is a dotted I an i
		{"É@x.y", "É@x.y"},
	} {
		assert.Equal(t, test.want, bulk.EmailKey(test.email))
		assert.Equal(t, test.want, bulk.EmailKey(bulk.EmailKey(test.email)), "a key is its own key")
	}
}
