package contracttest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A rowCase is a row and the codes of what is wrong with it; none if it is valid.
type rowCase struct {
	name  string
	row   string
	codes []string
}

// The codes of rows.
const (
	invalidUser     = "INVALID_USER"
	missing         = "MISSING_IDENTIFIER"
	invalidUserID   = "INVALID_USER_ID"
	invalidEmail    = "INVALID_EMAIL"
	invalidCustom   = "INVALID_CUSTOM_FIELDS"
	invalidMetadata = "INVALID_METADATA"
	unknownField    = "UNKNOWN_FIELD"
	duplicateKey    = "DUPLICATE_KEY"
	userTooLarge    = "USER_TOO_LARGE"
	ecmaSpaceName   = "white space of ECMAScript"
)

func rowCases() []rowCase {
	return slices.Concat(shapeCases(), userIDCases(), emailCases(), fieldsCases(), keyCases(), manyErrorCases())
}

func shapeCases() (cases []rowCase) {
	for _, row := range []string{`"u"`, `1`, `true`, `false`, `null`, `[]`, `[{"userId":"u"}]`, `""`} {
		cases = append(cases, rowCase{"row is " + row, row, []string{invalidUser}})
	}
	return append(cases,
		rowCase{"no identifier", `{}`, []string{missing}},
		rowCase{"no identifier but fields", `{"customFields":{"a":1}}`, []string{missing}},
		rowCase{"userId null alone", `{"userId":null}`, []string{missing}},
		rowCase{"email null alone", `{"email":null}`, []string{missing}},
		rowCase{"all fields null", `{"userId":null,"email":null,"customFields":null,"metadata":null}`, []string{missing}},
		rowCase{"userId empty alone", `{"userId":""}`, []string{missing, invalidUserID}},
		rowCase{"email empty alone", `{"email":""}`, []string{missing, invalidEmail}},
		rowCase{"userId and email empty", `{"userId":"","email":""}`, []string{missing, invalidUserID, invalidEmail}},
		rowCase{"userId null with email", `{"userId":null,"email":"null.id@example.com"}`, nil},
		rowCase{"email null with userId", `{"userId":"null email","email":null}`, nil},
		rowCase{"userId empty with email", `{"userId":"","email":"empty.id@example.com"}`, []string{invalidUserID}},
		rowCase{"email empty with userId", `{"userId":"empty email","email":""}`, []string{invalidEmail}},
	)
}

