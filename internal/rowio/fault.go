package rowio

import (
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/bulkops/bulkops/bulk"
)

// invalidRequest refuses a text whose shape is wrong.
func invalidRequest(format string, args ...any) *bulk.RequestError {
	return &bulk.RequestError{Code: bulk.CodeInvalidRequest, Message: fmt.Sprintf(format, args...)}
}

// invalidJSON refuses a text that is not JSON.
func invalidJSON(format string, args ...any) *bulk.RequestError {
	return &bulk.RequestError{Code: bulk.CodeInvalidJSON, Message: fmt.Sprintf(format, args...)}
}

// jsonFault turns an error of a decoder into that of a reader. base is the offset
// in the whole text of what the decoder reads, and place is put in front of
// messages.
func jsonFault(err error, base int64, place string) error {
	if errors.Is(err, errLong) {
		return ErrTooLong
	}
	var syntax *jsontext.SyntacticError
	if !errors.As(err, &syntax) {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return invalidJSON("%sthe body ended before it was complete", place)
		}
		return fmt.Errorf("read body: %w", err)
	}
	offset := base + syntax.ByteOffset
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return invalidJSON("%sthe JSON is cut off at byte %d", place, offset)
	}
	// Inside of a value the decoder puts an error of the body, which wraps its
	// cause as errors of syntax do not, into one of syntax.
	if errors.Unwrap(syntax.Err) != nil {
		return fmt.Errorf("read body: %w", syntax.Err)
	}
	reason := "invalid JSON"
	if syntax.Err != nil {
		reason = syntax.Err.Error()
	}
	return invalidJSON("%s%s at byte %d", place, reason, offset)
}

// quote shows a name from a text in a message.
func quote(name string) string {
	const most = 64
	n := 0
	for i := range name {
		if n == most {
			return strconv.Quote(name[:i] + "…")
		}
		n++
	}
	return strconv.Quote(name)
}
