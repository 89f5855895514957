package console_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/httpapi/console"
)

// ask answers a request by a handler.
func ask(h http.Handler, method, path string, header http.Header) *http.Response {
	r := httptest.NewRequest(method, path, nil)
	r.Header = header
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func text(t *testing.T, res *http.Response) string {
	t.Helper()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return string(body)
}

func newPage(t *testing.T, cfg console.Config) http.Handler {
	t.Helper()
	h, err := console.New(cfg)
	require.NoError(t, err)
	return h
}

func TestFilesUnderEveryMount(t *testing.T) {
	page := newPage(t, console.Config{})
	mux := http.NewServeMux()
	mux.Handle("/admin/console/", page)
	stripped := http.StripPrefix("/any/name", page)
	for name, at := range map[string]struct {
		h    http.Handler
		path string
	}{
		"bare": {page, "/console/"}, "a prefix": {mux, "/admin/console/"}, "stripped": {stripped, "/any/name/"}, "twice": {page, "/console/x/console/"},
	} {
		t.Run(name, func(t *testing.T) {
			for file, contentType := range map[string]string{"": "text/html", "console.css": "text/css", "console.js": "text/javascript"} {
				res := ask(at.h, "GET", at.path+file, nil)
				assert.Equal(t, 200, res.StatusCode, file)
				assert.Equal(t, contentType+"; charset=utf-8", res.Header.Get("Content-Type"))
				assert.Equal(t, "no-cache", res.Header.Get("Cache-Control"))
				assert.NotEmpty(t, text(t, res))
			}
		})
	}
}

func TestOtherPathsAndMethods(t *testing.T) {
	page := newPage(t, console.Config{})
	for _, path := range []string{"/console/x", "/console/x/", "/console/console.css/", "/console/index.html", "/console/main.js", "/console/page/main.js", "/x/", "/consoles/"} {
		assert.Equal(t, 404, ask(page, "GET", path, nil).StatusCode, path)
	}
	for _, method := range []string{"POST", "PUT", "DELETE", "OPTIONS"} {
		res := ask(page, method, "/console/", nil)
		assert.Equal(t, 405, res.StatusCode, method)
		assert.Equal(t, "GET, HEAD", res.Header.Get("Allow"))
	}
	res := ask(page, "HEAD", "/console/console.js", nil)
	assert.Equal(t, 200, res.StatusCode)
	assert.Empty(t, text(t, res))
	assert.NotEmpty(t, res.Header.Get("Content-Length"))
}

// The slash is part of the page's address: what it asks for is relative to it.
func TestAddressWithoutSlash(t *testing.T) {
	res := ask(newPage(t, console.Config{}), "GET", "/admin/console", nil)
	assert.Equal(t, http.StatusMovedPermanently, res.StatusCode)
	assert.Equal(t, "console/", res.Header.Get("Location"))
}

func TestBrowsersCopies(t *testing.T) {
	page := newPage(t, console.Config{})
	seen := make(map[string]bool)
	for _, path := range []string{"/console/", "/console/console.css", "/console/console.js"} {
		etag := ask(page, "GET", path, nil).Header.Get("ETag")
		assert.False(t, seen[etag], path)
		seen[etag] = true
		res := ask(page, "GET", path, http.Header{"If-None-Match": {etag}})
		assert.Equal(t, http.StatusNotModified, res.StatusCode, path)
		assert.Equal(t, 200, ask(page, "GET", path, http.Header{"If-None-Match": {`"other"`}}).StatusCode)
	}
	// Another configuration is another page.
	other := ask(newPage(t, console.Config{SignIn: "/login"}), "GET", "/console/", nil)
	assert.False(t, seen[other.Header.Get("ETag")])
}

func TestHeadersThatProtect(t *testing.T) {
	page := newPage(t, console.Config{})
	for _, path := range []string{"/console/", "/console/console.js", "/console/nothing"} {
		header := ask(page, "GET", path, nil).Header
		assert.Equal(t, "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "+
			"base-uri 'none'; form-action 'none'; frame-ancestors 'none'", header.Get("Content-Security-Policy"))
		assert.Equal(t, "nosniff", header.Get("X-Content-Type-Options"))
		assert.Equal(t, "no-referrer", header.Get("Referrer-Policy"))
		assert.Equal(t, "same-origin", header.Get("Cross-Origin-Opener-Policy"))
	}
}

func TestConfigReachesThePage(t *testing.T) {
	document := text(t, ask(newPage(t, console.Config{}), "GET", "/console/", nil))
	assert.Contains(t, document, `<meta name="bulkops-api" content="../v1/bulk/">`)
	assert.NotContains(t, document, "sign-in")

	document = text(t, ask(newPage(t, console.Config{API: "/api/v1/bulk", SignIn: `/in?a=1&b="<`, Script: "/own.js"}), "GET", "/console/", nil))
	assert.Contains(t, document, `<meta name="bulkops-api" content="/api/v1/bulk/">`)
	assert.Contains(t, document, `<meta name="bulkops-sign-in" content="/in?a=1&amp;b=&#34;&lt;">`)
	assert.Regexp(t, `(?s)<script src="/own.js" defer></script>\n.*<script src="console.js" defer></script>`, document)
}

func TestConfigIsOnThePagesOrigin(t *testing.T) {
	for _, path := range []string{"https://other.example/v1/bulk/", "//other.example/", "///other.example/", `/\other.example/`, "javascript:alert(1)", " javascript:alert(1)", " //other.example/", "/\t/other.example/", "/x#y", "%zz"} {
		for field, cfg := range map[string]console.Config{
			"console.Config.API": {API: path}, "console.Config.SignIn": {SignIn: path}, "console.Config.Script": {Script: path},
		} {
			_, err := console.New(cfg)
			var fault *bulk.ConfigError
			require.ErrorAs(t, err, &fault, "%s %s", field, path)
			assert.Equal(t, field, fault.Field)
		}
	}
}

func TestFromPage(t *testing.T) {
	r := httptest.NewRequest("GET", "/v1/bulk/jobs", nil)
	assert.False(t, console.FromPage(r))
	r.Header.Set(console.Header, "XMLHttpRequest")
	assert.False(t, console.FromPage(r))
	r.Header.Set(console.Header, console.HeaderValue)
	assert.True(t, console.FromPage(r))
}
