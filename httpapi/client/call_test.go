package client_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/httpapi/client"
)

func TestConfigIsChecked(t *testing.T) {
	for field, cfg := range map[string]client.Config{
		"BaseURL: is required":   {},
		"BaseURL: absolute":      {BaseURL: "example.com"},
		"BaseURL: http":          {BaseURL: "ftp://example.com"},
		"BaseURL: more than":     {BaseURL: "http://user:pw@example.com"},
		"BaseURL: than":          {BaseURL: "http://example.com?a=b"},
		"BaseURL: client adds":   {BaseURL: "http://example.com/x/v1/bulk/"},
		"BaseURL: is not":        {BaseURL: "http://exa mple.com/%zz"},
		"Token: together":        {BaseURL: base, Token: "t", Authorize: func(*http.Request) error { return nil }},
		"Token: bearer":          {BaseURL: base, Token: "a\nb"},
		"MaxUsers: negative":     {BaseURL: base, MaxUsers: -1},
		"MaxBody: less":          {BaseURL: base, MaxBody: 1},
		"MaxAttempts: neg":       {BaseURL: base, MaxAttempts: -1},
		"MinBackoff: negative":   {BaseURL: base, MinBackoff: -1},
		"MaxBackoff: negative":   {BaseURL: base, MaxBackoff: -1},
		"MaxRetryAfter: is":      {BaseURL: base, MaxRetryAfter: -1},
		"Timeout: is negative":   {BaseURL: base, Timeout: -1},
		"BaseURL: scheme, host ": {BaseURL: "http://example.com#x"},
	} {
		_, err := client.New(cfg)
		var fault *bulk.ConfigError
		require.ErrorAs(t, err, &fault, field)
		name, problem, _ := strings.Cut(field, ": ")
		assert.Equal(t, "client.Config."+name, fault.Field)
		assert.Contains(t, fault.Problem, problem)
	}
}

// failures answers the first n requests with a failure.
func failures(n int, status int, header http.Header, body string) func(int, http.ResponseWriter, *http.Request) bool {
	return func(i int, w http.ResponseWriter, _ *http.Request) bool {
		if i > n {
			return false
		}
		for name, values := range header {
			w.Header()[name] = values
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
		return true
	}
}

func TestPassingFailuresAreRetried(t *testing.T) {
	inProgress := `{"success":false,"error":{"code":"IDEMPOTENCY_IN_PROGRESS","message":"m"}}`
	for _, test := range []struct {
		status int
		body   string
	}{{408, ""}, {429, ""}, {502, "<html>"}, {503, ""}, {504, ""}, {409, inProgress}} {
		inWorld(t, func(t *testing.T, w *world) {
			w.before = failures(3, test.status, nil, test.body)
			var waits []time.Duration
			c := w.client(func(c *client.Config) { c.OnRetry = func(r client.Retry) { waits = append(waits, r.Wait) } })
			im, err := c.Import(t.Context(), client.Users(users(0, 3)), nil)
			require.NoError(t, err, test.status)
			assert.Equal(t, 3, im.Summary().Created)
			posts, bodies := w.posts()
			require.Len(t, posts, 4)
			for i := range posts {
				assert.Equal(t, posts[0].Header, posts[i].Header, "rule: the same key each time")
				assert.Equal(t, bodies[0], bodies[i], "rule: the same body each time")
			}
			require.Len(t, waits, 3)
			for i, wait := range waits {
				full := client.DefaultMinBackoff << i
				assert.True(t, full/2 <= wait && wait <= full, "wait %d is %s", i, wait)
			}
		})
	}
}

func TestConnectionFailuresAreRetried(t *testing.T) {
	lost := errors.New("connection reset")
	inWorld(t, func(t *testing.T, w *world) {
		w.after = func(n int, res *http.Response) (*http.Response, error) {
			switch n {
			case 1:
				return nil, lost // done, but the answer is lost
			case 2:
				res.Body = breakingBody(strings.NewReader(`{"success":true,"da`))
			}
			return res, nil
		}
		opts := &client.Options{Import: &bulk.Options{}} // upsert off
		im, err := w.client().Import(t.Context(), client.Users(users(0, 3)), opts)
		require.NoError(t, err)
		assert.Equal(t, bulk.Summary{Created: 3}, im.Summary(), "rule: an answer that was lost is got again")
		assert.Zero(t, im.Replayed(), "rule: what this run has sent is not of an earlier one")
	})
	// An earlier run is known as such although the service was busy at first.
	inWorld(t, func(t *testing.T, w *world) {
		opts := &client.Options{IdempotencyKey: "base"}
		_, err := w.client().Import(t.Context(), client.Users(users(0, 3)), opts)
		require.NoError(t, err)
		w.before = func(n int, rec http.ResponseWriter, _ *http.Request) bool {
			if n == 2 {
				rec.WriteHeader(http.StatusServiceUnavailable)
				_, _ = io.WriteString(rec, `{"success":false,"error":{"code":"UNAVAILABLE","message":"busy"}}`)
			}
			return n == 2
		}
		im, err := w.client().Import(t.Context(), client.Users(users(0, 3)), opts)
		require.NoError(t, err)
		assert.Equal(t, 1, im.Replayed())
	})
}

func TestRetriesAreBounded(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.before = failures(100, 503, http.Header{"X-Request-Id": {"r-1"}}, "")
		_, err := w.client(func(c *client.Config) { c.MaxAttempts = 4 }).Job(t.Context(), "job_1")
		var e *client.Error
		require.ErrorAs(t, err, &e)
		assert.EqualError(t, e, "client: 503 Service Unavailable (request r-1)")
		assert.Len(t, w.requests, 4)

		took := elapsed(func() { _, err = w.client().Job(t.Context(), "job_1") })
		require.Error(t, err)
		assert.Len(t, w.requests, 4+client.DefaultMaxAttempts)
		assert.Greater(t, took, 2*time.Minute, "rule: longer than a key is reserved for a service that died")
		assert.Less(t, took, 5*time.Minute)
	})
}

