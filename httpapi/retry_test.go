package httpapi_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// failedJob makes a job of which the rows 1 and 3 have failed.
func (w *world) failedJob(headers ...string) string {
	id := w.submit(`{"options":{"label":"l","merge":"fill","dryRun":true},"users":[{"userId":"a"},{"email":"x"},{"userId":"c"},{"email":"y"}]}`, headers...)
	w.run(id)
	return id
}

func TestRetry(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		parent := w.failedJob()
		path := "/v1/bulk/jobs/" + parent + "/retry"
		rec := w.do(admin, "POST", path, "")
		require.Equal(t, http.StatusAccepted, rec.Code, rec.Body)
		id := data(t, rec)["jobId"].(string)
		at, err := url.Parse("http://api.test" + path)
		require.NoError(t, err)
		location, err := at.Parse(rec.Header().Get("Location"))
		require.NoError(t, err)
		assert.Equal(t, "/v1/bulk/jobs/"+id, location.Path)
		assert.Equal(t, location.Path, data(t, rec)["statusUrl"])
		w.run(id)
		job := data(t, w.do(admin, "GET", location.Path, ""))
		assert.Equal(t, parent, job["parentJobId"])
		assert.Equal(t, "l", job["label"])
		assert.Equal(t, false, job["options"].(map[string]any)["dryRun"], "rule: options are the parent's, less dryRun")
		assert.Equal(t, "fill", job["options"].(map[string]any)["merge"])
		lines := strings.Split(w.do(admin, "GET", location.Path+"/results?format=ndjson", "").Body.String(), "\n")
		require.Len(t, lines, 3)
		assert.Contains(t, lines[0], `{"index":0,"parentIndex":1,"email":"x","status":"failed"`)
		assert.Contains(t, lines[1], `{"index":1,"parentIndex":3,"email":"y","status":"failed"`)
	})
}

func TestRetryIsRefused(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		pending := w.submit(usersBody(1))
		parent := w.failedJob()
		path := "/v1/bulk/jobs/" + parent + "/retry"
		const asJSON = "Content-Type: application/json"
		for _, test := range []struct {
			token, path, body string
			header            string
			status            int
			code              string
		}{
			{admin, "/v1/bulk/jobs/" + pending + "/retry", "", "", http.StatusConflict, "JOB_NOT_ENDED"},
			{admin, path, `{"only":"retryable"}`, asJSON, http.StatusConflict, "NOTHING_TO_RETRY"},
			{admin, path, `{"only":"notProcessed"}`, asJSON, http.StatusConflict, "NOTHING_TO_RETRY"},
			{otherAdmin, path, "", "", http.StatusNotFound, "JOB_NOT_FOUND"},
			{superAdmin, path, "", "", http.StatusNotFound, "JOB_NOT_FOUND"},
			{admin, "/v1/bulk/jobs/job_none/retry", "", "", http.StatusNotFound, "JOB_NOT_FOUND"},
			{admin, path + "?only=failed", "", "", http.StatusBadRequest, "INVALID_REQUEST"},
			{admin, path, `{"only":"all"}`, asJSON, http.StatusBadRequest, "INVALID_REQUEST"},
			{admin, path, `{"only":""}`, asJSON, http.StatusBadRequest, "INVALID_REQUEST"},
			{admin, path, `{"only":null}`, asJSON, http.StatusBadRequest, "INVALID_REQUEST"},
			{admin, path, `{"only":["failed"]}`, asJSON, http.StatusBadRequest, "INVALID_REQUEST"},
			{admin, path, `{"only":"failed","only":"failed"}`, asJSON, http.StatusBadRequest, "INVALID_REQUEST"},
			{admin, path, `{"rows":[1]}`, asJSON, http.StatusBadRequest, "INVALID_REQUEST"},
			{admin, path, `null`, asJSON, http.StatusBadRequest, "INVALID_REQUEST"},
			{admin, path, `{"only"`, asJSON, http.StatusBadRequest, "INVALID_JSON"},
			{admin, path, `only=failed`, "Content-Type: application/x-www-form-urlencoded", http.StatusUnsupportedMediaType, "UNSUPPORTED_MEDIA_TYPE"},
			{admin, path, `{"only":"` + strings.Repeat("x", 5000) + `"}`, asJSON, http.StatusRequestEntityTooLarge, "BODY_TOO_LARGE"},
		} {
			headers := []string{}
			if test.header != "" {
				headers = append(headers, test.header)
			}
			requireProblem(t, w.do(test.token, "POST", test.path, test.body, headers...), test.status, test.code, "")
		}
		list := data(t, w.do(admin, "GET", "/v1/bulk/jobs", ""))["jobs"].([]any)
		assert.Len(t, list, 2, "rule: what is refused makes no job")
	})
}

// The key of a retry stands for the parent and the selection too.
func TestRetryUnderAKey(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		one, two := w.failedJob(), w.failedJob()
		retry := func(parent, body, key string) (int, map[string]any, string) {
			rec := w.do(admin, "POST", "/v1/bulk/jobs/"+parent+"/retry", body, "Content-Type: application/json", "Idempotency-Key: "+key)
			if rec.Code >= 300 {
				return rec.Code, nil, ""
			}
			return rec.Code, data(t, rec), rec.Header().Get("Idempotency-Replayed")
		}
		status, first, replayed := retry(one, "", "k")
		require.Equal(t, http.StatusAccepted, status)
		assert.Empty(t, replayed)
		status, again, replayed := retry(one, "{}", "k")
		require.Equal(t, http.StatusAccepted, status)
		assert.Equal(t, "true", replayed)
		assert.Equal(t, first, again)
		status, _, _ = retry(two, "", "k")
		assert.Equal(t, http.StatusUnprocessableEntity, status, "another parent of the same rows")
		status, _, _ = retry(one, `{"only":"failed"}`, "k")
		assert.Equal(t, http.StatusUnprocessableEntity, status, "another body that selects the same rows")
		requireProblem(t, w.do(admin, "POST", usersPath, `{"options":{"label":"l","merge":"fill"},"users":[{"email":"x"},{"email":"y"}]}`, "Idempotency-Key: k"),
			http.StatusUnprocessableEntity, "IDEMPOTENCY_KEY_REUSED", "")
		status, _, _ = retry(one, `{"only":"retryable"}`, "free")
		assert.Equal(t, http.StatusConflict, status)
		status, _, _ = retry(one, "", "free")
		assert.Equal(t, http.StatusAccepted, status, "rule: a refused request leaves its key free")
	}, keyed)
}
