// Package awsconf configures the clients of AWS services for bulk work: many
// parallel calls to one host, some of them throttled.
package awsconf

import (
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
)

const (
	// idleConnections is how many connections to one host are kept for the next
	// call: as many as [bulk.Config.Parallel] allows batches. The SDK keeps 10, so
	// that every burst of parallel calls opens nearly all of its connections anew.
	//
	// [bulk.Config.Parallel]: https://pkg.go.dev/github.com/bulkops/bulkops/bulk#Config
	idleConnections = 256
	// idleTimeout closes connections before the load balancers of AWS do, so that
	// no call is sent into a connection that is about to go.
	idleTimeout = 50 * time.Second
	// headerTimeout bounds the wait for the first byte of an answer. Without it a
	// connection that went silent holds its call until the caller gives up.
	headerTimeout = 30 * time.Second
)

// Attempts of one call. [aws.Config.RetryMaxAttempts], if it is set, wins.
const (
	faultAttempts = 3
	allAttempts   = 8
)

// The waits between attempts: random between nothing and a bound that doubles from
// firstPause to longestPause. The SDK starts with a second, which is long for
// services that answer within milliseconds.
const (
	firstPause   = 50 * time.Millisecond
	longestPause = 5 * time.Second
)

func pause(attempt int, _ error) (time.Duration, error) {
	bound := longestPause
	if attempt < 10 {
		bound = min(bound, firstPause<<attempt)
	}
	return rand.N(bound), nil
}

// Tune returns cfg with an HTTP client that keeps enough connections, with the
// retryer given, and with [KeepAnswer]. An HTTP client that is not the SDK's own
// kind is the caller's choice and stays as it is.
func Tune(cfg aws.Config, retryer func() aws.Retryer) aws.Config {
	tuned := cfg.Copy()
	tuned.Retryer = retryer
	tuned.APIOptions = append(slices.Clip(tuned.APIOptions), KeepAnswer)
	switch client := cfg.HTTPClient.(type) {
	case nil:
		tuned.HTTPClient = keepConnections(awshttp.NewBuildableClient())
	case *awshttp.BuildableClient:
		tuned.HTTPClient = keepConnections(client)
	}
	return tuned
}

func keepConnections(client *awshttp.BuildableClient) *awshttp.BuildableClient {
	return client.WithTransportOptions(func(t *http.Transport) {
		t.MaxIdleConns = max(t.MaxIdleConns, idleConnections)
		t.MaxIdleConnsPerHost = max(t.MaxIdleConnsPerHost, idleConnections)
		t.IdleConnTimeout = idleTimeout
		if t.ResponseHeaderTimeout == 0 {
			t.ResponseHeaderTimeout = headerTimeout
		}
	})
}

// RetryAll returns a retryer for calls that nobody else repeats: it repeats all
// that the SDK thinks may pass, throttled calls included.
//
// It has no retry quota: the SDK's bucket of 500 tokens is shared by all calls of
// a client, so one throttled import would use up the retries of the others.
func RetryAll() aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = allAttempts
		o.Backoff = retry.BackoffDelayerFunc(pause)
		o.RateLimiter = ratelimit.None
	})
}

// RetryFaults returns a retryer for callers with a throttle policy of their own:
// like [RetryAll], but a throttled call fails at once, so that the caller sees it
// and slows down.
func RetryFaults() aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = faultAttempts
		o.Backoff = retry.BackoffDelayerFunc(pause)
		o.RateLimiter = ratelimit.None
		// Asked before the checks of the SDK, of which the first to know decides.
		o.Retryables = append([]retry.IsErrorRetryable{
			retry.NoRetryCanceledError{},
			retry.IsErrorRetryableFunc(notThrottled),
		}, o.Retryables...)
	})
}

func notThrottled(err error) aws.Ternary {
	if Throttled(err) {
		return aws.FalseTernary
	}
	return aws.UnknownTernary
}

// Throttled reports whether err says that a service was asked too fast.
func Throttled(err error) bool {
	return throttles.IsErrorThrottle(err).Bool()
}

var throttles = retry.IsErrorThrottles(retry.DefaultThrottles)