func TestFinalFailuresAreNotRetried(t *testing.T) {
	for _, status := range []int{301, 308, 400, 401, 403, 404, 405, 409, 413, 415, 422, 500, 501} {
		inWorld(t, func(t *testing.T, w *world) {
			w.before = failures(100, status, http.Header{"Location": {"http://elsewhere.test/"}}, `{"success":false}`)
			_, err := w.client().Import(t.Context(), client.Users(users(0, 1)), nil)
			var e *client.Error
			require.ErrorAs(t, err, &e)
			assert.Equal(t, status, e.Status)
			assert.Len(t, w.requests, 1)
		})
	}
}

func TestRetryAfterIsObeyed(t *testing.T) {
	date := http.Header{"Date": {"Mon, 02 Nov 2026 10:00:00 GMT"}, "Retry-After": {"Mon, 02 Nov 2026 10:01:10 GMT"}}
	for name, test := range map[string]struct {
		header http.Header
		least  time.Duration
		status int
	}{
		"seconds":                 {http.Header{"Retry-After": {"70"}}, 70 * time.Second, 429},
		"date, of another clock":  {date, 70 * time.Second, 503},
		"date, of the same clock": {http.Header{"Retry-After": {"Sat, 01 Jan 2000 00:01:10 GMT"}}, 70 * time.Second, 503}, // when bubbles begin
		"nonsense":                {http.Header{"Retry-After": {"soon"}}, 250 * time.Millisecond, 503},
		"negative":                {http.Header{"Retry-After": {"-7"}}, 250 * time.Millisecond, 503},
	} {
		inWorld(t, func(t *testing.T, w *world) {
			w.before = failures(1, test.status, test.header, "")
			var err error
			took := elapsed(func() { _, err = w.client().Import(t.Context(), client.Users(users(0, 1)), nil) })
			require.NoError(t, err)
			assert.GreaterOrEqual(t, took, test.least, name)
			assert.Less(t, took, test.least+time.Second, name)
		})
	}
	inWorld(t, func(t *testing.T, w *world) {
		w.before = failures(1, 503, http.Header{"Retry-After": {"3600"}}, "")
		_, err := w.client().Job(t.Context(), "job_1")
		var e *client.Error
		require.ErrorAs(t, err, &e)
		assert.Equal(t, time.Hour, e.RetryAfter, "rule: who is asked to wait too long gives up rather than come early")
		assert.Len(t, w.requests, 1)
	})
}

func TestSilentServiceTimesOut(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.before = func(n int, _ http.ResponseWriter, r *http.Request) bool {
			if n == 1 {
				<-r.Context().Done()
			}
			return false
		}
		var failed error
		c := w.client(func(c *client.Config) { c.OnRetry = func(r client.Retry) { failed = r.Err } })
		_, err := c.Import(t.Context(), client.Users(users(0, 1)), nil)
		require.NoError(t, err)
		assert.ErrorContains(t, failed, "no answer within the time")
	})
}

func TestAuthorizeIsCalledForEachAttempt(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.before = failures(2, 503, nil, "")
		calls := 0
		c := w.client(func(c *client.Config) {
			c.Token = ""
			c.Authorize = func(r *http.Request) error {
				calls++
				r.Header.Set("Authorization", "Bearer "+token)
				return nil
			}
		})
		_, err := c.Import(t.Context(), client.Users(users(0, 1)), nil)
		require.NoError(t, err)
		assert.Equal(t, 3, calls)

		expired := errors.New("login has expired")
		c = w.client(func(c *client.Config) { c.Token, c.Authorize = "", func(*http.Request) error { return expired } })
		_, err = c.Job(t.Context(), "job_1")
		assert.ErrorIs(t, err, expired)
		assert.Len(t, w.requests, 3)
		_, err = w.client(func(c *client.Config) { c.Token = "" }).Job(t.Context(), "job_1")
		assert.True(t, client.IsCode(err, "UNAUTHENTICATED"))
	})
}

