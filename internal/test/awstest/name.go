package awstest

import (
	"crypto/rand"
	"strings"
	"testing"
)

// maxTestName bounds the part of a [Name] that comes from the test, so that the
// whole stays below the 63 characters of a bucket's name with room for a suffix.
const maxTestName = 32

// Name returns a name that no other call returns, also not one in another
// process. It is fit for a table and for a bucket: "t-", the end of the test's
// name in lower-case letters, digits and hyphens, and 16 random characters, at
// most 51 characters together.
func Name(tb testing.TB) string {
	test := strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', '0' <= r && r <= '9':
			return r
		case 'A' <= r && r <= 'Z':
			return r + 'a' - 'A'
		}
		return '-'
	}, tb.Name())
	test = test[max(0, len(test)-maxTestName):]
	return "t-" + strings.Trim(test, "-") + "-" + strings.ToLower(rand.Text()[:16])
}
