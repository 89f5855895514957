package httpapi_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/httpapi"
)

// A page of another origin makes the browser of an admin send what it likes, with the
// admin's cookies.
func TestOtherOrigins(t *testing.T) {
	w := newWorld(t, func(_ *bulk.Config, api *httpapi.Config) {
		api.TrustedOrigins = []string{"https://console.example.org"}
		api.BaseURL = "https://api.example.org/x"
	})
	id := w.submit(usersBody(1))
	foreign := [][]string{
		{"Sec-Fetch-Site: cross-site", "Origin: https://evil.example"},
		{"Sec-Fetch-Site: same-site", "Origin: https://evil.example.com"},
		{"Sec-Fetch-Site: cross-site"},
		{"Origin: https://evil.example"},
		{"Origin: null"},
		{"Origin: http://console.example.org"},
	}
	own := [][]string{
		nil, // no browser
		{"Sec-Fetch-Site: same-origin", "Origin: http://example.com"},
		{"Sec-Fetch-Site: none"},
		{"Origin: http://example.com"}, // that of the request
		{"Sec-Fetch-Site: cross-site", "Origin: https://console.example.org"},
		{"Origin: https://api.example.org"},
	}
	for _, headers := range foreign {
		for _, path := range []string{usersPath, "/v1/bulk/jobs/" + id + "/cancel"} {
			rec := w.do(admin, "POST", path, usersBody(3), headers...)
			requireProblem(t, rec, http.StatusForbidden, "FORBIDDEN", "origin")
		}
		rec := w.do(admin, "GET", "/v1/bulk/jobs/"+id, "", headers...)
		assert.Equal(t, "pending", data(t, rec)["status"], "rule: reading changes nothing, and what a page sees of it is for CORS")
	}
	require.Zero(t, w.store.commits.Load())
	for _, headers := range own {
		assert.Equal(t, http.StatusOK, w.do(admin, "POST", usersPath, usersBody(3), headers...).Code, headers)
		assert.Equal(t, http.StatusAccepted, w.do(admin, "POST", usersPath, usersBody(100), headers...).Code, headers)
	}
	assert.Equal(t, http.StatusOK, w.do(admin, "POST", "/v1/bulk/jobs/"+id+"/cancel", "", own[1]...).Code)
}
