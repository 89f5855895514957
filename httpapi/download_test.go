package httpapi_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/httpapi"
)

func TestDownloadLink(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		id := w.submit(usersBody(2))
		w.run(id)
		status := data(t, w.do(admin, "GET", "/v1/bulk/jobs/"+id, ""))
		link := status["downloadUrl"].(string)
		expires, err := time.Parse(time.RFC3339, status["downloadUrlExpiresAt"].(string))
		require.NoError(t, err)
		assert.Equal(t, time.Hour, time.Until(expires))

		rec := w.do("", "GET", link, "")
		require.Equal(t, http.StatusOK, rec.Code)
		assert.Equal(t, `attachment; filename="`+id+`-results.json"`, rec.Header().Get("Content-Disposition"))
		assert.Equal(t, "application/json", rec.Header().Get("Content-Type"))

		// Every character counts, and so does anything added.
		for i := len(link) - 1; link[i] != '/'; i-- {
			for _, c := range "AB" {
				altered := link[:i] + string(c) + link[i+1:]
				if altered != link {
					requireProblem(t, w.do("", "GET", altered, ""), http.StatusForbidden, "FORBIDDEN")
				}
			}
		}
		for _, altered := range []string{link + "A", link + "%0A", link + "=", link + "?x=1", link[:len(link)-1], strings.Replace(link, "downloads/", "downloads/A", 1)} {
			requireProblem(t, w.do("", "GET", altered, ""), http.StatusForbidden, "FORBIDDEN")
		}

		// A link to a job that somebody has removed.
		requireProblem(t, newWorld(t).do("", "GET", link, ""), http.StatusNotFound, "JOB_NOT_FOUND")

		time.Sleep(time.Hour - time.Millisecond)
		assert.Equal(t, http.StatusOK, w.do("", "GET", link, "").Code)
		time.Sleep(time.Millisecond)
		requireProblem(t, w.do("", "GET", link, ""), http.StatusForbidden, "FORBIDDEN")

		// A fresh one at every call, until the job itself expires.
		fresh := data(t, w.do(admin, "GET", "/v1/bulk/jobs/"+id, ""))["downloadUrl"].(string)
		assert.NotEqual(t, link, fresh)
		assert.Equal(t, http.StatusOK, w.do("", "GET", fresh, "").Code)
	})
}

func TestDownloadLinkEndsWithTheJob(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		id := w.submit(usersBody(1))
		w.run(id)
		time.Sleep(30*time.Minute + time.Microsecond)
		status := data(t, w.do(admin, "GET", "/v1/bulk/jobs/"+id, ""))
		assert.Equal(t, status["expiresAt"], status["downloadUrlExpiresAt"])
		link := status["downloadUrl"].(string)
		assert.Equal(t, http.StatusOK, w.do("", "GET", link, "").Code)
		time.Sleep(30 * time.Minute)
		assert.Equal(t, http.StatusForbidden, w.do("", "GET", link, "").Code)
		requireProblem(t, w.do(admin, "GET", "/v1/bulk/jobs/"+id, ""), http.StatusNotFound, "JOB_NOT_FOUND")
	}, func(cfg *bulk.Config, _ *httpapi.Config) { cfg.Retention = time.Hour })
}
