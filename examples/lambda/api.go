package main

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambdaurl"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/httpapi"
)

// newAPI returns the handler of HTTP requests. Lambda takes bodies of up to 6 MB,
// base64 and all: a client sends more users than fit in by gzip, about 40 MB of JSON,
// or in parts. API Gateway takes 10 MB, and hands no more than 6 to the function.
func newAPI(cfg bulk.Config, s *settings) (any, error) {
	importer, err := bulk.NewImporter(cfg)
	if err != nil {
		return nil, err
	}
	api, err := httpapi.New(httpapi.Config{Importer: importer, Authorize: authorize(s.tokens)})
	if err != nil {
		return nil, err
	}
	streamed := lambdaurl.Wrap(api)
	if s.buffered {
		return buffer(streamed), nil
	}
	return streamed, nil
}

var errNoToken = errors.New("a bearer token is needed")

// authorize tells callers by the hashes of their bearer tokens: how long that takes
// says nothing about a token.
func authorize(tokens map[string]bulk.Principal) func(*http.Request) (bulk.Principal, error) {
	return func(r *http.Request) (bulk.Principal, error) {
		token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		hash := sha256.Sum256([]byte(token))
		caller, ok := tokens[hex.EncodeToString(hash[:])]
		if !ok {
			return bulk.Principal{}, errNoToken
		}
		return caller, nil
	}
}

// buffer returns answers whole, in the form that API Gateway's HTTP APIs share with
// function URLs.
func buffer(streamed func(context.Context, *events.LambdaFunctionURLRequest) (*events.LambdaFunctionURLStreamingResponse, error)) any {
	return func(ctx context.Context, request *events.LambdaFunctionURLRequest) (*events.LambdaFunctionURLResponse, error) {
		response, err := streamed(ctx, request)
		if err != nil {
			return nil, err
		}
		body, err := io.ReadAll(response.Body)
		if err != nil {
			return nil, err
		}
		return &events.LambdaFunctionURLResponse{
			StatusCode: response.StatusCode, Headers: response.Headers, Cookies: response.Cookies,
			Body: base64.StdEncoding.EncodeToString(body), IsBase64Encoded: true,
		}, nil
	}
}
