package rowio_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/rowio"
	"github.com/bulkops/bulkops/internal/test/race"
)

// collect reads all rows. Their text is copied, since it is the reader's.
func collect(r bulk.RowReader) ([]bulk.Row, error) {
	var rows []bulk.Row
	for {
		row, err := r.Next()
		if err != nil {
			if _, again := r.Next(); again != err {
				return nil, fmt.Errorf("rule: an error stays: %w after %w", again, err)
			}
			if err == io.EOF {
				err = nil
			}
			return rows, err
		}
		if row.JSON != nil {
			row.JSON = append([]byte(nil), row.JSON...)
		}
		rows = append(rows, row)
	}
}

func texts(rows []bulk.Row) []string {
	out := []string{}
	for _, row := range rows {
		out = append(out, string(row.JSON))
	}
	return out
}

// requireRefused checks that err refuses a request with a code and a message that
// has all the parts.
func requireRefused(t *testing.T, err error, code bulk.RequestCode, parts ...string) {
	t.Helper()
	var refused *bulk.RequestError
	require.ErrorAs(t, err, &refused)
	assert.Equal(t, code, refused.Code, refused.Message)
	for _, part := range parts {
		assert.Contains(t, refused.Message, part)
	}
	assert.NotContains(t, refused.Message, "jsontext")
	for name, show := range map[string]string{"line": "line %d", "index": "users[%d]"} {
		at, named := refused.Details[name]
		assert.Equal(t, strings.HasPrefix(refused.Message, show[:strings.Index(show, "%")]), named, "rule: the place in %q is in the details: %v", refused.Message, refused.Details)
		if named {
			assert.Contains(t, refused.Message, fmt.Sprintf(show, at))
		}
	}
}

func TestJSON(t *testing.T) {
	defaults := bulk.DefaultOptions()
	tests := []struct {
		name    string
		body    string
		rows    []string
		options bulk.Options
	}{
		{"no rows", `{"users":[]}`, []string{}, defaults},
		{"rows as they are", `{"users":[{"userId":"a", "x":[1,2.50]},5,null,"s",[],true]}`,
			[]string{`{"userId":"a", "x":[1,2.50]}`, `5`, `null`, `"s"`, `[]`, `true`}, defaults},
		{"exact numbers", `{"users":[{"n":9007199254740993}]}`, []string{`{"n":9007199254740993}`}, defaults},
		{"names twice within a row", `{"users":[{"a":1,"a":2}]}`, []string{`{"a":1,"a":2}`}, defaults},
		{"options before", `{"options":{"upsert":false,"dryRun":true},"users":[1]}`, []string{`1`}, bulk.Options{DryRun: true}},
		{"options behind", `{"users":[1],"options":{"skipDuplicates":true,"sendWelcomeEmail":true}}`, []string{`1`},
			bulk.Options{Upsert: true, SkipDuplicates: true, SendWelcomeEmail: true}},
		{"newer options", `{"options":{"updateOnly":true,"merge":"fill","maxFailed":10,"label":"a\u00e9"},"users":[1]}`, []string{`1`},
			bulk.Options{Upsert: true, UpdateOnly: true, Merge: bulk.MergeFill, MaxFailed: new(10), Label: "aé"}},
		{"as a job shows them", `{"users":[1],"options":{"merge":"merge","maxFailed":null}}`, []string{`1`}, defaults},
		{"whole numbers", `{"users":[1],"options":{"maxFailed":1e2}}`, []string{`1`}, bulk.Options{Upsert: true, MaxFailed: new(100)}},
		{"no options in options", `{"users":[1],"options":{}}`, []string{`1`}, defaults},
		{"byte order mark", "\ufeff{\"users\":[1]}", []string{`1`}, defaults},
		{"white space", " \t\r\n{ \"users\" : [ 1 , 2 ] , \"options\" : { \"dryRun\" : true } } \r\n\t ", []string{`1`, `2`},
			bulk.Options{Upsert: true, DryRun: true}},
		{"escaped keys", `{"\u0075sers":[1],"opt\u0069ons":{"dry\u0052un":true}}`, []string{`1`}, bulk.Options{Upsert: true, DryRun: true}},
		{"64 levels", `{"users":[` + nested(62) + `]}`, []string{nested(62)}, defaults},
		{"brackets in strings do not nest", `{"users":["` + strings.Repeat(`[{\"`, 100) + `"]}`, []string{`"` + strings.Repeat(`[{\"`, 100) + `"`}, defaults},
		{"flat brackets do not nest", `{"users":[[` + strings.Repeat(`[],`, 100) + `{}]]}`, []string{`[` + strings.Repeat(`[],`, 100) + `{}]`}, defaults},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for name, wrap := range map[string]func(io.Reader) io.Reader{
				"whole": func(r io.Reader) io.Reader { return r }, "byte by byte": iotest.OneByteReader, "data with EOF": iotest.DataErrReader,
			} {
				options := bulk.DefaultOptions()
				reader := rowio.NewJSON(wrap(strings.NewReader(test.body)), options)
				rows, err := collect(reader)
				require.NoError(t, err, name)
				assert.Equal(t, test.rows, texts(rows), name)
				assert.Equal(t, test.options, reader.Options(), name)
				for _, row := range rows {
					assert.Zero(t, row.Line, "rule: JSON has no lines")
					assert.Empty(t, row.Errors)
				}
			}
		})
	}
}

