package client_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/httpapi/client"
	"github.com/bulkops/bulkops/internal/rowio"
)

// readRows returns the rows that the service reads from a text.
func readRows(r bulk.RowReader) (rows []bulk.Row, err error) {
	for {
		row, err := r.Next()
		if err == io.EOF {
			return rows, nil
		}
		if err != nil {
			return rows, err
		}
		row.JSON = bytes.Clone(row.JSON)
		rows = append(rows, row)
	}
}

// requireSameRows checks that the service reads the same from the parts of a text
// as from the whole of it.
func requireSameRows(t *testing.T, text []byte, maxUsers int, source func(io.Reader) client.Source, read func(io.Reader) bulk.RowReader) {
	t.Helper()
	whole, wholeErr := readRows(read(bytes.NewReader(text)))
	parts, partsErr := client.Bodies(source(bytes.NewReader(text)), maxUsers, 1<<20)
	if wholeErr == nil {
		require.NoError(t, partsErr, "rule: what the service takes, the client takes")
	}
	if partsErr != nil {
		require.Error(t, wholeErr)
		return
	}
	n := 0
	for _, p := range parts {
		require.Equal(t, n, p.First)
		rows, err := readRows(read(bytes.NewReader(p.Text)))
		if err != nil {
			require.Error(t, wholeErr, "rule: a part is refused only if the whole is: %q", p.Text)
			return
		}
		require.Len(t, rows, p.Rows)
		for i, row := range rows {
			row.Line += p.Shift
			if wholeErr == nil || n < len(whole) {
				require.Equal(t, whole[n].Line, row.Line, "row %d of part %q", i, p.Text)
				require.Equal(t, string(whole[n].JSON), string(row.JSON))
			}
			n++
		}
	}
	if n == 0 {
		return // nothing would be sent
	}
	require.NoError(t, wholeErr, "rule: what breaks the grammar is found before it is sent")
	require.Len(t, whole, n)
}

func FuzzCSV(f *testing.F) {
	for _, text := range []string{
		"userId\na\nb", "userId,email\r\n\"a\n\"\"b\",c\r\n\r\n\nd\r\ne,f\r", "\ufeff\"customFields.a\r\nb\"\n1\n2\n3\n", "userId\na\"\n", "userId\n\"a\"b",
		"userId\n\"a", "userId\na\rb\n", "", "\n\n", "userId", "userId,_\n,\n\"\",\n", "userId\n\xff\n", "\ufeff", "\ufeff\n\ufeffuserId\n", "userId\n\"a\"\r", "userId\n\"\n\r",
		"userId;email\n;\na;b\n;;\n\n\"c\n;\";\n", "sep=;\nuserId;email\na;b\n\"\";\nc;d", "userId\temail\n\"a\tb\"\n\t\nc\td\n", "\nsep=|\nuserId|email\na|b\n",
		"customFields.x|\"y,userId\n|z\",userId\na,b\n", "userId,,email\na,b\n c, \"d\",e\n",
	} {
		f.Add([]byte(text), 1)
		f.Add([]byte(text), 2)
	}
	f.Fuzz(func(t *testing.T, text []byte, maxUsers int) {
		if maxUsers < 1 || maxUsers > 100 {
			t.Skip("a limit that nobody sets")
		}
		requireSameRows(t, text, maxUsers, client.CSV, func(r io.Reader) bulk.RowReader { return rowio.NewCSV(r) })
	})
}

func FuzzNDJSON(f *testing.F) {
	for _, text := range []string{
		"{}\n{}\r\n\n \n[]\n1\n\"a\"", "{", "{}{}", "\n", "", "{\"a\":\xff}", "\ufeff{}", "{\"a\":\"\\ud800\"}\n{}", "{}\r{}", "{\"a\":1,\"a\":2}\n{}",
	} {
		f.Add([]byte(text), 1)
		f.Add([]byte(text), 2)
	}
	f.Fuzz(func(t *testing.T, text []byte, maxUsers int) {
		if maxUsers < 1 || maxUsers > 100 || bytes.Contains(text, []byte(`\u`)) {
			t.Skip("halves of surrogate pairs are for the service to find")
		}
		requireSameRows(t, text, maxUsers, client.NDJSON, func(r io.Reader) bulk.RowReader { return rowio.NewNDJSON(r) })
	})
}

