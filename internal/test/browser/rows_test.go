package browser

import (
	"fmt"
	"strings"
)

// csvOf is a file of n users, u-0 to u-(n-1), each with an address of its own.
func csvOf(n int) string {
	var b strings.Builder
	b.WriteString("userId,email,team\n")
	for i := range n {
		fmt.Fprintf(&b, "u-%d,user%d@example.com,team %d\n", i, i, i%7)
	}
	return b.String()
}
