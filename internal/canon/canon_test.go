package canon

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var limits = Limits{Depth: 30, NameLength: 255}

func TestValue(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{`{}`, `{}`},
		{` { } `, `{}`},
		{`{"b":1,"a":2}`, `{"a":2,"b":1}`},
		{"{ \"a\" : [ 1 , \t{\"y\":0, \"x\":1}\n, null ] }", `{"a":[1,{"x":1,"y":0},null]}`},
		{`{"a b":1,"a":2}`, `{"a b":1,"a":2}`}, // the byte order of quoted names
		{`{"\u0061":"\u00e9\/\u0001\n"}`, `{"a":"é/\u0001\n"}`},
		{`{"n":[1.0,10e-1,-0,0.0,1E2,0.10,-12.50]}`, `{"n":[1,1,0,0,100,0.1,-12.5]}`},
		{`[true,false,null,"",[],{}]`, `[true,false,null,"",[],{}]`},
	} {
		got, problems, _ := Value([]byte(test.text), limits)
		assert.Empty(t, problems, test.text)
		assert.Equal(t, test.want, got, test.text)
	}
}

// TestCanonical reads the members of an object by name, each value in its canonical form
// or as it is.
func TestCanonical(t *testing.T) {
	text := []byte(`{"a" : {"y":null,"x":{"z":null}} , "b":{"x":{"z":null}},"c":[null],"d":1e999,"e":null,"f" : 1.0 }`)
	type read struct {
		name, kind, canonical, value string
		nulls                        bool
		problems                     int
	}
	var got []read
	plain, canonical := Scan(text), Scan(text)
	for {
		name, ok := canonical.Name()
		_, _ = plain.Name()
		if !ok {
			break
		}
		r := read{name: string(name), kind: string(canonical.Kind()), value: string(plain.Value())}
		c, nulls, problems, more := canonical.Canonical([]byte("before"), limits)
		assert.Zero(t, more)
		assert.Equal(t, "before", string(c[:6]))
		r.canonical, r.nulls, r.problems = string(c[6:]), nulls, len(problems)
		if len(problems) > 0 {
			r.canonical = ""
		}
		got = append(got, r)
	}
	assert.Equal(t, []read{
		{`"a"`, "{", `{"x":{"z":null},"y":null}`, `{"y":null,"x":{"z":null}}`, true, 0},
		{`"b"`, "{", `{"x":{"z":null}}`, `{"x":{"z":null}}`, false, 0},
		{`"c"`, "[", `[null]`, `[null]`, false, 0},
		{`"d"`, "0", ``, `1e999`, false, 1},
		{`"e"`, "n", `null`, `null`, false, 0},
		{`"f"`, "0", `1`, `1.0`, false, 0},
	}, got)
}

