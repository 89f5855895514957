package webhook

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/bulkops/bulkops/bulk"
)

// A Config says whom a [Notifier] tells, and how.
type Config struct {
	// Endpoint returns where to tell of a job, and the secrets to sign with, by its
	// tenant for example. An empty URL is for jobs of which nobody is told. An error is
	// that of [bulk.Notifier]: the end is told later, unless it is [bulk.Permanent].
	// Required.
	Endpoint func(ctx context.Context, job *bulk.Job) (Endpoint, error)
	// Timeout is how long a receiver may take to answer. [bulk.Config.CallTimeout]
	// bounds it too. Defaults to 20 seconds.
	Timeout time.Duration
	// Transport sends the requests. Defaults to one that connects to public addresses
	// alone: see the package documentation.
	Transport http.RoundTripper
	// AllowHTTP allows URLs without TLS, on which anybody on the way can read what jobs
	// there are. Defaults to false.
	AllowHTTP bool
	// UserAgent is the header of that name. Defaults to "bulkops".
	UserAgent string
}

// An Endpoint is a receiver of messages.
type Endpoint struct {
	// URL is where to post to.
	URL string
	// Secrets are those to sign with, at least one and at most [MaxSecrets]: the
	// current one, and while receivers change from an old one, that too.
	Secrets []string
}

// MaxSecrets is how many secrets an endpoint may have.
const MaxSecrets = 8

// ErrGone is the error of a receiver that answered 410: it wants no more messages.
var ErrGone = bulk.Permanent(errors.New("webhook: the receiver wants no more messages"))

const (
	defaultTimeout = 20 * time.Second // the specification: 15 to 30 seconds
	// maxAnswer is how much of an answer's body is read, so that the connection can be
	// used again.
	maxAnswer = 16 << 10
)

// A Notifier is a [bulk.Notifier] that posts signed messages. It is safe for concurrent
// use and has no goroutines but those of its connections. Make one with [New].
type Notifier struct {
	cfg    Config
	client *http.Client
}

var _ bulk.Notifier = (*Notifier)(nil)

// New returns a notifier, or a [*bulk.ConfigError].
func New(cfg Config) (*Notifier, error) {
	switch {
	case cfg.Endpoint == nil:
		return nil, &bulk.ConfigError{Field: "Config.Endpoint", Problem: "is required"}
	case cfg.Timeout < 0:
		return nil, &bulk.ConfigError{Field: "Config.Timeout", Problem: "must not be negative"}
	}
	cfg.Timeout = cmp.Or(cfg.Timeout, defaultTimeout)
	cfg.UserAgent = cmp.Or(cfg.UserAgent, "bulkops")
	if cfg.Transport == nil {
		cfg.Transport = publicTransport()
	}
	return &Notifier{cfg: cfg, client: &http.Client{
		Transport: cfg.Transport,
		// A redirect would send the message where nobody asked for it.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// NotifyEnded implements [bulk.Notifier]. Its errors name neither URL nor secret.
func (n *Notifier) NotifyEnded(ctx context.Context, job *bulk.Job) error {
	endpoint, err := n.cfg.Endpoint(ctx, job)
	if err != nil {
		return fmt.Errorf("webhook: endpoint: %w", err)
	}
	if endpoint.URL == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, n.cfg.Timeout)
	defer cancel()
	request, err := n.request(ctx, endpoint, job)
	if err != nil {
		return err
	}
	response, err := n.client.Do(request)
	if err != nil {
		var named *url.Error // whose text has the URL
		if errors.As(err, &named) {
			err = named.Err
		}
		return fmt.Errorf("webhook: post: %w", err)
	}
	defer response.Body.Close()
	_, _ = io.CopyN(io.Discard, response.Body, maxAnswer)
	return judge(response)
}

// request returns the signed request of a job's end.
func (n *Notifier) request(ctx context.Context, endpoint Endpoint, job *bulk.Job) (*http.Request, error) {
	target, err := url.Parse(endpoint.URL)
	switch {
	case err != nil || target.Host == "":
		return nil, errors.New("webhook: the endpoint's URL is not one")
	case target.Scheme != "https" && (target.Scheme != "http" || !n.cfg.AllowHTTP):
		return nil, errors.New("webhook: the endpoint's URL is not https")
	}
	body, err := payload(job)
	if err != nil {
		return nil, bulk.Permanent(fmt.Errorf("webhook: %w", err))
	}
	id, now := job.ID+"_ended", time.Now().Unix()
	signatures, err := sign(endpoint.Secrets, id, now, body)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint.URL, bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("webhook: the endpoint's URL is not one")
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", n.cfg.UserAgent)
	request.Header.Set("webhook-id", id)
	request.Header.Set("webhook-timestamp", strconv.FormatInt(now, 10))
	request.Header.Set("webhook-signature", signatures)
	return request, nil
}

// judge returns what an answer means.
func judge(response *http.Response) error {
	switch code := response.StatusCode; {
	case code >= 200 && code < 300:
		return nil
	case code == http.StatusGone:
		return ErrGone
	default:
		return &statusError{code, retryAfter(response.Header, time.Now())}
	}
}

// A statusError is an answer that is a failure.
type statusError struct {
	code  int
	after time.Duration
}

func (e *statusError) Error() string { return fmt.Sprintf("webhook: the receiver answered %d", e.code) }

// RetryAfter is for how long the receiver asks not to be called again, 0 if it does not.
func (e *statusError) RetryAfter() time.Duration { return e.after }

// retryAfter reads the header of that name: seconds, or a date.
func retryAfter(header http.Header, now time.Time) time.Duration {
	text := strings.TrimSpace(header.Get("Retry-After"))
	if seconds, err := strconv.ParseUint(text, 10, 32); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}
