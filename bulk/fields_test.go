package bulk_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/bulk"
)

func parse(t testing.TB, text string) bulk.Fields {
	t.Helper()
	f, err := bulk.ParseFields([]byte(text))
	require.NoError(t, err, text)
	return f
}

func TestParseFieldsIsCanonical(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{`{}`, `{}`},
		{" null\n", `{}`},
		{" { \"b\" : 1 ,\n\t\"a\" : [ true, null ] } ", `{"a":[true,null],"b":1}`},
		{`{"\u0061":"\u00e9\/"}`, `{"a":"é/"}`},
		{`{"n":9007199254740993}`, `{"n":9007199254740993}`},
		{`{"a":null}`, `{"a":null}`}, // a removal is kept until it is merged
	} {
		assert.Equal(t, test.want, parse(t, test.text).String(), test.text)
	}
}

func TestNumbersThatAreWrittenDifferentlyAreEqual(t *testing.T) {
	for want, aliases := range map[string][]string{
		"1":                {"1.0", "10e-1", "1e0", "1E+0", "0.1e1"},
		"0":                {"-0", "0.0", "-0.00e5", "0e-999"},
		"100":              {"1e2", "1.00E2", "100.000"},
		"-12.5":            {"-12.50", "-125e-1"},
		"9007199254740993": {"9007199254740993.0", "9007199254740.993e3"},
	} {
		f := parse(t, `{"n":`+want+`}`)
		for _, alias := range aliases {
			g := parse(t, `{"n":`+alias+`}`)
			assert.True(t, f.Equal(g), "%s and %s", want, alias)
			assert.True(t, f == g, "equal fields are ==: %s and %s", want, alias)
		}
	}
	assert.False(t, parse(t, `{"n":9007199254740993}`).Equal(parse(t, `{"n":9007199254740992}`)))
	assert.False(t, parse(t, `{"n":1}`).Equal(parse(t, `{"n":"1"}`)))
}

func TestParseFieldsLimits(t *testing.T) {
	nest := func(levels int) string {
		return strings.Repeat(`{"a":`, levels-1) + `{}` + strings.Repeat(`}`, levels-1)
	}
	name := func(length int) string { return `{"` + strings.Repeat("é", length) + `":1}` }
	digits := func(n int) string { return `{"n":1` + strings.Repeat("2", n-1) + `}` }
	for _, test := range []struct{ name, good, bad, message string }{
		{"Depth", nest(bulk.MaxFieldDepth), nest(bulk.MaxFieldDepth + 1), "nests deeper than 30 levels"},
		{"LongName", name(bulk.MaxFieldName), name(bulk.MaxFieldName + 1), "must have 1 to 255 characters"},
		{"EmptyName", `{"a":{"b":1}}`, `{"a":{"":1}}`, "must have 1 to 255 characters"},
		{"Digits", digits(38), digits(39), "more than 38 digits"},
		{"LargeNumber", `{"n":9.99e125}`, `{"n":1e126}`, "outside 1e-130 to 9.99e125"},
		{"SmallNumber", `{"n":1e-130}`, `{"n":9.99e-131}`, "outside 1e-130 to 9.99e125"},
		{"Duplicate", `{"a":1,"b":{"a":1}}`, `{"a":1,"\u0061":2}`, `field "a": stands twice`},
		{"NullCharacter", `{"a":"\u0001\\u0000"}`, `{"a":["\u0000"]}`, `field "a[0]": has the character U+0000`},
		{"NullCharacterInName", `{"a\u0001":{"\u001f":1}}`, `{"a":{"b\u0000":1}}`, `field "a.b\x00": has the character U+0000`},
		{"Object", `{}`, `[]`, "not a JSON object but an array"},
		{"NotNumber", `{}`, `7`, "not a JSON object but a number"},
		{"NotString", `{}`, `"{}"`, "not a JSON object but a string"},
		{"NotBoolean", `{}`, `false`, "not a JSON object but a boolean"},
		{"Syntax", `{"a":1}`, `{"a":1`, "not valid JSON"},
		{"Trailing", `{"a":1} `, `{"a":1}{}`, "not valid JSON"},
		{"Empty", `{}`, ``, "not valid JSON"},
		{"UTF8", `{"a":"é"}`, "{\"a\":\"\xe9\"}", "not valid JSON"},
	} {
		t.Run(test.name, func(t *testing.T) {
			parse(t, test.good)
			f, err := bulk.ParseFields([]byte(test.bad))
			assert.ErrorContains(t, err, test.message)
			assert.True(t, f.IsZero(), "refused fields are zero")
		})
	}
}

