package dynamojobs

import (
	"errors"
	"net/http"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/awsconf"
)

// passing are the error codes of DynamoDB with a status of 400 that say nothing
// against the call itself, beside those of throttling.
// Source: DynamoDB developer guide, "Error handling with DynamoDB".
var passing = map[string]bool{
	"TransactionConflictException":     true,
	"TransactionInProgressException":   true,
	"ReplicatedWriteConflictException": true,
	"ExpiredTokenException":            true, // the credentials are renewed
	"RequestTimeTooSkewed":             true,
}

// classify makes permanent, for [bulk.Retryable], what no repetition mends: denied
// permissions, a missing table, a request that DynamoDB cannot accept.
func classify(err error) error {
	var api smithy.APIError
	var response *smithyhttp.ResponseError
	if !errors.As(err, &api) || !errors.As(err, &response) {
		return err
	}
	status := response.HTTPStatusCode()
	switch {
	case awsconf.Throttled(err), passing[api.ErrorCode()],
		status < 400, status >= 500,
		status == http.StatusRequestTimeout, status == http.StatusTooManyRequests:
		return err
	default:
		return bulk.Permanent(err)
	}
}

// errUnprocessed is for a batch of which DynamoDB processed nothing: a throttle
// by another name.
var errUnprocessed = errors.New("no key of the batch was processed")
