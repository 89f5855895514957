package rowio

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/rowtext"
)

// invalidRequest refuses a text whose shape is wrong.
func invalidRequest(format string, args ...any) *bulk.RequestError {
	return &bulk.RequestError{Code: bulk.CodeInvalidRequest, Message: fmt.Sprintf(format, args...)}
}

// invalidJSON refuses a text that is not JSON.
func invalidJSON(format string, args ...any) *bulk.RequestError {
	return &bulk.RequestError{Code: bulk.CodeInvalidJSON, Message: fmt.Sprintf(format, args...)}
}

// at notes for programs which row a refusal is about: a client that has split a text
// gives it its place in the whole.
func at(err error, name string, number int) error {
	var refused *bulk.RequestError
	if errors.As(err, &refused) {
		refused.Details = map[string]any{name: number}
	}
	return err
}

// fault turns an error of the decoder into that of a reader. place is put in front
// of messages.
func (v *values) fault(err error, place string) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, errLong) {
		return ErrTooLong
	}
	var syntax *jsontext.SyntacticError
	if !errors.As(err, &syntax) {
		var refused *rowtext.Error
		if errors.As(err, &refused) || errors.Is(err, io.ErrUnexpectedEOF) {
			return textFault(err, bulk.CodeInvalidJSON)
		}
		return fmt.Errorf("read body: %w", err)
	}
	offset := v.base + syntax.ByteOffset
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return invalidJSON("%sthe JSON is cut off at byte %d", place, offset)
	}
	// Inside of a value the decoder puts an error of the body, which wraps its
	// cause as errors of syntax do not, into one of syntax.
	if errors.Unwrap(syntax.Err) != nil {
		return fmt.Errorf("read body: %w", syntax.Err)
	}
	return invalidJSON("%s%s at byte %d", place, v.reason(syntax), offset)
}

// reason says for people what is wrong, and what was seen where that helps.
func (v *values) reason(syntax *jsontext.SyntacticError) string {
	seen := v.dec.UnreadBuffer()
	seen = seen[min(max(0, syntax.ByteOffset-v.dec.InputOffset()), int64(len(seen))):]
	n := 0
	for n < len(seen) && n < 16 && ('a' <= seen[n]|0x20 && seen[n]|0x20 <= 'z') {
		n++
	}
	switch reason := fmt.Sprint(syntax.Err); {
	case syntax.Err == nil:
		return "invalid JSON"
	case strings.Contains(reason, "UTF-8"):
		return "the text is " + rowtext.NotUTF8
	case bytes.HasPrefix(seen, []byte("\ufeff")):
		return "a byte order mark that does not begin the text"
	case n > 1 && strings.Contains(reason, "at start of value"):
		// NaN, None, undefined and the like.
		return fmt.Sprintf("%s is not JSON: %s", seen[:n], reason)
	default:
		return reason
	}
}