func TestParseFieldsNamesTheFieldAtFault(t *testing.T) {
	_, err := bulk.ParseFields([]byte(`{"ok":1,"scores":[1,{"best":1e999}]}`))
	assert.ErrorContains(t, err, `"scores[1].best"`)
	_, err = bulk.ParseFields([]byte(`{"` + strings.Repeat("é", 300) + `":1}`))
	assert.ErrorContains(t, err, `"`+strings.Repeat("é", 64)+`…"`, "a long name is cut between its characters")
}

func TestNewFields(t *testing.T) {
	f, err := bulk.NewFields(map[string]any{"team": "Lakers", "points": uint64(math.MaxUint64), "gone": nil, "raw": json.RawMessage("1e3")})
	require.NoError(t, err)
	assert.Equal(t, `{"gone":null,"points":18446744073709551615,"raw":1000,"team":"Lakers"}`, f.String())

	f, err = bulk.NewFields(nil)
	require.NoError(t, err)
	assert.True(t, f.IsZero())

	_, err = bulk.NewFields(map[string]any{"c": make(chan int)})
	assert.ErrorContains(t, err, "unsupported type")
	_, err = bulk.NewFields(map[string]any{"n": math.MaxFloat64})
	assert.ErrorContains(t, err, `field "n"`)
}

func TestFieldsAccess(t *testing.T) {
	f := parse(t, `{"b":{"x":[1,"}"]},"a\"b":"q","c":null}`)
	assert.Equal(t, 3, f.Len())
	assert.False(t, f.IsZero())

	value, ok := f.Get("b")
	assert.True(t, ok)
	assert.Equal(t, `{"x":[1,"}"]}`, string(value))
	value, ok = f.Get(`a"b`)
	assert.True(t, ok)
	assert.Equal(t, `"q"`, string(value))
	value, ok = f.Get("c")
	assert.True(t, ok, "null is there")
	assert.Equal(t, `null`, string(value))
	for _, name := range []string{"x", "B", ""} {
		_, ok = f.Get(name)
		assert.False(t, ok, name)
	}

	names := slices.Collect(maps.Keys(maps.Collect(f.All())))
	assert.ElementsMatch(t, []string{`a"b`, "b", "c"}, names)
	for name := range f.All() {
		assert.Equal(t, `a"b`, name, "names come in the order of the text")
		break // and a loop may end early
	}

	var zero bulk.Fields
	assert.Zero(t, zero.Len())
	assert.True(t, zero.IsZero())
	assert.Equal(t, "{}", zero.String())
	_, ok = zero.Get("a")
	assert.False(t, ok)
}

func TestFieldsCannotBeChangedThroughTheirValues(t *testing.T) {
	text := []byte(`{"a":"xyz"}`)
	f, err := bulk.ParseFields(text)
	require.NoError(t, err)
	copy(text, `{"a":"123"}`)
	value, _ := f.Get("a")
	copy(value, `"---"`)
	assert.Equal(t, `{"a":"xyz"}`, f.String())
}

