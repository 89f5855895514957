package bulk

import (
	"fmt"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/bulkops/bulkops/internal/canon"
	"github.com/bulkops/bulkops/internal/rowerrors"
)

// A plan is a row that was read and validated: what it wants of a user, or why
// it fails.
type plan struct {
	index, line, parent int // parent is that of [Row]
	// User has the id and email that the row gives, and its fields as a patch.
	User
	// hasCustomFields and hasMetadata say whether the row gives the object, which may
	// be empty.
	hasCustomFields, hasMetadata bool
	removes                      bool // one of its fields is null, which removes that of a user

	errors  []RowError
	omitted int // errors beyond those that the row lists

	changes []string // see [RowResult]
}

// A rowReader reads and validates rows, one after the other. The zero value checks no
// rules of the host.
type rowReader struct {
	rules guardedRules
	// names are the ids and emails, which are kept for as long as results are, and
	// fields the text of all fields.
	names, fields texts
	canonical     []byte // the text of the fields that were read last
}

// read makes p the plan of the row of that index.
func (r *rowReader) read(p *plan, index int, row Row) {
	most := rowerrors.Most(index)
	*p = plan{index: index, line: row.Line, parent: row.parent, errors: slices.Clip(row.Errors[:min(len(row.Errors), most)])}
	p.omitted = len(row.Errors) - len(p.errors)
	if len(row.JSON) > 0 {
		r.readJSON(p, row.JSON)
		r.rules.check(p)
	} else if len(p.errors) == 0 {
		p.fail(CodeInvalidUser, "", "the row is empty")
	}
	p.endErrors()
}

// endErrors says how many errors are left out.
func (p *plan) endErrors() {
	if p.omitted > 0 {
		p.errors = slices.Clone(p.errors) // they may be the reader's
		p.errors[len(p.errors)-1].Message += rowerrors.Omitted(p.omitted)
	}
}

func (p *plan) fail(code RowCode, field, message string) {
	if p.full() {
		p.omitted++
		return
	}
	p.errors = append(p.errors, RowError{Code: code, Field: field, Message: message})
}

// full reports whether further errors are but counted.
func (p *plan) full() bool { return len(p.errors) >= rowerrors.Most(p.index) }

// The keys of a row.
const (
	keyUserID       = "userId"
	keyEmail        = "email"
	keyCustomFields = "customFields"
	keyMetadata     = "metadata"
)

var rowKeys = []string{keyUserID, keyEmail, keyCustomFields, keyMetadata}

// keyName returns the name of a key. The names that rows have cost nothing.
func keyName(quoted []byte) string {
	switch string(quoted) {
	case `"userId"`:
		return keyUserID
	case `"email"`:
		return keyEmail
	case `"customFields"`:
		return keyCustomFields
	case `"metadata"`:
		return keyMetadata
	default:
		return canon.Unquote(quoted)
	}
}

// A keySet is the keys of a row seen so far.
type keySet struct {
	known [4]bool
	other map[string]bool
}

// add reports whether the key is new.
func (s *keySet) add(name string) bool {
	i := slices.Index(rowKeys, name)
	if i >= 0 {
		old := s.known[i]
		s.known[i] = true
		return !old
	}
	if s.other == nil {
		s.other = make(map[string]bool)
	}
	old := s.other[name]
	s.other[name] = true
	return !old
}