func TestErrorsStandForThoseOfPackageBulk(t *testing.T) {
	for code, want := range map[string]error{
		"FORBIDDEN": bulk.ErrForbidden, "JOB_NOT_FOUND": bulk.ErrJobNotFound, "JOB_ENDED": bulk.ErrJobEnded,
		"IDEMPOTENCY_KEY_REUSED": bulk.ErrIdempotencyKeyReused, "IDEMPOTENCY_IN_PROGRESS": bulk.ErrIdempotencyKeyInProgress, "UNAVAILABLE": bulk.ErrUnavailable,
	} {
		err := fmt.Errorf("wrapped: %w", &client.Error{Status: 400, Code: code})
		assert.ErrorIs(t, err, want)
		assert.NotErrorIs(t, err, bulk.ErrNoResults)
		assert.True(t, client.IsCode(err, code))
	}
	assert.NotErrorIs(t, &client.Error{Status: 404}, bulk.ErrJobNotFound)
	assert.False(t, client.IsCode(io.EOF, ""))
}

func TestErrorsHoldNoSecrets(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := w.client(func(c *client.Config) { c.MaxAttempts = 1 })
		w.after = func(_ int, res *http.Response) (*http.Response, error) { return nil, errors.New("connection reset") }
		_, err := c.Job(t.Context(), "job_1")
		assert.EqualError(t, err, "client: GET /v1/bulk/jobs/job_1: connection reset")
		w.after = nil
		w.before = failures(100, 502, nil, "<html>upstream says "+token)
		_, err = c.Job(t.Context(), "job_1")
		assert.EqualError(t, err, "client: 502 Bad Gateway")
		w.before = failures(100, 200, nil, "<html>please log in")
		_, err = c.Job(t.Context(), "job_1")
		assert.EqualError(t, err, "client: GET /v1/bulk/jobs/job_1: the answer is not one of this API; the base URL may be wrong")
		_, err = c.Import(t.Context(), client.Users(users(0, 1)), nil)
		assert.ErrorContains(t, err, "not one of this API")
	})
}

func TestHostlessAndWrongProtocolsAreNotRetried(t *testing.T) {
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	for name, test := range map[string]struct {
		url       string
		transport http.RoundTripper
	}{
		"untrusted certificate": {server.URL, &http.Transport{TLSClientConfig: &tls.Config{}}},
		"HTTPS to HTTP":         {"https" + strings.TrimPrefix(plain.URL, "http"), &http.Transport{}},
		"no such host": {"http://none.invalid", roundTrip(func(*http.Request) (*http.Response, error) {
			return nil, &net.DNSError{Err: "no such host", Name: "none.invalid", IsNotFound: true}
		})},
	} {
		retried := 0
		c, err := client.New(client.Config{BaseURL: test.url, HTTPClient: &http.Client{Transport: test.transport},
			OnRetry: func(client.Retry) { retried++ }, MaxAttempts: 2, MinBackoff: 1})
		require.NoError(t, err)
		_, err = c.Job(t.Context(), "job_1")
		assert.Error(t, err, name)
		assert.Zero(t, retried, name)
		if tr, ok := test.transport.(*http.Transport); ok {
			tr.CloseIdleConnections()
		}
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestBaseURLs(t *testing.T) {
	for given, want := range map[string]string{
		"http://a.test":            "http://a.test/v1/bulk/jobs/job_1",
		"http://a.test/":           "http://a.test/v1/bulk/jobs/job_1",
		"https://a.test:8443/b//":  "https://a.test:8443/b/v1/bulk/jobs/job_1",
		"http://a.test/a%20b%2Fc/": "http://a.test/a%20b%2Fc/v1/bulk/jobs/job_1",
	} {
		got := ""
		c, err := client.New(client.Config{BaseURL: given, MaxAttempts: 1, HTTPClient: &http.Client{
			Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				got = r.URL.String()
				return nil, io.ErrUnexpectedEOF
			})}})
		require.NoError(t, err)
		_, err = c.Job(t.Context(), "job_1")
		require.Error(t, err)
		assert.Equal(t, want, got)
	}
}

// Over a real connection: a body is sent again in full, connections are used again.
func TestOverLoopback(t *testing.T) {
	var handler http.Handler
	inWorld(t, func(_ *testing.T, w *world) { handler = w.handler }) // its backends need no bubble below 100 users
	calls := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if calls++; calls == 1 {
			panic(http.ErrAbortHandler)
		}
		handler.ServeHTTP(w, r)
	}))
	defer server.Close()
	c, err := client.New(client.Config{BaseURL: server.URL, Token: token, HTTPClient: server.Client(), MinBackoff: time.Millisecond})
	require.NoError(t, err)
	im, err := c.Import(t.Context(), client.Users(users(0, 99)), nil)
	require.NoError(t, err)
	assert.Equal(t, 99, im.Summary().Created)
	assert.Equal(t, 2, calls)
}