func nested(levels int) string {
	return strings.Repeat("[", levels) + strings.Repeat("]", levels)
}

func TestJSONRefused(t *testing.T) {
	const (
		json    = bulk.CodeInvalidJSON
		request = bulk.CodeInvalidRequest
	)
	tests := []struct {
		name  string
		body  string
		code  bulk.RequestCode
		parts []string
	}{
		{"empty", ``, json, []string{"empty"}},
		{"white space", " \n", json, []string{"empty"}},
		{"not JSON", `hello`, json, []string{"at byte 0", "'h'"}},
		{"two byte order marks", "\ufeff\ufeff{\"users\":[1]}", json, []string{"byte order mark", "at byte 3"}},
		{"cut off behind a byte order mark", "\ufeff{", json, []string{"cut off at byte 4"}},
		{"UTF-16", "\xff\xfe{\x00}\x00", json, []string{"UTF-16"}},
		{"UTF-16 of the other order without a mark", "\x00{\x00\"\x00u", json, []string{"UTF-16"}},
		{"UTF-32", "\xff\xfe\x00\x00{\x00\x00\x00", json, []string{"UTF-32"}},
		{"gzip", "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff", json, []string{"gzip", "Content-Encoding"}},
		{"a new spreadsheet", "PK\x03\x04\x14\x00\x00\x00", json, []string{"spreadsheet", "xlsx"}},
		{"an old spreadsheet", "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\x00", json, []string{"spreadsheet", "xls"}},
		{"Latin-1", "{\"users\":[1,{\"userId\":\"Jos\xe9\"}]}", json, []string{"users[1]", "Latin-1", "at byte 26"}},
		{"cut off in the object", `{`, json, []string{"cut off at byte 1"}},
		{"cut off in users", `{"users":[1`, json, []string{"cut off at byte 11"}},
		{"cut off behind users", `{"users":[1]`, json, []string{"cut off at byte 12"}},
		{"cut off in a string", `{"users":["ab`, json, []string{"cut off at byte 13"}},
		{"cut off in options", `{"options":{"upsert":tr`, json, []string{"cut off at byte 23"}},
		{"trailing value", `{"users":[1]} {}`, json, []string{"byte 14"}},
		{"trailing text", `{"users":[1]}x`, json, []string{"byte 13"}},
		{"trailing brace", `{"users":[1]}}`, json, []string{"byte 13"}},
		{"trailing comma in users", `{"users":[1,]}`, json, []string{"byte 11"}},
		{"trailing comma", `{"users":[1],}`, json, nil},
		{"no comma", `{"users":[1 2]}`, json, []string{"byte 12"}},
		{"comment", `{"users":[1]/**/}`, json, []string{"byte 12"}},
		{"name without quotes", `{users:[1]}`, json, []string{"byte 1"}},
		{"single quotes", `{'users':[1]}`, json, []string{"byte 1"}},
		{"invalid UTF-8", "{\"users\":[\"a\xff\"]}", json, []string{"UTF-8", "byte 12"}},
		{"invalid UTF-8 in a key", "{\"us\xffers\":[]}", json, []string{"UTF-8"}},
		{"lone surrogate", `{"users":["\ud800"]}`, json, []string{"byte 11"}},
		{"control character", "{\"users\":[\"a\nb\"]}", json, []string{"byte 12"}},
		{"NaN", `{"users":[1,NaN]}`, json, []string{"users[1]", "'N'", "byte 12"}},
		{"Infinity", `{"users":[1,{"a":-Infinity}]}`, json, []string{"users[1]", "'I'"}},
		{"leading zero", `{"users":[01]}`, json, []string{"byte 11"}},
		{"65 levels in a row", `{"users":[1,` + nested(63) + `]}`, json, []string{"users[1]", "64 levels"}},
		{"65 levels in an unknown key", `{"x":` + nested(64) + `}`, json, []string{"64 levels"}},
		{"far too deep", `{"users":[` + strings.Repeat("[", 20000), json, nil},

		{"an array", `[]`, request, []string{"object", "an array"}},
		{"a string", `"users"`, request, []string{"object", "a string"}},
		{"null", `null`, request, []string{"object", "null"}},
		{"a number", `1`, request, []string{"object", "a number"}},
		{"a boolean", `false`, request, []string{"object", "a boolean"}},
		{"an array of broken JSON", `[1,`, json, []string{"cut off"}},
		{"no users", `{}`, request, []string{`"users"`}},
		{"options alone", `{"options":{}}`, request, []string{`"users"`}},
		{"users null", `{"users":null}`, request, []string{`"users"`, "null"}},
		{"users an object", `{"users":{"userId":"a"}}`, request, []string{`"users"`, "an object"}},
		{"users a string", `{"users":"a"}`, request, []string{`"users"`, "a string"}},
		{"users twice", `{"users":[1],"users":[2]}`, request, []string{`"users"`, "twice"}},
		{"options twice", `{"options":{},"users":[1],"options":{}}`, request, []string{`"options"`, "twice"}},
		{"unknown key", `{"users":[1],"usres":[2]}`, request, []string{`"usres"`}},
		{"unknown key in front", `{"x":{"a":[1]},"users":[1]}`, request, []string{`"x"`}},
		{"other case", `{"Users":[1]}`, request, []string{`"Users"`}},
		{"empty key", `{"":1,"users":[1]}`, request, []string{`""`}},
		{"long key", `{"` + strings.Repeat("ä", 1000) + `":1}`, request, []string{"ä…"}},
		{"options null", `{"users":[1],"options":null}`, request, []string{`"options"`, "null"}},
		{"options an array", `{"users":[1],"options":[]}`, request, []string{`"options"`, "an array"}},
		{"unknown option", `{"users":[1],"options":{"upsrt":true}}`, request, []string{`"upsrt"`}},
		{"option of another type", `{"users":[1],"options":{"upsert":"true"}}`, request, []string{`"upsert"`, "a string"}},
		{"option a number", `{"users":[1],"options":{"dryRun":1}}`, request, []string{`"dryRun"`, "a number"}},
		{"option null", `{"users":[1],"options":{"dryRun":null}}`, request, []string{`"dryRun"`, "null"}},
		{"option an object", `{"users":[1],"options":{"dryRun":{}}}`, request, []string{`"dryRun"`, "an object"}},
		{"merge of another text", `{"users":[1],"options":{"merge":"deep"}}`, request, []string{`"merge"`, `"fill"`, "another string"}},
		{"merge empty", `{"users":[1],"options":{"merge":""}}`, request, []string{`"merge"`, `"fill"`}},
		{"merge null", `{"users":[1],"options":{"merge":null}}`, request, []string{`"merge"`, "null"}},
		{"merge a boolean", `{"users":[1],"options":{"merge":true}}`, request, []string{`"merge"`, "a boolean"}},
		{"label a number", `{"users":[1],"options":{"label":1}}`, request, []string{`"label"`, "a string", "a number"}},
		{"label an array", `{"users":[1],"options":{"label":["a"]}}`, request, []string{`"label"`, "an array"}},
		{"maxFailed negative", `{"users":[1],"options":{"maxFailed":-1}}`, request, []string{`"maxFailed"`, "whole number", "another number"}},
		{"maxFailed with a fraction", `{"users":[1],"options":{"maxFailed":0.5}}`, request, []string{`"maxFailed"`, "whole number"}},
		{"maxFailed large", `{"users":[1],"options":{"maxFailed":1e300}}`, request, []string{`"maxFailed"`, "whole number"}},
		{"maxFailed a string", `{"users":[1],"options":{"maxFailed":"1"}}`, request, []string{`"maxFailed"`, "a string"}},
		{"newer option twice", `{"users":[1],"options":{"merge":"fill","merge":"fill"}}`, request, []string{`"merge"`, "twice"}},
		{"option twice", `{"users":[1],"options":{"dryRun":true,"dryRun":true}}`, request, []string{`"dryRun"`, "twice"}},
		{"the first fault is reported", `{"a":1,"b":2}`, request, []string{`"a"`}},

		{"INVALID_JSON wins: unknown key", `{"x":1,"users":[1]`, json, []string{"cut off"}},
		{"INVALID_JSON wins: options", `{"options":5,"users":[1,]}`, json, []string{"byte"}},
		{"INVALID_JSON wins: not an object", `[1,]`, json, []string{"byte"}},
		{"INVALID_JSON wins: trailing", `5 5`, json, []string{"byte 2"}},
		{"a closing brace", `}`, json, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			options := bulk.DefaultOptions()
			_, err := collect(rowio.NewJSON(strings.NewReader(test.body), options))
			requireRefused(t, err, test.code, test.parts...)
			_, err = collect(rowio.NewJSON(iotest.OneByteReader(strings.NewReader(test.body)), options))
			requireRefused(t, err, test.code, test.parts...)
		})
	}
}

