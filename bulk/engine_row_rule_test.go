package bulk

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/internal/canon"
)

// plainRow reads a row in the plain way that rowReader has to come to the same as: key by
// key, each value by itself.
func plainRow(index int, row jsontext.Value) *plan {
	p := &plan{index: index}
	if row.Kind() != '{' {
		p.fail(CodeInvalidUser, "", "the row is not a JSON object but "+canon.KindName(row.Kind()))
		return p
	}
	var seen []string
	given := map[string]bool{}
	for s := canon.Scan(row); ; {
		quoted, value, ok := s.Next()
		if !ok {
			break
		}
		name, null := canon.Unquote(quoted), string(value) == "null"
		known := slices.Contains(rowKeys, name)
		switch {
		case p.full() && !known:
			p.omitted++
			continue
		case slices.Contains(seen, name):
			p.fail(CodeDuplicateKey, clip(name), fmt.Sprintf("key %q appears twice in the row", clip(name)))
			continue
		case !known:
			p.fail(CodeUnknownField, clip(name), fmt.Sprintf("key %q is not a field of a user", clip(name)))
		}
		seen = append(seen, name)
		given[name] = !null && string(value) != `""`
		switch name {
		case keyUserID:
			p.ID = p.plainText(value, MaxUserID, plainUserID, CodeInvalidUserID, keyUserID,
				"userId must be a string of 1 to 256 characters without control characters, and without white space at its ends")
		case keyEmail:
			p.Email = p.plainText(value, MaxEmail, validEmail, CodeInvalidEmail, keyEmail,
				"email must be an address like name@example.com without spaces or control characters, at most 320 characters")
		case keyCustomFields:
			p.hasCustomFields, p.CustomFields = !null, p.plainFields(value, keyCustomFields, CodeInvalidCustomFields)
		case keyMetadata:
			p.hasMetadata, p.Metadata = !null, p.plainFields(value, keyMetadata, CodeInvalidMetadata)
		}
	}
	if !given[keyUserID] && !given[keyEmail] {
		p.fail(CodeMissingIdentifier, "", "the row needs a userId or an email")
	}
	if len(p.errors) == 0 && p.Size() > MaxUser {
		p.fail(CodeUserTooLarge, "", userTooLarge().Message)
	}
	p.endErrors()
	return p
}

func (p *plan) plainText(value []byte, most int, valid func(string) bool, code RowCode, field, message string) string {
	if string(value) == "null" {
		return ""
	}
	text, ok := "", value[0] == '"'
	if ok {
		text = canon.Unquote(value)
	}
	if ok && valid(text) {
		return text
	}
	p.fail(code, field, message)
	if len(value) > 4*most {
		return ""
	}
	return text
}

func (p *plan) plainFields(value jsontext.Value, name string, code RowCode) Fields {
	switch {
	case value.Kind() == 'n':
		return Fields{}
	case value.Kind() != '{':
		p.fail(code, name, fmt.Sprintf("%s must be an object, not %s", name, canon.KindName(value.Kind())))
		return Fields{}
	}
	text, problems, more := canon.Value(value, fieldLimits)
	p.omitted += more
	for _, problem := range problems {
		path, c := name+"."+clip(problem.Path), code
		if problem.Kind == canon.DuplicateName {
			c = CodeDuplicateKey
		}
		p.fail(c, path, fmt.Sprintf("%s: %s", path, problemText(problem.Kind)))
	}
	if text == "{}" {
		text = ""
	}
	fields := Fields{text}
	for _, field := range fields.All() {
		p.removes = p.removes || string(field) == "null"
	}
	return fields
}

// plainUserID is the rule of an id, character by character.
func plainUserID(s string) bool {
	first, _ := utf8.DecodeRuneInString(s)
	last, _ := utf8.DecodeLastRuneInString(s)
	return s != "" && !ecmaSpace(first) && !ecmaSpace(last) &&
		utf8.RuneCountInString(s) <= MaxUserID && !strings.ContainsFunc(s, unicode.IsControl)
}

