package awstest

import (
	"fmt"
	"net/http"
)

// s3Operation names a call to S3: as the SDK does in the parameter x-id, which it
// adds to most calls; by what tells them apart for the calls of a multipart upload
// without it; otherwise by the HTTP method.
func s3Operation(request *http.Request) string {
	query := request.URL.Query()
	switch id := query.Get("x-id"); {
	case id != "":
		return id
	case request.Method == http.MethodPost && query.Has("uploads"):
		return "CreateMultipartUpload"
	case request.Method == http.MethodPost && query.Has("uploadId"):
		return "CompleteMultipartUpload"
	case request.Method == http.MethodDelete && query.Has("uploadId"):
		return "AbortMultipartUpload"
	}
	return request.Method
}

// refuseS3 answers [Throttle] and [ServerError] as S3 does.
// Source: Amazon S3 API Reference, "Error responses".
func (c *call) refuseS3(kind Kind) *http.Response {
	status, code, message := http.StatusServiceUnavailable, "SlowDown", "Please reduce your request rate."
	if kind == ServerError {
		status, code, message = http.StatusInternalServerError, "InternalError", "We encountered an internal error. Please try again."
	}
	body := fmt.Sprintf(`<?xml version="1.0" encoding="UTF-8"?>`+"\n"+
		`<Error><Code>%s</Code><Message>%s</Message><RequestId>injected</RequestId></Error>`, code, message)
	return c.answer(status, "application/xml", []byte(body))
}
