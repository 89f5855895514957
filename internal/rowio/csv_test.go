package rowio_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/rowio"
	"github.com/bulkops/bulkops/internal/rowtext"
)

func TestCSV(t *testing.T) {
	tests := []struct {
		name  string
		body  string
		rows  []string
		lines []int
	}{
		{"header alone", "userId\n", []string{}, nil},
		{"strings", "userId,email,customFields.team,metadata.source\nu1,a@b.co,Lakers,crm\n",
			[]string{`{"userId":"u1","email":"a@b.co","customFields":{"team":"Lakers"},"metadata":{"source":"crm"}}`}, []int{2}},
		{"any order", "metadata.b,customFields.x,email,metadata.a,userId\n1,2,a@b.co,3,u\n",
			[]string{`{"userId":"u","email":"a@b.co","customFields":{"x":"2"},"metadata":{"b":"1","a":"3"}}`}, []int{2}},
		{"empty cells are absent", "userId,email,customFields.a,customFields.b:number,metadata.c\nu,,,,\n,a@b.co,x,,\n,,,,\n",
			[]string{`{"userId":"u"}`, `{"email":"a@b.co","customFields":{"a":"x"}}`}, []int{2, 3}},
		{"records of empty cells are passed over", ",\n\"\",\"\"\nuserId,email\n,\nu,\n,,,,,\n\"\",\nv,\n,", []string{`{"userId":"u"}`, `{"userId":"v"}`}, []int{5, 8}},
		{"typed", "userId,customFields.n:number,customFields.b:boolean,customFields.j:json,customFields.s:string\n" +
			"u,9007199254740993,true,\"{\"\"a\"\":[1,null]}\",5\nv,-1.50e+3,FALSE,null,true\n",
			[]string{`{"userId":"u","customFields":{"n":9007199254740993,"b":true,"j":{"a":[1,null]},"s":"5"}}`,
				`{"userId":"v","customFields":{"n":-1.50e+3,"b":false,"j":null,"s":"true"}}`}, []int{2, 3}},
		{"names with dots and colons", "userId,customFields.a.b,customFields.a:b:string,metadata.x:json:number\nu,1,2,3\n",
			[]string{`{"userId":"u","customFields":{"a.b":"1","a:b":"2"},"metadata":{"x:json":3}}`}, []int{2}},
		{"quoted header", "\"userId\",\"customFields.a \"\"b\"\", c\"\nu,1\n", []string{`{"userId":"u","customFields":{"a \"b\", c":"1"}}`}, []int{2}},
		{"byte order mark", "\ufeffuserId\nu\n", []string{`{"userId":"u"}`}, []int{2}},
		{"byte order mark and quotes", "\ufeff\"userId\"\nu\n", []string{`{"userId":"u"}`}, []int{2}},
		{"CRLF", "userId,email\r\nu,a@b.co\r\nv,\r\n", []string{`{"userId":"u","email":"a@b.co"}`, `{"userId":"v"}`}, []int{2, 3}},
		{"no end of the last line", "userId\nu", []string{`{"userId":"u"}`}, []int{2}},
		{"carriage return at the end", "userId,email\r\nu,\"v\"\r", []string{`{"userId":"u","email":"v"}`}, []int{2}},
		{"empty lines", "\n\r\nuserId\n\nu\n\r\nv\n\n", []string{`{"userId":"u"}`, `{"userId":"v"}`}, []int{5, 7}},
		{"quoted commas, quotes and line ends", "userId,customFields.a\nu,\"x,\"\"y\"\"\nz\r\nw\"\nv,2\n",
			[]string{`{"userId":"u","customFields":{"a":"x,\"y\"\nz\r\nw"}}`, `{"userId":"v","customFields":{"a":"2"}}`}, []int{2, 5}},
		{"empty lines within quotes", "userId,customFields.a\nu,\"\n\n\"\nv,1\n",
			[]string{`{"userId":"u","customFields":{"a":"\n\n"}}`, `{"userId":"v","customFields":{"a":"1"}}`}, []int{2, 5}},
		{"spaces stay", "userId,customFields.a\n u , x \n", []string{`{"userId":" u ","customFields":{"a":" x "}}`}, []int{2}},
		{"quotes in a cell that begins with none", "userId,customFields.a\na\"b,6'2\"\"\n", []string{`{"userId":"a\"b","customFields":{"a":"6'2\"\""}}`}, []int{2}},
		{"an empty quoted cell is empty", "userId,email\nu,\"\"\n", []string{`{"userId":"u"}`}, []int{2}},
		{"controls are escaped", "userId,customFields.a\nu,\x00\x1f\u2028\\\n", []string{`{"userId":"u","customFields":{"a":"\u0000\u001f` + "\u2028" + `\\"}}`}, []int{2}},
		{"notes are passed over", "_index,_line,_errors,userId,_errors,_status,_rest\n1,2,E,u,\"a\nb\",1,x\n", []string{`{"userId":"u"}`}, []int{2}},
		{"whole objects", "userId,customFields:json,metadata:json\nu,\"{\"\"\"\":1,\"\"a\"\":2}\",{}\nv,null,\nw,5,\"\"\"s\"\"\"\n",
			[]string{`{"userId":"u","customFields":{"":1,"a":2},"metadata":{}}`, `{"userId":"v"}`, `{"userId":"w","customFields":5,"metadata":"s"}`}, []int{2, 3, 4}},
		{"whole objects beside fields", "userId,customFields.x,customFields:json\nu,1,\"{ \"\"a\"\": 2 }\"\nv,1,{}\nw,1,null\nx,1,[]\n",
			[]string{`{"userId":"u","customFields":{"a": 2,"x":"1"}}`, `{"userId":"v","customFields":{"x":"1"}}`,
				`{"userId":"w","customFields":{"x":"1"}}`, `{"userId":"x","customFields":[]}`}, []int{2, 3, 4, 5}},
		{"surplus cells that are empty", "userId,email\nu,v,,\"\",\nw\u2000,x\n", []string{`{"userId":"u","email":"v"}`, "{\"userId\":\"w\u2000\",\"email\":\"x\"}"}, []int{2, 3}},
		{"columns without a name", "userId,,email, ,\"\",\nu,,a,,,\nv,,b,,,,,\nw,,c\n", []string{`{"userId":"u","email":"a"}`, `{"userId":"v","email":"b"}`, `{"userId":"w","email":"c"}`}, []int{2, 3, 4}},
		{"identities in any spelling", "User ID,E-mail\nu,a\n", []string{`{"userId":"u","email":"a"}`}, []int{2}},
		{"parts in any case, names as they are", " USERID ,CUSTOMFIELDS.Team,customfields. My Team : number,Metadata.a b,METADATA:json\nu,1,2,3,{}\n",
			[]string{`{"userId":"u","customFields":{"Team":"1","My Team":2},"metadata":{"a b":"3"}}`}, []int{2}},
		{"semicolons", "userId;customFields.a\nu;\"x;,y\"\nv;1,5\n", []string{`{"userId":"u","customFields":{"a":"x;,y"}}`, `{"userId":"v","customFields":{"a":"1,5"}}`}, []int{2, 3}},
		{"tabs", "userId\temail\nu\ta;b,c|d\n", []string{`{"userId":"u","email":"a;b,c|d"}`}, []int{2}},
		{"bars", "userId|email\r\nu|a\r\n", []string{`{"userId":"u","email":"a"}`}, []int{2}},
		{"a comma if several fit", "userId,customFields.a;b\nu,1\n", []string{`{"userId":"u","customFields":{"a;b":"1"}}`}, []int{2}},
		{"a header of several lines", "userId;\"customFields.a\n,b\"\nu;1\n", []string{`{"userId":"u","customFields":{"a\n,b":"1"}}`}, []int{3}},
		{"a separator line", "\ufeffsep=;\r\nuserId;customFields.a,b\r\nu;1\r\n", []string{`{"userId":"u","customFields":{"a,b":"1"}}`}, []int{3}},
		{"a separator line that is not needed", "SEP=,\nuserId\nu\n", []string{`{"userId":"u"}`}, []int{3}},
		{"a separator line with a tab", "sep=\t\n\nuserId\temail\nu\tv\n", []string{`{"userId":"u","email":"v"}`}, []int{4}},
		{"longer than a buffer", "userId,customFields.a\nu," + strings.Repeat("x", 20_000) + "\n",
			[]string{`{"userId":"u","customFields":{"a":"` + strings.Repeat("x", 20_000) + `"}}`}, []int{2}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for _, r := range []bulk.RowReader{
				rowio.NewCSV(strings.NewReader(test.body)),
				rowio.NewCSV(iotest.OneByteReader(strings.NewReader(test.body))),
				rowio.NewCSV(iotest.DataErrReader(strings.NewReader(test.body))),
			} {
				rows, err := collect(r)
				require.NoError(t, err)
				assert.Equal(t, test.rows, texts(rows))
				for i, row := range rows {
					assert.Equal(t, test.lines[i], row.Line, "rule: the line is that of the record's start")
					assert.Empty(t, row.Errors)
				}
			}
		})
	}
}

