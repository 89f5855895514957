package bulk

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func noEnd() error { return nil }

// payloadOf writes rows as a payload.
func payloadOf(t *testing.T, rows ...Row) []byte {
	t.Helper()
	text, err := io.ReadAll(&payloadWriter{rows: &rowList{rows}, end: noEnd})
	require.NoError(t, err)
	return text
}

// summed is a line of a payload with its checksum.
func summed(line string) string {
	sum := checksum([]byte(line))
	return line + "\t" + string(sum[:]) + "\n"
}

// readPayload reads all rows of a payload.
func readPayload(in io.Reader) ([]Row, error) {
	var rows []Row
	r := newLineReader(in)
	for {
		row, err := r.row()
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

func TestPayloadRoundTrip(t *testing.T) {
	long := `{"userId":"` + strings.Repeat("x", 300<<10) + `"}` // longer than any buffer
	rows := []Row{
		{JSON: []byte(`{"userId":"u"}`)},
		{JSON: []byte(`{"a":"\t\n"}`), Line: 12},
		{JSON: []byte(long), Line: 1 << 40},
		{JSON: []byte(`null`)},
		{JSON: []byte(`{"userId":"u"}`), parent: 1},
		{JSON: []byte(`{"userId":"u"}`), Line: 12, parent: 10_000, Errors: []RowError{{Code: CodeInvalidUser, Message: "m"}}},
		{JSON: []byte{}, Errors: []RowError{{Code: CodeInvalidUser, Message: "tab\t and\nline"}}},
		{JSON: []byte(`{ "b" : 1 }`), Line: 3, Errors: []RowError{{Code: CodeUnknownField, Field: "b", Message: "b"}, {Code: CodeUserExists, Retryable: true}}},
		{JSON: []byte(long), Errors: []RowError{{Message: long}}},
	}
	text := payloadOf(t, rows...)
	assert.Equal(t, len(rows), bytes.Count(text, []byte("\n")), "a row a line")
	for name, in := range map[string]io.Reader{
		"Whole": bytes.NewReader(text), "Bytes": iotest.OneByteReader(bytes.NewReader(text)), "DataErr": iotest.DataErrReader(bytes.NewReader(text)),
	} {
		back, err := readPayload(in)
		require.NoError(t, err, name)
		assert.Equal(t, rows, back, name)
	}
	require.NoError(t, iotest.TestReader(&payloadWriter{rows: &rowList{rows}, end: noEnd}, text), "the writer is a correct reader")
}

func TestPayloadCompactsWhiteSpace(t *testing.T) {
	text := payloadOf(t, Row{JSON: []byte("{\n\t\"userId\": \"u\\tv\",\r\n\t\"userId\": 1}"), Line: 4})
	assert.Equal(t, summed("4\t{\"userId\":\"u\\tv\",\"userId\":1}"), string(text), "as it was sent, its repeated key too")
}

func TestPayloadRefusesRowsThatAreNotJSON(t *testing.T) {
	_, err := io.ReadAll(&payloadWriter{rows: &rowList{[]Row{{JSON: []byte("{\t")}}}, end: noEnd})
	assert.ErrorContains(t, err, "not valid JSON")
}

func TestPayloadDoesNotChangeItsRows(t *testing.T) {
	source := []byte("{\"a\":\t1}")
	payloadOf(t, Row{JSON: source})
	assert.Equal(t, "{\"a\":\t1}", string(source))
}

// failing yields some rows and then an error.
type failing struct {
	rowList
	err error
}

func (f *failing) Next() (Row, error) {
	row, err := f.rowList.Next()
	if err == io.EOF {
		err = f.err
	}
	return row, err
}

func TestPayloadEndsWithTheErrorOfItsRows(t *testing.T) {
	reason := errors.New("bad request")
	rows := []Row{{JSON: []byte("1")}}
	for name, w := range map[string]*payloadWriter{
		"Reader": {rows: &failing{rowList{rows}, reason}, end: noEnd},
		"End":    {rows: &rowList{rows}, end: func() error { return reason }},
	} {
		text, err := io.ReadAll(w)
		assert.Equal(t, reason, err, name)
		assert.Equal(t, summed("0\t1"), string(text), name)
		_, err = w.Read(make([]byte, 1))
		assert.Equal(t, reason, err, "%s: it stays", name)
	}
}

func TestPayloadsThatWeCannotHaveWritten(t *testing.T) {
	for text, want := range map[string]string{
		summed("{}"):                         "a line without a tab",
		summed("x\t{}"):                      "a line without a number",
		summed("\t{}"):                       "a line without a number",
		summed("1\t{}\tx"):                   "errors that are not JSON",
		summed("1\t{}\t{}"):                  "errors that are not JSON",
		summed("1\t{}") + "1\t{":             "a line that is cut off",
		strings.TrimSpace(summed("1\t{}")):   "a line that is cut off",
		"\n":                                 "a line without a checksum",
		"1\t{}\n":                            "a line without a checksum",
		"1\t{}\t00000000\n":                  "a line that does not fit its checksum",
		"\t" + summed("1\t{}"):               "a line that does not fit its checksum",
		summed("1\t{}") + "\n":               "a line without a checksum",
		strings.ToUpper(summed(`1	{"a":1}`)): "a line that does not fit its checksum",
	} {
		_, err := readPayload(strings.NewReader(text))
		var broken *payloadError
		require.ErrorAs(t, err, &broken, "%q", text)
		assert.ErrorContains(t, err, want, "%q", text)
		assert.False(t, Retryable(err), "%q", text)
	}
	reset := errors.New("connection reset")
	_, err := readPayload(io.MultiReader(strings.NewReader(summed("1\t{}")+"1\t"), iotest.ErrReader(reset)))
	assert.ErrorIs(t, err, reset)
	_, err = readPayload(io.MultiReader(strings.NewReader("1\t"+strings.Repeat("x", 100<<10)), iotest.ErrReader(reset)))
	assert.ErrorIs(t, err, reset, "within a long line")
}

func TestOpenPayload(t *testing.T) {
	var rows []Row
	for i := range 5 {
		rows = append(rows, Row{JSON: fmt.Appendf(nil, `%d`, i)})
	}
	blobs := blobMap{"p": string(payloadOf(t, rows...))}
	for from := range 6 {
		p, err := openPayload(t.Context(), syncBackoff, guarded(blobs), &Job{JobSpec: JobSpec{Payload: "p", TotalRecords: 5}}, from)
		require.NoError(t, err)
		for i := from; i < 5; i++ {
			row, err := p.Next()
			require.NoError(t, err)
			assert.Equal(t, fmt.Sprint(i), string(row.JSON))
		}
		_, err = p.Next()
		assert.Equal(t, io.EOF, err)
		assert.NoError(t, p.Close())
	}

	p, err := openPayload(t.Context(), syncBackoff, guarded(blobs), &Job{JobSpec: JobSpec{Payload: "p", TotalRecords: 3}}, 0)
	require.NoError(t, err)
	require.NoError(t, p.skip(2))
	_, err = p.Next()
	require.NoError(t, err)
	p.left = 0
	_, err = p.Next()
	assert.Equal(t, io.EOF, err, "no more rows than the job has")

	var broken *payloadError
	p, err = openPayload(t.Context(), syncBackoff, guarded(blobs), &Job{JobSpec: JobSpec{Payload: "p", TotalRecords: 6}}, 5)
	require.NoError(t, err)
	_, err = p.Next()
	assert.ErrorAs(t, err, &broken, "fewer rows than the job")
	_, err = openPayload(t.Context(), syncBackoff, guarded(blobs), &Job{JobSpec: JobSpec{Payload: "p", TotalRecords: 9}}, 6)
	assert.ErrorAs(t, err, &broken)
	_, err = openPayload(t.Context(), syncBackoff, guarded(blobs), &Job{JobSpec: JobSpec{Payload: "q"}}, 0)
	assert.ErrorIs(t, err, ErrBlobNotFound)
}

func FuzzPayload(f *testing.F) {
	f.Add([]byte(`{"userId":"u"}`), 3, "A", "b", "c")
	f.Add([]byte("{\n\t\"a\" : [1, \"\\t\"]\r\n}"), 0, "", "\t", "\n")
	f.Add([]byte("\t7"), -1, "", "", "")
	f.Fuzz(func(t *testing.T, text []byte, line int, code, field, message string) {
		if !jsontext.Value(text).IsValid(jsontext.AllowDuplicateNames(true)) {
			return
		}
		row := Row{JSON: text, Line: line}
		if code != "" {
			valid := func(s string) string { return strings.ToValidUTF8(s, "?") }
			row.Errors = []RowError{{Code: RowCode(valid(code)), Field: valid(field), Message: valid(message), Retryable: line > 0}}
		}
		next := Row{JSON: []byte("1")}
		back, err := readPayload(bytes.NewReader(payloadOf(t, row, next)))
		if err != nil || len(back) != 2 {
			t.Fatalf("%d rows, %v", len(back), err)
		}
		got, want := jsontext.Value(back[0].JSON), jsontext.Value(bytes.Clone(text))
		require.NoError(t, got.Compact(jsontext.AllowDuplicateNames(true)))
		require.NoError(t, want.Compact(jsontext.AllowDuplicateNames(true)))
		assert.Equal(t, string(want), string(got))
		assert.Equal(t, row.Line, back[0].Line)
		assert.Equal(t, row.Errors, back[0].Errors)
		assert.Equal(t, next, back[1])
	})
}

// FuzzPayloadReader feeds it what no writer wrote.
func FuzzPayloadReader(f *testing.F) {
	f.Add([]byte(summed("1\t{}") + summed("2\t{}\t[{\"code\":\"X\"}]")))
	f.Add([]byte("\n\t\n1"))
	f.Fuzz(func(t *testing.T, text []byte) {
		rows, err := readPayload(bytes.NewReader(text))
		var broken *payloadError
		if err != nil && !errors.As(err, &broken) {
			t.Fatalf("%v", err)
		}
		if lines := bytes.Count(text, []byte("\n")); len(rows) > lines || err == nil && len(rows) != lines {
			t.Fatalf("%d rows in %d lines", len(rows), lines)
		}
		for _, row := range rows {
			_, err := json.Marshal(row.Errors)
			require.NoError(t, err)
		}
	})
}
