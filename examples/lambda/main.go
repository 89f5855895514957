// Command lambda is bulkops as AWS Lambda functions: one program, and its role says
// which of the two it is.
//
//   - BULKOPS_ROLE=worker runs jobs. An SQS queue, the doorbell, invokes it when a job
//     may be claimed, and a schedule once a minute for those that never rang.
//   - BULKOPS_ROLE=api takes requests, by a function URL or from API Gateway.
//
// Build it for the runtime provided.al2023 on arm64:
//
//	cd examples/lambda
//	GOOS=linux GOARCH=arm64 CGO_ENABLED=0 go build -tags lambda.norpc -trimpath -ldflags=-s -o bootstrap .
//	zip bulkops.zip bootstrap
//
// The templates in docs/infra make the functions with all that they need. What they
// set, and what may be set beside it, is at type settings.
//
// It is a module of its own, so that the library does not depend on aws-lambda-go.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
)

func main() {
	logger := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	slog.SetDefault(logger)
	handler, err := open(context.Background(), os.Getenv)
	if err != nil {
		logger.Error("cannot start", "error", err.Error())
		os.Exit(1)
	}
	lambda.Start(handler)
}

// open returns the handler of the role that the environment names.
func open(ctx context.Context, getenv func(string) string) (handler any, err error) {
	s, err := readSettings(getenv)
	if err != nil {
		return nil, err
	}
	cfg, doorbell, err := s.backends(ctx)
	if err != nil {
		return nil, err
	}
	switch s.role {
	case "worker":
		w, err := newWorker(cfg, doorbell)
		return w.handle, err
	case "api":
		return newAPI(cfg, s)
	default:
		return nil, fmt.Errorf("BULKOPS_ROLE is %q; it must be worker or api", s.role)
	}
}
