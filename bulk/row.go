package bulk

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
)

// A Row is one row of a request as it was sent, not yet validated: what is wrong
// with it becomes its [RowResult] and never stops the other rows.
type Row struct {
	// JSON is the row as one JSON value of valid syntax and valid UTF-8. Any
	// value is allowed here; one that is not a user fails in its result.
	JSON []byte
	// Line is the line of the row in the text that it was sent in, from 1, or 0
	// where the format has no lines.
	Line int
	// Errors are what the reader of the row's format found wrong with it, beyond
	// what validation of JSON finds. A row that has any fails.
	Errors []RowError

	parent int // in a retry, the row's place in the job that it is of, from 1
}

// A RowReader yields the rows of a request one after the other.
type RowReader interface {
	// Next returns the next row, or io.EOF after the last. The row's JSON is
	// valid until the next call. Any other error refuses the whole request:
	// [*RequestError] says why to the caller of an API.
	Next() (Row, error)
}

// An OptionsReader is a [RowReader] that finds the options of its request beside the
// rows, maybe behind them.
type OptionsReader interface {
	RowReader
	// Options returns the options. They are complete once Next has returned io.EOF.
	Options() Options
}

// A RowReadCloser is a [RowReader] to be closed after use.
type RowReadCloser interface {
	RowReader
	io.Closer
}

// Users returns a reader of rows that name these users, for programs that have
// them as Go values. The slice is read as rows are asked for.
func Users(users ...User) RowReader { return &userReader{users: users} }

type userReader struct{ users []User }

func (r *userReader) Next() (Row, error) {
	if len(r.users) == 0 {
		return Row{}, io.EOF
	}
	text, err := json.Marshal(r.users[0])
	if err != nil {
		return Row{}, fmt.Errorf("bulk: encode user: %w", err)
	}
	r.users = r.users[1:]
	return Row{JSON: text}, nil
}

// A rowList yields rows that are in memory.
type rowList struct{ rows []Row }

func (l *rowList) Next() (Row, error) {
	if len(l.rows) == 0 {
		return Row{}, io.EOF
	}
	row := l.rows[0]
	l.rows = l.rows[1:]
	return row, nil
}

// A limitedReader yields the rows of a request. If there are more than limit it
// counts them, up to a multiple of limit, and refuses the request.
type limitedReader struct {
	rows  RowReader
	ahead []Row  // rows that were read ahead
	piece []byte // has the text of the last of them
	limit int
	count int // rows that were yielded

	failed bool // the reader behind it failed
}

// readAhead reads up to so many rows and keeps them. It reports whether they ended
// before that.
func (l *limitedReader) readAhead(rows int) (ended bool, err error) {
	for len(l.ahead) < rows {
		row, err := l.read()
		if err == io.EOF {
			return true, nil
		}
		if err != nil {
			return false, err
		}
		row.JSON = l.keep(row.JSON) // it is valid until the next row only
		if len(l.ahead) == cap(l.ahead) {
			l.ahead = slices.Grow(l.ahead, len(l.ahead)+1) // append would copy several times as much
		}
		l.ahead = append(l.ahead, row)
		if len(l.ahead) > l.limit {
			return false, l.refuse()
		}
	}
	return false, nil
}

// keep returns a copy of a row's text. Short ones share their memory.
func (l *limitedReader) keep(text []byte) []byte {
	if len(text) > maxSharing {
		return bytes.Clone(text)
	}
	if len(text) > cap(l.piece)-len(l.piece) {
		l.piece = make([]byte, 0, textPiece)
	}
	start := len(l.piece)
	l.piece = append(l.piece, text...)
	return l.piece[start:len(l.piece):len(l.piece)]
}

func (l *limitedReader) Next() (Row, error) {
	row, err := l.next()
	if err != nil {
		return Row{}, err
	}
	if l.count++; l.count > l.limit {
		return Row{}, l.refuse()
	}
	return row, nil
}

func (l *limitedReader) next() (Row, error) {
	if len(l.ahead) > 0 {
		row := l.ahead[0]
		l.ahead = l.ahead[1:]
		return row, nil
	}
	return l.read()
}

func (l *limitedReader) read() (Row, error) {
	row, err := l.rows.Next()
	l.failed = l.failed || err != nil && err != io.EOF
	return row, err
}

// countFactor bounds how many times the limit rows are counted. A small body may have
// millions.
const countFactor = 10

// refuse counts the rows, and refuses the request.
func (l *limitedReader) refuse() error {
	count, most, more := l.count+len(l.ahead), countFactor*l.limit, ""
	for {
		if count > most {
			count, more = most, "more than "
			break
		}
		_, err := l.rows.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		count++
	}
	return &RequestError{
		Code:    CodeTooManyUsers,
		Message: fmt.Sprintf("request has %s%d users; the limit is %d", more, count, l.limit),
		Details: map[string]any{"count": count, "limit": l.limit},
	}
}
