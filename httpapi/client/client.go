package client

import (
	"cmp"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/bulkops/bulkops/bulk"
)

// Defaults of a [Config].
const (
	DefaultMaxUsers      = bulk.DefaultMaxUsers
	DefaultMaxBody       = 64 << 20
	DefaultMaxAttempts   = 15
	DefaultMinBackoff    = 500 * time.Millisecond
	DefaultMaxBackoff    = 30 * time.Second
	DefaultMaxRetryAfter = 5 * time.Minute
	DefaultTimeout       = 5 * time.Minute
)

// A Config says which service a [Client] speaks to, and how. BaseURL is required;
// the zero value of every other field takes its default.
type Config struct {
	// BaseURL is the URL under which "/v1/bulk/" is reached, without that part:
	// "https://example.com/api". Required.
	BaseURL string
	// Token is sent as a bearer token with each request to the API. Defaults to
	// none; not to be set together with Authorize.
	Token string
	// Authorize adds credentials to a request to the API. It is called for each
	// attempt, so that it can renew what has expired. An error of it ends the
	// call. Defaults to Token.
	Authorize func(*http.Request) error
	// HTTPClient sends the requests. Redirects are not followed, whatever it says.
	// Its transport must not add credentials, since downloads go to other hosts
	// too: Authorize is for that. Defaults to one with [http.DefaultTransport].
	HTTPClient *http.Client

	// MaxUsers is the most users that one request may have: the limit of the
	// service, or less. Defaults to 10,000.
	MaxUsers int
	// MaxBody is the most bytes that the body of one request may have: the limit
	// of the service, or less. Defaults to 64 MiB.
	MaxBody int64

	// MaxAttempts is how often a request is sent before its failure is returned.
	// Defaults to 15, which with the backoff's defaults takes 2 to 5 minutes. A
	// request that a service died with is in progress for 2 minutes.
	MaxAttempts int
	// MinBackoff is the wait after the first failed attempt. It doubles with each
	// further one. Defaults to half a second.
	MinBackoff time.Duration
	// MaxBackoff bounds the wait, unless the service asks for a longer one.
	// Defaults to 30 seconds.
	MaxBackoff time.Duration
	// MaxRetryAfter is the longest Retry-After of a failure that is waited for. If
	// the service asks for more, the failure is returned: see [Error.RetryAfter].
	// Defaults to 5 minutes.
	MaxRetryAfter time.Duration
	// Timeout is how long an attempt may take from the first byte sent to the last
	// one received. Of streamed results it is how long the next bytes may take.
	// Defaults to 5 minutes.
	Timeout time.Duration
	// OnRetry is called before the wait for another attempt. May be nil.
	OnRetry func(Retry)
}

// A Retry is an attempt that failed and is about to be repeated.
type Retry struct {
	// Attempt is the number of the attempt that failed, from 1.
	Attempt int
	// Err is what it failed with.
	Err error
	// Wait is how long it takes until the next attempt.
	Wait time.Duration
}

// A Client imports users through the API. It has no goroutines of its own and is
// safe for concurrent use if the functions of its [Config] are.
type Client struct {
	cfg  Config
	http *http.Client
	base *url.URL
}

// root is where the API begins below the base URL.
const root = "/v1/bulk"

// New returns a client, or a [*bulk.ConfigError] that names the field at fault. It
// connects to nothing.
func New(cfg Config) (*Client, error) {
	fault := func(field, problem string) (*Client, error) {
		return nil, &bulk.ConfigError{Field: "client.Config." + field, Problem: problem}
	}
	base, err := url.Parse(cfg.BaseURL)
	switch {
	case cfg.BaseURL == "":
		return fault("BaseURL", "is required")
	case err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Host == "":
		return fault("BaseURL", "is not an absolute http or https URL")
	case base.RawQuery != "" || base.Fragment != "" || base.User != nil:
		return fault("BaseURL", "has more than scheme, host and path")
	case strings.HasSuffix(strings.TrimRight(base.Path, "/"), root):
		return fault("BaseURL", "has "+root+", which the client adds")
	case cfg.Token != "" && cfg.Authorize != nil:
		return fault("Token", "is set together with Authorize")
	case strings.ContainsFunc(cfg.Token, func(r rune) bool { return r <= ' ' || r > '~' }):
		return fault("Token", "is not a bearer token")
	case cfg.MaxUsers < 0:
		return fault("MaxUsers", "is negative")
	case cfg.MaxBody < 0 || cfg.MaxBody > 0 && cfg.MaxBody < minBody:
		return fault("MaxBody", "is less than 1 KiB")
	case cfg.MaxAttempts < 0:
		return fault("MaxAttempts", "is negative")
	case cfg.MinBackoff < 0:
		return fault("MinBackoff", "is negative")
	case cfg.MaxBackoff < 0:
		return fault("MaxBackoff", "is negative")
	case cfg.MaxRetryAfter < 0:
		return fault("MaxRetryAfter", "is negative")
	case cfg.Timeout < 0:
		return fault("Timeout", "is negative")
	}
	cfg.MaxUsers = cmp.Or(cfg.MaxUsers, DefaultMaxUsers)
	cfg.MaxBody = cmp.Or(cfg.MaxBody, DefaultMaxBody)
	cfg.MaxAttempts = cmp.Or(cfg.MaxAttempts, DefaultMaxAttempts)
	cfg.MinBackoff = cmp.Or(cfg.MinBackoff, DefaultMinBackoff)
	cfg.MaxBackoff = max(cmp.Or(cfg.MaxBackoff, DefaultMaxBackoff), cfg.MinBackoff)
	cfg.MaxRetryAfter = cmp.Or(cfg.MaxRetryAfter, DefaultMaxRetryAfter)
	cfg.Timeout = cmp.Or(cfg.Timeout, DefaultTimeout)
	c := &Client{cfg: cfg, base: base, http: new(http.Client)}
	if cfg.HTTPClient != nil {
		*c.http = *cfg.HTTPClient
	}
	// A redirect would take the credentials of Authorize elsewhere, and a link
	// along as the referrer.
	c.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return c, nil
}

// minBody is what a body needs beside its rows, and more.
const minBody = 1 << 10
