package dynamostore

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"

	"github.com/bulkops/bulkops/bulk"
)

// A fault is what an error of DynamoDB means for what was asked, from what may do no
// harm to what cannot be helped.
type fault int

const (
	none      fault = iota
	passing         // it may succeed later, and nobody knows whether it has
	throttled       // not done: asked too fast
	conflict        // not done: another transaction was at the item
	refused         // not done: the condition does not hold
	invalid         // not done: the request, or the item it would make, is not valid
	permanent       // not done, and never will be
)

// faultOf classifies the error of a call.
func faultOf(err error) fault {
	if err == nil {
		return none
	}
	var api smithy.APIError
	if !errors.As(err, &api) {
		return passing // it did not come to an answer
	}
	if f := faultOfCode(api.ErrorCode()); f != passing {
		return f
	}
	var response *awshttp.ResponseError
	if !errors.As(err, &response) {
		return passing
	}
	switch status := response.HTTPStatusCode(); {
	case status == http.StatusRequestTimeout || status < 400 || status > 499 || expired[api.ErrorCode()]:
		return passing
	case status == http.StatusTooManyRequests:
		return throttled
	default: // denied, no such table, …
		return permanent
	}
}

// expired are the codes of credentials or signatures that are too old: the next
// call has new ones.
var expired = map[string]bool{
	"ExpiredTokenException":     true,
	"ExpiredToken":              true,
	"RequestExpired":            true,
	"InvalidSignatureException": true,
}

// faultOfCode classifies the code of a call, of a statement or of an action of a
// transaction: the same errors have a name for each. Sources: API reference,
// TransactWriteItems, BatchStatementError and "Common Errors"; developer guide,
// "Error handling with DynamoDB".
func faultOfCode(code string) fault {
	switch code {
	case "", "None":
		return none
	case "ThrottlingError", "ThrottlingException", "Throttling", "RequestLimitExceeded",
		"ProvisionedThroughputExceeded", "ProvisionedThroughputExceededException":
		return throttled
	case "TransactionConflict", "TransactionConflictException", "TransactionInProgressException",
		"TransactionCanceledException", // for reasons that it does not say
		"ReplicatedWriteConflictException":
		return conflict
	case "ConditionalCheckFailed", "ConditionalCheckFailedException", "DuplicateItem", "DuplicateItemException":
		return refused
	case "ValidationError", "ValidationException":
		return invalid
	case "AccessDenied", "ResourceNotFound", "ItemCollectionSizeLimitExceeded", "ItemCollectionSizeLimitExceededException":
		return permanent
	default:
		return passing
	}
}

// again reports whether the same may be asked again after a while.
func (f fault) again() bool { return f == throttled || f == conflict }

// tooLarge reports whether an invalid write is one that would make an item larger
// than an item can be. The code does not tell it from other mistakes.
func tooLarge(err error) bool {
	var api smithy.APIError
	return errors.As(err, &api) && faultOfCode(api.ErrorCode()) == invalid &&
		strings.HasPrefix(api.ErrorMessage(), "Item size")
}

// partError is the error of one statement or action of a call.
func partError[Code ~string](code Code, message *string) error {
	err := &smithy.GenericAPIError{Code: string(code)}
	if message != nil {
		err.Message = *message
	}
	return err
}

// callError returns the error of a call as the caller of the store gets it, apart
// from what was called for whom. If ctx has ended, that is why.
func callError(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case tooLarge(err):
		return fmt.Errorf("%w: %w", bulk.ErrUserTooLarge, err)
	}
	switch faultOf(err) {
	case invalid, permanent:
		return bulk.Permanent(err)
	default:
		return err
	}
}
