package rowtext_test

import (
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/internal/rowtext"
)

func TestHeader(t *testing.T) {
	for text, want := range map[string]struct {
		sep     byte
		line    int // that follows the header
		columns []string
	}{
		"userId":                                  {',', 1, []string{"userId"}},
		"userId;email\n":                          {';', 2, []string{"userId", "email"}},
		"userId\temail\n":                         {'\t', 2, []string{"userId", "email"}},
		"userId|email\n":                          {'|', 2, []string{"userId", "email"}},
		"userId,customFields.a;b|c\td\n":          {',', 2, []string{"userId", "customFields.a;b|c\td"}},
		"\n;\r\n;;\nuserId;email;;\n":             {';', 5, []string{"userId", "email"}}, // what a comma makes of it plays no part
		"sep=|\r\nuserId|customFields.a,b\n":      {'|', 3, []string{"userId", "customFields.a,b"}},
		"Sep=,":                                   {0, 0, nil},
		"\ufeffsep=\t\nEMAIL\n":                   {'\t', 3, []string{"email"}},
		"\"userId\";\"customFields.a\nb\"\n":      {';', 3, []string{"userId", "customFields.a\nb"}},
		"USER-ID,,e_mail,Metadata. A:b :number\n": {',', 2, []string{"userId", "", "email", "metadata.A:b:number"}},
		"userId,METADATA:json,customFields : json,_rest,_rest\n": {',', 2, []string{"userId", "metadata:json", "customFields:json", "_rest", "_rest"}},
		"userId,customFields.a:b:string\n":                       {',', 2, []string{"userId", "customFields.a:b:string"}},
	} {
		for _, wrap := range []func(io.Reader) io.Reader{func(r io.Reader) io.Reader { return r }, iotest.OneByteReader} {
			r := rowtext.NewRecords(wrap(strings.NewReader(text)), rowtext.Separators, 1000)
			h, err := r.Header()
			if want.columns == nil {
				assert.Equal(t, rowtext.ErrNoHeader, err, text)
				continue
			}
			require.NoError(t, err, text)
			var columns []string
			for _, c := range h.Columns {
				columns = append(columns, c.Header())
			}
			assert.Equal(t, want.columns, columns, text)
			assert.Equal(t, string(want.sep), string(r.Separator()), text)
			assert.Equal(t, want.line, r.Line(), text)
			r.Rewind()
			rec, err := r.Next()
			require.NoError(t, err)
			assert.Equal(t, string(h.Text), string(rec.Text), "rule: the header can be read as a record")
			_, err = r.Next()
			assert.Equal(t, io.EOF, err)
		}
	}
}

// Columns have the names that they are given, also where these decide what separates
// the cells.
func TestRenamedColumns(t *testing.T) {
	header := func(text string, names map[string]string) (*rowtext.Header, error) {
		r := rowtext.NewRecords(strings.NewReader(text), rowtext.Separators, 1000)
		r.Rename(names)
		return r.Header()
	}
	for text, test := range map[string]struct {
		names map[string]string
		want  string
	}{
		"user,Mail\r\nu,v":                      {map[string]string{"user": "userId", "Mail": "email"}, "\"userId\",\"email\"\n"},
		"user; Mail ;customFields.a,b\n":        {map[string]string{"user": "userId", "Mail": "email"}, "\"userId\";\"email\";\"customFields.a,b\"\n"},
		"email,\"Say \"\"Hi\"\"\",\"a, b\",,\n": {map[string]string{"Say \"Hi\"": "metadata.h;\n\"x\"", "a, b": ""}, "\"email\",\"metadata.h;\n\"\"x\"\"\",\"_rest\"\n"},
	} {
		h, err := header(text, test.names)
		require.NoError(t, err, text)
		assert.Equal(t, test.want, string(h.Text))
		same, err := header(test.want, nil)
		require.NoError(t, err, "rule: the text is a header of the same columns")
		assert.Equal(t, h.Columns, same.Columns)
	}
	for text, want := range map[string]string{
		"user,Mail,email\n":               `column 3 "email" appears twice: column 2 is "email" too`,
		"user,Mail,age\n":                 `column 3 "age" is unknown`,
		"user;Email\n":                    `no column is "Mail", which is to be renamed; the columns are "user;Email" (read with "," between cells; the line also has ;)`,
		strings.Repeat("user,", 30) + "x": `"user", …`,
	} {
		_, err := header(text, map[string]string{"Mail": "email", "user": "userId"})
		assert.ErrorContains(t, err, want)
	}
}