func userIDCases() (cases []rowCase) {
	for _, value := range []string{`1`, `0`, `1.5`, `true`, `false`, `[]`, `["u"]`, `{}`, `{"id":"u"}`} {
		cases = append(cases, rowCase{"userId is " + value, `{"userId":` + value + `}`, []string{invalidUserID}})
	}
	for _, c := range []struct{ name, char string }{
		{"of one byte", "a"}, {"of two bytes", "é"}, {"of three bytes", "名"}, {"of four bytes", "😀"},
	} {
		for _, n := range []int{1, 256} {
			cases = append(cases, rowCase{fmt.Sprintf("userId of %d characters %s", n, c.name), userIDRow(strings.Repeat(c.char, n)), nil})
		}
		cases = append(cases, rowCase{"userId of 257 characters " + c.name, userIDRow(strings.Repeat(c.char, 257)), []string{invalidUserID}})
	}
	cases = append(cases,
		rowCase{"userId of 256 escaped surrogate pairs", `{"userId":"` + strings.Repeat(`\ud83d\ude01`, 256) + `"}`, nil},
		rowCase{"userId of 257 escaped surrogate pairs", `{"userId":"` + strings.Repeat(`\ud83d\ude01`, 257) + `"}`, []string{invalidUserID}},
	)
	for r := range rune(0xa0) {
		if r < ' ' || r >= 0x7f {
			cases = append(cases, rowCase{fmt.Sprintf("userId with the control character U+%04X", r),
				fmt.Sprintf(`{"userId":"a\u%04xb"}`, r), []string{invalidUserID}})
		}
	}
	for _, r := range []rune{' ', '~', 0xa0, 0xad, 0x200b, 0x2028, 0xfeff, '"', '\\', '/', '\'', '@', 0xfffd} {
		cases = append(cases, rowCase{fmt.Sprintf("userId with U+%04X, which is no control character", r),
			fmt.Sprintf(`{"userId":"a\u%04xb"}`, r), nil})
	}
	for _, r := range ecmaSpaces {
		for _, place := range []struct {
			name, id string
			codes    []string
		}{
			{"alone", `\u%04x`, []string{invalidUserID}}, {"at the start", `\u%04xa`, []string{invalidUserID}},
			{"at the end", `a\u%04x`, []string{invalidUserID}}, {"at both ends", `\u%04[1]xa\u%04[1]x`, []string{invalidUserID}},
			{"inside", `inside\u%04xof`, nil},
		} {
			if place.codes == nil && r < ' ' {
				continue // a control character
			}
			cases = append(cases, rowCase{fmt.Sprintf("userId with U+%04X, %s, %s", r, ecmaSpaceName, place.name),
				`{"userId":"` + fmt.Sprintf(place.id, r) + `"}`, place.codes})
		}
	}
	for _, r := range []rune{0xad, 0x180e, 0x200b, 0x2060, 0x2800} {
		cases = append(cases, rowCase{fmt.Sprintf("userId with U+%04X at both ends, which is no %s", r, ecmaSpaceName),
			fmt.Sprintf(`{"userId":"\u%04[1]xa\u%04[1]x"}`, r), nil})
	}
	return append(cases,
		rowCase{"userId with a raw DEL", "{\"userId\":\"raw\x7f\"}", []string{invalidUserID}},
		rowCase{"userId with a raw C1 character", "{\"userId\":\"raw\u0085\"}", []string{invalidUserID}},
	)
}

func userIDRow(id string) string { return `{"userId":"` + id + `"}` }

// ecmaSpaces are the WhiteSpace and the LineTerminator of ECMA-262, 12.2 and 12.3:
// TAB, VT, FF, SP, NBSP, ZWNBSP, the space separators of Unicode, LF, CR, LS, PS.
var ecmaSpaces = []rune{
	'\t', '\v', '\f', ' ', 0xa0, 0xfeff,
	0x1680, 0x2000, 0x2001, 0x2002, 0x2003, 0x2004, 0x2005, 0x2006, 0x2007, 0x2008, 0x2009, 0x200a, 0x202f, 0x205f, 0x3000,
	'\n', '\r', 0x2028, 0x2029,
}