func TestCSVRefused(t *testing.T) {
	tests := []struct {
		name  string
		body  string
		parts []string
	}{
		{"empty", "", []string{"header"}},
		{"empty lines", "\n\r\n", []string{"header"}},
		{"byte order mark alone", "\ufeff", []string{"header"}},
		{"unknown column", "userId,name\nu,x\n", []string{`"name"`}},
		{"a field without a part", "userId,team\nu,x\n", []string{"line 1", `column 2 "team"`, "customFields.team", "metadata.team"}},
		{"an unknown note", "userId,_id\nu,x\n", []string{`column 2 "_id"`, "_index, _line, _status, _errors and _rest"}},
		{"a note in another case", "userId,_Index\nu,x\n", []string{`column 2 "_Index"`}},
		{"an identity behind an underscore", "_email\nu\n", []string{`column 1 "_email"`}},
		{"an identity twice, spelled differently", "email,E-Mail\nu,v\n", []string{`column 2 "E-Mail"`, "twice", "column 1"}},
		{"no identity", "customFields.a,metadata.b\nu,v\n", []string{"line 1", "userId or email", `column 1 is "customFields.a"`}},
		{"names alone", ",,\n,,\n", []string{"no header row"}},
		{"blanks and then a quote", "userId, \"email\"\nu,v\n", []string{`column 2 " \"email\""`, "blanks"}},
		{"other separators that do not fit", "userId;name\tx\nu;v\n", []string{`column 1 "userId;name\tx"`, "the line also has ; tab", `read with ","`}},
		{"a separator line of another separator", "sep=;\nuserId,email\nu,v\n", []string{"line 2", `column 1 "userId,email"`, `read with ";"`, "the line also has ,"}},
		{"another separator and quotes", "\"userId\";\"name\"\nu;v\n", []string{"line 1", "closing quote of cell 1", `read with ","`, "the line also has ;"}},
		{"a name with what is not seen", "userId,\u200bteam\nu,v\n", []string{`column 2 "\u200bteam"`, "customFields.NAME"}},
		{"a separator line that is none", "sep=x\nuserId\nu\n", []string{"line 1", `column 1 "sep=x"`}},
		{"a separator line that is not the first", "\nsep=;\nuserId\nu\n", []string{"line 2", `column 1 "sep=;"`}},
		{"too many columns", "userId" + strings.Repeat(",_line", rowtext.MaxCells) + "\nu\n", []string{"line 1", "2001 columns", "limit is 2000"}},
		{"a part without a name", "customFields\nx\n", []string{`"customFields"`}},
		{"an empty field", "customFields.\nx\n", []string{`"customFields."`, "1 to 255"}},
		{"an empty field with a type", "metadata.:json\nx\n", []string{`"metadata.:json"`}},
		{"a long field", "customFields." + strings.Repeat("ä", 256) + "\nx\n", []string{"1 to 255"}},
		{"unknown type", "customFields.age:int\n5\n", []string{`"customFields.age:int"`, ":string"}},
		{"a type of userId", "userId:string\nu\n", []string{`"userId:string"`}},
		{"duplicate userId", "userId,userId\nu,v\n", []string{`"userId"`, "twice"}},
		{"duplicate field", "customFields.a,customFields.a:number\n1,2\n", []string{`"customFields.a"`, "twice"}},
		{"duplicate whole", "metadata:json,metadata:json\n1,2\n", []string{`"metadata"`, "twice"}},
		{"text behind a quote", "userId,email\nu,v\n\"a\"b,c\n", []string{"line 3", "closing quote"}},
		{"open quote", "userId\nu\n\"a\nb\nc\n", []string{"line 3", "no end"}},
		{"open quote in the header", "\"userId\nu\n", []string{"line 1", "no end"}},
		{"lone carriage return", "userId\nu\rv\n", []string{"line 2", "carriage return"}},
		{"lines end with carriage returns", "userId,email\ru,v\r", []string{"line 1", "carriage return"}},
		{"invalid UTF-8", "userId\nu\nv\xff\n", []string{"line 3", "UTF-8"}},
		{"invalid UTF-8 in the header", "userId,customFields.\xff\nu,v\n", []string{"line 1", "UTF-8"}},
		{"Latin-1", "userId,email\nu,v\nJos\xe9,x\n", []string{"line 3", "Latin-1"}},
		{"Latin-1 behind a line end in quotes", "userId,email\nu,v\n\"\n\n\xe9\",x\n", []string{"line 5", "Latin-1"}},
		{"a very long header", "userId," + strings.Repeat("x", 3*rowio.MaxRow), []string{"line 1", "header", "too long"}},
		{"a quote that is open for long", "userId\nu\n\"v\n" + strings.Repeat(strings.Repeat("u", 1023)+"\n", rowio.MaxRow/1024), []string{"line 3", "quote"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := collect(rowio.NewCSV(strings.NewReader(test.body)))
			requireRefused(t, err, bulk.CodeInvalidRequest, test.parts...)
		})
	}
}

