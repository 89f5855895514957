package dynamostore

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/bulkops/bulkops/internal/awsconf"
)

// A Client is what a [Store] calls of DynamoDB. [*dynamodb.Client] is one.
type Client interface {
	BatchGetItem(context.Context, *dynamodb.BatchGetItemInput, ...func(*dynamodb.Options)) (*dynamodb.BatchGetItemOutput, error)
	BatchExecuteStatement(context.Context, *dynamodb.BatchExecuteStatementInput, ...func(*dynamodb.Options)) (*dynamodb.BatchExecuteStatementOutput, error)
	TransactWriteItems(context.Context, *dynamodb.TransactWriteItemsInput, ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error)
	UpdateItem(context.Context, *dynamodb.UpdateItemInput, ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error)
}

var _ Client = (*dynamodb.Client)(nil)

// NewClient returns a client that suits a [Store]:
//
//   - It keeps enough idle connections for parallel batches. The SDK keeps ten.
//     This is left alone if cfg has an HTTP client that is not the SDK's own kind.
//   - It repeats calls that failed on the way or in the service, up to three
//     attempts, and returns throttled ones to the store at once, which has a
//     policy for them. No call is refused for the retries of others, as by the
//     SDK's quota.
//   - It keeps the connection open until the answer has been read. On a busy
//     machine the SDK sometimes closes it before ("use of closed network
//     connection").
//
// options are applied last. A store takes any other client too, and uses it as it
// is; with the SDK's default retries, heavy throttling ends in "retry quota
// exceeded", which is a retryable error of the writes concerned.
func NewClient(cfg aws.Config, options ...func(*dynamodb.Options)) *dynamodb.Client {
	return dynamodb.NewFromConfig(awsconf.Tune(cfg, awsconf.RetryFaults), options...)
}
