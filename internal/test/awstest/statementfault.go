package awstest

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// A statementError is the error of one statement in a BatchExecuteStatement.
type statementError struct {
	Code    string
	Message string
}

var (
	statementThroughput = statementError{"ProvisionedThroughputExceeded", throughputMessage}
	statementThrottling = statementError{"ThrottlingError", throttlingMessage}
	statementConflict   = statementError{"TransactionConflict", conflictMessage}
)

// failStatements forwards some or none of the statements of a
// BatchExecuteStatement, and answers the others with errors of the choice.
func (c *call) failStatements(o object, choice ...statementError) (*http.Response, error) {
	var statements []json.RawMessage
	if err := o.decode("Statements", &statements); err != nil {
		return nil, err
	}
	if len(statements) == 0 {
		return c.exchange(o, func(object) error { return nil }) // the server says what is wrong with it
	}
	failed := c.some(len(statements), len(statements))
	answers := make([]json.RawMessage, len(statements))
	var forwarded []json.RawMessage
	for i, statement := range statements {
		if !failed[i] {
			forwarded = append(forwarded, statement)
			continue
		}
		encoded, err := json.Marshal(map[string]statementError{"Error": pick(c, choice...)})
		if err != nil {
			return nil, err
		}
		answers[i] = encoded
	}
	if len(forwarded) == 0 {
		content, err := json.Marshal(map[string]any{"Responses": answers})
		if err != nil {
			return nil, err
		}
		return c.answerDynamoDB(http.StatusOK, content), nil
	}
	if err := o.set("Statements", forwarded); err != nil {
		return nil, err
	}
	return c.exchange(o, func(answer object) error {
		var given []json.RawMessage
		if err := answer.decode("Responses", &given); err != nil {
			return err
		}
		if len(given) != len(forwarded) {
			return fmt.Errorf("awstest: %d answers to %d statements", len(given), len(forwarded))
		}
		for i := range answers {
			if !failed[i] {
				answers[i], given = given[0], given[1:]
			}
		}
		return answer.set("Responses", answers)
	})
}