func emailCases() (cases []rowCase) {
	for _, value := range []string{`1`, `0`, `true`, `false`, `[]`, `["a@b.c"]`, `{}`} {
		cases = append(cases, rowCase{"email is " + value, `{"email":` + value + `}`, []string{invalidEmail}})
	}
	for _, r := range ecmaSpaces {
		for _, place := range []struct{ name, email string }{
			{"at the start", `\u%04xa@space.example`}, {"in the local part", `a\u%04xb@space.example`},
			{"in the domain", `a@sp\u%04xce.example`}, {"at the end", `a@space.example\u%04x`},
		} {
			cases = append(cases, rowCase{fmt.Sprintf("email with U+%04X, %s, %s", r, ecmaSpaceName, place.name),
				`{"email":"` + fmt.Sprintf(place.email, r) + `"}`, []string{invalidEmail}})
		}
	}
	for r := range rune(0xa0) {
		if r < ' ' || r >= 0x7f {
			for _, email := range []string{`a\u%04xb@control.example`, `a@control.ex\u%04x`} {
				cases = append(cases, rowCase{fmt.Sprintf("email with the control character U+%04X: %s", r, email),
					`{"email":"` + fmt.Sprintf(email, r) + `"}`, []string{invalidEmail}})
			}
		}
	}
	for i, r := range []rune{0xad, 0x180e, 0x200b, 0x200c, 0x200d, 0x2060, 0x2800, 0x3001} {
		cases = append(cases, rowCase{fmt.Sprintf("email with U+%04X, which is no %s", r, ecmaSpaceName),
			fmt.Sprintf(`{"email":"a\u%04x%d@nospace.example"}`, r, i), nil})
	}
	for _, email := range []string{
		"a@b.c", "a.b+c@d.e", "a@b..c", "a@...", "a@.b.c", "a@b.c.", `\"a\"@b.c`, "ünï@bücher.example", "名@例.中国", "😀@e.x",
		"'a'@b.c", "<a@b.c>", "a@b.c,d", "a@[127.0.0.1]", "-@-.-", "A@B.C.UPPER",
	} {
		cases = append(cases, rowCase{"email " + email, `{"email":"` + email + `"}`, nil})
	}
	for _, email := range []string{
		"a", "@", "a@", "@b.c", "a@b", "a@.", "a@.b", "a@b.", "a@@b.c", "a@b@c.d", "a@b.c@", "a.b", "a b@c.d", " a@b.c", "a@b.c ", "a@b.c d",
	} {
		cases = append(cases, rowCase{"email " + strconv.Quote(email), `{"email":"` + email + `"}`, []string{invalidEmail}})
	}
	for _, char := range []string{"a", "é", "😀"} {
		local := func(n int) string {
			return `{"email":"` + strings.Repeat(char, n-len("@long.example")) + `@long.example"}`
		}
		cases = append(cases,
			rowCase{"email of 320 characters like " + char, local(320), nil},
			rowCase{"email of 321 characters like " + char, local(321), []string{invalidEmail}},
		)
	}
	return cases
}

// objectFields are the two fields of a row that are objects.
var objectFields = []struct{ field, code string }{{"customFields", invalidCustom}, {"metadata", invalidMetadata}}

