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

	errors  []RowError
	omitted int // errors beyond those that the row lists

	changes []string // see [RowResult]
}

// readRow reads and validates the row of that index, but for the host's rules.
func readRow(index int, row Row) *plan {
	p := new(plan)
	p.readRow(index, row, guardedRules{})
	return p
}

func (p *plan) readRow(index int, row Row, rules guardedRules) {
	most := rowerrors.Most(index)
	*p = plan{index: index, line: row.Line, parent: row.parent, errors: slices.Clip(row.Errors[:min(len(row.Errors), most)])}
	p.omitted = len(row.Errors) - len(p.errors)
	if len(row.JSON) > 0 {
		p.read(row.JSON)
		rules.check(p)
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

func (p *plan) read(row jsontext.Value) {
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
		quoted, value, ok := s.Next()
		if !ok {
			break
		}
		name := keyName(quoted)
		if p.full() && !slices.Contains(rowKeys, name) {
			p.omitted++ // not held, as of a hostile row there may be many
			continue
		}
		if !seen.add(name) {
			p.fail(CodeDuplicateKey, clip(name), fmt.Sprintf("key %q appears twice in the row", clip(name)))
			continue
		}
		null := canon.IsNull(value)
		switch name {
		case keyUserID:
			hasID = !null && string(value) != `""`
			p.ID = p.userID(value, null)
		case keyEmail:
			hasMail = !null && string(value) != `""`
			p.Email = p.email(value, null)
		case keyCustomFields:
			p.hasCustomFields = !null
			p.CustomFields = p.fields(keyCustomFields, value, null, CodeInvalidCustomFields)
		case keyMetadata:
			p.hasMetadata = !null
			p.Metadata = p.fields(keyMetadata, value, null, CodeInvalidMetadata)
		default:
			p.fail(CodeUnknownField, clip(name), fmt.Sprintf("key %q is not a field of a user", clip(name)))
		}
	}
	if !hasID && !hasMail {
		p.fail(CodeMissingIdentifier, "", "the row needs a userId or an email")
	}
	if len(p.errors) == 0 && !p.fits() {
		p.tooLarge()
	}
}

func (p *plan) tooLarge() {
	p.fail(CodeUserTooLarge, "", userTooLarge().Message)
}

func (p *plan) userID(value []byte, null bool) string {
	if null {
		return ""
	}
	if value[0] == '"' {
		id := canon.Unquote(value)
		if validUserID(id) {
			return id
		}
	}
	p.fail(CodeInvalidUserID, keyUserID,
		fmt.Sprintf("userId must be a string of 1 to %d characters without control characters, and without white space at its ends", MaxUserID))
	return p.echo(value, MaxUserID)
}

func (p *plan) email(value []byte, null bool) string {
	if null {
		return ""
	}
	if value[0] == '"' {
		email := canon.Unquote(value)
		if validEmail(email) {
			return email
		}
	}
	p.fail(CodeInvalidEmail, keyEmail,
		fmt.Sprintf("email must be an address like name@example.com without spaces or control characters, at most %d characters", MaxEmail))
	return p.echo(value, MaxEmail)
}

// echo returns an identifier that failed validation as the result shows it: as
// it was sent, or not at all where it is no string or very long.
func (p *plan) echo(value []byte, most int) string {
	if value[0] != '"' || len(value) > 4*most {
		return ""
	}
	return canon.Unquote(value)
}

func (p *plan) fields(name string, value jsontext.Value, null bool, code RowCode) Fields {
	if null {
		return Fields{}
	}
	if value.Kind() != '{' {
		p.fail(code, name, fmt.Sprintf("%s must be an object, not %s", name, canon.KindName(value.Kind())))
		return Fields{}
	}
	fields, problems, more := fieldsOf(value)
	p.omitted += more
	for _, problem := range problems {
		path := name + "." + clip(problem.Path)
		c := code
		if problem.Kind == canon.DuplicateName {
			c = CodeDuplicateKey
		}
		p.fail(c, path, fmt.Sprintf("%s: %s", path, problemText(problem.Kind)))
	}
	return fields
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
