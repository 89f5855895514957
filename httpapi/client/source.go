package client

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"unicode/utf8"

	"github.com/bulkops/bulkops/bulk"
)

// A Source is the users of one import: a slice, an iterator, or a text that is
// streamed. The zero value has none. One made of a reader can be imported once.
type Source struct {
	format format
	open   func() rows
}

// A format is how the rows of a source are sent.
type format struct {
	contentType string
	// inQuery is set where options are query parameters.
	inQuery bool
	// separator stands between rows.
	separator string
}

var (
	jsonFormat   = format{contentType: "application/json", separator: ","}
	ndjsonFormat = format{contentType: "application/x-ndjson", inQuery: true}
	csvFormat    = format{contentType: "text/csv; charset=utf-8", inQuery: true}
)

// rows yields the rows of a source as text, in the source's format.
type rows interface {
	// next returns the next row, valid until it is called again. It returns
	// io.EOF after the last one; any other error says what is wrong there.
	next() (row, error)
	// header is the lines that each request begins with. They are known once next
	// returned a row.
	header() []byte
	// line is where the last call of next began to read, for errors; 0 where the
	// format has no lines.
	line() int
	// options are those that the source has itself, nil for none. settled is
	// false while some may still follow.
	options() (given *bulk.Options, settled bool)
	// close ends the reading, at the end or before.
	close()
}

// A row is the text of a user.
type row struct {
	text []byte
	line int // its line, 0 where the format has no lines
	gap  int // blank lines in front of it
}

// Users is a source of the users of a slice.
func Users(users []bulk.User) Source {
	return Sequence(func(yield func(bulk.User, error) bool) {
		for _, user := range users {
			if !yield(user, nil) {
				return
			}
		}
	})
}

// Sequence is a source of the users of an iterator. They are fetched while the
// import goes on. An error that the iterator yields ends the import with a
// [*SourceError].
//
// Fields are sent as they are, so numbers keep every digit; a null, as
// [bulk.ParseFields] makes, removes the field.
func Sequence(users iter.Seq2[bulk.User, error]) Source {
	return Source{jsonFormat, func() rows {
		next, stop := iter.Pull2(users)
		return &userRows{pull: next, stop: stop}
	}}
}

// userRows are users of Go as JSON.
type userRows struct {
	pull func() (bulk.User, error, bool)
	stop func()
}

func (r *userRows) next() (row, error) {
	user, err, ok := r.pull()
	if !ok {
		return row{}, io.EOF
	}
	if err != nil {
		return row{}, err
	}
	// An encoder would put other characters in their place in silence.
	if !utf8.ValidString(user.ID) || !utf8.ValidString(user.Email) {
		return row{}, errors.New("the user id or email is not valid UTF-8")
	}
	text, err := json.Marshal(user)
	return row{text: text}, err
}

func (r *userRows) header() []byte                 { return nil }
func (r *userRows) line() int                      { return 0 }
func (r *userRows) options() (*bulk.Options, bool) { return nil, true }
func (r *userRows) close()                         { r.stop() }

// noRows are the rows of the zero Source.
type noRows struct{ userRows }

func (*noRows) next() (row, error) { return row{}, io.EOF }
func (*noRows) close()             {}

func (s Source) rows() rows {
	if s.open == nil {
		return &noRows{}
	}
	return s.open()
}

// A part is the rows of one request.
type part struct {
	number int // from 1
	first  int // index of its first row
	rows   int
	line   int // line of its first row, 0 where the format has no lines
	shift  int // to be added to the lines of its results
	head   int // lines in front of its first row that every part has
	body   []byte
}

// A splitter makes parts of a source.
type splitter struct {
	rows     rows
	format   format
	maxUsers int
	maxBody  int64
	given    *bulk.Options // the caller's, nil for those of the source

	held  row  // the row that the next part begins with
	holds bool // there is one
	count int  // rows that next returned
	parts int
	size  int // of the body before, as a guess for the next
	opts  bulk.Options
}

// errLateOptions is for options that come after rows which would have been sent
// without them.
var errLateOptions = errors.New("options of a JSON text for more than one request must stand before its users, or be given to the client")

// next returns the next part and the options that it is to be sent with. It
// returns io.EOF after the last one, and a SourceError for what is no row.
func (s *splitter) next() (*part, error) {
	if !s.holds {
		if err := s.read(); err != nil {
			return nil, err
		}
	}
	if !s.holds {
		return nil, io.EOF
	}
	s.parts++
	first := s.held
	p := &part{number: s.parts, first: s.count - 1, line: first.line, body: make([]byte, 0, s.size)}
	head := s.rows.header()
	p.body = append(p.body, head...)
	if s.format.inQuery {
		p.head = bytes.Count(head, []byte{'\n'})
		p.shift = first.line - 1 - p.head
	} else {
		p.body = append(p.body, `{"users":[`...)
	}
	for s.holds && p.rows < s.maxUsers {
		if !s.fits(p) {
			if p.rows == 0 {
				return nil, &SourceError{Row: p.first, Line: p.line, Err: errors.New("the row is larger than a request may be")}
			}
			break
		}
		s.add(p)
		if err := s.read(); err != nil {
			return nil, err
		}
	}
	if err := s.settle(); err != nil {
		return nil, err
	}
	if !s.format.inQuery {
		p.body = append(p.body, ']')
		options, err := optionsJSON(s.opts)
		if err != nil {
			return nil, err
		}
		p.body = append(append(append(p.body, `,"options":`...), options...), '}')
	}
	s.size = len(p.body)
	return p, nil
}

// tailSize is more than what follows the rows of a body, but for the label among the
// options, a byte of which takes up to six.
const tailSize = 256

func (s *splitter) tail() int64 {
	given := s.given
	if given == nil {
		given, _ = s.rows.options()
	}
	if given == nil || s.format.inQuery {
		return tailSize
	}
	return tailSize + 6*int64(len(given.Label))
}

// fits reports whether the row that is held has room in the part.
func (s *splitter) fits(p *part) bool {
	return int64(len(p.body))+int64(len(s.held.text))+int64(s.held.gap)+s.tail() <= s.maxBody
}

// add appends the row that is held. Blank lines are kept, so that all lines of a
// part are shifted alike; those in front of it are not.
func (s *splitter) add(p *part) {
	if p.rows > 0 {
		p.body = append(p.body, s.format.separator...)
		for range s.held.gap {
			p.body = append(p.body, '\n')
		}
	}
	p.body = append(p.body, s.held.text...)
	p.rows++
}

// read holds the next row, if there is one.
func (s *splitter) read() error {
	s.holds = false
	next, err := s.rows.next()
	if err == io.EOF {
		return nil
	}
	if err != nil {
		return s.fault(err, s.rows.line())
	}
	s.count++
	s.held, s.holds = next, true
	return nil
}

// settle determines the options. It fails if some may follow.
func (s *splitter) settle() error {
	if s.given != nil {
		s.opts = *s.given
		return nil
	}
	given, settled := s.rows.options()
	if s.holds && !settled {
		return s.fault(errLateOptions, 0)
	}
	s.opts = bulk.DefaultOptions()
	if given != nil {
		s.opts = *given
	}
	return nil
}

func (s *splitter) fault(err error, line int) error {
	return &SourceError{Row: s.count, Line: line, Err: err}
}
