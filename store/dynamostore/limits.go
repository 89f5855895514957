package dynamostore

import "github.com/bulkops/bulkops/bulk"

// Limits of the service. Source, where not said otherwise: DynamoDB developer
// guide, "Quotas in Amazon DynamoDB".
const (
	// maxGetKeys is how many items a BatchGetItem reads. A Lookup or Commit of
	// [bulk.MaxBatch] elements never needs more: two keys for a reference, three
	// for a write.
	maxGetKeys = 100
	// maxStatements is how many statements a BatchExecuteStatement has.
	maxStatements = 25
	// maxStatement is the length of a statement. Source: API reference,
	// BatchStatementRequest.
	maxStatement = 8192
	// maxActions is how many actions a TransactWriteItems has.
	maxActions = 100
	// maxExpression is the length of an update or condition expression in bytes.
	maxExpression = 4096
	// maxPartitionKey and maxSortKey are the lengths of key values in bytes.
	maxPartitionKey = 2048
	maxSortKey      = 1024
	// maxAttributeName is the length of the name of a key attribute in bytes. Other
	// names may be longer; nobody needs that.
	maxAttributeName = 255
	// maxTableName and minTableName are the lengths of a table's name.
	minTableName = 3
	maxTableName = 255
)

// A negative length does not compile.
var _ [maxGetKeys - 3*bulk.MaxBatch]struct{}

// maxCallBytes is how much, as [bulk.User.Size] counts, is sent in one call. The
// service takes 4 MB of items in a transaction and 16 MB of JSON in a call, and
// the JSON of an item can be seven times its size: {"BOOL":true} for two bytes.
const maxCallBytes = 2 << 20
