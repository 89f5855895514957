// Package rowtext reads what texts of rows have in common wherever they are read,
// by the service and by its client: how a text begins, and the records, the header
// and the cells of CSV.
//
// # The separator
//
// Cells are separated by one of , ; tab and |. A first line "sep=;" settles which.
// Otherwise the header row is read once with each of them, in that order, and the
// first with which every column has a valid name is taken. The bytes of the header
// are held for that and nothing else is: what a separator makes of the text behind
// the header plays no part.
//
// # Limits
//
// [Records] finds the end of a record of any length by a state machine over its
// bytes, so a record that is longer than its reader holds is passed over like any
// other, with memory for its first bytes. Of a record with too many cells only
// their number is kept. Both are for the caller to refuse, as one row.
//
// # Formulas
//
// A cell that a spreadsheet would run as a formula is written with an apostrophe in
// front, which is taken away when it is read: [Defuse] and [Restore].
//
// # Errors
//
// A text that breaks the grammar, or whose header is refused, is an [*Error] with
// the line. What is wrong with the header is said of a column by number and name,
// with the names that it could have.
package rowtext

import (
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/bulkops/bulkops/internal/canon"
)

// An Error is what is wrong with a text. It is not for errors of the stream.
type Error struct {
	Line    int // from 1, 0 for the text as a whole
	Message string
}

func (e *Error) Error() string {
	if e.Line == 0 {
		return e.Message
	}
	return fmt.Sprintf("line %d: %s", e.Line, e.Message)
}

// Quote shows a name from a text in a message.
func Quote[T ~string | ~[]byte](name T) string {
	const most = 64
	name = name[:min(len(name), utf8.UTFMax*(most+1))]
	return strconv.Quote(canon.Clip(string(name), most))
}
