package awstest

import (
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"strconv"
)

// An object is a JSON object of which only the members that a fault is about are
// decoded; the others stay as they are.
type object map[string]json.RawMessage

func (c *call) readBody() (object, error) {
	var o object
	if err := json.NewDecoder(c.request.Body).Decode(&o); err != nil {
		return nil, fmt.Errorf("awstest: body of %s: %w", c.operation, err)
	}
	return o, nil
}

// decode reads a member, which may be missing.
func (o object) decode(member string, into any) error {
	if len(o[member]) == 0 {
		return nil
	}
	if err := json.Unmarshal(o[member], into); err != nil {
		return fmt.Errorf("awstest: member %s: %w", member, err)
	}
	return nil
}

// set replaces a member.
func (o object) set(member string, value any) error {
	encoded, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("awstest: member %s: %w", member, err)
	}
	o[member] = encoded
	return nil
}

// exchange sends o in place of the request's body and lets change edit the answer
// if it is one with HTTP 200; other answers are returned as they are.
func (c *call) exchange(o object, change func(answer object) error) (*http.Response, error) {
	encoded, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	response, err := c.forward(encoded)
	if err != nil || response.StatusCode != http.StatusOK {
		return response, err
	}
	content, err := io.ReadAll(response.Body)
	response.Body.Close()
	if err != nil {
		return nil, err
	}
	var answer object
	if err := json.Unmarshal(content, &answer); err != nil {
		return nil, fmt.Errorf("awstest: answer to %s: %w", c.operation, err)
	}
	if err := change(answer); err != nil {
		return nil, err
	}
	if content, err = json.Marshal(answer); err != nil {
		return nil, err
	}
	setDynamoDBBody(response, content)
	return response, nil
}

func (c *call) answerDynamoDB(status int, content []byte) *http.Response {
	response := c.answer(status, "application/x-amz-json-1.0", content)
	setDynamoDBBody(response, content)
	return response
}

// setDynamoDBBody replaces the body and its checksum, which the SDK checks.
func setDynamoDBBody(response *http.Response, content []byte) {
	setBody(response, content)
	response.Header.Set("X-Amz-Crc32", strconv.FormatUint(uint64(crc32.ChecksumIEEE(content)), 10))
}
