package rowio

import (
	"bytes"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/rowtext"
)

// codeOf is the error code of a part's values.
func codeOf(p rowtext.Part) bulk.RowCode {
	if p == rowtext.Metadata {
		return bulk.CodeInvalidMetadata
	}
	return bulk.CodeInvalidCustomFields
}

// appendValue appends the JSON value that a cell of a kind stands for. If the cell
// does not fit its kind it appends the text of the cell as a string, and says what
// the cell is not.
func appendValue(dst []byte, kind rowtext.Kind, cell []byte) (_ []byte, problem string) {
	switch kind {
	case rowtext.Number:
		if isNumber(cell) {
			return append(dst, cell...), ""
		}
		problem = "is not a JSON number"
	case rowtext.Boolean:
		// Spreadsheets write TRUE and FALSE.
		if bytes.EqualFold(cell, []byte("true")) {
			return append(dst, "true"...), ""
		}
		if bytes.EqualFold(cell, []byte("false")) {
			return append(dst, "false"...), ""
		}
		problem = "is neither true nor false"
	case rowtext.JSON:
		if isJSON(cell) {
			return append(dst, cell...), ""
		}
		problem = notJSON
	}
	return appendString(dst, cell), problem
}

var notJSON = fmt.Sprintf("is not JSON of at most %d levels", MaxDepth-2)

// quotedLen is how long a text is as a JSON string, at most.
func quotedLen(text []byte) int {
	n := len(text) + len(`""`)
	for _, c := range text {
		switch {
		case c < ' ':
			n += len(`\u0000`) - 1
		case c == '"' || c == '\\':
			n++
		}
	}
	return n
}

// isJSON reports whether the text is a JSON value that may stand in a row.
func isJSON(text []byte) bool {
	// The row and the object in it take two levels.
	return jsontext.Value(text).IsValid(jsontext.AllowDuplicateNames(true)) && !deeper(text, MaxDepth-2)
}

// isObject reports whether the text, without white space around it, is a JSON
// object that may stand in a row.
func isObject(text []byte) bool { return text[0] == '{' && isJSON(text) }

// appendString appends a text of valid UTF-8 as a JSON string.
func appendString[T ~string | ~[]byte](dst []byte, text T) []byte {
	dst, _ = jsontext.AppendQuote(dst, text) // it fails on invalid UTF-8 only
	return dst
}

// isNumber reports whether the text is a number by the grammar of JSON.
func isNumber(text []byte) bool {
	digits := func() bool {
		n := 0
		for n < len(text) && '0' <= text[n] && text[n] <= '9' {
			n++
		}
		text = text[n:]
		return n > 0
	}
	text = bytes.TrimPrefix(text, []byte{'-'})
	if len(text) > 1 && text[0] == '0' && '0' <= text[1] && text[1] <= '9' {
		return false
	}
	if !digits() {
		return false
	}
	if len(text) > 0 && text[0] == '.' {
		text = text[1:]
		if !digits() {
			return false
		}
	}
	if len(text) > 0 && (text[0] == 'e' || text[0] == 'E') {
		text = text[1:]
		if len(text) > 0 && (text[0] == '+' || text[0] == '-') {
			text = text[1:]
		}
		if !digits() {
			return false
		}
	}
	return len(text) == 0
}