func TestValueReportsProblems(t *testing.T) {
	deep := func(n int) string { return strings.Repeat(`{"a":`, n) + "1" + strings.Repeat("}", n) }
	name := func(n int) string { return `{"` + strings.Repeat("é", n) + `":1}` }
	for _, test := range []struct {
		text string
		want []Problem
	}{
		{deep(30), nil},
		{deep(31), []Problem{{TooDeep, strings.TrimSuffix(strings.Repeat("a.", 30), ".")}}},
		{`{"a":` + strings.Repeat("[", 30) + strings.Repeat("]", 30) + `}`,
			[]Problem{{TooDeep, "a" + strings.Repeat("[0]", 29)}}},
		{name(255), nil},
		{name(256), []Problem{{NameLength, strings.Repeat("é", 256)}}},
		{`{"` + strings.Repeat("a", 255) + `":1}`, nil},
		{`{"` + strings.Repeat("a", 256) + `":1}`, []Problem{{NameLength, strings.Repeat("a", 256)}}},
		{`{"` + strings.Repeat(`\n`, 255) + `":1}`, nil},
		{`{"` + strings.Repeat(`\n`, 256) + `":1}`, []Problem{{NameLength, strings.Repeat("\n", 256)}}},
		{`{"":1}`, []Problem{{NameLength, ""}}},
		{`{"a":1,"b":2,"\u0061":3,"a":4}`, []Problem{{DuplicateName, "a"}}},
		{`{"x":[{"k":1,"k":1}]}`, []Problem{{DuplicateName, "x[0].k"}}},
		{`{"x":{"n":[0,1e126]}}`, []Problem{{NumberRange, "x.n[1]"}}},
		{`{"x":["","a\u0000"]}`, []Problem{{NullCharacter, "x[1]"}}},
		{`{"x":"\u0000"}`, []Problem{{NullCharacter, "x"}}},
		{`{"x":"\\\u0000"}`, []Problem{{NullCharacter, "x"}}},
		{`{"x":"\n\\\\\u00001"}`, []Problem{{NullCharacter, "x"}}},
		{`{"x":{"a\u0000":1}}`, []Problem{{NullCharacter, "x.a\x00"}}},
		{`{"\u0000":"\u0000"}`, []Problem{{NullCharacter, "\x00"}, {NullCharacter, "\x00"}}},
		{`{"x":"\\u0000 \\\\u0000 u0000 \u0001 \u000a \u1000","\\u0000":0}`, nil}, // none of them is U+0000
		{`{"x":"\u000","a\\":"\\"}`[:8] + `1","a\\":"\\"}`, nil},
	} {
		got, problems, more := Value([]byte(test.text), limits)
		assert.Equal(t, test.want, problems, test.text)
		assert.Zero(t, more)
		assert.Equal(t, problems != nil, got == "", "rule: a value with problems has no canonical form")
	}
	_, problems, more := Value([]byte("["+strings.Repeat("1e999,", 500)+"0]"), limits)
	assert.Len(t, problems, maxProblems)
	assert.Equal(t, 500-maxProblems, more)
	_, problems, more = Value([]byte(`{"a":1e999}`), limits)
	assert.Len(t, problems, 1)
	assert.Zero(t, more, "rule: nothing is left of the value before")
}

// However long names are, no more of them is kept than is shown.
func TestValueClipsPaths(t *testing.T) {
	for name, char := range map[string]string{"a": "a", "é": "é", `\u00e9`: "é", `\ud83d\ude00`: "😀", `\"`: `"`, "😀": "😀"} {
		long := strings.Repeat(name, 1<<20/len(name))
		for _, text := range []string{`{"` + long + `":1e999}`, `{"x":[{"` + long + `":{"y":1e999}}]}`} {
			_, problems, _ := Value([]byte(text), Limits{Depth: 30, NameLength: 1 << 30})
			require.Len(t, problems, 1)
			prefix := ""
			if text[2] == 'x' {
				prefix = "x[0]."
			}
			assert.Equal(t, prefix+strings.Repeat(char, maxPath-len(prefix)), problems[0].Path)
		}
	}
}

// Neither the problems of a value nor its shape cost more than a small factor of
// its text. The factors are those measured, with a little to spare.
func TestCost(t *testing.T) {
	const size = 4 << 20
	fill := func(before, part, after string) string {
		return before + strings.Repeat(part, (size-len(before)-len(after))/len(part)) + after
	}
	for name, test := range map[string]struct {
		text string
		most float64 // bytes allocated for a byte of text
	}{
		"a long name over many problems":         {`{"` + strings.Repeat("k", size) + `":[` + strings.Repeat("1e999,", 1000) + `0]}`, 6},
		"a long escaped name over many problems": {`{"` + strings.Repeat(`\n`, size/2) + `":[` + strings.Repeat("1e999,", 1000) + `0]}`, 12},
		"many problems":                          {fill(`{"a":[`, "1e999,", "0]}"), 6},
		"many names":                             {fill(`{"z":1`, `,"a":1`, "}"), 18},
		"many elements":                          {fill(`{"a":[`, "1,", "0]}"), 6},
		"deep":                                   {strings.Repeat(`{"a":[`, 14) + fill(``, "1,", "0") + strings.Repeat("]}", 14), 6},
		"long strings":                           {fill(`{"a":"`, `\n`, `"}`), 12},
	} {
		var before, after runtime.MemStats
		runtime.GC() // empties the pool
		runtime.GC()
		runtime.ReadMemStats(&before)
		Value([]byte(test.text), limits)
		runtime.ReadMemStats(&after)
		cost := float64(after.TotalAlloc-before.TotalAlloc) / float64(len(test.text))
		assert.LessOrEqual(t, cost, test.most, name)
		t.Logf("%s: %.1f bytes allocated for a byte", name, cost)
	}
}

