package bulk

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// readRow returns the plan of the row of that index.
func readRow(index int, row Row) *plan {
	p := new(plan)
	new(rowReader).read(p, index, row)
	return p
}

// A fault is a row error without its message.
type fault struct {
	Code  RowCode
	Field string
}

func faults(errors []RowError) []fault {
	var list []fault
	for _, e := range errors {
		list = append(list, fault{e.Code, e.Field})
	}
	return list
}

func TestRowRules(t *testing.T) {
	fields := func(levels int) string {
		return strings.Repeat(`{"a":`, levels-1) + `{}` + strings.Repeat(`}`, levels-1)
	}
	id := func(n int) string { return `{"userId":"` + strings.Repeat("é", n) + `"}` }
	for _, test := range []struct {
		name, row string
		want      []fault
	}{
		{"Object", `{"userId":"u"}`, nil},
		{"ObjectWithSpace", " {\n\t\"userId\" : \"u\" } ", nil},
		{"Array", `[{"userId":"u"}]`, []fault{{CodeInvalidUser, ""}}},
		{"String", `"u"`, []fault{{CodeInvalidUser, ""}}},
		{"Number", `1`, []fault{{CodeInvalidUser, ""}}},
		{"Boolean", `true`, []fault{{CodeInvalidUser, ""}}},
		{"Null", `null`, []fault{{CodeInvalidUser, ""}}},
		{"Nothing", ``, []fault{{CodeInvalidUser, ""}}},

		{"EmailOnly", `{"email":"a@b.c"}`, nil},
		{"Both", `{"email":"a@b.c","userId":"u"}`, nil},
		{"Neither", `{}`, []fault{{CodeMissingIdentifier, ""}}},
		{"NullsAreAbsent", `{"userId":null,"email":null}`, []fault{{CodeMissingIdentifier, ""}}},
		{"NullIDAndEmail", `{"userId":null,"email":"a@b.c"}`, nil},
		{"IDAndNullEmail", `{"userId":"u","email":null}`, nil},
		{"EmptyID", `{"userId":""}`, []fault{{CodeInvalidUserID, "userId"}, {CodeMissingIdentifier, ""}}},
		{"EmptyIDAndEmail", `{"userId":"","email":"a@b.c"}`, []fault{{CodeInvalidUserID, "userId"}}},
		{"EmptyEmail", `{"email":""}`, []fault{{CodeInvalidEmail, "email"}, {CodeMissingIdentifier, ""}}},

		{"LongestID", id(MaxUserID), nil},
		{"TooLongID", id(MaxUserID + 1), []fault{{CodeInvalidUserID, "userId"}}},
		{"NumberAsID", `{"userId":7}`, []fault{{CodeInvalidUserID, "userId"}}},
		{"ObjectAsID", `{"userId":{}}`, []fault{{CodeInvalidUserID, "userId"}}},
		{"SpaceInID", `{"userId":"a \u00a0b"}`, nil},
		{"SpaceBeforeID", `{"userId":" a"}`, []fault{{CodeInvalidUserID, "userId"}}},
		{"SpaceBehindID", `{"userId":"a\u00a0"}`, []fault{{CodeInvalidUserID, "userId"}}},
		{"SpaceAsID", `{"userId":"\u3000"}`, []fault{{CodeInvalidUserID, "userId"}}},
		{"ByteOrderMarkBeforeID", `{"userId":"\ufeffa"}`, []fault{{CodeInvalidUserID, "userId"}}},
		{"ZeroWidthSpaceAroundID", `{"userId":"\u200ba\u200b"}`, nil}, // no white space of ECMAScript
		{"ControlInID", `{"userId":"a\u0000"}`, []fault{{CodeInvalidUserID, "userId"}}},
		{"NewlineInID", `{"userId":"a\n"}`, []fault{{CodeInvalidUserID, "userId"}}},
		{"DeleteInID", `{"userId":"a\u007f"}`, []fault{{CodeInvalidUserID, "userId"}}},
		{"C1ControlInID", `{"userId":"a\u0085"}`, []fault{{CodeInvalidUserID, "userId"}}},
		{"LineSeparatorInID", `{"userId":"a\u2028b"}`, nil}, // no control character

		{"BadEmail", `{"email":"a@b"}`, []fault{{CodeInvalidEmail, "email"}}},
		{"EmailWithNoBreakSpace", `{"email":"a\u00a0@b.c"}`, []fault{{CodeInvalidEmail, "email"}}},
		{"EmailWithByteOrderMark", `{"email":"\ufeffa@b.c"}`, []fault{{CodeInvalidEmail, "email"}}},
		{"EmailWithLineSeparator", `{"email":"a@b.c\u2028"}`, []fault{{CodeInvalidEmail, "email"}}},
		{"EmailWithControl", `{"email":"a\u0007@b.c"}`, []fault{{CodeInvalidEmail, "email"}}},
		{"EmailWithNullCharacter", `{"email":"a@b.c\u0000"}`, []fault{{CodeInvalidEmail, "email"}}},
		{"NumberAsEmail", `{"userId":"u","email":1}`, []fault{{CodeInvalidEmail, "email"}}},

		{"Fields", `{"userId":"u","customFields":{"a":[1]},"metadata":{}}`, nil},
		{"NullFields", `{"userId":"u","customFields":null,"metadata":null}`, nil},
		{"StringAsFields", `{"userId":"u","customFields":"{}"}`, []fault{{CodeInvalidCustomFields, "customFields"}}},
		{"ArrayAsFields", `{"userId":"u","customFields":[]}`, []fault{{CodeInvalidCustomFields, "customFields"}}},
		{"NumberAsFields", `{"userId":"u","customFields":0}`, []fault{{CodeInvalidCustomFields, "customFields"}}},
		{"BooleanAsFields", `{"userId":"u","customFields":false}`, []fault{{CodeInvalidCustomFields, "customFields"}}},
		{"StringAsMetadata", `{"userId":"u","metadata":""}`, []fault{{CodeInvalidMetadata, "metadata"}}},
		{"DeepestFields", `{"userId":"u","customFields":` + fields(30) + `,"metadata":` + fields(30) + `}`, nil},
		{"TooDeepFields", `{"userId":"u","customFields":` + fields(31) + `}`,
			[]fault{{CodeInvalidCustomFields, "customFields." + strings.Repeat("a.", 29) + "a"}}},
		{"TooDeepMetadata", `{"userId":"u","metadata":{"a":[` + fields(29) + `]}}`,
			[]fault{{CodeInvalidMetadata, "metadata.a[0]" + strings.Repeat(".a", 28)}}},
		{"LongestName", `{"userId":"u","metadata":{"` + strings.Repeat("é", 255) + `":1}}`, nil},
		{"TooLongName", `{"userId":"u","metadata":{"` + strings.Repeat("é", 256) + `":1}}`,
			[]fault{{CodeInvalidMetadata, "metadata." + strings.Repeat("é", 64) + "…"}}},
		{"EmptyName", `{"userId":"u","customFields":{"":1}}`, []fault{{CodeInvalidCustomFields, "customFields."}}},
		{"LargestNumber", `{"userId":"u","customFields":{"n":-9.99e125}}`, nil},
		{"TooLargeNumber", `{"userId":"u","customFields":{"n":-1e126}}`, []fault{{CodeInvalidCustomFields, "customFields.n"}}},

		{"NullCharacterInFields", `{"userId":"u","customFields":{"a":[{"b":"x\u0000"}]}}`, []fault{{CodeInvalidCustomFields, "customFields.a[0].b"}}},
		{"NullCharacterInMetadata", `{"userId":"u","metadata":{"\u0000":null}}`, []fault{{CodeInvalidMetadata, "metadata.\x00"}}},
		{"OtherControlsInFields", `{"userId":"u","customFields":{"\u0001":"\\u0000\u001f"}}`, nil},

		{"UnknownField", `{"userId":"u","name":"Ana"}`, []fault{{CodeUnknownField, "name"}}},
		{"FieldsAreNamedExactly", `{"userId":"u","Email":"a@b.c"}`, []fault{{CodeUnknownField, "Email"}}},
		{"UnknownNull", `{"userId":"u","name":null}`, []fault{{CodeUnknownField, "name"}}},
		{"DuplicateKey", `{"userId":"u","user\u0049d":"v"}`, []fault{{CodeDuplicateKey, "userId"}}},
		{"DuplicateNull", `{"userId":"u","email":null,"email":"a@b.c"}`, []fault{{CodeDuplicateKey, "email"}}},
		{"DuplicateInFields", `{"userId":"u","customFields":{"a":{"b":1,"b":1}}}`, []fault{{CodeDuplicateKey, "customFields.a.b"}}},
		{"SameNameInTwoObjects", `{"userId":"u","customFields":{"a":{"a":1}},"metadata":{"a":1}}`, nil},

		{"Several", `{"userId":7,"email":"x","customFields":[],"metadata":1,"x":0,"x":0}`, []fault{
			{CodeInvalidUserID, "userId"}, {CodeInvalidEmail, "email"}, {CodeInvalidCustomFields, "customFields"},
			{CodeInvalidMetadata, "metadata"}, {CodeUnknownField, "x"}, {CodeDuplicateKey, "x"},
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := readRow(3, Row{JSON: []byte(test.row), Line: 5})
			assert.Equal(t, test.want, faults(p.errors))
			for _, e := range p.errors {
				assert.NotEmpty(t, e.Message, e.Code)
				assert.False(t, e.Retryable, e.Code)
			}
			r := p.result(StatusFailed)
			assert.Equal(t, 3, r.Index)
			assert.Equal(t, 5, r.Line)
		})
	}
}

