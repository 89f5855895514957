package awstest

import (
	"encoding/json"
	"net/http"
)

// refuseSQS answers [Throttle] and [ServerError] as SQS does.
// Source: Amazon SQS API Reference, "SendMessage" and "Common errors".
func (c *call) refuseSQS(kind Kind) (*http.Response, error) {
	status, name, message := http.StatusBadRequest, "RequestThrottled", "Request was throttled."
	if kind == ServerError {
		status, name, message = http.StatusInternalServerError, "InternalFailure", "The request processing has failed."
	}
	body, err := json.Marshal(map[string]string{"__type": "com.amazonaws.sqs#" + name, "message": message})
	if err != nil {
		return nil, err
	}
	return c.answer(status, "application/x-amz-json-1.0", body), nil
}
