package rowio_test

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"unicode"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/rowio"
	"github.com/bulkops/bulkops/internal/rowtext"
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
		"blanks around names":   {`{"userId":"u","customFields":{" x ":5,"y\u00a0":"z"}}`},
		"separators in names":   {`{"userId":"u","customFields":{"a;=1":5,"b|c":"z","d\te":1,"f\ng":1}}`, `{"userId":"v","customFields":{"a":1}}`},
		"separators in values":  {`{"userId":"a;=1","email":"b|' -1","customFields":{"a":"x;''=1;=2|+3\t@4\r\n-5\n=6;","b":"a;b|c\td\r\ne\n","c":"';=1","d":"\n=1"},"metadata":{"j":["a;=1","b|-2",1]}}`},
		"unseen characters":     {`{"userId":" =1","email":"\u0000=1","customFields":{"a":"\ufeff=1","b":"\u200b'=1","c":"' \u2060+1","d":"\u00a0'","e":"' a"}}`},
		"names twice":           {`{"userId":"u","customFields":{"a":1,"a":2}}`, `{"userId":"v","customFields":{"a":"x"}}`},
	}
	for name, rows := range tests {
		t.Run(name, func(t *testing.T) {
			for saved, text := range saves(t, write(rows...)) {
				got, err := collect(rowio.NewCSV(strings.NewReader(text)))
				require.NoError(t, err, saved)
				require.Len(t, got, len(rows), saved)
				for i, row := range got {
					assert.Equal(t, mean(t, rows[i]), mean(t, string(row.JSON)), saved)
					assert.Empty(t, row.Errors, saved)
				}
			}
		})
	}
}

// mean returns a row in a form in which rows that mean the same are equal. Members
// keep their order and numbers their digits.
func mean(t *testing.T, row string) string {
	t.Helper()
	v := jsontext.Value(row)
	require.NoError(t, v.Format(jsontext.AllowDuplicateNames(true), jsontext.CanonicalizeRawInts(false), jsontext.PreserveRawStrings(false)))
	return string(v)
}

// saves returns a table as spreadsheets save it: with other separators, with more
// quotes, and with the columns that they fill up.
func saves(t *testing.T, text string) map[string]string {
	t.Helper()
	saved := map[string]string{"as it is": text}
	records, _ := cells(t, text)
	for name, comma := range map[string]string{"commas": ",", "semicolons": ";", "tabs": "\t", "bars": "|"} {
		var b strings.Builder
		for _, record := range records {
			for i, cell := range record {
				if i > 0 {
					b.WriteString(comma)
				}
				b.WriteString(`"` + strings.ReplaceAll(cell, `"`, `""`) + `"`)
			}
			b.WriteString(comma + comma + "\r\n")
		}
		b.WriteString(strings.Repeat(comma, len(records[0])+1) + "\r\n")
		saved[name] = b.String()
		saved[name+" and a line that says so"] = "\ufeffsep=" + comma + "\r\n" + b.String()
	}
	return saved
}

// cells returns the cells of a table.
func cells(t *testing.T, text string) ([][]string, *rowtext.Header) {
	t.Helper()
	r := rowtext.NewRecords(strings.NewReader(text), ",", rowio.MaxRow)
	h, err := r.Header()
	require.NoError(t, err)
	var header []string
	for _, c := range h.Columns {
		header = append(header, c.Header())
	}
	records := [][]string{header}
	for {
		rec, err := r.Next()
		if err == io.EOF {
			return records, h
		}
		require.NoError(t, err)
		var record []string
		for i := range rec.Known() {
			record = append(record, string(rec.Cell(i)))
		}
		records = append(records, record)
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

// A cell with a separator of any kind is quoted, whichever one separates cells: a
// program that takes another one for it then still sees one cell.
func TestTableQuotesEverySeparator(t *testing.T) {
	for _, separator := range rowtext.Separators {
		cell := "a" + string(separator) + "b"
		row, err := json.Marshal(map[string]any{"userId": cell, "customFields": map[string]any{"x": cell}})
		require.NoError(t, err)
		assert.Equal(t, 2, strings.Count(write(string(row)), `"`+cell+`"`), "%q", separator)
	}
}

// No cell of a table begins like a formula, whatever the rows hold and whatever a
// program takes for its separator.
func TestTableDefuses(t *testing.T) {
	signs := []string{"=", "+", "-", "@", "＝", "＋", "－", "＠"}
	unseen := []string{"", " ", "\t", "\r", "\n", "\x00", "\u00a0", "\u200b", "\ufeff", "\u2060", "\u202e", "' \u200d'"}
	between := []string{"", ";", "\t", "|", "\n", "\r\n", ",", "a;", "\";", ";;"}
	var rows []string
	for _, sign := range signs {
		for _, b := range between {
			for _, u := range unseen {
				text := b + u + sign + "1+1" + b
				row, err := json.Marshal(map[string]any{
					"userId": text, "email": text, "customFields": map[string]any{"x": text, "j": []string{text}}, "metadata": map[string]any{text: text}, text: text,
				})
				require.NoError(t, err)
				rows = append(rows, string(row), string(mustQuote(text)))
			}
		}
	}
	// A column of JSON, and one of strings.
	for _, rows := range [][]string{rows, append(rows[:len(rows):len(rows)], `{"userId":"u","customFields":{"x":5}}`)} {
		text := write(rows...)
		for _, comma := range rowtext.Separators {
			for i, record := range readAll(t, text, comma) {
				for _, cell := range record {
					shown := strings.TrimLeftFunc(cell, func(r rune) bool {
						return unicode.IsSpace(r) || unicode.IsControl(r) || unicode.Is(unicode.Cf, r)
					})
					for _, s := range signs {
						require.False(t, strings.HasPrefix(shown, s), "record %d, read with %q: cell %q", i, comma, cell)
					}
				}
			}
		}
		again, err := collect(rowio.NewCSV(strings.NewReader(text)))
		require.NoError(t, err)
		require.Len(t, again, len(rows))
		for i := 0; i < len(rows); i += 2 {
			want := value(t, []byte(rows[i]))
			for key := range want { // unknown keys are in a note
				if key != "userId" && key != "email" && key != "customFields" && key != "metadata" {
					delete(want, key)
				}
			}
			require.Equal(t, want, value(t, again[i].JSON))
		}
	}
}

// readAll reads a table as a spreadsheet does: a quote that does not begin a cell
// has no meaning to it.
func readAll(t *testing.T, text string, comma rune) [][]string {
	t.Helper()
	r := csv.NewReader(strings.NewReader(text))
	r.Comma, r.LazyQuotes, r.FieldsPerRecord = comma, true, -1
	records, err := r.ReadAll()
	require.NoError(t, err)
	return records
}