func TestRowValues(t *testing.T) {
	p := readRow(0, Row{JSON: []byte(`{"userId":"\u0075-1","email":"Ana@Example.com","customFields":{"n":1.0,"x":null},"metadata":{"a":1}}`)})
	require.Empty(t, p.errors)
	assert.Equal(t, "u-1", p.ID)
	assert.Equal(t, "Ana@Example.com", p.Email, "as it was given")
	assert.Equal(t, `{"n":1,"x":null}`, p.CustomFields.String())
	assert.Equal(t, `{"a":1}`, p.Metadata.String())
}

func TestRowSize(t *testing.T) {
	row := func(n int) Row {
		return Row{JSON: []byte(`{"userId":"u","metadata":{"a":"` + strings.Repeat("x", n) + `"}}`)}
	}
	most := MaxUser - readRow(0, row(0)).Size()
	p := readRow(0, row(most))
	assert.Empty(t, p.errors)
	assert.Equal(t, MaxUser, p.Size())
	assert.Equal(t, []fault{{CodeUserTooLarge, ""}}, faults(readRow(0, row(most+1)).errors))
}

// A request of 10,000 rows does not answer with millions of errors, whatever finds
// them: the first 100 rows list up to 100 each, the others 10.
func TestRowErrorsAreBounded(t *testing.T) {
	unknown := func(n int) string {
		var row strings.Builder
		row.WriteString(`{"userId":1`)
		for i := range n {
			fmt.Fprintf(&row, `,"key%d":1`, i)
		}
		return row.String() + "}"
	}
	numbers := func(n int) string { return `{"userId":1,"metadata":{"a":[` + strings.Repeat("1e999,", n) + `0]}}` }
	long := strings.Repeat("k", 1<<20)
	for _, test := range []struct {
		index     int
		row       string
		errors    int
		last, end string
	}{
		{0, unknown(99), 100, "key98", "is not a field of a user"},
		{0, unknown(300), 100, "key98", "is not a field of a user; and 201 more errors of this row"},
		{99, unknown(100), 100, "key98", "is not a field of a user; and 1 more error of this row"},
		{100, unknown(9), 10, "key8", "is not a field of a user"},
		{100, unknown(300), 10, "key8", "is not a field of a user; and 291 more errors of this row"},
		{100, unknown(300)[:len(unknown(300))-1] + `,"email":5,"key1":2}`, 10, "key8", "; and 293 more errors of this row"},
		{0, numbers(300), 100, "metadata.a[98]", "; and 201 more errors of this row"},
		{9_999, numbers(300), 10, "metadata.a[8]", "; and 291 more errors of this row"},
		{0, `{"userId":"u","metadata":{"` + long + `":[` + strings.Repeat("1e999,", 300) + `0]}}`, 100, "metadata." + long[:64] + "…", "; and 201 more errors of this row"},
	} {
		p := readRow(test.index, Row{JSON: []byte(test.row)})
		require.Len(t, p.errors, test.errors)
		last := p.errors[test.errors-1]
		assert.Equal(t, test.last, last.Field)
		assert.True(t, strings.HasSuffix(last.Message, test.end), last.Message)
	}
}

