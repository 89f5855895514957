package awstest

import (
	"encoding/json"
	"net/http"
	"strings"
)

// The messages that DynamoDB sends with its errors.
// Source: Amazon DynamoDB Developer Guide, "Error handling with DynamoDB".
const (
	throughputMessage = "The level of configured provisioned throughput for the table was exceeded. Consider increasing your provisioning level with the UpdateTable API."
	throttlingMessage = "Throughput exceeds the current capacity of your table or index. DynamoDB is automatically scaling your table or index so please try again shortly."
	conflictMessage   = "Transaction is ongoing for the item"
	internalMessage   = "The request could not be processed because of an internal failure"
)

func (c *call) injectDynamoDB(kind Kind) (*http.Response, error) {
	if kind == ServerError {
		return c.refuse(http.StatusInternalServerError, "InternalServerError", internalMessage), nil
	}
	request, err := c.readBody()
	if err != nil {
		return nil, err
	}
	switch {
	case kind == UnprocessedItems:
		return c.leaveItems(request)
	case kind == UnprocessedKeys:
		return c.leaveKeys(request)
	case kind == StatementThrottle:
		return c.failStatements(request, statementThroughput, statementThrottling)
	case kind == TransactionConflict && c.operation == "BatchExecuteStatement":
		return c.failStatements(request, statementConflict)
	case kind == TransactionConflict && isTransaction(request):
		return c.cancelTransaction(request, reason{"TransactionConflict", conflictMessage})
	case kind == TransactionConflict:
		return c.refuse(http.StatusBadRequest, "TransactionConflictException", conflictMessage), nil
	case isTransaction(request) && c.random.IntN(2) == 0:
		return c.cancelTransaction(request, pick(c,
			reason{"ProvisionedThroughputExceeded", throughputMessage},
			reason{"ThrottlingError", throttlingMessage}))
	default:
		return c.throttle(), nil
	}
}

// throttle refuses the whole call.
func (c *call) throttle() *http.Response {
	if c.random.IntN(2) == 0 {
		return c.refuse(http.StatusBadRequest, "ProvisionedThroughputExceededException", throughputMessage)
	}
	return c.refuse(http.StatusBadRequest, "ThrottlingException", throttlingMessage)
}

// refuse answers with an error of DynamoDB.
func (c *call) refuse(status int, name, message string) *http.Response {
	body, err := json.Marshal(map[string]string{"__type": errorType(name), "message": message})
	if err != nil {
		panic(err) // strings can be encoded
	}
	return c.answerDynamoDB(status, body)
}

func errorType(name string) string { return "com.amazonaws.dynamodb.v20120810#" + name }

// A reason is why an action of a transaction cancelled it.
type reason struct {
	Code    string
	Message string `json:",omitempty"`
}

// isTransaction tells whether a request has the actions of TransactWriteItems and
// TransactGetItems or the statements of ExecuteTransaction.
func isTransaction(o object) bool {
	return o["TransactItems"] != nil || o["TransactStatements"] != nil
}

// cancelTransaction answers that one of the actions, drawn at random, cancelled
// the transaction for the reason, and that nothing is wrong with the others.
func (c *call) cancelTransaction(o object, why reason) (*http.Response, error) {
	var actions, statements []json.RawMessage
	if err := o.decode("TransactItems", &actions); err != nil {
		return nil, err
	}
	if err := o.decode("TransactStatements", &statements); err != nil {
		return nil, err
	}
	reasons := make([]reason, len(actions)+len(statements))
	if len(reasons) == 0 {
		return c.exchange(o, func(object) error { return nil }) // the server says what is wrong with it
	}
	codes := make([]string, len(reasons))
	atFault := c.some(len(reasons), 1)
	for i := range reasons {
		reasons[i] = reason{Code: "None"}
		if atFault[i] {
			reasons[i] = why
		}
		codes[i] = reasons[i].Code
	}
	content, err := json.Marshal(map[string]any{
		"__type":              errorType("TransactionCanceledException"),
		"Message":             "Transaction cancelled, please refer cancellation reasons for specific reasons [" + strings.Join(codes, ", ") + "]",
		"CancellationReasons": reasons,
	})
	if err != nil {
		return nil, err
	}
	return c.answerDynamoDB(http.StatusBadRequest, content), nil
}
