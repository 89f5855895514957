package local

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/aws/aws-lambda-go/events"
)

// maxEvent is the most bytes of an event. Source: Lambda developer guide, "Lambda
// quotas", Invocation payload.
const maxEvent = 6 << 20

// A URL serves HTTP by a function: as a function URL whose invoke mode is
// RESPONSE_STREAM, or, Buffered, as API Gateway or one whose mode is BUFFERED.
type URL struct {
	Function *Function
	Buffered bool
}

func (u *URL) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	status, header, body, err := u.serve(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	for name, value := range header {
		w.Header().Set(name, value)
	}
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

func (u *URL) serve(r *http.Request) (status int, header map[string]string, body []byte, err error) {
	sent, err := io.ReadAll(r.Body)
	if err != nil {
		return 0, nil, nil, err
	}
	request := events.LambdaFunctionURLRequest{
		Version: "2.0", RawPath: r.URL.EscapedPath(), RawQueryString: r.URL.RawQuery, Headers: map[string]string{},
		Body: base64.StdEncoding.EncodeToString(sent), IsBase64Encoded: true,
		RequestContext: events.LambdaFunctionURLRequestContext{
			DomainName: r.Host,
			HTTP:       events.LambdaFunctionURLRequestContextHTTPDescription{Method: r.Method, Path: r.URL.Path, SourceIP: "127.0.0.1"},
		},
	}
	for name, values := range r.Header {
		request.Headers[strings.ToLower(name)] = strings.Join(values, ",")
	}
	event, err := json.Marshal(request)
	if err != nil {
		return 0, nil, nil, err
	}
	if len(event) > maxEvent {
		return http.StatusRequestEntityTooLarge, nil, nil, nil
	}
	answer, err := u.Function.Invoke(r.Context(), event)
	if err != nil {
		return 0, nil, nil, err
	}
	if u.Buffered {
		var response events.LambdaFunctionURLResponse
		if err := json.Unmarshal(answer, &response); err != nil {
			return 0, nil, nil, err
		}
		body, err := base64.StdEncoding.DecodeString(response.Body)
		return response.StatusCode, response.Headers, body, err
	}
	prelude, body, ok := SplitStream(answer)
	if !ok {
		return 0, nil, nil, fmt.Errorf("local: an answer without a prelude: %.100q", answer)
	}
	var response events.LambdaFunctionURLStreamingResponse
	if err := json.Unmarshal(prelude, &response); err != nil {
		return 0, nil, nil, err
	}
	return response.StatusCode, response.Headers, body, nil
}
