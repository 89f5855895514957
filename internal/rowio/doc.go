// Package rowio reads the rows of a request from the formats that they are sent
// in (JSON, NDJSON, CSV) and writes rows as a CSV table that can be mended and
// sent again.
//
// The readers are [bulk.RowReader]s. They check the grammar of their format and
// nothing else: what a row means is for package bulk, so that every format has
// the same rules. They read as they are asked for rows and hold one row at a
// time, however long the text is.
//
// A reader refuses a text with a [*bulk.RequestError]. An error of the stream
// that it reads from comes back as it is, in the chain of the one returned,
// except io.ErrUnexpectedEOF, which is a text that was cut off.
package rowio

import "errors"

// MaxRow is the most text in bytes that a row may have. A user that fits into
// the item limit needs no more, even with every byte written as a six-byte
// escape. It bounds what a reader holds.
const MaxRow = 4 << 20

// lookahead is how much of a JSON text is read for one step at most. A row that is
// passed over may hold twice as much, the part that was read before it turned out to
// be too long included; what is longer still is not held.
const lookahead = 2 * MaxRow

// MaxDepth is how deep objects and arrays may nest in a JSON text, the outermost
// one counted.
const MaxDepth = 64

// ErrTooLong is for a JSON text with a run of white space, or outside of its rows a
// string or number, that is longer than any user can need.
var ErrTooLong = errors.New("a single value of the body is too long")
