package httpapi_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/httpapi"
)

func TestNew(t *testing.T) {
	w := newWorld(t)
	good := httpapi.Config{Importer: w.importer, Authorize: authorize}
	_, err := httpapi.New(good)
	require.NoError(t, err)

	tests := map[string]struct {
		field  string
		change func(*httpapi.Config)
	}{
		"no importer":          {"Importer", func(c *httpapi.Config) { c.Importer = nil }},
		"no authorize":         {"Authorize", func(c *httpapi.Config) { c.Authorize = nil }},
		"negative body":        {"MaxBody", func(c *httpapi.Config) { c.MaxBody = -1 }},
		"negative decoded":     {"MaxDecoded", func(c *httpapi.Config) { c.MaxDecoded = -1 }},
		"negative waits":       {"MaxWaits", func(c *httpapi.Config) { c.MaxWaits = -1 }},
		"negative retry":       {"RetryAfter", func(c *httpapi.Config) { c.RetryAfter = -time.Second }},
		"short key":            {"LinkKey", func(c *httpapi.Config) { c.LinkKey = make([]byte, httpapi.MinLinkKey-1) }},
		"empty key":            {"LinkKey", func(c *httpapi.Config) { c.LinkKey = []byte{} }},
		"challenge":            {"Challenge", func(c *httpapi.Config) { c.Challenge = "Bearer\r\nX: y" }},
		"relative base":        {"BaseURL", func(c *httpapi.Config) { c.BaseURL = "/api" }},
		"base without host":    {"BaseURL", func(c *httpapi.Config) { c.BaseURL = "https:///api" }},
		"base of another type": {"BaseURL", func(c *httpapi.Config) { c.BaseURL = "ftp://example.com" }},
		"base that is no URL":  {"BaseURL", func(c *httpapi.Config) { c.BaseURL = "http://[" }},
		"base with a query":    {"BaseURL", func(c *httpapi.Config) { c.BaseURL = "https://example.com?x" }},
		"base with a fragment": {"BaseURL", func(c *httpapi.Config) { c.BaseURL = "https://example.com#x" }},
		"base with a password": {"BaseURL", func(c *httpapi.Config) { c.BaseURL = "https://u:p@example.com" }},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			cfg := good
			test.change(&cfg)
			h, err := httpapi.New(cfg)
			assert.Nil(t, h)
			var fault *bulk.ConfigError
			require.ErrorAs(t, err, &fault)
			assert.Equal(t, "httpapi.Config."+test.field, fault.Field)
		})
	}
}

func TestChallenge(t *testing.T) {
	w := newWorld(t, func(_ *bulk.Config, api *httpapi.Config) { api.Challenge = `Basic realm="x"` })
	rec := w.do("", "GET", "/v1/bulk/jobs", "")
	requireProblem(t, rec, http.StatusUnauthorized, "UNAUTHENTICATED")
	assert.Equal(t, `Basic realm="x"`, rec.Header().Get("WWW-Authenticate"))
}
