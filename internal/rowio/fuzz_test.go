package rowio_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/rowio"
)

// checkReader checks what holds for every reader and text: it refuses the text as
// the caller's fault or yields rows of valid JSON, and how the text arrives makes
// no difference.
func checkReader(t *testing.T, format, text string) ([]bulk.Row, error) {
	rows, err := collect(readers[format](strings.NewReader(text)))
	if err != nil {
		var refused *bulk.RequestError
		require.ErrorAs(t, err, &refused)
		require.NotEmpty(t, refused.Message)
	}
	for _, row := range rows {
		require.True(t, json.Valid(row.JSON), "rule: a row is valid JSON: %q", row.JSON)
	}
	slow, slowErr := collect(readers[format](iotest.OneByteReader(strings.NewReader(text))))
	require.Equal(t, rows, slow)
	require.Equal(t, code(err), code(slowErr))
	return rows, err
}

func code(err error) bulk.RequestCode {
	var refused *bulk.RequestError
	if errors.As(err, &refused) {
		return refused.Code
	}
	return ""
}

func FuzzJSON(f *testing.F) {
	for _, text := range []string{
		`{"users":[{"userId":"a"}],"options":{"upsert":true}}`, `{"options":{},"users":[1,null]}`,
		`{"users":[1,]}`, `{"users":[],"users":[]}`, `{"x":"\ud800"}`, `[]`, ``, "\ufeff{}", nested(70),
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		_, err := checkReader(t, "json", text)
		text = strings.TrimPrefix(text, "\ufeff")
		if err == nil {
			require.True(t, json.Valid([]byte(text)), "rule: what is read is JSON")
		}
		if code(err) == bulk.CodeInvalidRequest {
			require.True(t, json.Valid([]byte(text)), "rule: what is not JSON is INVALID_JSON")
		}
	})
}

func FuzzNDJSON(f *testing.F) {
	for _, text := range []string{"1\n2\n", "{\"a\":1}\r\n\r\n[]", "1 2", "{\n}", "\"\xff\"", ""} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		rows, err := checkReader(t, "ndjson", text)
		if err != nil {
			return
		}
		lines := strings.Split(strings.TrimPrefix(text, "\ufeff"), "\n")
		for _, row := range rows {
			require.Equal(t, strings.Trim(lines[row.Line-1], " \t\r"), string(row.JSON), "rule: a row is its line")
		}
	})
}

func FuzzCSV(f *testing.F) {
	for _, text := range []string{
		"userId,email\nu,a@b.co\n", "\ufeffcustomFields.a:number,customFields.b:json\r\n1,\"{\"\"x\"\":1}\"\r\n",
		"userId,customFields.x\n\"a\r\n\"\"b\",'=1\n\n,\n", "userId\n\"", "metadata:json,metadata.a\n{},x\n", "_n,userId\n1,2,3\n",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		rows, err := checkReader(t, "csv", text)
		if err != nil {
			return
		}
		var table rowio.Table
		for _, row := range rows {
			table.Add(row.JSON)
		}
		out := table.AppendHeader(nil)
		for _, row := range rows {
			out = table.AppendRecord(out, row.JSON, bulk.RowResult{Status: bulk.StatusFailed, Errors: row.Errors})
		}
		again, err := collect(rowio.NewCSV(strings.NewReader(string(out))))
		require.NoError(t, err, "rule: what is exported can be sent again")
		require.Len(t, again, len(rows))
		for i := range rows {
			require.Equal(t, value(t, rows[i].JSON), value(t, again[i].JSON), "rule: rows come back as they were")
		}
	})
}

// value decodes a row with its numbers as they are written. Empty fields are
// fields that are absent.
func value(t *testing.T, row []byte) map[string]any {
	dec := json.NewDecoder(strings.NewReader(string(row)))
	dec.UseNumber()
	var v map[string]any
	require.NoError(t, dec.Decode(&v))
	for _, part := range []string{"customFields", "metadata"} {
		if fields, ok := v[part].(map[string]any); ok && len(fields) == 0 {
			delete(v, part)
		}
	}
	return v
}

// FuzzTable writes rows of any JSON and reads them again.
func FuzzTable(f *testing.F) {
	f.Add(`{"userId":"u","customFields":{"a":1,"b":"'=x"}}`, `{"email":"e","metadata":{"a":null},"x":[1]}`)
	f.Add(`5`, `{"userId":5,"customFields":"x"}`)
	f.Add(`{"customFields":{"a":1,"a":2,"":3}}`, `{"customFields":{"a":"1"}}`)
	f.Fuzz(func(t *testing.T, a, b string) {
		rows, err := collect(readers["ndjson"](strings.NewReader(strings.ReplaceAll(a, "\n", " ") + "\n" + strings.ReplaceAll(b, "\n", " "))))
		if err != nil || len(rows) != 2 {
			return
		}
		a, b = string(rows[0].JSON), string(rows[1].JSON)
		again, err := collect(rowio.NewCSV(strings.NewReader(write(a, b))))
		require.NoError(t, err, "rule: what is exported can be sent again")
		require.Len(t, again, 2)
		for i, row := range []string{a, b} {
			if fit(row) {
				assert.Equal(t, value(t, []byte(row)), value(t, again[i].JSON), "rule: rows come back as they were")
			}
		}
	})
}

// fit reports whether a row has nothing but what a table keeps exactly.
func fit(row string) bool {
	var v map[string]json.RawMessage
	if json.Unmarshal([]byte(row), &v) != nil {
		return false
	}
	for key, value := range v {
		switch key {
		case "userId", "email":
			if value[0] != '"' || len(value) == 2 {
				return false
			}
		case "customFields", "metadata":
			if value[0] == 'n' || strings.Count(string(value), "{") > 20 || strings.Count(string(value), "[") > 20 {
				return false
			}
		default:
			return false
		}
	}
	return true
}