func fieldsCases() (cases []rowCase) {
	for _, m := range objectFields {
		with := func(name, value string, codes ...string) {
			if len(value) > 100 {
				value = " " + value // one line a case is enough in a message
			}
			cases = append(cases, rowCase{m.field + " " + name,
				fmt.Sprintf(`{"userId":"%s %s","%s":%s}`, m.field, name, m.field, strings.TrimSpace(value)), codes})
		}
		for _, value := range []string{`"text"`, `""`, `[]`, `[1]`, `[{"a":1}]`, `1`, `0`, `true`, `false`} {
			with("is "+strings.ReplaceAll(value, `"`, `'`), value, m.code)
		}
		with("is null", `null`)
		with("is an empty object", `{}`)
		with("has values of every type", `{"s":"x","e":"","t":true,"f":false,"n":null,"i":1,"d":1.5,"a":[1,"x",null,{}],"o":{"k":null}}`)

		for _, shape := range []struct{ name, open, close, inner string }{
			{"objects", `{"k":`, `}`, `{}`}, {"arrays", `[`, `]`, `[]`},
		} {
			// The field itself is a level, and so is the innermost container.
			nested := func(levels int) string {
				return `{"k":` + strings.Repeat(shape.open, levels-2) + shape.inner + strings.Repeat(shape.close, levels-2) + `}`
			}
			with("nests 30 levels of "+shape.name, nested(30))
			with("nests 31 levels of "+shape.name, nested(31), m.code)
			with("nests 60 levels of "+shape.name, nested(60), m.code)
		}
		with("nests 30 levels with a value in the last", strings.Repeat(`{"k":`, 30)+`1`+strings.Repeat(`}`, 30))
		with("nests 31 levels with a value in the last", strings.Repeat(`{"k":`, 31)+`1`+strings.Repeat(`}`, 31), m.code)

		for _, char := range []string{"k", "é", "😀"} {
			for _, place := range []struct{ name, format string }{
				{"", `{"%s":1}`}, {" of an object in it", `{"o":{"%s":1}}`}, {" of an object in an array", `{"a":[{"%s":1}]}`},
			} {
				name := "key of %d characters like " + char + place.name
				key := func(n int) string { return fmt.Sprintf(place.format, strings.Repeat(char, n)) }
				with(fmt.Sprintf(name, 1), key(1))
				with(fmt.Sprintf(name, 255), key(255))
				with(fmt.Sprintf(name, 256), key(256), m.code)
			}
		}
		with("key is empty", `{"":1}`, m.code)
		with("key is empty in an object in it", `{"o":{"":1}}`, m.code)
		with("key is empty with null", `{"":null}`, m.code)
		with("keys with quotes, dots and the like", `{"a\"b'; DELETE":1,"a.b":2,"#c":3,":d":4,"$e":5,"[0]":6," ":7,"userId":8,"__proto__":9}`)

		for _, null := range []string{`{"a":"\u0000"}`, `{"a":"x\u0000y"}`, `{"\u0000":1}`, `{"a\u0000":null}`, `{"o":{"\u0000":1}}`, `{"l":[[{"k":"\u0000"}]]}`} {
			with("has U+0000: "+strings.NewReplacer(`"`, `'`, `\`, `/`).Replace(null), null, m.code)
		}
		with("has other control characters", `{"\u0001":"\u0001\u001f\u007f\u0085\r\n\t"}`)
		with("has what looks like U+0000", `{"\\u0000":"\\u0000 \\\\u0000 u0000"}`)

		with("has a key twice", `{"a":1,"a":2}`, duplicateKey)
		with("has a key twice with one value", `{"a":1,"b":2,"a":1}`, duplicateKey)
		with("has a key twice, once escaped", `{"a":1,"\u0061":2}`, duplicateKey)
		with("has a key twice in an object in it", `{"o":{"a":1,"b":2,"a":3}}`, duplicateKey)
		with("has a key twice in an object in an array", `{"l":[{"a":1},{"a":1,"\u0061":2}]}`, duplicateKey)
		with("has a key in two objects", `{"o":{"a":1},"p":{"a":2},"a":3,"l":[{"a":1},{"a":2}]}`)
		with("has keys that differ in case", `{"a":1,"A":2}`)
		with("has keys that differ in normal form", `{"é":1,"e\u0301":2}`)
	}
	return append(cases,
		rowCase{"one field is null and the other is none", `{"userId":"u","customFields":null,"metadata":[]}`, []string{invalidMetadata}},
		rowCase{"both fields have the same key", `{"userId":"same key","customFields":{"a":1},"metadata":{"a":2}}`, nil},
	)
}

func keyCases() (cases []rowCase) {
	for _, key := range []string{"name", "id", "user_id", "UserId", "userID", "USERID", "Email", "e-mail", "CustomFields", "customfields", "Metadata", "meta", "", " userId", "userId ", "upsert", "line", "status"} {
		cases = append(cases, rowCase{fmt.Sprintf("unknown key %q", key), fmt.Sprintf(`{"userId":"u","%s":"x"}`, key), []string{unknownField}})
	}
	return append(cases,
		rowCase{"unknown key alone", `{"name":"x"}`, []string{unknownField, missing}},
		rowCase{"two unknown keys", `{"userId":"u","a":1,"b":2}`, []string{unknownField, unknownField}},
		rowCase{"userId twice", `{"userId":"u","userId":"u"}`, []string{duplicateKey}},
		rowCase{"userId twice, once null", `{"userId":null,"email":"twice@example.com","userId":"u"}`, []string{duplicateKey}},
		rowCase{"userId twice, once escaped", `{"userId":"u","user\u0049d":"v"}`, []string{duplicateKey}},
		rowCase{"email twice", `{"email":"twice@example.com","email":"twice@example.com"}`, []string{duplicateKey}},
		rowCase{"email twice, escaped both times", `{"\u0065mail":"twice@example.com","e\u006dail":"twice@example.com"}`, []string{duplicateKey}},
		rowCase{"customFields twice", `{"userId":"u","customFields":{},"customFields":{}}`, []string{duplicateKey}},
		rowCase{"metadata twice", `{"userId":"u","metadata":{"a":1},"metadata":null}`, []string{duplicateKey}},
		rowCase{"a known key, escaped", `{"user\u0049d":"escaped key"}`, nil},
	)
}

func manyErrorCases() []rowCase {
	return []rowCase{
		{"every field is wrong", `{"userId":5,"email":"x","customFields":[],"metadata":"s","zzz":1}`,
			[]string{invalidUserID, invalidEmail, invalidCustom, invalidMetadata, unknownField}},
		{"two rules of one field", `{"userId":"u","customFields":{"":1,"n":1e999}}`, []string{invalidCustom, invalidCustom}},
		{"a duplicate and a limit in one field", `{"userId":"u","metadata":{"a":1,"a":2,"n":1e999}}`, []string{duplicateKey, invalidMetadata}},
		{"nothing that identifies and a bad field", `{"metadata":1,"email":null}`, []string{missing, invalidMetadata}},
		{"an email and an unknown key", `{"email":"@","nick":"x"}`, []string{invalidEmail, unknownField}},
	}
}

// testRowRules sends every case by itself between two valid rows, which it must
// not touch, and then all of them as one job.
func testRowRules(s *suite) {
	cases := rowCases()
	for _, c := range cases {
		s.run(c.name, func(w *world) {
			o := w.post(bodyOf(`{"userId":"before"}`, c.row, `{"userId":"after"}`)).outcome()
			o.row(0, "created")
			o.row(2, "created")
			status := "created"
			if len(c.codes) > 0 {
				status = "failed"
			}
			r := o.row(1, status, c.codes...)
			o.namesFields(r)
			if status == "failed" {
				return
			}
			given := w.given(c.row)
			if r.Email != given.Email || given.ID != "" && r.UserID != given.ID {
				o.errorf("the row is shown with another userId or email")
			}
			if given.ID == "" {
				given.ID = r.UserID
			}
			w.holdsIdentity(o.answer, given.ID, given.Email)
		})
	}
	s.run("all of them in one job", func(w *world) {
		rows := make([]string, 0, 2*len(cases))
		for i, c := range cases {
			rows = append(rows, c.row, fmt.Sprintf(`{"userId":"between %d"}`, i))
		}
		o := asJob.send(w, bodyOf(rows...))
		for i, c := range cases {
			r := o.results[2*i]
			if !slices.Equal(r.codes(), slices.Sorted(slices.Values(c.codes))) {
				w.Errorf("%s: row %d is %s %q, want %q\n%s", c.name, 2*i, r.Status, r.codes(), c.codes, clip(c.row))
			}
			o.row(2*i+1, "created")
		}
	})
}

// namesFields checks that errors name the field at fault.
func (o *outcome) namesFields(r rowResult) {
	o.t.Helper()
	for _, e := range r.Errors {
		field := map[string]string{
			invalidUserID: "userId", invalidEmail: "email", invalidCustom: "customFields", invalidMetadata: "metadata",
		}[e.Code]
		if field != "" && e.Field != field && !strings.HasPrefix(e.Field, field+".") {
			o.errorf("%s is of the field %q, but says %q", e.Code, field, e.Field)
		}
		if e.Retryable {
			o.errorf("%s is marked as retryable", e.Code)
		}
	}
}

// holdsIdentity checks that a user is found by its id and by its email.
func (w *world) holdsIdentity(a *answer, id, email string) {
	w.Helper()
	if id == "" {
		a.fatalf("the row has no userId")
	}
	if got := w.stored(id); got.Email != email {
		a.errorf("the stored email is %q, want %q", got.Email, email)
	}
	if email == "" {
		return
	}
	if owner := w.owner(email); owner == nil || owner.ID != id {
		a.errorf("the email %q does not lead to its user", email)
	}
}
