package rowio

import (
	"fmt"
	"io"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/canon"
	"github.com/bulkops/bulkops/internal/rowtext"
)

// JSON reads the rows of a request of the media type application/json: an object
// with the array users and, before or behind it, the object options.
//
// A text that is not JSON is INVALID_JSON, whatever else is wrong with it, unless
// its rows were refused before that was seen. JSON of another shape is
// INVALID_REQUEST: a key or option that is unknown or appears twice, users or
// options that are missing or of the wrong type. A null is of the wrong type: it
// counts as absent in rows only. An array without rows is fine here.
type JSON struct {
	text    io.Reader
	values  values
	options bulk.Options

	started      bool
	inUsers      bool
	index        int // of the next row
	users, opted bool
	// fault is the first thing that is wrong with the shape. It is kept until
	// the text has turned out to be JSON.
	fault error
	err   error
}

// NewJSON returns a reader of the text. Options that it does not name are as given.
func NewJSON(text io.Reader, options bulk.Options) *JSON {
	return &JSON{text: text, options: options, values: values{inside: `{"users":[`}}
}

// Options returns the options; see [bulk.OptionsReader].
func (r *JSON) Options() bulk.Options { return r.options }

// Next returns the next row; see [bulk.RowReader].
func (r *JSON) Next() (bulk.Row, error) {
	if r.err != nil {
		return bulk.Row{}, r.err
	}
	row, err := r.next()
	r.err = err
	return row, err
}

func (r *JSON) next() (bulk.Row, error) {
	if !r.started {
		r.started = true
		if err := r.start(); err != nil {
			return bulk.Row{}, err
		}
	}
	for {
		if !r.inUsers {
			if err := r.members(); err != nil {
				return bulk.Row{}, err
			}
		}
		switch r.values.peek() {
		case ']', 0:
			if _, err := r.values.token(); err != nil {
				return bulk.Row{}, r.broken(err)
			}
			r.inUsers = false
		default:
			return r.row()
		}
	}
}

// start enters the object.
func (r *JSON) start() error {
	text, skipped, err := rowtext.Begin(r.text)
	if err != nil {
		return textFault(err, bulk.CodeInvalidJSON)
	}
	r.values.reset(text, int64(skipped))
	switch kind := r.values.peek(); kind {
	case '{':
		_, err := r.values.token()
		return r.broken(err)
	case 0:
		_, err := r.values.token()
		if err == io.EOF {
			return invalidJSON("the body is empty")
		}
		return r.broken(err)
	default:
		r.refuse("the body must be a JSON object, not %s", canon.KindName(kind))
		if err := r.skip(); err != nil {
			return err
		}
		return r.end()
	}
}

// members reads members of the object until it has entered users, or to the end
// of the text: then it returns io.EOF or why the text is refused.
func (r *JSON) members() error {
	for {
		token, err := r.values.token()
		if err != nil {
			return r.broken(err)
		}
		if token.Kind() == '}' {
			if !r.users {
				r.refuse(`the body has no "users"`)
			}
			return r.end()
		}
		switch name := token.String(); name {
		case "users":
			if err := r.enter(); err != nil || r.inUsers {
				return err
			}
		case "options":
			if err := r.readOptions(); err != nil {
				return err
			}
		default:
			if r.fault == nil {
				r.refuse(`unknown key %s: the body has "users" and "options"`, rowtext.Quote(name))
			}
			if err := r.skip(); err != nil {
				return err
			}
		}
	}
}

// enter enters the array of users. If something is wrong with it, or was with the
// text before it, it passes over it.
func (r *JSON) enter() error {
	kind := r.values.peek()
	switch {
	case r.users:
		r.refuse(`the body has "users" twice`)
	case kind != '[':
		r.refuse(`"users" must be an array, not %s`, canon.KindName(kind))
	}
	r.users = true
	if r.fault != nil {
		return r.skip()
	}
	r.inUsers = true
	_, err := r.values.token()
	return r.broken(err)
}

// row reads the next row.
func (r *JSON) row() (bulk.Row, error) {
	text, long, deep, err := r.values.value()
	if err != nil {
		return bulk.Row{}, r.broken(err)
	}
	if deep {
		return bulk.Row{}, tooDeep(atUser(r.index), fmt.Sprintf(" ends at byte %d and", r.values.offset()))
	}
	r.index++
	if long {
		return bulk.Row{Errors: []bulk.RowError{tooLong()}}, nil
	}
	return bulk.Row{JSON: text}, nil
}

func (r *JSON) readOptions() error {
	kind := r.values.peek()
	switch {
	case r.opted:
		r.refuse(`the body has "options" twice`)
	case kind != '{':
		r.refuse(`"options" must be an object, not %s`, canon.KindName(kind))
	}
	r.opted = true
	if kind != '{' {
		return r.skip()
	}
	if _, err := r.values.token(); err != nil {
		return r.broken(err)
	}
	seen := make(map[string]bool, 4)
	for {
		token, err := r.values.token()
		if err != nil {
			return r.broken(err)
		}
		if token.Kind() == '}' {
			return nil
		}
		name := token.String()
		o, known := optionOf(&r.options, name)
		kind := r.values.peek()
		switch {
		case !known && r.fault != nil: // of which there may be many
		case !known:
			r.refuse("unknown option %s", rowtext.Quote(name))
		case seen[name]:
			r.refuse("option %s appears twice", rowtext.Quote(name))
		case kind == '{' || kind == '[':
			r.refuse("option %s must be %s, not %s", rowtext.Quote(name), o.what(), canon.KindName(kind))
		default:
			seen[name] = true
			if err := r.setOption(name, o); err != nil {
				return err
			}
			continue
		}
		// Every unknown name of a hostile text would be kept otherwise.
		seen[name] = seen[name] || known
		if err := r.skip(); err != nil {
			return err
		}
	}
}

// setOption reads the value of an option, which is no object or array.
func (r *JSON) setOption(name string, o option) error {
	value, err := r.values.token()
	if err != nil {
		return r.broken(err)
	}
	if kind := value.Kind(); !o.setToken(value) {
		r.refuse("option %s must be %s, not %s", rowtext.Quote(name), o.what(), o.other(kind))
	}
	return nil
}

// skip passes over a value.
func (r *JSON) skip() error {
	deep, err := r.values.skip()
	if err != nil {
		return r.broken(err)
	}
	if deep {
		return tooDeep(place{}, fmt.Sprintf("a value that ends at byte %d", r.values.offset()))
	}
	return nil
}

// end is the end of the object. It never returns nil.
func (r *JSON) end() error {
	_, err := r.values.token()
	switch {
	case err == nil:
		return invalidJSON("another value follows the body's JSON value at byte %d", r.values.offset()-1)
	case err != io.EOF:
		return r.broken(err)
	case r.fault != nil:
		return r.fault
	default:
		return io.EOF
	}
}

func (r *JSON) refuse(format string, args ...any) {
	if r.fault == nil {
		r.fault = invalidRequest(format, args...)
	}
}

func (r *JSON) broken(err error) error {
	if r.inUsers {
		return r.values.fault(err, atUser(r.index))
	}
	return r.values.fault(err, place{})
}

func tooDeep(there place, what string) error {
	return there.invalidJSON("%s nests deeper than %d levels", what, MaxDepth)
}

func tooLong() bulk.RowError {
	return bulk.RowError{
		Code:    bulk.CodeUserTooLarge,
		Message: fmt.Sprintf("the row has more than %d bytes of text", MaxRow),
	}
}