func FuzzJSON(f *testing.F) {
	for _, text := range []string{
		`{"users":[{},{"a":[1,{}]},null,1]}`, `{"options":{"dryRun":true},"users":[{},{}]}`, `{"users":[],"options":{}}`, `{"users":[{}]} `, `{"users":[{}]}x`, `[{}]`, `{`, ``,
		`{"users":[1e999,-0.0,"\u0000"]}`, `{"users":[{}],"users":[]}`,
	} {
		f.Add([]byte(text), 1)
		f.Add([]byte(text), 2)
	}
	f.Fuzz(func(t *testing.T, text []byte, maxUsers int) {
		if maxUsers < 1 || maxUsers > 100 {
			t.Skip("a limit that nobody sets")
		}
		var opts bulk.Options
		whole, err := readRows(rowio.NewJSON(bytes.NewReader(text), opts))
		parts, partsErr := client.Bodies(client.JSON(bytes.NewReader(text)), maxUsers, 1<<20)
		if err != nil {
			return // an array of users alone, or no such text
		}
		if partsErr != nil {
			require.Contains(t, partsErr.Error(), "must stand before its users")
			return
		}
		n := 0
		for _, p := range parts {
			rows, err := readRows(rowio.NewJSON(bytes.NewReader(p.Text), opts))
			require.NoError(t, err)
			for _, row := range rows {
				require.Equal(t, string(whole[n].JSON), string(row.JSON))
				n++
			}
		}
		require.Len(t, whole, n)
	})
}

func TestCSVRecords(t *testing.T) {
	const text = "\ufeffa,\"b\r\n\"\"c\"\"\",\r\n\n1,\"2,3\",4\nlast,\"\""
	type record struct {
		line  int
		text  string
		cells string
	}
	var got []record
	for r, err := range client.CSVRecords(strings.NewReader(text)) {
		require.NoError(t, err)
		var cells []string
		for cell := range r.Cells() {
			cells = append(cells, string(cell))
		}
		got = append(got, record{r.Line, string(r.Text), strings.Join(cells, "|")})
		for range r.Cells() {
			break
		}
	}
	assert.Equal(t, []record{
		{1, "a,\"b\r\n\"\"c\"\"\",\r\n", "a|\"b\r\n\"\"c\"\"\"|"},
		{4, "1,\"2,3\",4\n", `1|"2,3"|4`},
		{5, `last,""`, `last|""`},
	}, got)
	for range client.CSVRecords(strings.NewReader(text)) {
		break
	}
	assert.Empty(t, slices.Collect(client.Record{}.Cells()))
	broken := errors.New("disk failed")
	for text, want := range map[string]client.SourceError{
		"a\nb\n\"c": {Row: 1, Line: 3}, "\"a\"b": {Row: 0, Line: 1},
	} {
		var err error
		for _, err = range client.CSVRecords(strings.NewReader(text)) {
			continue
		}
		var fault *client.SourceError
		require.ErrorAs(t, err, &fault)
		assert.Equal(t, client.SourceError{Row: want.Row, Line: want.Line, Err: fault.Err}, *fault)
	}
	for _, err := range client.CSVRecords(failingReader{broken}) {
		assert.ErrorIs(t, err, broken)
	}
}

