package rowio_test

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/rowio"
)

func mustQuote(text string) []byte {
	quoted, err := jsontext.AppendQuote(nil, text)
	if err != nil {
		panic(err)
	}
	return quoted
}

// write makes a table of rows that all failed.
func write(rows ...string) string {
	var table rowio.Table
	for _, row := range rows {
		table.Add([]byte(row))
	}
	text := table.AppendHeader(nil)
	for i, row := range rows {
		text = table.AppendRecord(text, []byte(row), bulk.RowResult{
			Index: i, Line: i + 2, Status: bulk.StatusFailed,
			Errors: []bulk.RowError{{Code: bulk.CodeInvalidEmail, Field: "email", Message: "bad, \"very\" bad"}},
		})
	}
	return string(text)
}

func TestTable(t *testing.T) {
	got := write(
		`{"userId":"u1","email":"=cmd()","customFields":{"n":9007199254740993,"s":"x,y","mixed":1},"metadata":{"b":true}}`,
		`{"email":"a\nb","customFields":{"s":"-5","mixed":"1","new":null}}`,
		`{"userId":5,"emial":"x","metadata":[1],"emial":"y"}`,
		`"text"`,
		``,
	)
	const note = `,failed,"INVALID_EMAIL: bad, ""very"" bad",`
	want := "\ufeff_index,_line,_status,_errors,userId,email," +
		"customFields.n:number,customFields.s,customFields.mixed:json,customFields.new:json,metadata.b:boolean,metadata:json,_rest\r\n" +
		"0,2" + note + "u1,'=cmd(),9007199254740993,\"x,y\",1,,true,,\r\n" +
		"1,3" + note + ",\"a\nb\",,'-5,\"\"\"1\"\"\",null,,,\r\n" +
		"2,4" + note + "5,,,,,,,[1],\"{\"\"emial\"\":\"\"x\"\",\"\"emial\"\":\"\"y\"\"}\"\r\n" +
		"3,5" + note + ",,,,,,,,\"\"\"text\"\"\"\r\n" +
		"4,6" + note + ",,,,,,,,\r\n"
	assert.Equal(t, want, got)
}

// What a table has written is read as it was.
func TestTableRoundTrip(t *testing.T) {
	tests := map[string][]string{
		"plain":                 {`{"userId":"u","email":"a@b.co","customFields":{"a":"x"},"metadata":{"b":"y"}}`},
		"types":                 {`{"userId":"u","customFields":{"a":1.50,"b":true,"c":"t","d":null,"e":[1,{"x":"y"}],"f":{},"g":""}}`},
		"types that differ":     {`{"userId":"u","customFields":{"a":1}}`, `{"userId":"v","customFields":{"a":"1"}}`, `{"userId":"w","customFields":{"a":""}}`},
		"absent fields":         {`{"userId":"u","customFields":{"a":"1"}}`, `{"userId":"v"}`, `{"email":"w","metadata":{"c":"x"}}`},
		"exact numbers":         {`{"userId":"u","customFields":{"a":9007199254740993,"b":-0.10e5}}`},
		"apostrophes":           {`{"userId":"'u","email":"''=x","customFields":{"a":"'","b":"'''@","c":"=1","d":"\t","e":"\r\n"}}`},
		"line ends, spaces":     {`{"userId":"u","customFields":{"a":"x\r\ny\n","b":" x ","c":"\"q\", r"}}`},
		"names":                 {`{"userId":"u","customFields":{"a:b":"1","a.b":"2","a:json":"3","a\"b,c\n":"4"," ":5}}`},
		"no fields":             {`{"userId":"u"}`},
		"not an object":         {`{"userId":"u","customFields":"s"}`, `{"userId":"v","customFields":[1,2]}`, `{"userId":"w","customFields":5}`},
		"names that do not fit": {`{"userId":"u","customFields":{"":1}}`, `{"userId":"v","customFields":{"` + strings.Repeat("x", 256) + `":1}}`},
		"names twice":           {`{"userId":"u","customFields":{"a":1,"a":2}}`, `{"userId":"v","customFields":{"a":"x"}}`},
	}
	for name, rows := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := collect(rowio.NewCSV(strings.NewReader(write(rows...))))
			require.NoError(t, err)
			assert.Equal(t, rows, texts(got))
			for _, row := range got {
				assert.Empty(t, row.Errors)
			}
		})
	}
}

// However many fields the rows have, the columns are bounded and nothing is lost.
func TestTableColumns(t *testing.T) {
	var rows []string
	for i := range 30 {
		var fields []string
		for j := range 70 {
			fields = append(fields, fmt.Sprintf(`"f%d":%d`, i*70+j, j))
		}
		rows = append(rows, fmt.Sprintf(`{"userId":"u","customFields":{%s}}`, strings.Join(fields, ",")))
	}
	// Fields that have columns by now, in a row that needs none more, of another kind.
	rows = append(rows, `{"userId":"u","customFields":{"f0":"x"}}`)
	text := write(rows...)
	header, _, _ := strings.Cut(text, "\r\n")
	assert.LessOrEqual(t, strings.Count(header, "customFields."), rowio.MaxFieldColumns)
	assert.Contains(t, header, "customFields:json")
	got, err := collect(rowio.NewCSV(strings.NewReader(text)))
	require.NoError(t, err)
	require.Len(t, got, len(rows))
	for i := range rows {
		assert.JSONEq(t, rows[i], string(got[i].JSON))
	}
}

// No cell of a table begins like a formula, whatever the rows hold.
func TestTableDefuses(t *testing.T) {
	starts := []string{"=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"}
	var rows []string
	for _, s := range starts {
		row, err := json.Marshal(map[string]any{"userId": s + "a", "email": s, "customFields": map[string]any{"x": s + "b"}, s + "c": s})
		require.NoError(t, err)
		rows = append(rows, string(row), string(mustQuote(s)))
	}
	rows = append(rows, `{"userId":"u","customFields":{"x":5}}`) // the column is JSON now
	for _, rows := range [][]string{rows, rows[:len(rows)-1]} {
		for _, record := range readAll(t, write(rows...)) {
			for _, cell := range record {
				for _, s := range starts {
					assert.False(t, strings.HasPrefix(cell, s), "cell %q", cell)
				}
			}
		}
	}
}

// readAll reads a table as a spreadsheet does.
func readAll(t *testing.T, text string) [][]string {
	t.Helper()
	records, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	require.NoError(t, err)
	return records
}
