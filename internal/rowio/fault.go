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

// A place is the row that a refusal is about: in its message for people, and in its
// details for programs, such as a client that has split a text and gives the row its
// place in the whole. The zero value is the text as a whole.
type place struct {
	show   string
	name   string // in the details
	number int
}

func onLine(number int) place { return place{fmt.Sprintf("line %d", number), "line", number} }
func atUser(index int) place  { return place{fmt.Sprintf("users[%d]", index), "index", index} }

// invalidJSON refuses a text for what is wrong there.
func (p place) invalidJSON(format string, args ...any) *bulk.RequestError {
	if p.show == "" {
		return invalidJSON(format, args...)
	}
	return p.noted(invalidJSON("%s%s", p.show, fmt.Sprintf(format, args...)))
}

// noted puts the place in the details of a refusal that shows it.
func (p place) noted(refused *bulk.RequestError) *bulk.RequestError {
	refused.Details = map[string]any{p.name: p.number}
	return refused
}

// fault turns an error of the decoder, which it met there, into that of a reader.
func (v *values) fault(err error, there place) error {
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
	colon := ""
	if there.show != "" {
		colon = ": "
	}
	offset := v.base + syntax.ByteOffset
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return there.invalidJSON("%sthe JSON is cut off at byte %d", colon, offset)
	}
	// Inside of a value the decoder puts an error of the body, which wraps its
	// cause as errors of syntax do not, into one of syntax.
	if errors.Unwrap(syntax.Err) != nil {
		return fmt.Errorf("read body: %w", syntax.Err)
	}
	return there.invalidJSON("%s%s at byte %d", colon, v.reason(syntax), offset)
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