func TestNumber(t *testing.T) {
	nines := strings.Repeat("9", 38)
	for _, test := range []struct{ text, want string }{
		{"0", "0"}, {"-0", "0"}, {"0e999999999999", "0"}, {"-0.000", "0"},
		{"9007199254740993", "9007199254740993"}, {"-9007199254740993", "-9007199254740993"},
		{nines, nines}, {"-" + nines, "-" + nines}, {nines + "0", "9." + nines[1:] + "e38"},
		{"0.000001", "0.000001"}, {"0.0000001", "0.0000001"}, {"0.00000001", "1e-8"},
		{"1e37", "1" + strings.Repeat("0", 37)}, {"1e38", "1e38"}, {"100e36", "1e38"},
		{"1e-130", "1e-130"}, {"0.1e-129", "1e-130"}, {"9." + nines[1:] + "e125", "9." + nines[1:] + "e125"},
		{"1" + strings.Repeat("0", 125), "1e125"},
		{"0." + strings.Repeat("0", 129) + "1", "1e-130"},
		{"123.4560e1", "1234.56"},
		{"1e+5", "100000"}, {"1E05", "100000"},
	} {
		got, ok := Number(nil, []byte(test.text))
		assert.True(t, ok, test.text)
		assert.Equal(t, test.want, string(got), test.text)
	}
	for _, text := range []string{
		nines + "1", "0.1" + nines, "1e126", "1e-131", "0.9e-130", "10e125", "1e99999999999999", "-1e126",
	} {
		_, ok := Number(nil, []byte(text))
		assert.False(t, ok, text)
	}
}

func TestMergeAndDiff(t *testing.T) {
	for _, test := range []struct{ base, patch, merged, diff string }{
		{``, `{"a":1}`, `{"a":1}`, `{"a":1}`},
		{``, `{"a":null}`, `{}`, `{}`},
		{`{"a":1}`, `{}`, `{"a":1}`, `{}`},
		{`{"a":1,"c":3}`, `{"a":1,"b":2,"c":null}`, `{"a":1,"b":2}`, `{"b":2,"c":null}`},
		{`{"a":{"x":1,"y":2}}`, `{"a":{"x":1}}`, `{"a":{"x":1}}`, `{"a":{"x":1}}`},
		{`{"a":"n"}`, `{"a":null,"z":[]}`, `{"z":[]}`, `{"a":null,"z":[]}`},
		{`{"a":null}`, `{"a":null}`, `{}`, `{}`},
	} {
		assert.Equal(t, test.merged, string(Merge(nil, []byte(test.base), []byte(test.patch))), test)
		assert.Equal(t, test.diff, string(Diff(nil, []byte(test.base), []byte(test.patch))), test)
	}
}

func TestSize(t *testing.T) {
	for _, test := range []struct {
		text string
		want int
	}{
		{`{}`, 3},
		{`{"abc":"défg"}`, 3 + 1 + 3 + 5},
		{`{"a":true,"b":null}`, 3 + 2 + 2 + 2},
		{`[[],[]]`, 3 + 2 + 3 + 3},
		{`"a\nb"`, 3},
	} {
		assert.Equal(t, test.want, Size(test.text), test.text)
	}
	for _, text := range []string{`[[],[],[],[]]`, `[1,2,3,4]`, `{"":1,"a":{}}`, `[true,null]`, `0`, `""`} {
		assert.LessOrEqual(t, Size(text), MaxSize(len(text)), text)
	}
	// A number takes a byte for two digits and one more, and one for the sign.
	assert.GreaterOrEqual(t, Size("-12345678901234567890123456789012345678"), 21)
}

