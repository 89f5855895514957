package rowio

import (
	"io"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/rowtext"
)

// NDJSON reads rows of the media type application/x-ndjson: one JSON value a
// line. Lines end with LF or CRLF, the last one may lack it, and blank ones are
// passed over. A line that is not one JSON value is INVALID_JSON for the whole
// text: what was sent is broken or cut off, and no row of it should be written.
type NDJSON struct {
	text   io.Reader // until it is begun
	lines  lines
	values values
	inLine bool
	err    error
}

// NewNDJSON returns a reader of the text.
func NewNDJSON(text io.Reader) *NDJSON {
	return &NDJSON{text: text}
}

// Next returns the next row; see [bulk.RowReader].
func (r *NDJSON) Next() (bulk.Row, error) {
	if r.err != nil {
		return bulk.Row{}, r.err
	}
	row, err := r.next()
	r.err = err
	return row, err
}

func (r *NDJSON) next() (bulk.Row, error) {
	if r.text != nil {
		text, skipped, err := rowtext.Begin(r.text)
		if err != nil {
			return bulk.Row{}, textFault(err, bulk.CodeInvalidJSON)
		}
		r.text, r.lines = nil, newLines(text, int64(skipped))
	}
	// What follows a value in its line is looked at only now: reading on makes
	// the text of the value invalid.
	if r.inLine {
		if err := r.finish(); err != nil {
			return bulk.Row{}, err
		}
	}
	for {
		if !r.lines.next() {
			return bulk.Row{}, io.EOF
		}
		r.values.reset(&r.lines, r.lines.start)
		if r.values.peek() != 0 {
			break
		}
		if _, err := r.values.token(); err != io.EOF {
			return bulk.Row{}, r.broken(err)
		}
		// A blank line.
	}
	r.inLine = true
	text, long, deep, err := r.values.value()
	if err != nil {
		return bulk.Row{}, r.broken(err)
	}
	if deep {
		return bulk.Row{}, tooDeep(onLine(r.lines.number), "")
	}
	if long {
		return bulk.Row{Line: r.lines.number, Errors: []bulk.RowError{tooLong()}}, nil
	}
	return bulk.Row{Line: r.lines.number, JSON: text}, nil
}

// finish checks that nothing follows the value of a line.
func (r *NDJSON) finish() error {
	r.inLine = false
	_, err := r.values.token()
	switch {
	case err == nil:
		return onLine(r.lines.number).invalidJSON(": another value follows the first at byte %d", r.values.offset()-1)
	case err != io.EOF:
		return r.broken(err)
	default:
		return nil
	}
}

func (r *NDJSON) broken(err error) error {
	return r.values.fault(err, onLine(r.lines.number))
}