func TestCSVRowErrors(t *testing.T) {
	tests := []struct {
		name   string
		header string
		record string
		row    string
		code   bulk.RowCode
		field  string
		part   string
	}{
		{"too many cells", "userId,email", "u,a@b.co,x", `{"userId":"u","email":"a@b.co"}`, bulk.CodeInvalidUser, "", "the record has another number of cells than the header: 3, not 2"},
		{"too few cells", "userId,email,customFields.a", "u", `{"userId":"u"}`, bulk.CodeInvalidUser, "", "the record has another number of cells than the header: 1, not 3"},
		{"no number", "userId,customFields.n:number", "u,five", `{"userId":"u","customFields":{"n":"five"}}`, bulk.CodeInvalidCustomFields, "customFields.n", `column 2 ("customFields.n:number"): "five" is not a JSON number`},
		{"a number with a comma", "userId,metadata.n:number", `u,"1,5"`, `{"userId":"u","metadata":{"n":"1,5"}}`, bulk.CodeInvalidMetadata, "metadata.n", "not a JSON number"},
		{"plus", "userId,customFields.n:number", "u,+1", `{"userId":"u","customFields":{"n":"+1"}}`, bulk.CodeInvalidCustomFields, "customFields.n", ""},
		{"leading zero", "userId,customFields.n:number", "u,007", `{"userId":"u","customFields":{"n":"007"}}`, bulk.CodeInvalidCustomFields, "customFields.n", ""},
		{"space", "userId,customFields.n:number", "u, 1", `{"userId":"u","customFields":{"n":" 1"}}`, bulk.CodeInvalidCustomFields, "customFields.n", ""},
		{"a point alone", "userId,customFields.n:number", "u,1.", `{"userId":"u","customFields":{"n":"1."}}`, bulk.CodeInvalidCustomFields, "customFields.n", ""},
		{"no exponent", "userId,customFields.n:number", "u,1e", `{"userId":"u","customFields":{"n":"1e"}}`, bulk.CodeInvalidCustomFields, "customFields.n", ""},
		{"a sign alone", "userId,customFields.n:number", "u,-", `{"userId":"u","customFields":{"n":"-"}}`, bulk.CodeInvalidCustomFields, "customFields.n", ""},
		{"no boolean", "userId,customFields.b:boolean", "u,yes", `{"userId":"u","customFields":{"b":"yes"}}`, bulk.CodeInvalidCustomFields, "customFields.b", "neither true nor false"},
		{"no JSON", "userId,metadata.j:json", "u,{a:1}", `{"userId":"u","metadata":{"j":"{a:1}"}}`, bulk.CodeInvalidMetadata, "metadata.j", "not JSON"},
		{"two JSON values", "userId,metadata.j:json", "u,1 2", `{"userId":"u","metadata":{"j":"1 2"}}`, bulk.CodeInvalidMetadata, "metadata.j", "not JSON"},
		{"too deep", "userId,metadata.j:json", "u," + nested(63), `{"userId":"u","metadata":{"j":"` + nested(63) + `"}}`, bulk.CodeInvalidMetadata, "metadata.j", "62 levels"},
		{"NaN", "userId,customFields.n:number", "u,NaN", `{"userId":"u","customFields":{"n":"NaN"}}`, bulk.CodeInvalidCustomFields, "customFields.n",
			`column 2 ("customFields.n:number"): "NaN" is not a JSON number`},
		{"a value without a name", "userId,,email", "u,x,v", `{"userId":"u","email":"v"}`, bulk.CodeInvalidUser, "", "column 2: the cell has a value"},
		{"a value behind the columns with names", "userId,email,,", "u,v,,x", `{"userId":"u","email":"v"}`, bulk.CodeInvalidUser, "", "the record has another number of cells than the header: 4, not 2"},
		{"blanks and then a quote", "userId,email,metadata.a", "u, \t\"a\",\" \"\"b\"", `{"userId":"u","email":" \t\"a\"","metadata":{"a":" \"b"}}`, bulk.CodeInvalidUser, "",
			`column 2 ("email"): the cell begins with blanks and then a quote`},
		{"too many columns", "userId", "u" + strings.Repeat(",x", rowtext.MaxCells), "", bulk.CodeInvalidUser, "", "the record has 2001 cells; the limit is 2000"},
		{"a long cell", "userId", strings.Repeat("x", rowio.MaxRow), "", bulk.CodeUserTooLarge, "", "more than 4194304 bytes"},
		{"a long line", "userId,email", strings.Repeat("x,", 2*rowio.MaxRow), "", bulk.CodeUserTooLarge, "", "more than 4194304 bytes"},
		{"a cell that is long with its escapes", "userId,email", "u," + strings.Repeat("\x01", rowio.MaxRow/6), "", bulk.CodeUserTooLarge, "", "bytes"},
		{"a whole that is no JSON", "userId,customFields:json", "u,{a}", `{"userId":"u","customFields":"{a}"}`, bulk.CodeInvalidCustomFields, "customFields", "not JSON"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			rows, err := collect(rowio.NewCSV(strings.NewReader(test.header + "\n" + test.record + "\n" + strings.Repeat("v,", strings.Count(test.header, ",")) + "v")))
			require.NoError(t, err)
			require.Len(t, rows, 2, "rule: the row fails alone")
			assert.Contains(t, string(rows[1].JSON), `"userId":"v"`)
			assert.Equal(t, test.row, string(rows[0].JSON), "rule: what can be read is kept")
			require.Len(t, rows[0].Errors, 1)
			assert.Equal(t, test.code, rows[0].Errors[0].Code)
			assert.Equal(t, test.field, rows[0].Errors[0].Field)
			assert.Contains(t, rows[0].Errors[0].Message, test.part)
			assert.Equal(t, 2, rows[0].Line)
			assert.NotContains(t, rows[0].Errors[0].Message, "line", "rule: the line is the row's, which whoever split a text corrects")
		})
	}

	t.Run("the errors of a request are bounded", func(t *testing.T) {
		header, record := "userId", "u"
		for i := range 200 {
			header += fmt.Sprintf(",customFields.f%d:number", i)
			record += ",no"
		}
		rows, err := collect(rowio.NewCSV(strings.NewReader(header + "\n" + strings.Repeat(record+"\n", 150))))
		require.NoError(t, err)
		require.Len(t, rows[0].Errors, 100)
		assert.NotContains(t, rows[0].Errors[98].Message, "more")
		assert.Contains(t, rows[0].Errors[99].Message, "and 100 more errors of this row")
		assert.Len(t, rows[99].Errors, 100)
		require.Len(t, rows[100].Errors, 10)
		assert.Contains(t, rows[100].Errors[9].Message, "and 190 more errors of this row")
	})
}

