package client_test

import (
	"crypto/tls"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/httpapi/client"
)

// A host that TLS cannot be spoken with is not asked again.
func TestTLSThatFailsIsFinal(t *testing.T) {
	start := func(change func(*httptest.Server)) *httptest.Server {
		server := httptest.NewUnstartedServer(http.NotFoundHandler())
		server.Config.ErrorLog = log.New(io.Discard, "", 0)
		change(server)
		t.Cleanup(server.Close)
		return server
	}
	plain := start((*httptest.Server).Start)
	secure := start((*httptest.Server).StartTLS)
	strict := start(func(s *httptest.Server) {
		s.TLS = &tls.Config{MaxVersion: tls.VersionTLS12, ClientAuth: tls.RequireAnyClientCert}
		s.StartTLS()
	})
	for name, test := range map[string]struct {
		url  string
		tls  *tls.Config
		want string
	}{
		"a certificate that nobody trusts": {secure.URL, nil, "certificate"},
		"no TLS":                           {strings.Replace(plain.URL, "http:", "https:", 1), nil, "HTTPS client"},
		"an alert":                         {strict.URL, secure.Client().Transport.(*http.Transport).TLSClientConfig, "remote error: tls:"},
	} {
		c, err := client.New(client.Config{
			BaseURL: test.url, HTTPClient: &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: test.tls}},
			OnRetry: func(r client.Retry) { t.Errorf("rule: %s is final: %v", name, r.Err) }, MaxAttempts: 2,
		})
		require.NoError(t, err)
		_, err = c.Import(t.Context(), client.Users(users(0, 1)), nil)
		assert.ErrorContains(t, err, test.want, name)
		var part *client.PartError
		require.ErrorAs(t, err, &part)
		assert.False(t, part.Retryable(), name)
	}
}