// What a row costs beyond its own text is bounded by a small factor of it, also for
// a worker that validates it again.
func TestRowCost(t *testing.T) {
	const size = 4 << 20
	fill := func(before, part, after string) string {
		return before + strings.Repeat(part, (size-len(before)-len(after))/len(part)) + after
	}
	var names strings.Builder
	for i := 0; names.Len() < size; i++ {
		fmt.Fprintf(&names, `,"%d":1`, i)
	}
	for name, row := range map[string]string{
		"a long name over many problems":         `{"metadata":{"` + strings.Repeat("k", size) + `":[` + strings.Repeat("1e999,", 100) + `0]}}`,
		"a long escaped name over many problems": `{"metadata":{"` + strings.Repeat(`\n`, size/2) + `":[` + strings.Repeat("1e999,", 100) + `0]}}`,
		"many unknown keys":                      `{"userId":"u"` + names.String() + `}`,
		"one unknown key many times":             fill(`{"userId":"u"`, `,"a":1`, `}`),
		"many keys":                              `{"userId":"u","metadata":{"":1` + names.String() + `}}`,
		"keys in disorder":                       fill(`{"userId":"u","metadata":{"z":1`, `,"a":1`, `}}`),
		"many elements":                          fill(`{"userId":"u","metadata":{"a":[`, `1,`, `0]}}`),
		"a long id":                              fill(`{"userId":"`, `\n`, `"}`),
	} {
		var before, after runtime.MemStats
		runtime.GC() // and once more, so that nothing is taken from a pool
		runtime.GC()
		runtime.ReadMemStats(&before)
		readRow(100, Row{JSON: []byte(row)})
		runtime.ReadMemStats(&after)
		cost, most := float64(after.TotalAlloc-before.TotalAlloc)/float64(len(row)), 16.0
		if strings.Contains(name, "unknown") {
			most = 4 // they are counted, and not held
		}
		assert.LessOrEqual(t, cost, most, name)
		t.Logf("%s: %.1f bytes allocated for a byte", name, cost)
	}
}

