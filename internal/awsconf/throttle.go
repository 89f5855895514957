package awsconf

import (
	"context"

	"github.com/aws/smithy-go/middleware"

	"github.com/bulkops/bulkops/bulk"
)

// ReportThrottles is an API option for clients that repeat throttled calls by
// themselves, where nobody else sees them: it tells [bulk.ReportThrottle] of each.
//
// It does nothing to a client that has it already.
func ReportThrottles(stack *middleware.Stack) error {
	if _, ok := stack.Deserialize.Get(throttleReport{}.ID()); ok {
		return nil
	}
	// The outermost middleware of the step: it sees each attempt, with its error as
	// it was read from the answer.
	return stack.Deserialize.Add(throttleReport{}, middleware.Before)
}

// throttleReport is the middleware of [ReportThrottles].
type throttleReport struct{}

// ID implements [middleware.DeserializeMiddleware].
func (throttleReport) ID() string { return "bulkops:throttleReport" }

// HandleDeserialize implements [middleware.DeserializeMiddleware].
func (throttleReport) HandleDeserialize(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (
	middleware.DeserializeOutput, middleware.Metadata, error,
) {
	out, metadata, err := next.HandleDeserialize(ctx, in)
	if Throttled(err) {
		bulk.ReportThrottle(ctx, 1)
	}
	return out, metadata, err
}