func (r *rowReader) readJSON(p *plan, row jsontext.Value) {
	if row.Kind() != '{' {
		p.fail(CodeInvalidUser, "", "the row is not a JSON object but "+canon.KindName(row.Kind()))
		return
	}
	var (
		seen           keySet
		hasID, hasMail bool
	)
	s := canon.Scan(row)
	for {
		quoted, ok := s.Name()
		if !ok {
			break
		}
		name := keyName(quoted)
		if p.full() && !slices.Contains(rowKeys, name) {
			p.omitted++ // not held, as of a hostile row there may be many
			s.Value()
			continue
		}
		if !seen.add(name) {
			p.fail(CodeDuplicateKey, clip(name), fmt.Sprintf("key %q appears twice in the row", clip(name)))
			s.Value()
			continue
		}
		switch name {
		case keyUserID:
			p.ID, hasID = r.userID(p, s.Value())
		case keyEmail:
			p.Email, hasMail = r.email(p, s.Value())
		case keyCustomFields:
			p.CustomFields, p.hasCustomFields = r.object(p, keyCustomFields, &s, CodeInvalidCustomFields)
		case keyMetadata:
			p.Metadata, p.hasMetadata = r.object(p, keyMetadata, &s, CodeInvalidMetadata)
		default:
			p.fail(CodeUnknownField, clip(name), fmt.Sprintf("key %q is not a field of a user", clip(name)))
			s.Value()
		}
	}
	if !hasID && !hasMail {
		p.fail(CodeMissingIdentifier, "", "the row needs a userId or an email")
	}
	if len(p.errors) == 0 && !p.Fits() {
		p.tooLarge()
	}
}

func (p *plan) tooLarge() {
	p.fail(CodeUserTooLarge, "", userTooLarge().Message)
}

// userID returns the id of a row, and whether the row gives one, be it wrong.
func (r *rowReader) userID(p *plan, value []byte) (id string, given bool) {
	if canon.IsNull(value) {
		return "", false
	}
	if value[0] == '"' {
		if id = r.text(value); validUserID(id) {
			return id, true
		}
	}
	p.fail(CodeInvalidUserID, keyUserID,
		fmt.Sprintf("userId must be a string of 1 to %d characters without control characters, and without white space at its ends", MaxUserID))
	return echo(id, value, MaxUserID), string(value) != `""`
}

// email returns the email of a row, and whether the row gives one, be it wrong.
func (r *rowReader) email(p *plan, value []byte) (email string, given bool) {
	if canon.IsNull(value) {
		return "", false
	}
	if value[0] == '"' {
		if email = r.text(value); validEmail(email) {
			return email, true
		}
	}
	p.fail(CodeInvalidEmail, keyEmail,
		fmt.Sprintf("email must be an address like name@example.com without spaces or control characters, at most %d characters", MaxEmail))
	return echo(email, value, MaxEmail), string(value) != `""`
}

// text returns what a quoted string means.
func (r *rowReader) text(quoted []byte) string {
	if plain, ok := canon.Plain(quoted); ok {
		return r.names.add(plain)
	}
	return canon.Unquote(quoted)
}

// echo returns an identifier that failed validation as the result shows it: as it was
// sent, or not at all where it is no string, which is "", or very long.
func echo(text string, value []byte, most int) string {
	if len(value) > 4*most {
		return ""
	}
	return text
}

// object returns the fields that a row gives under a name, and whether it gives any, be
// they none or wrong.
func (r *rowReader) object(p *plan, name string, s *canon.Scanner, code RowCode) (_ Fields, given bool) {
	switch kind := s.Kind(); kind {
	case '{':
	case 'n':
		s.Value()
		return Fields{}, false
	default:
		s.Value()
		p.fail(code, name, fmt.Sprintf("%s must be an object, not %s", name, canon.KindName(kind)))
		return Fields{}, true
	}
	canonical, nulls, problems, more := s.Canonical(r.canonical[:0], fieldLimits)
	r.canonical = canonical
	p.removes = p.removes || nulls
	p.omitted += more
	for _, problem := range problems {
		path := name + "." + clip(problem.Path)
		c := code
		if problem.Kind == canon.DuplicateName {
			c = CodeDuplicateKey
		}
		p.fail(c, path, fmt.Sprintf("%s: %s", path, problemText(problem.Kind)))
	}
	if len(problems) > 0 || len(canonical) <= len("{}") {
		return Fields{}, true
	}
	return Fields{r.fields.add(canonical)}, true
}

// result starts the result of the row.
func (p *plan) result(status Status) RowResult {
	r := RowResult{Index: p.index, Line: p.line, UserID: p.ID, Email: p.Email, Status: status}
	if p.parent > 0 {
		r.ParentIndex = new(p.parent - 1)
	}
	if status == StatusUpdated {
		r.Changes = p.changes
	}
	return r
}
