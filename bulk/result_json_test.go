package bulk

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// encode is what encoding/json makes of a result without HTML escapes.
func encode(t *testing.T, r RowResult) string {
	t.Helper()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	require.NoError(t, e.Encode(r))
	return strings.TrimSuffix(b.String(), "\n")
}

func TestAppendJSONIsEncodingJSON(t *testing.T) {
	for _, r := range []RowResult{
		{},
		{Index: 3, UserID: "u-1", Status: StatusCreated},
		{Index: 3, ParentIndex: new(0), Line: 5, UserID: "<ü> \\ \" \x00\x1f\t\n\x7f&", Email: "😀@x.y", Status: StatusUpdated},
		{Index: 4, UserID: "u", Status: StatusUpdated, Changes: []string{"email", "customFields.a\"b"}, WelcomeEmail: WelcomeSent},
		{Status: StatusCreated, Email: "a@x.y", WelcomeEmail: WelcomeFailed},
		{Status: StatusFailed, Errors: []RowError{
			{Code: CodeStoreError, Message: "later", Retryable: true},
			{Code: CodeInvalidEmail, Field: "email", Message: `"quoted"`},
			{Code: CodeEmailTaken, Message: "taken", ConflictsWith: "\"<u>"},
			{},
		}},
		{Status: StatusFailed, Errors: []RowError{}},
	} {
		assert.Equal(t, encode(t, r), string(r.appendJSON(nil)))
		assert.Equal(t, "x"+encode(t, r), string(r.appendJSON([]byte("x"))), "it appends")
	}
}

func FuzzAppendJSON(f *testing.F) {
	f.Add(1, 2, "u-1", "a@x.y", "message", "field", true)
	f.Add(-1, 0, "\x00<>&", "é\U0001f600", "", "\"\\", false)
	f.Add(0, 0, "\u2028", "\xff", "", "", false)
	f.Fuzz(func(t *testing.T, index, line int, id, email, message, field string, retryable bool) {
		r := RowResult{
			Index: index, Line: line, UserID: id, Email: email, Status: StatusFailed, WelcomeEmail: WelcomeSent,
			Errors: []RowError{{Code: CodeStoreError, Field: field, Message: message, Retryable: retryable}, {Message: message, ConflictsWith: id}},
		}
		got, want := string(r.appendJSON(nil)), encode(t, r)
		text := strings.Join([]string{id, email, message, field}, "|")
		if utf8.ValidString(text) && !strings.ContainsAny(text, "\u2028\u2029") && got != want {
			t.Fatalf("got  %s\nwant %s", got, want)
		}
		// Elsewhere encoding/json escapes what JSON need not: the value is the same.
		var a, b RowResult
		require.NoError(t, json.Unmarshal([]byte(got), &a), got)
		require.NoError(t, json.Unmarshal([]byte(want), &b))
		assert.Equal(t, b, a)
	})
}

func TestSegmentsReadBack(t *testing.T) {
	rows := []RowResult{
		{Index: 0, UserID: "a\nb", Status: StatusCreated, WelcomeEmail: WelcomeSent},
		{Index: 1, Line: 7, Email: strings.Repeat("é", 10_000), Status: StatusFailed, Errors: []RowError{userExists()}},
	}
	text := appendResults(nil, rows)
	assert.Equal(t, 2, bytes.Count(text, []byte("\n")), "a result a line")
	var back []RowResult
	keep := func(r RowResult) error { back = append(back, r); return nil }
	require.NoError(t, readResults(iotest.OneByteReader(bytes.NewReader(text)), keep))
	assert.Equal(t, rows, back)

	require.NoError(t, readResults(strings.NewReader(""), func(RowResult) error { panic("no rows") }))
	assert.ErrorContains(t, readResults(strings.NewReader("{}\nnonsense\n"), keep), "results of a segment")
	assert.Equal(t, io.EOF, readResults(bytes.NewReader(text[:len(text)-1]), keep), "a line that is cut off")
	broken := errors.New("connection reset")
	assert.ErrorIs(t, readResults(io.MultiReader(bytes.NewReader(text), iotest.ErrReader(broken)), keep), broken)
	assert.ErrorIs(t, readResults(bytes.NewReader(text), func(RowResult) error { return broken }), broken)
}
