package httpapi

import (
	"cmp"
	"crypto/rand"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/bulkops/bulkops/bulk"
)

// Defaults of a [Config].
const (
	DefaultMaxBody     = 64 << 20
	DefaultMaxDecoded  = 64 << 20
	DefaultMaxMemory   = 256 << 20
	DefaultBodyIdle    = 30 * time.Second
	DefaultBodyTimeout = 5 * time.Minute
	DefaultRetryAfter  = 5 * time.Second
	DefaultMaxWaits    = 256
	DefaultChallenge   = "Bearer"
)

// MinLinkKey is the least length of a [Config.LinkKey] in bytes: that of the hash
// it is used with. Source: RFC 2104, 3.
const MinLinkKey = 32

// A Config says what a [Handler] works with. Importer and Authorize are required;
// the zero value of every other field takes its default.
type Config struct {
	// Importer takes the requests. Required.
	Importer *bulk.Importer
	// Authorize turns a request into its caller. Required: there is no default
	// that lets a request through.
	//
	// An error refuses the request with 401, or with 503 if it is
	// [bulk.ErrUnavailable]: that tells callers that it is the service's own
	// check which failed, and to come again. A caller whose role may not import,
	// or an error that is [bulk.ErrForbidden], gets 403. Its error text is never
	// sent. It must not read the request's body, and must be safe for concurrent
	// use.
	Authorize func(*http.Request) (bulk.Principal, error)
	// Challenge is the WWW-Authenticate header of a 401. Defaults to "Bearer".
	Challenge string

	// MaxBody is the most bytes that a request's body may have as it is sent.
	// Defaults to 64 MiB.
	MaxBody int64
	// MaxDecoded is the most bytes that a compressed body may have once it is
	// decompressed. Defaults to 64 MiB.
	MaxDecoded int64
	// MaxMemory bounds the memory in bytes that all requests under way hold, their rows
	// and buffers: 32 MiB or more. A request for which there is not enough of it is
	// refused with 503 before anything of it is written, and one that alone would need
	// more with 413. A tenant may use it all; but while another one waits, each gets an
	// equal share. It is an estimate on the safe side, and the garbage collector needs
	// room beyond it: give the process twice as much and set GOMEMLIMIT. Defaults to
	// 256 MiB, which any request within the other defaults fits into.
	MaxMemory int64
	// BodyIdle is how long a request's body may be silent, and BodyTimeout how long it
	// may take to arrive. A body that is slower is refused with 408 and the connection
	// is closed. They need a server that has read deadlines, as those of net/http have
	// if no middleware hides them: see [http.ResponseController]. A shorter ReadTimeout
	// of the [http.Server] counts. Default to 30 seconds and 5 minutes.
	BodyIdle, BodyTimeout time.Duration
	// RetryAfter is when callers should ask again for a job that runs, or try
	// again what a backend failed. It is rounded up to whole seconds. Defaults to
	// 5 seconds.
	RetryAfter time.Duration
	// MaxWaits is how many calls may wait for the end of a job at a time, as callers
	// ask for by "Prefer: wait=N" of up to [MaxWait]; beyond it they are answered at
	// once. A server with a WriteTimeout needs a longer one than that. Defaults to
	// 256.
	MaxWaits int

	// LinkKey signs the download links that the handler serves itself, for blob
	// stores that cannot sign URLs: at least [MinLinkKey] random bytes. nil means
	// a random key of this handler alone, so links end with the process. Several
	// instances behind one address need the same key.
	LinkKey []byte
	// BaseURL is the public URL under which "/v1/bulk/" is reached, without that
	// part: "https://example.com/api". Defaults to what each request was sent to:
	// its Host, its path, and https if the connection has TLS; forwarding headers
	// are not trusted.
	BaseURL string

	// TrustedOrigins are origins whose pages may send requests that change something,
	// with the credentials that a browser has for the service: as in
	// "https://admin.example.com". Requests of pages from anywhere else but the
	// service's own origin, and that of BaseURL, are refused with 403. Programs that
	// are no browsers are not concerned. See [http.CrossOriginProtection].
	TrustedOrigins []string

	// Logger gets the causes of failures that callers are not told. It gets ids
	// and the errors of backends, never emails, custom fields or URLs of its own
	// making. Defaults to that of the importer.
	Logger *slog.Logger
}

// complete returns the configuration with its defaults, and the parsed BaseURL.
func (c Config) complete() (Config, *url.URL, error) {
	fault := func(field, problem string) (Config, *url.URL, error) {
		return Config{}, nil, &bulk.ConfigError{Field: "httpapi.Config." + field, Problem: problem}
	}
	switch {
	case c.Importer == nil:
		return fault("Importer", "is required")
	case c.Authorize == nil:
		return fault("Authorize", "is required")
	case c.MaxBody < 0:
		return fault("MaxBody", "is negative")
	case c.MaxDecoded < 0:
		return fault("MaxDecoded", "is negative")
	case c.MaxMemory < 0 || c.MaxMemory > 0 && c.MaxMemory < minMaxMemory:
		return fault("MaxMemory", "is less than 32 MiB")
	case c.BodyIdle < 0:
		return fault("BodyIdle", "is negative")
	case c.BodyTimeout < 0:
		return fault("BodyTimeout", "is negative")
	case c.RetryAfter < 0:
		return fault("RetryAfter", "is negative")
	case c.MaxWaits < 0:
		return fault("MaxWaits", "is negative")
	case c.LinkKey != nil && len(c.LinkKey) < MinLinkKey:
		return fault("LinkKey", "has less than 32 bytes")
	case strings.ContainsAny(c.Challenge, "\r\n"):
		return fault("Challenge", "is not a header value")
	}
	var base *url.URL
	if c.BaseURL != "" {
		u, err := url.Parse(c.BaseURL)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return fault("BaseURL", "is not an absolute http or https URL")
		}
		if u.RawQuery != "" || u.Fragment != "" || u.User != nil {
			return fault("BaseURL", "has more than scheme, host and path")
		}
		base = u
	}
	c.Challenge = cmp.Or(c.Challenge, DefaultChallenge)
	c.MaxBody = cmp.Or(c.MaxBody, DefaultMaxBody)
	c.MaxDecoded = cmp.Or(c.MaxDecoded, DefaultMaxDecoded)
	c.MaxMemory = cmp.Or(c.MaxMemory, DefaultMaxMemory)
	c.BodyIdle = cmp.Or(c.BodyIdle, DefaultBodyIdle)
	c.BodyTimeout = cmp.Or(c.BodyTimeout, DefaultBodyTimeout)
	c.RetryAfter = cmp.Or(c.RetryAfter, DefaultRetryAfter)
	c.MaxWaits = cmp.Or(c.MaxWaits, DefaultMaxWaits)
	if c.LinkKey == nil {
		c.LinkKey = make([]byte, MinLinkKey)
		rand.Read(c.LinkKey) // it never fails
	}
	if c.Logger == nil {
		c.Logger = c.Importer.Logger()
	}
	return c, base, nil
}
