package awstest

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A call is one request that meets a fault.
type call struct {
	request   *http.Request
	next      http.RoundTripper
	operation string
	service   service
	random    *rand.Rand
}

// A service is what a call is to: what its target begins with in the JSON protocol of
// AWS, or S3, which has another.
type service string

const (
	dynamoDBService service = "DynamoDB_20120810"
	sqsService      service = "AmazonSQS"
	s3Service       service = ""
)

// jsonOperation names a call to a service that speaks JSON 1.0, such as "GetItem": the
// header X-Amz-Target is the service and the operation.
func jsonOperation(request *http.Request) (operation string, to service) {
	target, operation, _ := strings.Cut(request.Header.Get("X-Amz-Target"), ".")
	return operation, service(target)
}

// inject makes the fault. As [http.RoundTripper] demands, it closes the request's
// body in any case and changes nothing else of the request.
func (c *call) inject(rule Rule) (*http.Response, error) {
	switch rule.Kind {
	case LostAnswer:
		return c.loseAnswer()
	case SlowAnswer:
		return c.delayAnswer(rule.Delay)
	}
	defer c.closeBody()
	switch c.service {
	case dynamoDBService:
		return c.injectDynamoDB(rule.Kind)
	case sqsService:
		return c.refuseSQS(rule.Kind)
	default:
		return c.refuseS3(rule.Kind), nil
	}
}

func (c *call) closeBody() {
	if c.request.Body != nil {
		c.request.Body.Close()
	}
}

// loseAnswer lets the server do the call, reads its answer to the end, so that
// the call is done, and returns what a connection returns that breaks then.
func (c *call) loseAnswer() (*http.Response, error) {
	response, err := c.next.RoundTrip(c.request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return nil, err
	}
	return nil, &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)}
}

func (c *call) delayAnswer(delay time.Duration) (*http.Response, error) {
	timer := time.NewTimer(delay)
	defer timer.Stop()
	response, err := c.next.RoundTrip(c.request)
	if err != nil {
		return nil, err
	}
	select {
	case <-timer.C:
		return response, nil
	case <-c.request.Context().Done():
		response.Body.Close()
		return nil, c.request.Context().Err()
	}
}

// forward sends the request with another body.
func (c *call) forward(body []byte) (*http.Response, error) {
	request := c.request.Clone(c.request.Context())
	request.Body = io.NopCloser(bytes.NewReader(body))
	request.GetBody = nil
	request.ContentLength = int64(len(body))
	request.Header.Del("Content-Length")
	return c.next.RoundTrip(request)
}

// answer makes an answer that no server gave.
func (c *call) answer(status int, contentType string, body []byte) *http.Response {
	response := &http.Response{
		StatusCode: status,
		Status:     fmt.Sprintf("%d %s", status, http.StatusText(status)),
		Proto:      "HTTP/1.1",
		ProtoMajor: 1,
		ProtoMinor: 1,
		Header:     http.Header{"Content-Type": {contentType}},
		Request:    c.request,
	}
	if c.request.Method == http.MethodHead {
		body = nil
	}
	setBody(response, body)
	return response
}

// setBody replaces the body of an answer and what its header says about it.
func setBody(response *http.Response, body []byte) {
	response.Body = io.NopCloser(bytes.NewReader(body))
	response.ContentLength = int64(len(body))
	response.TransferEncoding = nil
	response.Header.Set("Content-Length", strconv.Itoa(len(body)))
}

// some draws from 1 to most of the indexes below n. It returns whether each index
// is drawn.
func (c *call) some(n, most int) []bool {
	drawn := make([]bool, n)
	for _, i := range c.random.Perm(n)[:1+c.random.IntN(most)] {
		drawn[i] = true
	}
	return drawn
}

// pick draws one of the choices.
func pick[T any](c *call, choices ...T) T { return choices[c.random.IntN(len(choices))] }
