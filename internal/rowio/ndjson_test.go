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

func TestNDJSON(t *testing.T) {
	tests := []struct {
		name  string
		body  string
		rows  []string
		lines []int
	}{
		{"empty", "", []string{}, nil},
		{"blank lines", "\n \n\r\n\t\n", []string{}, nil},
		{"byte order mark", "\ufeff1\n2", []string{`1`, `2`}, []int{1, 2}},
		{"more blank lines than a buffer", strings.Repeat("\n", 50_000) + strings.Repeat(" \t\r\n", 10_000) + "1\n" + strings.Repeat(" ", 20_000) + "\n2", []string{`1`, `2`}, []int{60_001, 60_003}},
		{"rows", "{\"userId\":\"a\"}\n5\nnull\n", []string{`{"userId":"a"}`, `5`, `null`}, []int{1, 2, 3}},
		{"last line without its end", "1\n2", []string{`1`, `2`}, []int{1, 2}},
		{"CRLF", "1\r\n2\r\n", []string{`1`, `2`}, []int{1, 2}},
		{"blank lines between", "\n1\n\n \r\n2\n\n", []string{`1`, `2`}, []int{2, 5}},
		{"white space around", "  {\"a\" : 1}\t \n", []string{`{"a" : 1}`}, []int{1}},
		{"longer than a buffer", `"` + strings.Repeat("x", 20_000) + "\"\n2", []string{`"` + strings.Repeat("x", 20_000) + `"`, `2`}, []int{1, 2}},
		{"64 levels", nested(64), []string{nested(64)}, []int{1}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for _, r := range []bulk.RowReader{
				rowio.NewNDJSON(strings.NewReader(test.body)),
				rowio.NewNDJSON(iotest.OneByteReader(strings.NewReader(test.body))),
				rowio.NewNDJSON(iotest.DataErrReader(strings.NewReader(test.body))),
			} {
				rows, err := collect(r)
				require.NoError(t, err)
				assert.Equal(t, test.rows, texts(rows))
				for i, row := range rows {
					assert.Equal(t, test.lines[i], row.Line)
				}
			}
		})
	}
}

func TestNDJSONRefused(t *testing.T) {
	tests := []struct {
		name  string
		body  string
		parts []string
	}{
		{"not JSON", "1\nabc\n2", []string{"line 2", "byte 2", "'a'"}},
		{"cut off", "1\n{\"a\":", []string{"line 2", "cut off at byte 7"}},
		{"a value of two lines", "{\"a\":\n1}\n", []string{"line 1", "cut off"}},
		{"two values in a line", "1\n2 3\n", []string{"line 2", "byte 4"}},
		{"two values in the last line", "{}{}", []string{"line 1", "byte 2"}},
		{"text behind a value", "1 x\n", []string{"line 1", "byte 2"}},
		{"a comma behind a value", "1,\n2", []string{"line 1", "byte 1"}},
		{"an array over lines", "[\n1,\n2\n]", []string{"line 1"}},
		{"a byte order mark in the middle", "\ufeff1\n\ufeff2\n", []string{"line 2", "byte order mark", "byte 5"}},
		{"invalid UTF-8", "1\n\"\xff\"\n", []string{"line 2", "byte 3", "UTF-8"}},
		{"65 levels", "1\n" + nested(65) + "\n", []string{"line 2", "64 levels"}},
		{"a closing bracket", "]\n", []string{"line 1", "byte 0"}},
		{"carriage return within a line", "1\r2\n", []string{"line 1", "byte 2"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := collect(rowio.NewNDJSON(strings.NewReader(test.body)))
			requireRefused(t, err, bulk.CodeInvalidJSON, test.parts...)
			_, err = collect(rowio.NewNDJSON(iotest.OneByteReader(strings.NewReader(test.body))))
			requireRefused(t, err, bulk.CodeInvalidJSON, test.parts...)
		})
	}
}