// What is not JSON is shown where it arrives in one piece.
func TestJSONNames(t *testing.T) {
	_, err := collect(readers["json"](strings.NewReader("{\"users\":[1,\ufeff2]}")))
	requireRefused(t, err, bulk.CodeInvalidJSON, "users[1]: a byte order mark", "at byte 12")
	for _, name := range []string{"NaN", "Infinity", "None", "undefined", "True"} {
		options := bulk.DefaultOptions()
		_, err := collect(rowio.NewJSON(strings.NewReader(`{"users":[{},{"a":`+name+`}]}`), options))
		requireRefused(t, err, bulk.CodeInvalidJSON, "users[1]: "+name+" is not JSON", "at byte 18")
		_, err = collect(rowio.NewNDJSON(strings.NewReader("{}\n{\"a\":" + name + "}\n")))
		requireRefused(t, err, bulk.CodeInvalidJSON, "line 2: "+name+" is not JSON", "at byte 8")
	}
}

// An error of the stream is not one of the text.
func TestStreamErrors(t *testing.T) {
	broken := errors.New("connection reset")
	for name, newReader := range readers {
		body := map[string]string{"json": `{"users":[1,`, "ndjson": "1\n", "csv": "userId\na\n"}[name]
		t.Run(name, func(t *testing.T) {
			_, err := collect(newReader(io.MultiReader(strings.NewReader(body), iotest.ErrReader(broken))))
			require.ErrorIs(t, err, broken)
			var refused *bulk.RequestError
			assert.NotErrorAs(t, err, &refused)

			_, err = collect(newReader(io.MultiReader(strings.NewReader(body), iotest.ErrReader(io.ErrUnexpectedEOF))))
			code := bulk.CodeInvalidJSON
			if name == "csv" {
				code = bulk.CodeInvalidRequest
			}
			requireRefused(t, err, code, "ended before it was complete")
		})
	}
}