// FuzzValue checks that canonical text means what it was made of, and that it is
// canonical.
func FuzzValue(f *testing.F) {
	for _, seed := range []string{
		`{"b":[1.50,{"y":null,"x":"\u0041\ud83d\ude00"}],"a":-0}`, `1e-130`, `"\\\""`, `[[[]]]`, `{"a":1,"a":2}`, `{"a b":1,"a":2,"a!":3}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if !jsontext.Value(text).IsValid(jsontext.AllowDuplicateNames(true)) {
			return
		}
		canonical, problems, _ := Value(text, limits)
		if len(problems) > 0 {
			return
		}
		got := []byte(canonical)
		require.True(t, jsontext.Value(got).IsValid(), "%s became %s", text, got)
		require.Equal(t, mean(t, text), mean(t, got))
		again, problems, _ := Value(got, limits)
		require.Empty(t, problems)
		require.Equal(t, canonical, again)
		if got[0] != '{' {
			return
		}
		var names [][]byte
		s := Scan(text)
		for {
			name, value, ok := s.Next()
			if !ok {
				break
			}
			require.True(t, jsontext.Value(value).IsValid(), "value %s", value)
			names = append(names, name)
		}
		var m map[string]any
		require.NoError(t, json.Unmarshal(text, &m))
		require.Len(t, names, len(m))
		require.Equal(t, "{}", string(Diff(nil, got, got)))
		require.Equal(t, string(Merge(nil, nil, got)), string(Merge(nil, got, got)))
	})
}

// mean decodes text by the standard library with exact numbers.
func mean(t *testing.T, text []byte) any {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	require.NoError(t, d.Decode(&v))
	return exact(v)
}

func exact(v any) any {
	switch v := v.(type) {
	case json.Number:
		// big.Rat would write out 0e10000000000.
		if mantissa, _, _ := strings.Cut(strings.ToLower(string(v)), "e"); strings.Trim(mantissa, "-0.") == "" {
			return "0"
		}
		r, ok := new(big.Rat).SetString(string(v))
		if !ok {
			return fmt.Sprintf("number %s", v)
		}
		return r.RatString()
	case []any:
		for i := range v {
			v[i] = exact(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = exact(v[k])
		}
	}
	return v
}

func TestDepth(t *testing.T) {
	for text, want := range map[string]int{`1`: 0, `"[["`: 0, `{}`: 1, `[{"a":[]}]`: 3, `"\"["`: 0} {
		assert.Equal(t, want, Depth([]byte(text)), text)
	}
	assert.True(t, reflect.DeepEqual(Unquote([]byte(`"a\u0062"`)), "ab"))
}

func TestChanges(t *testing.T) {
	for _, test := range []struct{ from, to, want string }{
		{`{}`, `{}`, `{}`},
		{``, `{"a":1}`, `{"a":1}`},
		{`{"a":1}`, `{}`, `{"a":null}`},
		{`{"a":1}`, ``, `{"a":null}`},
		{`{"a":1,"b":2,"c":3}`, `{"a":1,"b":"2","d":{"x":null}}`, `{"b":"2","c":null,"d":{"x":null}}`},
		{`{"b":{"x":1}}`, `{"a":[],"b":{"x":1}}`, `{"a":[]}`},
	} {
		got := Changes([]byte("before"), []byte(test.from), []byte(test.to))
		require.Equal(t, "before", string(got[:6]), test)
		assert.Equal(t, test.want, string(got[6:]), test)
		if test.to != "" {
			assert.Equal(t, test.to, string(Merge(nil, []byte(test.from), got[6:])), "it makes one of the other: %v", test)
		}
	}
}