// The cells of a record are those that the service reads, whatever separates them
// and however the text is encoded.
func TestCSVRecordsAreThoseOfTheService(t *testing.T) {
	const text = "userId,customFields.a,metadata.b\r\na,6'2\",b\"\r\n\"c,;\t|\",\"ü\"\"\r\n😀\",\r\n,,\n"
	for name, test := range map[string]struct {
		text      string
		separator byte
	}{
		"commas":     {text, ','},
		"semicolons": {"sep=;\n" + strings.NewReplacer(",;", ",;", ",", ";").Replace(text), ';'},
		"tabs":       {strings.NewReplacer(",;", ",;", ",", "\t").Replace(text), '\t'},
		"bars":       {strings.NewReplacer(",;", ",;", ",", "|").Replace(text), '|'},
	} {
		for encoding, encoded := range map[string]string{
			"UTF-8":                  test.text,
			"UTF-8 with a mark":      "\ufeff" + test.text,
			"UTF-16, little endian":  utf16Of(binary.LittleEndian, test.text),
			"UTF-16, big endian":     utf16Of(binary.BigEndian, test.text),
			"UTF-16, byte for byte":  utf16Of(binary.LittleEndian, test.text),
			"UTF-8, byte for byte":   test.text,
			"marked, a byte a time ": "\ufeff" + test.text,
		} {
			var r io.Reader = strings.NewReader(encoded)
			if strings.Contains(encoding, "byte") {
				r = iotest.OneByteReader(r)
			}
			var got [][]string
			for record, err := range client.CSVRecords(r) {
				require.NoError(t, err)
				assert.Equal(t, string(test.separator), string(record.Separator))
				var cells []string
				for cell := range record.Cells() {
					cells = append(cells, string(cell))
				}
				got = append(got, cells)
			}
			assert.Equal(t, [][]string{
				{"userId", "customFields.a", "metadata.b"}, {"a", `6'2"`, `b"`}, {"\"c,;\t|\"", "\"ü\"\"\r\n😀\"", ""},
			}, got, "%s in %s", name, encoding)

			parts, err := client.Bodies(client.CSV(strings.NewReader(encoded)), 1, 1<<20)
			require.NoError(t, err)
			require.Len(t, parts, 2)
			var rows []string
			for _, p := range parts {
				read, err := readRows(rowio.NewCSV(bytes.NewReader(p.Text)))
				require.NoError(t, err)
				rows = append(rows, string(read[0].JSON))
			}
			assert.Equal(t, []string{
				`{"userId":"a","customFields":{"a":"6'2\""},"metadata":{"b":"b\""}}`, `{"userId":"c,;\t|","customFields":{"a":"ü\"\r\n😀"}}`,
			}, rows, "%s in %s", name, encoding)
		}
	}
	for encoding, text := range map[string]string{"NDJSON": "{}\n[]", "JSON": "[{}, []]"} {
		source := client.NDJSON
		if encoding == "JSON" {
			source = client.JSON
		}
		for _, encoded := range []string{"\ufeff" + text, utf16Of(binary.BigEndian, text)} {
			parts, err := client.Bodies(source(strings.NewReader(encoded)), 10, 1<<20)
			require.NoError(t, err, encoding)
			require.Len(t, parts, 1)
			assert.Equal(t, 2, parts[0].Rows)
		}
	}
}

// A text is what its reader was told, whatever could be found out of it: the parts
// have the names that the service knows, the records those of the text.
func TestCSVFormat(t *testing.T) {
	const text = "User,customFields.a;b,\"Home, sweet\",Notes\r\na,1,x,n\r\n\r\nb,\"2\r\n\",y,n\r\n"
	format := client.CSVFormat{Separator: ',', Rename: map[string]string{"User": "userId", "Home, sweet": "metadata.home", "Notes": ""}}
	parts, err := client.Bodies(format.Source(strings.NewReader(text)), 1, 1<<20)
	require.NoError(t, err)
	require.Len(t, parts, 2)
	var rows []string
	for _, p := range parts {
		read, err := readRows(rowio.NewCSV(bytes.NewReader(p.Text)))
		require.NoError(t, err)
		rows = append(rows, fmt.Sprint(read[0].Line+p.Shift, string(read[0].JSON)))
	}
	assert.Equal(t, []string{
		`2{"userId":"a","customFields":{"a;b":"1"},"metadata":{"home":"x"}}`,
		`4{"userId":"b","customFields":{"a;b":"2\r\n"},"metadata":{"home":"y"}}`,
	}, rows)
	var whole strings.Builder
	for r, err := range format.Records(strings.NewReader(text)) {
		require.NoError(t, err)
		whole.Write(r.Text)
	}
	assert.Equal(t, strings.Replace(text, "\r\n\r\n", "\r\n", 1), whole.String())

	_, err = client.Bodies(client.CSVFormat{Separator: '\t'}.Source(strings.NewReader("userId;email\na;b\n")), 1, 1<<20)
	assert.ErrorContains(t, err, `line 1: column 1 "userId;email" is unknown`, "rule: another separator is not looked for")
}
