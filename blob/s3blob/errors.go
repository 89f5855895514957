package s3blob

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/awsconf"
)

// passing are the error codes of S3 with a status of 4xx that say nothing against
// the call itself, beside those of throttling.
// Source: Amazon S3 API Reference, "Error responses".
var passing = map[string]bool{
	"ConditionalRequestConflict": true,
	"NoSuchUpload":               true,
	"OperationAborted":           true,
	"RequestTimeout":             true,
	"RequestTimeTooSkewed":       true,
	"PreconditionFailed":         true, // by a blob that is gone again
	"ExpiredToken":               true, // the credentials are renewed
}

// classify makes permanent, for [bulk.Retryable], what no repetition mends: denied
// permissions, a missing bucket. It sees to it that the error of a context that
// has ended is in the chain.
func classify(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil && !errors.Is(err, ctx.Err()) {
		return fmt.Errorf("%w: %w", ctx.Err(), err)
	}
	status := httpStatus(err)
	switch {
	case status < 400, status >= 500,
		status == http.StatusRequestTimeout, status == http.StatusTooManyRequests,
		passing[errorCode(err)], awsconf.Throttled(err):
		return err
	default:
		return bulk.Permanent(err)
	}
}

// httpStatus returns the status of the answer that err is about, 0 if there was
// none.
func httpStatus(err error) int {
	var response *smithyhttp.ResponseError
	if !errors.As(err, &response) {
		return 0
	}
	return response.HTTPStatusCode()
}

func errorCode(err error) string {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return ""
	}
	return api.ErrorCode()
}

// isMissing reports whether err says that there is no such object; a bucket that
// is missing is another matter.
func isMissing(err error) bool {
	return httpStatus(err) == http.StatusNotFound && errorCode(err) != "NoSuchBucket"
}