// A header that is refused can be read as a record all the same.
func TestHeaderRefused(t *testing.T) {
	for text, want := range map[string]string{
		"team;x\nu;v\n":            `line 1: column 1 "team;x" is unknown: it could be userId, email, customFields.NAME or metadata.NAME (read with "," between cells; the line also has ;)`,
		"sep=;\nteam\tx;userId\n":  `line 2: column 1 "team\tx" is unknown: it could be userId, email, customFields.NAME or metadata.NAME (read with ";" between cells; the line also has tab)`,
		"userId,team\n":            `line 1: column 2 "team" is unknown: it could be userId, email, customFields.team or metadata.team`,
		"userId,customfields\n":    `line 1: column 2 "customfields" is unknown: it could be customFields.NAME for one field, or customFields:json for all of them`,
		"userId,_id\n":             `line 1: column 2 "_id" is unknown: only _index, _line, _status, _errors and _rest begin with an underscore`,
		"userId,metadata. :json\n": `line 1: column 2 "metadata. :json" has a field name that is empty or too long: it could be metadata.NAME, where NAME has 1 to 255 characters`,
		"userId,metadata.a:int\n":  `line 1: column 2 "metadata.a:int" has an unknown type: there are :string, :number, :boolean and :json; put :string behind a name that has a colon`,
		"User_ID,userId\n":         `line 1: column 2 "userId" appears twice: column 1 is "userId" too`,
		"userId, \"email\"\n":      `line 1: column 2 " \"email\"" begins with blanks and then a quote: remove the blanks`,
		"userId,metadata." + strings.Repeat("ü", 9000) + "\n": `line 1: column 2 "metadata.` + strings.Repeat("ü", 55) + `…" has a field name that is empty or too long: it could be metadata.NAME, where NAME has 1 to 255 characters`,
		"userId,\"\"\"" + strings.Repeat("x", 9000) + "\"\n":  `line 1: column 2 "\"` + strings.Repeat("x", 63) + `…" is unknown: it could be userId, email, customFields.NAME or metadata.NAME`,
		"metadata.a,_line\n": `line 1: no column is userId or email, of which one is needed; column 1 is "metadata.a"`,
		"userId" + strings.Repeat(",_line", 2000) + ",,,\n": `line 1: the header row has 2001 columns; the limit is 2000`,
	} {
		r := rowtext.NewRecords(strings.NewReader(text), rowtext.Separators, 20_000)
		_, err := r.Header()
		require.EqualError(t, err, want)
		rec, err := r.Next()
		require.NoError(t, err)
		assert.Equal(t, strings.TrimPrefix(text, "sep=;\n")[:len(rec.Text)], string(rec.Text))
	}
	r := rowtext.NewRecords(iotest.OneByteReader(strings.NewReader("userId"+strings.Repeat(",_line", 20_000))), rowtext.Separators, 20_000)
	_, err := r.Header()
	require.ErrorContains(t, err, "line 1: the header row is too long")
}

// What a header costs does not depend on what follows it, nor on how long it is.
func TestHeaderIsBounded(t *testing.T) {
	for _, text := range []string{
		"userId;\"customFields.a\";|\"\n" + strings.Repeat("x\n", 1<<20), "userId,\"" + strings.Repeat("x", 1<<20), strings.Repeat(",", 1<<20), strings.Repeat("|;\t,\n", 1<<20),
	} {
		counted := &counter{in: strings.NewReader(text)}
		_, err := rowtext.NewRecords(counted, rowtext.Separators, 20_000).Header()
		require.Error(t, err)
		assert.LessOrEqual(t, counted.n, 64<<10, "%.40q", text)
	}
}

// A counter counts what is read.
type counter struct {
	in io.Reader
	n  int
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.in.Read(p)
	c.n += n
	return n, err
}

func TestBegin(t *testing.T) {
	for text, part := range map[string]string{
		"\xff\xfea\x00": "UTF-16", "\xfe\xff\x00a": "UTF-16", "a\x00b\x00": "UTF-16", "\x00a\x00b\x00c": "UTF-16",
		"\xff\xfe\x00\x00a\x00\x00\x00": "UTF-32", "\x00\x00\xfe\xff": "UTF-32",
		"\x1f\x8b\x08": "gzip", "PK\x03\x04": "spreadsheet", "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "spreadsheet",
	} {
		_, _, err := rowtext.Begin(iotest.OneByteReader(strings.NewReader(text)))
		assert.ErrorContains(t, err, part, "%q", text)
		r := rowtext.NewRecords(strings.NewReader(text), rowtext.Separators, 100)
		_, err = r.Header()
		assert.ErrorContains(t, err, part, "%q", text)
		_, err = r.Next()
		assert.ErrorContains(t, err, part, "rule: it is no record either")
	}
	for text, want := range map[string]string{
		"": "", "a": "a", "\ufeff": "", "\ufeffa": "a", "\ufeff\ufeff12345678": "\ufeff12345678", "PK": "PK", "a\x00b": "a\x00b", "\x00\x00\x00\x00": "\x00\x00\x00\x00",
	} {
		rest, skipped, err := rowtext.Begin(iotest.DataErrReader(strings.NewReader(text)))
		require.NoError(t, err)
		got, err := io.ReadAll(rest)
		require.NoError(t, err)
		assert.Equal(t, want, string(got))
		assert.Equal(t, len(text)-len(want), skipped)
	}
	rest, _, err := rowtext.Begin(iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader("ab"))))
	require.NoError(t, err)
	got, err := io.ReadAll(rest)
	assert.Equal(t, "a", string(got))
	assert.ErrorIs(t, err, iotest.ErrTimeout, "rule: errors of the stream are left to who reads on")
}
