package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/bulkops/bulkops/internal/backoff"
)

// retryAfter returns how long an answer asks to wait: seconds, or a date, which
// counts from the answer's own Date, since clocks differ. Source: RFC 9110,
// 10.2.3.
func retryAfter(header http.Header) time.Duration {
	text := strings.TrimSpace(header.Get("Retry-After"))
	if seconds, err := strconv.ParseInt(text, 10, 32); err == nil {
		return max(0, time.Duration(seconds)*time.Second)
	}
	until, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	now, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		now = time.Now()
	}
	return max(0, until.Sub(now))
}

// retries counts the attempts of one request. Each request counts for itself.
type retries struct {
	c      *Client
	failed int
}

// again waits and returns nil if the request is to be sent again after that
// failure. Otherwise it returns the failure, or, if ctx ends, why.
func (r *retries) again(ctx context.Context, failure error) error {
	if ctx.Err() != nil {
		return ended(ctx)
	}
	r.failed++
	if r.failed >= r.c.cfg.MaxAttempts || !retryable(failure) {
		return failure
	}
	wait := r.c.pause().Delay(r.failed)
	var answered *Error
	if errors.As(failure, &answered) {
		if answered.RetryAfter > r.c.cfg.MaxRetryAfter {
			return failure
		}
		// On top of what is asked for, so that not all who were refused together
		// come back together.
		if answered.RetryAfter > 0 {
			wait = max(wait, answered.RetryAfter+rand.N(r.c.cfg.MinBackoff+1))
		}
	}
	if r.c.cfg.OnRetry != nil {
		r.c.cfg.OnRetry(Retry{Attempt: r.failed, Err: failure, Wait: wait})
	}
	return sleep(ctx, wait)
}

// pause is the wait between attempts.
func (c *Client) pause() backoff.Backoff {
	return backoff.Backoff{Base: c.cfg.MinBackoff, Cap: c.cfg.MaxBackoff}
}

// sleep waits, or returns why ctx ended.
func sleep(ctx context.Context, d time.Duration) error {
	if backoff.Sleep(ctx, d) != nil {
		return ended(ctx)
	}
	return nil
}

// ended returns why ctx ended.
func ended(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if errors.Is(cause, err) {
		return fmt.Errorf("client: %w", cause)
	}
	return fmt.Errorf("client: %w: %w", err, cause)
}

// A connectionError is a request without an answer, or with one that broke off.
type connectionError struct {
	doing string
	err   error
}

func (e *connectionError) Error() string { return "client: " + e.doing + ": " + e.err.Error() }
func (e *connectionError) Unwrap() error { return e.err }

// Retryable reports whether another attempt may go better: not with a certificate
// or a protocol that is wrong, nor with a host that does not exist.
func (e *connectionError) Retryable() bool {
	var (
		certificate *tls.CertificateVerificationError
		record      tls.RecordHeaderError
		name        *net.DNSError
		op          *net.OpError
	)
	return !errors.As(e.err, &certificate) && !errors.As(e.err, &record) && !errors.Is(e.err, http.ErrSchemeMismatch) &&
		(!errors.As(e.err, &name) || !name.IsNotFound) &&
		(!errors.As(e.err, &op) || op.Op != alertOp)
}

// alertOp is what package crypto/tls calls the receipt of an alert: the other side
// refuses the handshake.
const alertOp = "remote error"

// retryable reports whether a request that failed so is sent again: failures that
// are not known to pass are final.
func retryable(err error) bool {
	var r interface{ Retryable() bool }
	return errors.As(err, &r) && r.Retryable()
}
