package awsconf

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
)

func TestTuneKeepsConnections(t *testing.T) {
	for name, given := range map[string]aws.HTTPClient{
		"none":    nil,
		"the SDK": awshttp.NewBuildableClient(),
	} {
		t.Run(name, func(t *testing.T) {
			cfg := aws.Config{HTTPClient: given}
			client, ok := Tune(cfg, RetryAll).HTTPClient.(*awshttp.BuildableClient)
			if !ok {
				t.Fatal("the HTTP client is not the SDK's own kind")
			}
			if got := client.GetTransport().MaxIdleConnsPerHost; got != idleConnections {
				t.Errorf("%d idle connections per host, want %d", got, idleConnections)
			}
			if got := client.GetTransport().MaxIdleConns; got < idleConnections {
				t.Errorf("%d idle connections, want at least %d", got, idleConnections)
			}
			if cfg.HTTPClient != given || cfg.Retryer != nil {
				t.Error("the caller's configuration was changed")
			}
		})
	}
}

func TestTuneLeavesForeignClient(t *testing.T) {
	own := &http.Client{}
	if Tune(aws.Config{HTTPClient: own}, RetryAll).HTTPClient != own {
		t.Error("the caller's own HTTP client was replaced")
	}
}

func TestRetryers(t *testing.T) {
	for name, c := range map[string]struct {
		err         error
		all, faults bool
	}{
		"throttle":              {&smithy.GenericAPIError{Code: "ProvisionedThroughputExceededException"}, true, false},
		"transaction under way": {&smithy.GenericAPIError{Code: "TransactionInProgressException"}, true, false},
		"broken connection":     {connectionError{errors.New("connection reset")}, true, true},
		"denied":                {&smithy.GenericAPIError{Code: "AccessDeniedException"}, false, false},
		"cancelled":             {&aws.RequestCanceledError{Err: context.Canceled}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := RetryAll().IsErrorRetryable(c.err); got != c.all {
				t.Errorf("RetryAll says %t, want %t", got, c.all)
			}
			if got := RetryFaults().IsErrorRetryable(c.err); got != c.faults {
				t.Errorf("RetryFaults says %t, want %t", got, c.faults)
			}
		})
	}
}

func TestRetriesAreNotRationed(t *testing.T) {
	err := connectionError{errors.New("connection reset")}
	for name, retryer := range map[string]aws.Retryer{"RetryAll": RetryAll(), "RetryFaults": RetryFaults()} {
		for n := range 1000 { // the SDK's quota ends after 100 of them
			if _, err := retryer.GetRetryToken(t.Context(), err); err != nil {
				t.Fatalf("%s: retry %d: %v", name, n, err)
			}
		}
	}
}

// connectionError is an error as the SDK returns it for a connection.
type connectionError struct{ error }

func (connectionError) ConnectionError() bool { return true }
