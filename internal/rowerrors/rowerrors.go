// Package rowerrors bounds how many errors the rows of a request list, so that a
// hostile request does not answer with many times its own size.
package rowerrors

import "fmt"

// The first rows of a request list up to inFull errors each, the others up to
// inShort. It depends on the row's index alone, so a row that is validated again
// has the same errors.
const (
	firstRows = 100
	inFull    = 100
	inShort   = 10
)

// Most is how many errors the row of that index lists.
func Most(index int) int {
	if index < firstRows {
		return inFull
	}
	return inShort
}

// Omitted is what the message of the last error says of n more that are left out.
func Omitted(n int) string {
	if n == 1 {
		return "; and 1 more error of this row"
	}
	return fmt.Sprintf("; and %d more errors of this row", n)
}