func TestMerge(t *testing.T) {
	for _, test := range []struct{ base, patch, want string }{
		{`{}`, `{}`, `{}`},
		{`{"a":1}`, `{}`, `{"a":1}`},
		{`{}`, `{"a":1,"b":null}`, `{"a":1}`},
		{`{"a":1,"b":2}`, `{"b":3,"c":4}`, `{"a":1,"b":3,"c":4}`},
		{`{"a":1,"b":2}`, `{"a":null,"x":null}`, `{"b":2}`},
		{`{"a":1}`, `{"a":null}`, `{}`},
		{`{"a":{"x":1,"y":2}}`, `{"a":{"x":3}}`, `{"a":{"x":3}}`}, // key by key, not deep
		{`{"a":{"x":1}}`, `{"a":{"x":null}}`, `{"a":{"x":null}}`},
	} {
		base, patch := parse(t, test.base), parse(t, test.patch)
		got := base.Merge(patch)
		assert.Equal(t, test.want, got.String(), "%s with %s", test.base, test.patch)
		assert.Equal(t, parse(t, test.want), got)
		assert.Equal(t, got, got.Merge(patch), "merging again changes nothing: %s with %s", test.base, test.patch)
		assert.Equal(t, parse(t, test.base), base, "the base is not changed")
	}
}

func TestFieldsInJSON(t *testing.T) {
	user := bulk.User{ID: "u-1", CustomFields: parse(t, `{"n":9007199254740993,"html":"<b>&"}`)}
	text, err := json.Marshal(user)
	require.NoError(t, err)
	assert.JSONEq(t, `{"userId":"u-1","customFields":{"html":"<b>&","n":9007199254740993}}`, string(text))
	assert.NotContains(t, string(text), "metadata", "fields that are zero are left out")
	var back bulk.User
	require.NoError(t, json.Unmarshal(text, &back))
	assert.Equal(t, user, back)

	back = user
	require.NoError(t, json.Unmarshal([]byte(`{"customFields":null}`), &back))
	assert.True(t, back.CustomFields.IsZero(), "null has no fields")

	back = user
	assert.Error(t, json.Unmarshal([]byte(`{"customFields":[1]}`), &back))
	assert.Equal(t, user, back, "what is refused changes nothing")
}

// FuzzParseFields checks what holds of all fields: their text is canonical, has
// the same members as the text that they came from, and merging is what it is for
// maps.
func FuzzParseFields(f *testing.F) {
	for _, seed := range [][2]string{
		{`{"a":1.0,"b":[{"c":null}]}`, `{"b":null,"z":"\u00e9"}`},
		{`null`, `{}`},
		{`{"a":1,"a":2}`, `{"\ud83d\ude00":"\n"}`},
		{`{"n":-0.00120e-5}`, `{"":0}`},
	} {
		f.Add([]byte(seed[0]), []byte(seed[1]))
	}
	f.Fuzz(func(t *testing.T, base, patch []byte) {
		a, err := bulk.ParseFields(base)
		if err != nil {
			return
		}
		again := parse(t, a.String())
		if again != a {
			t.Fatalf("%s parses as %s", a, again)
		}
		want := members(t, base)
		if got := members(t, []byte(a.String())); len(got) != len(want) || a.Len() != len(want) {
			t.Fatalf("%s has %d members, Len %d, its source %d", a, len(got), a.Len(), len(want))
		}
		b, err := bulk.ParseFields(patch)
		if err != nil {
			return
		}
		merged := a.Merge(b)
		for name, value := range members(t, patch) {
			if string(value) == "null" {
				delete(want, name)
			} else {
				want[name] = value
			}
		}
		if merged.Len() != len(want) {
			t.Fatalf("%s with %s is %s; want the members %v", a, b, merged, slices.Collect(maps.Keys(want)))
		}
		for name, value := range merged.All() {
			source, ok := want[name]
			if !ok {
				t.Fatalf("%s with %s is %s, with a member %q", a, b, merged, name)
			}
			if got := parse(t, fmt.Sprintf(`{"v":%s}`, source)); got.String() != fmt.Sprintf(`{"v":%s}`, value) {
				t.Fatalf("%s with %s is %s; member %q should be %s", a, b, merged, name, source)
			}
		}
	})
}

// members decodes an object with encoding/json.
func members(t *testing.T, text []byte) map[string]json.RawMessage {
	t.Helper()
	m := map[string]json.RawMessage{}
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	if m == nil {
		m = map[string]json.RawMessage{}
	}
	for name, value := range m {
		m[name] = bytes.TrimSpace(value)
	}
	return m
}
