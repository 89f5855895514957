package awsconf

import (
	"context"
	"fmt"
	"io"

	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// KeepAnswer is an API option without which a client of AWS may close the
// connection from which it is reading an answer ("use of closed network
// connection"), although the service has done the call.
//
// net/http copies a request's body up to its length and then once more, to see that
// nothing is left. The SDK closes the body as soon as it has the answer's header,
// which on a busy machine may be before that second copy. A closed body returns
// [io.EOF] from then on. That is the end for io.Copy if it comes from Read, but an
// error if it comes from WriteTo, for which net/http gives the connection up. So
// the option leaves request bodies no WriteTo.
//
// It does nothing to a client that has it already.
func KeepAnswer(stack *middleware.Stack) error {
	if _, ok := stack.Deserialize.Get(plainBody{}.ID()); ok {
		return nil
	}
	// The innermost middleware: nobody replaces the body after it, and it sees
	// each attempt.
	return stack.Deserialize.Add(plainBody{}, middleware.After)
}

// plainBody is the middleware of [KeepAnswer].
type plainBody struct{}

// ID implements [middleware.DeserializeMiddleware].
func (plainBody) ID() string { return "bulkops:plainBody" }

// HandleDeserialize implements [middleware.DeserializeMiddleware].
func (plainBody) HandleDeserialize(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (
	middleware.DeserializeOutput, middleware.Metadata, error,
) {
	request, ok := in.Request.(*smithyhttp.Request)
	if !ok {
		return next.HandleDeserialize(ctx, in)
	}
	body := request.GetStream()
	if _, ok := body.(io.WriterTo); ok {
		plain, err := request.SetStream(withoutWriteTo(body))
		if err != nil {
			return middleware.DeserializeOutput{}, middleware.Metadata{}, fmt.Errorf("body of the request: %w", err)
		}
		in.Request = plain
	}
	return next.HandleDeserialize(ctx, in)
}

// withoutWriteTo returns a body that can be read, and sought if the given one can.
func withoutWriteTo(body io.Reader) io.Reader {
	if seeker, ok := body.(io.ReadSeeker); ok {
		return struct{ io.ReadSeeker }{seeker}
	}
	return struct{ io.Reader }{body}
}