func TestTSV(t *testing.T) {
	rows, err := collect(rowio.NewTSV(strings.NewReader("userId\tcustomFields.a;b,c|d\nu\t1\nv\t\"2\t3\"\n")))
	require.NoError(t, err)
	assert.Equal(t, []string{`{"userId":"u","customFields":{"a;b,c|d":"1"}}`, `{"userId":"v","customFields":{"a;b,c|d":"2\t3"}}`}, texts(rows))

	_, err = collect(rowio.NewTSV(strings.NewReader("userId,email\nu,v\n")))
	requireRefused(t, err, bulk.CodeInvalidRequest, `column 1 "userId,email"`, "the line also has ,")
	_, err = collect(rowio.NewTSV(strings.NewReader("sep=,\nuserId,email\nu,v\n")))
	requireRefused(t, err, bulk.CodeInvalidRequest, `column 1 "sep=,"`)
}

func TestCSVNumbers(t *testing.T) {
	for _, number := range []string{"0", "-0", "1", "-12", "0.5", "-0.50", "1e5", "1E+05", "2.5e-7", "9007199254740993", "123456789012345678901234567890.10"} {
		rows, err := collect(rowio.NewCSV(strings.NewReader("userId,customFields.n:number\nu," + number + "\n")))
		require.NoError(t, err)
		assert.Equal(t, `{"userId":"u","customFields":{"n":`+number+`}}`, string(rows[0].JSON), "rule: numbers keep their text")
		assert.Empty(t, rows[0].Errors)
	}
}

func TestCSVRestores(t *testing.T) {
	for cell, text := range map[string]string{
		"'=1+1": "=1+1", "'+1": "+1", "'-1": "-1", "'@a": "@a", "'\tx": "\tx", "\"'\rx\"": "\rx", "\"'\nx\"": "\nx",
		"'＝1": "＝1", "''=1": "'=1", "'''-": "''-",
		"=1": "=1", "'": "'", "''": "''", "'a": "'a", "''a": "''a", "'5": "'5", "a'=": "a'=", "'\ufffd": "'\ufffd",
	} {
		rows, err := collect(rowio.NewCSV(strings.NewReader("userId,customFields.n:number\n" + cell + ",'-5\n")))
		require.NoError(t, err)
		want := string(mustQuote(text))
		assert.Equal(t, `{"userId":`+want+`,"customFields":{"n":-5}}`, string(rows[0].JSON), cell)
	}
}
