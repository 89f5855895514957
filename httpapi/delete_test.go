package httpapi_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/httpapi"
	"github.com/bulkops/bulkops/jobs/memjobs"
)

// keyed gives a world the queue itself, which keeps idempotency keys.
func keyed(c *bulk.Config, _ *httpapi.Config) { c.Jobs = memjobs.New() }

func TestDeletedJobIsNoMore(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		const key = "Idempotency-Key: k"
		id := w.submit(usersBody(3), key)
		path := "/v1/bulk/jobs/" + id
		requireProblem(t, w.do(admin, "DELETE", path, ""), http.StatusConflict, "JOB_NOT_ENDED", "not ended")
		w.run(id)
		link := data(t, w.do(admin, "GET", path, ""))["downloadUrl"].(string)
		require.Equal(t, http.StatusOK, w.do("", "GET", link, "").Code)
		requireProblem(t, w.do(otherAdmin, "DELETE", path, ""), http.StatusNotFound, "JOB_NOT_FOUND", "")
		requireProblem(t, w.do(admin, "DELETE", path+"?x=1", ""), http.StatusBadRequest, "INVALID_REQUEST", "")
		require.Equal(t, http.StatusOK, w.do("", "GET", link, "").Code, "what was refused removed nothing")

		rec := w.do(admin, "DELETE", path, "")
		require.Equal(t, http.StatusOK, rec.Code)
		assert.Equal(t, map[string]any{"jobId": id}, data(t, rec))
		for _, gone := range [][2]string{{"GET", path}, {"DELETE", path}, {"GET", path + "/results"}, {"POST", path + "/cancel"}, {"GET", link}} {
			requireProblem(t, w.do(admin, gone[0], gone[1], ""), http.StatusNotFound, "JOB_NOT_FOUND", "")
		}
		requireProblem(t, w.do(admin, "POST", usersPath, usersBody(3), "Prefer: respond-async", key), http.StatusNotFound, "JOB_NOT_FOUND", "")
		assert.Empty(t, data(t, w.do(admin, "GET", "/v1/bulk/jobs", ""))["jobs"])
		assert.Empty(t, w.blobs.keys, "rule: nothing is left of it")
	}, keyed)
}

func TestSuperAdminDeletes(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		id := w.submit(usersBody(1))
		w.run(id)
		require.Equal(t, http.StatusOK, w.do(superAdmin, "DELETE", "/v1/bulk/jobs/"+id, "").Code)
		assert.Equal(t, http.StatusNotFound, w.do(admin, "GET", "/v1/bulk/jobs/"+id, "").Code)
	})
}