var readers = map[string]func(io.Reader) bulk.RowReader{
	"json": func(r io.Reader) bulk.RowReader {
		options := bulk.DefaultOptions()
		return rowio.NewJSON(r, options)
	},
	"ndjson": func(r io.Reader) bulk.RowReader { return rowio.NewNDJSON(r) },
	"csv":    func(r io.Reader) bulk.RowReader { return rowio.NewCSV(r) },
}

// The rows around one that is too long are read.
func TestLongRow(t *testing.T) {
	formats := map[string]string{"json": "{\"users\":[1,\n%s,\n2]}", "ndjson": "1\n%s\n2"}
	longer := strings.Repeat("x", 5*rowio.MaxRow)
	long := `["` + strings.Repeat("x", rowio.MaxRow-3) + `"]`
	for name, body := range formats {
		rows, err := collect(readers[name](strings.NewReader(fmt.Sprintf(body, long))))
		requireLong(t, rows, err)

		longest := `"` + strings.Repeat("x", rowio.MaxRow-2) + `"`
		rows, err = collect(readers[name](strings.NewReader(fmt.Sprintf(body, longest))))
		require.NoError(t, err)
		assert.True(t, texts(rows)[1] == longest, "rule: a row of MaxRow bytes is read")

		if race.Enabled {
			continue
		}
		// Strings and numbers that are longer than what is held.
		for _, row := range []string{
			`"` + longer + `"`, strings.Repeat("1", len(longer)), `{"a":[{"b":"` + longer + `\\"},"]\"}"],"` + longer + `":{"c":-1` + strings.Repeat("0", len(longer)) + `}}`,
		} {
			text := fmt.Sprintf(body, row)
			rows, err = collect(readers[name](strings.NewReader(text)))
			requireLong(t, rows, err)

			if row[0] != '1' { // a part of a number is one
				_, err = collect(readers[name](strings.NewReader(text[:len(text)-len(longer)/2])))
				requireRefused(t, err, bulk.CodeInvalidJSON)
			}
			_, err = collect(readers[name](strings.NewReader(text + "}")))
			requireRefused(t, err, bulk.CodeInvalidJSON, fmt.Sprintf("byte %d", len(text)))
		}
	}
	json := func(row string) ([]bulk.Row, error) {
		return collect(readers["json"](strings.NewReader(fmt.Sprintf(formats["json"], row))))
	}
	rows, err := json(`[` + strings.Repeat(`"`+strings.Repeat("x", 1021)+`",`, 2*rowio.MaxRow/1024) + `1]`)
	requireLong(t, rows, err)
	rows, err = json(`{"a":"` + strings.Repeat("x", 3*rowio.MaxRow) + `"}`)
	requireLong(t, rows, err)

	_, err = json(nestedAround(rowio.MaxDepth-1, `"`+strings.Repeat("x", 3*rowio.MaxRow)+`"`))
	requireRefused(t, err, bulk.CodeInvalidJSON, "64 levels")
	_, err = json(nestedAround(rowio.MaxDepth-1, `"`+longer+`"`))
	requireRefused(t, err, bulk.CodeInvalidJSON, "64 levels")
	_, err = json(`["` + longer + `",` + nested(rowio.MaxDepth-1) + `]`)
	requireRefused(t, err, bulk.CodeInvalidJSON, "64 levels")
	for _, text := range []string{
		`{"users":[` + strings.Repeat(" ", 5*rowio.MaxRow) + `]}`,
		`{"x":"` + strings.Repeat("x", 5*rowio.MaxRow) + `","users":[]}`,
	} {
		_, err = collect(readers["json"](strings.NewReader(text)))
		require.ErrorIs(t, err, rowio.ErrTooLong)
	}
}

