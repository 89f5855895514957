package client

import (
	"encoding/json"
	"errors"
	"io"
	"unicode/utf8"

	"github.com/bulkops/bulkops/bulk"
)

// NDJSON is a source of the users of a text with a JSON object a line, in UTF-8, or
// in UTF-16 with a byte order mark. Blank lines
// are passed over. A line that is not one JSON value ends the import with a
// [*SourceError], as the service would refuse a request that has it.
//
// The reader is read while the import goes on, and not closed.
func NDJSON(r io.Reader) Source {
	return Source{ndjsonFormat, func() rows { return &ndjsonRows{lines: newLines(newText(r))} }}
}

type ndjsonRows struct {
	lines lines
	text  []byte
}

func (r *ndjsonRows) next() (row, error) {
	for gap := 0; ; gap++ {
		var err error
		if r.text, err = r.lines.appendLine(r.text[:0]); err != nil {
			return row{}, err
		}
		switch {
		case isSpace(r.text):
		case !utf8.Valid(r.text):
			return row{}, errUTF8
		case !json.Valid(r.text):
			return row{}, errors.New("the line is not one JSON value")
		default:
			return row{text: r.text, line: r.lines.n, gap: gap}, nil
		}
	}
}

func (r *ndjsonRows) header() []byte                 { return nil }
func (r *ndjsonRows) line() int                      { return max(1, r.lines.n) }
func (r *ndjsonRows) options() (*bulk.Options, bool) { return nil, true }
func (r *ndjsonRows) close()                         {}
