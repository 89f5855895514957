package rowio_test

import (
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/rowio"
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
			[]string{`{"userId":"u"}`, `{"email":"a@b.co","customFields":{"a":"x"}}`, `{}`}, []int{2, 3, 4}},
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
		{"notes are passed over", "_errors,userId,_errors,_x\nE,u,\"a\nb\",1\n", []string{`{"userId":"u"}`}, []int{2}},
		{"whole objects", "userId,customFields:json,metadata:json\nu,\"{\"\"\"\":1,\"\"a\"\":2}\",{}\nv,null,\nw,5,\"\"\"s\"\"\"\n",
			[]string{`{"userId":"u","customFields":{"":1,"a":2},"metadata":{}}`, `{"userId":"v"}`, `{"userId":"w","customFields":5,"metadata":"s"}`}, []int{2, 3, 4}},
		{"whole objects beside fields", "userId,customFields.x,customFields:json\nu,1,\"{ \"\"a\"\": 2 }\"\nv,1,{}\nw,1,null\nx,1,[]\n",
			[]string{`{"userId":"u","customFields":{"a": 2,"x":"1"}}`, `{"userId":"v","customFields":{"x":"1"}}`,
				`{"userId":"w","customFields":{"x":"1"}}`, `{"userId":"x","customFields":[]}`}, []int{2, 3, 4, 5}},
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
		{"other case", "userID\nu\n", []string{`"userID"`}},
		{"space", "userId, email\nu,x\n", []string{`" email"`}},
		{"empty name", "userId,\nu,x\n", []string{`""`}},
		{"a part without a name", "customFields\nx\n", []string{`"customFields"`}},
		{"an empty field", "customFields.\nx\n", []string{`"customFields."`, "1 to 255"}},
		{"an empty field with a type", "metadata.:json\nx\n", []string{`"metadata.:json"`}},
		{"a long field", "customFields." + strings.Repeat("ä", 256) + "\nx\n", []string{"1 to 255"}},
		{"unknown type", "customFields.age:int\n5\n", []string{`"customFields.age:int"`, ":string"}},
		{"a type of userId", "userId:string\nu\n", []string{`"userId:string"`}},
		{"other separator", "userId;email\nu;x\n", []string{"commas"}},
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
		{"UTF-16", "\xff\xfeu\x00s\x00\n", []string{"line 1", "UTF-8"}},
		{"a very long cell", "userId\nu\n" + strings.Repeat("x", rowio.MaxRow+1), []string{"line 3", "bytes"}},
		{"a very long line", "userId\nu\n" + strings.Repeat("x", 3*rowio.MaxRow), []string{"line 3", "bytes"}},
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
		{"too many cells", "userId,email", "u,a@b.co,x", `{"userId":"u","email":"a@b.co"}`, bulk.CodeInvalidUser, "", "line 2 has another number of cells than the header: 3, not 2"},
		{"too few cells", "userId,email,customFields.a", "u", `{"userId":"u"}`, bulk.CodeInvalidUser, "", "line 2 has another number of cells than the header: 1, not 3"},
		{"no number", "userId,customFields.n:number", "u,five", `{"userId":"u","customFields":{"n":"five"}}`, bulk.CodeInvalidCustomFields, "customFields.n", "line 2"},
		{"a number with a comma", "userId,metadata.n:number", `u,"1,5"`, `{"userId":"u","metadata":{"n":"1,5"}}`, bulk.CodeInvalidMetadata, "metadata.n", "not a JSON number"},
		{"plus", "customFields.n:number", "+1", `{"customFields":{"n":"+1"}}`, bulk.CodeInvalidCustomFields, "customFields.n", ""},
		{"leading zero", "customFields.n:number", "007", `{"customFields":{"n":"007"}}`, bulk.CodeInvalidCustomFields, "customFields.n", ""},
		{"space", "customFields.n:number", " 1", `{"customFields":{"n":" 1"}}`, bulk.CodeInvalidCustomFields, "customFields.n", ""},
		{"a point alone", "customFields.n:number", "1.", `{"customFields":{"n":"1."}}`, bulk.CodeInvalidCustomFields, "customFields.n", ""},
		{"no exponent", "customFields.n:number", "1e", `{"customFields":{"n":"1e"}}`, bulk.CodeInvalidCustomFields, "customFields.n", ""},
		{"a sign alone", "customFields.n:number", "-", `{"customFields":{"n":"-"}}`, bulk.CodeInvalidCustomFields, "customFields.n", ""},
		{"no boolean", "userId,customFields.b:boolean", "u,yes", `{"userId":"u","customFields":{"b":"yes"}}`, bulk.CodeInvalidCustomFields, "customFields.b", "neither true nor false"},
		{"no JSON", "userId,metadata.j:json", "u,{a:1}", `{"userId":"u","metadata":{"j":"{a:1}"}}`, bulk.CodeInvalidMetadata, "metadata.j", "not JSON"},
		{"two JSON values", "metadata.j:json", "1 2", `{"metadata":{"j":"1 2"}}`, bulk.CodeInvalidMetadata, "metadata.j", "not JSON"},
		{"too deep", "metadata.j:json", nested(63), `{"metadata":{"j":"` + nested(63) + `"}}`, bulk.CodeInvalidMetadata, "metadata.j", "62 levels"},
		{"a whole that is no JSON", "userId,customFields:json", "u,{a}", `{"userId":"u","customFields":"{a}"}`, bulk.CodeInvalidCustomFields, "customFields", "not JSON"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			rows, err := collect(rowio.NewCSV(strings.NewReader(test.header + "\n" + test.record + "\n")))
			require.NoError(t, err)
			require.Len(t, rows, 1)
			assert.Equal(t, test.row, string(rows[0].JSON), "rule: what can be read is kept")
			require.Len(t, rows[0].Errors, 1)
			assert.Equal(t, test.code, rows[0].Errors[0].Code)
			assert.Equal(t, test.field, rows[0].Errors[0].Field)
			assert.Contains(t, rows[0].Errors[0].Message, test.part)
		})
	}

	t.Run("at most 100 errors", func(t *testing.T) {
		var header, record []string
		for i := range 200 {
			header = append(header, "customFields.f"+strings.Repeat("x", i)+":number")
			record = append(record, "no")
		}
		rows, err := collect(rowio.NewCSV(strings.NewReader(strings.Join(header, ",") + "\n" + strings.Join(record, ",") + "\n")))
		require.NoError(t, err)
		assert.Len(t, rows[0].Errors, 100)
	})
}

func TestCSVNumbers(t *testing.T) {
	for _, number := range []string{"0", "-0", "1", "-12", "0.5", "-0.50", "1e5", "1E+05", "2.5e-7", "9007199254740993", "123456789012345678901234567890.10"} {
		rows, err := collect(rowio.NewCSV(strings.NewReader("customFields.n:number\n" + number + "\n")))
		require.NoError(t, err)
		assert.Equal(t, `{"customFields":{"n":`+number+`}}`, string(rows[0].JSON), "rule: numbers keep their text")
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