func requireLong(t *testing.T, rows []bulk.Row, err error) {
	t.Helper()
	require.NoError(t, err)
	assert.Equal(t, []string{"1", "", "2"}, texts(rows))
	assert.Nil(t, rows[1].JSON)
	require.Len(t, rows[1].Errors, 1)
	assert.Equal(t, bulk.CodeUserTooLarge, rows[1].Errors[0].Code)
}

func nestedAround(levels int, text string) string {
	return strings.Repeat("[", levels) + text + strings.Repeat("]", levels)
}

// Memory does not grow with the body: rows cost nothing once the buffers have
// their size.
func TestAllocations(t *testing.T) {
	const n = 20_000
	bodies := map[string]func() io.Reader{
		"json": func() io.Reader {
			row := `,{"userId":"u-1","email":"a@example.com","customFields":{"a":1}}`
			return io.MultiReader(strings.NewReader(`{"users":[1`), repeat(row, n), strings.NewReader(`]}`))
		},
		"ndjson": func() io.Reader {
			return repeat("{\"userId\":\"u-1\",\"email\":\"a@example.com\",\"customFields\":{\"a\":1}}\n", n)
		},
		"csv": func() io.Reader {
			return io.MultiReader(strings.NewReader("userId,email,customFields.a:number\n"), repeat("u-1,a@example.com,1\n", n))
		},
	}
	for name, body := range bodies {
		allocations := testing.AllocsPerRun(1, func() {
			r := readers[name](body())
			for rows := 0; ; rows++ {
				if _, err := r.Next(); err != nil {
					assert.Equal(t, io.EOF, err)
					assert.GreaterOrEqual(t, rows, n)
					return
				}
			}
		})
		assert.Less(t, allocations, 200.0, name)
	}
}

func repeat(text string, n int) io.Reader { return &repeater{text: text, n: n} }

type repeater struct {
	text string
	n    int
	part strings.Reader
}

func (r *repeater) Read(p []byte) (int, error) {
	for r.part.Len() == 0 {
		if r.n == 0 {
			return 0, io.EOF
		}
		r.n--
		r.part.Reset(r.text)
	}
	return r.part.Read(p)
}