var rowSeeds = []string{
	`{"userId":"u","email":"a@b.c","customFields":{"b":[1.50,{"y":null,"x":"\u0041\ud83d\ude00"}],"a":-0},"metadata":{"gone":null}}`,
	` { "metadata" : { } , "customFields" : null, "email":"A@B.C" }`, `{"userId":"\u0075\\","x":{"userId":"}"},"x":[]}`, `[]`, `null`, `{}`,
	`{"userId":"","email":""}`, `{"userId":7,"email":[],"customFields":"","metadata":1}`, `{"userId":"a b","email":"a b@c.d"}`,
	`{"userId":"u","customFields":{"a":1,"a":2,"":0,"n":1e999,"z":"\u0000"},"metadata":{"a":{"b":null}}}`, `{"userId":"u","userId":null}`,
	`{"userId":" é"}`, `{"email":"é@b.c"}`, `{"userId":"u\u007f"}`, `{"userId":"u","customFields":{"a":{"b":null},"c":null}}`,
	`{"userId":"u","customFields":{"a":null},"metadata":{"a":1}}`,
}

func FuzzReadRow(f *testing.F) {
	for _, seed := range rowSeeds {
		f.Add([]byte(seed), []byte(`{"userId":"before"}`))
	}
	f.Fuzz(func(t *testing.T, text, before []byte) {
		valid := func(text jsontext.Value) bool { return text.IsValid(jsontext.AllowDuplicateNames(true)) }
		if !valid(text) || !valid(before) {
			return
		}
		var (
			r         rowReader
			p, former plan
		)
		r.read(&former, 0, Row{JSON: before})
		for _, index := range []int{0, 1000} {
			row := slices.Clone(text)
			r.read(&p, index, Row{JSON: row})
			clear(row) // it is valid until the next one only
			want := plainRow(index, text)
			removes := p.removes
			if len(p.errors) > 0 {
				p.removes, want.removes = false, false // nothing comes of it
			}
			require.Equal(t, want, &p, "%s removes %t", text, removes)
		}
		require.Equal(t, plainRow(0, before), &former, "a row does not change with those behind it")
	})
}

func FuzzValidUserID(f *testing.F) {
	for _, seed := range []string{"", "u-1", " u", "u\u00a0", "a b", "a\x7f", "~!", "é", "\xff", strings.Repeat("u", MaxUserID), strings.Repeat("u", MaxUserID+1),
		strings.Repeat("é", MaxUserID), strings.Repeat("u", MaxUserID) + "é"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		require.Equal(t, plainUserID(s), validUserID(s), "%q", s)
	})
}

func FuzzEmailKey(f *testing.F) {
	for _, seed := range []string{"", "a@b.c", "A@b.C", "@Z[`z{", "É@x.y", "\xff@x.y", "a\xffB", "\u212a@X.y"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		want := strings.Map(func(r rune) rune {
			if 'A' <= r && r <= 'Z' {
				return r + 'a' - 'A'
			}
			return r
		}, s)
		require.Equal(t, want, EmailKey(s), "%q", s)
	})
}

// TestFits goes to both sides of the largest user, whose texts take as much as they can
// for their length, or as little.
func TestFits(t *testing.T) {
	fields := func(open, part, end string, size int) User {
		text := func(n int) string { return open + strings.Repeat(part, n) + end }
		count := func(n int) int { return User{ID: "u", CustomFields: Fields{text(n)}}.Size() }
		n := 0
		for step := 1 << 20; step > 0; step /= 2 {
			if count(n+step) <= size {
				n += step
			}
		}
		return User{ID: "u", CustomFields: Fields{text(n)}}
	}
	for _, part := range []struct{ open, part, end string }{{`{"a":[[]`, `,[]`, `]}`}, {`{"a":"`, `x`, `"}`}, {`{"a":[1`, `,1`, `]}`}} {
		for _, size := range []int{MaxUser / 2, MaxUser - 5, MaxUser, MaxUser + 5, 2 * MaxUser} {
			user := fields(part.open, part.part, part.end, size)
			assert.Equal(t, user.Size() <= MaxUser, user.Fits(), "%d bytes of %s", user.Size(), part.part)
		}
	}
	assert.True(t, User{}.Fits())
	for _, n := range []int{MaxUser/2 - 10, MaxUser / 2, MaxUser} {
		user := User{Email: strings.Repeat("x", n)} // counts twice
		assert.Equal(t, user.Size() <= MaxUser, user.Fits(), "an email of %d bytes", n)
	}
}
