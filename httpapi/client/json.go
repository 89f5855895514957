package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/bulkops/bulkops/bulk"
)

// JSON is a source of the users of a JSON text: an array of users, or a request as
// the API takes it, with users and options. Its options are used if the caller
// gives none; they must then stand before the users, unless one request is enough
// for all. What is not such a text ends the import with a [*SourceError].
//
// The reader is read while the import goes on, and not closed.
func JSON(r io.Reader) Source {
	return Source{jsonFormat, func() rows {
		text := newText(r)
		in := &budget{r: text}
		return &jsonRows{text: text, in: in, dec: json.NewDecoder(in)}
	}}
}

// jsonRows are the elements of an array, read one at a time.
type jsonRows struct {
	text *text
	in   *budget
	dec  *json.Decoder

	begun   bool
	request bool // the text is an object with users
	inUsers bool
	seen    bool // users were there
	given   *bulk.Options
	ended   bool
}

func (r *jsonRows) header() []byte { return nil }
func (r *jsonRows) line() int      { return 0 }
func (r *jsonRows) close()         {}

func (r *jsonRows) options() (*bulk.Options, bool) {
	return r.given, r.ended || r.given != nil || !r.request
}

func (r *jsonRows) next() (row, error) {
	text, err := r.read()
	if err != nil && err != io.EOF {
		return row{}, fmt.Errorf("at byte %d: %w", r.dec.InputOffset()+int64(r.text.skipped), err)
	}
	return row{text: text}, err
}

func (r *jsonRows) read() ([]byte, error) {
	if !r.begun {
		r.begun = true
		if err := r.begin(); err != nil {
			return nil, err
		}
	}
	for {
		r.in.left = MaxRecord
		switch {
		case r.ended:
			return nil, io.EOF
		case r.inUsers && r.dec.More():
			var text json.RawMessage
			if err := r.dec.Decode(&text); err != nil {
				return nil, noEOF(err)
			}
			if !utf8.Valid(text) {
				return nil, errUTF8
			}
			return text, nil
		case r.inUsers:
			if _, err := r.dec.Token(); err != nil {
				return nil, noEOF(err)
			}
			r.inUsers = false
			r.ended = !r.request
		default:
			if err := r.member(); err != nil {
				return nil, err
			}
		}
		if r.ended {
			if err := r.end(); err != nil {
				return nil, err
			}
		}
	}
}

// begin enters the text.
func (r *jsonRows) begin() error {
	r.in.left = MaxRecord
	token, err := r.dec.Token()
	if err != nil {
		return noEOF(err)
	}
	switch token {
	case json.Delim('['):
		r.inUsers = true
	case json.Delim('{'):
		r.request = true
	default:
		return errors.New("the text must be an array of users or an object that has one")
	}
	return nil
}

// member reads a member of the request, or its end.
func (r *jsonRows) member() error {
	token, err := r.dec.Token()
	if err != nil {
		return noEOF(err)
	}
	switch {
	case token == json.Delim('}'):
		r.ended = true
		if !r.seen {
			return errors.New("users is missing")
		}
	case token == "users" && !r.seen:
		r.seen = true
		if token, err = r.dec.Token(); err != nil {
			return noEOF(err)
		}
		if token != json.Delim('[') {
			return errors.New("users must be an array")
		}
		r.inUsers = true
	case token == "options" && r.given == nil:
		var text json.RawMessage
		if err := r.dec.Decode(&text); err != nil {
			return noEOF(err)
		}
		r.given, err = parseOptions(text)
		return err
	default:
		return fmt.Errorf("the key %.64q is unknown or stands twice", token)
	}
	return nil
}

// end checks that nothing follows.
func (r *jsonRows) end() error {
	_, err := r.dec.Token()
	if err == nil {
		err = errors.New("text behind the JSON value")
	}
	if err == io.EOF {
		return nil
	}
	return err
}

// parseOptions reads options as strictly as the service does.
func parseOptions(text []byte) (*bulk.Options, error) {
	var values map[string]json.RawMessage
	if err := json.Unmarshal(text, &values); err != nil || values == nil {
		return nil, errors.New("options must be an object")
	}
	opts := bulk.DefaultOptions()
	for name, value := range values {
		var option *bool
		switch name {
		case "merge":
			if json.Unmarshal(value, &opts.Merge) != nil || value[0] != '"' {
				return nil, errors.New(`option merge must be "merge", "fill" or "replace"`)
			}
			continue
		case "maxFailed":
			if json.Unmarshal(value, &opts.MaxFailed) != nil {
				return nil, errors.New("option maxFailed must be a whole number")
			}
			continue
		case "label":
			if json.Unmarshal(value, &opts.Label) != nil || value[0] != '"' {
				return nil, errors.New("option label must be a string")
			}
			continue
		case "updateOnly":
			option = &opts.UpdateOnly
		case "upsert":
			option = &opts.Upsert
		case "skipDuplicates":
			option = &opts.SkipDuplicates
		case "sendWelcomeEmail":
			option = &opts.SendWelcomeEmail
		case "dryRun":
			option = &opts.DryRun
		default:
			return nil, fmt.Errorf("there is no option %.64q", name)
		}
		switch string(value) {
		case "true":
			*option = true
		case "false":
			*option = false
		default:
			return nil, fmt.Errorf("option %s must be true or false", name)
		}
	}
	return &opts, nil
}

// noEOF returns an end of the text where none may be as what it is.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// A budget is a reader that fails once more is to be read than is left. A decoder
// reads a whole value, however large it is, before it shows any of it. What it has
// read ahead of the value comes on top.
type budget struct {
	r    io.Reader
	left int
}

func (b *budget) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errLongRecord
	}
	n, err := b.r.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}