func TestRowErrorsOfTheReaderComeFirst(t *testing.T) {
	errors := make([]RowError, 1, 10)
	errors[0] = RowError{Code: CodeInvalidUser, Field: "customFields.age", Message: "not a number"}
	p := readRow(0, Row{JSON: []byte(`{"userId":"u","x":1}`), Errors: errors})
	assert.Equal(t, []fault{{CodeInvalidUser, "customFields.age"}, {CodeUnknownField, "x"}}, faults(p.errors))
	assert.Equal(t, RowError{}, errors[:2][1], "the reader's slice is not written to")

	p = readRow(0, Row{Errors: errors})
	assert.Equal(t, []fault{{CodeInvalidUser, "customFields.age"}}, faults(p.errors), "a row without text has only what its reader found")
}

// TestBadIdentifiersAreShown checks what a result says of identifiers that failed.
func TestBadIdentifiersAreShown(t *testing.T) {
	for _, test := range []struct{ row, id, email string }{
		{`{"userId":"u","email":"nonsense"}`, "u", "nonsense"},
		{`{"userId":"a\tb","email":"a@b.c"}`, "a\tb", "a@b.c"},
		{`{"userId":7,"email":true}`, "", ""},
		{`{"userId":{"a":"b"},"email":["a@b.c"]}`, "", ""},
		{`{"userId":"` + strings.Repeat("a", 300) + `"}`, strings.Repeat("a", 300), ""},
		{`{"userId":"` + strings.Repeat("a", 5*MaxUserID) + `","email":"` + strings.Repeat("b", 5*MaxEmail) + `"}`, "", ""},
	} {
		p := readRow(0, Row{JSON: []byte(test.row)})
		require.NotEmpty(t, p.errors, test.row)
		r := p.result(StatusFailed)
		assert.Equal(t, test.id, r.UserID, test.row)
		assert.Equal(t, test.email, r.Email, test.row)
	}
}

func TestMessagesClipNames(t *testing.T) {
	p := readRow(0, Row{JSON: []byte(`{"userId":"u","` + strings.Repeat("k", 10_000) + `":1}`)})
	require.Len(t, p.errors, 1)
	assert.Less(t, len(p.errors[0].Message), 200)
	assert.Equal(t, strings.Repeat("k", 64)+"…", p.errors[0].Field)
	assert.Equal(t, strings.Repeat("k", 64), clip(strings.Repeat("k", 64)), "64 characters are not clipped")
}
