package httpapi_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/httpapi"
)

const usersPath = "/v1/bulk/users"

// zip compresses a text.
func zip(text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write([]byte(text))
	_ = w.Close()
	return b.String()
}

func TestContentTypes(t *testing.T) {
	w := newWorld(t)
	bodies := map[string]string{"json": usersBody(1), "ndjson": `{"userId":"a"}`, "csv": "userId\na\n"}
	for contentType, format := range map[string]string{
		"application/json": "json", "Application/JSON": "json", "application/json; charset=utf-8": "json", `application/json;charset="UTF-8"`: "json",
		"application/json; profile=x": "json", "application/x-ndjson": "ndjson", "application/x-ndjson; charset=utf-8": "ndjson",
		"text/csv": "csv", "text/csv; header=present": "csv", "text/csv; charset=UTF-8": "csv", "text/tab-separated-values": "csv",
	} {
		rec := w.do(admin, "POST", usersPath, bodies[format], "Content-Type: "+contentType)
		assert.Equal(t, http.StatusOK, rec.Code, contentType)
	}
	for _, contentType := range []string{
		"", "text/plain", "text/json", "application/xml", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
		"application/json; charset=iso-8859-1", "text/csv; charset=windows-1252", "text/csv; header=absent", "application/json; charset", "json", ";",
	} {
		rec := w.do(admin, "POST", usersPath, bodies["json"], "Content-Type: "+contentType)
		requireProblem(t, rec, http.StatusUnsupportedMediaType, "UNSUPPORTED_MEDIA_TYPE")
		assert.Contains(t, rec.Header().Get("Accept-Post"), "text/csv")
	}
}

func TestContentEncodings(t *testing.T) {
	w := newWorld(t)
	for format, body := range map[string]string{"application/json": usersBody(3), "application/x-ndjson": "1\n2\n3\n", "text/csv": "userId\na\nb\nc\n"} {
		for _, encoding := range []string{"gzip", "GZIP", "x-gzip"} {
			rec := w.do(admin, "POST", usersPath, zip(body), "Content-Type: "+format, "Content-Encoding: "+encoding)
			assert.EqualValues(t, 3, data(t, rec)["totalRecords"])
		}
		rec := w.do(admin, "POST", usersPath, body, "Content-Type: "+format, "Content-Encoding: identity")
		assert.EqualValues(t, 3, data(t, rec)["totalRecords"])
		// Members one after the other are one text, by RFC 1952.
		rec = w.do(admin, "POST", usersPath, zip(body[:5])+zip(body[5:]), "Content-Type: "+format, "Content-Encoding: gzip")
		assert.EqualValues(t, 3, data(t, rec)["totalRecords"])
	}
	for _, encoding := range []string{"deflate", "br", "zstd", "gzip, gzip", "gzip,br", "x"} {
		rec := w.do(admin, "POST", usersPath, usersBody(1), "Content-Encoding: "+encoding)
		requireProblem(t, rec, http.StatusUnsupportedMediaType, "UNSUPPORTED_MEDIA_TYPE", "gzip")
		assert.Equal(t, "gzip", rec.Header().Get("Accept-Encoding"))
	}
	whole := zip(usersBody(50))
	broken := []byte(whole)
	broken[len(broken)-6] ^= 1 // of the checksum
	for name, body := range map[string]string{"no gzip": usersBody(1), "short": "x", "checksum": string(broken), "trailing": whole + "trailing garbage"} {
		rec := w.do(admin, "POST", usersPath, body, "Content-Encoding: gzip")
		requireProblem(t, rec, http.StatusBadRequest, "INVALID_REQUEST", "gzip")
		_ = name
	}
	requireProblem(t, w.do(admin, "POST", usersPath, whole[:len(whole)/2], "Content-Encoding: gzip"), http.StatusBadRequest, "INVALID_JSON", "cut off")
	r := httptest.NewRequest("POST", usersPath, http.NoBody)
	r.Header = http.Header{"Authorization": {"Bearer " + admin}, "Content-Type": {"text/csv"}, "Content-Encoding": {"gzip"}}
	requireProblem(t, w.serve(r), http.StatusBadRequest, "INVALID_REQUEST", "gzip")
}

func TestBodyLimits(t *testing.T) {
	const limit = 10_000
	body := usersBody(50)
	exact := body + strings.Repeat(" ", limit-len(body))
	w := newWorld(t, func(_ *bulk.Config, api *httpapi.Config) { api.MaxBody, api.MaxDecoded = limit, limit })

	assert.Equal(t, http.StatusOK, w.do(admin, "POST", usersPath, exact).Code)
	assert.Equal(t, http.StatusOK, w.do(admin, "POST", usersPath, zip(exact), "Content-Encoding: gzip").Code)
	for _, format := range []string{"application/json", "application/x-ndjson", "text/csv"} {
		text := map[string]string{"application/json": exact + " ", "application/x-ndjson": strings.Repeat("1\n", limit), "text/csv": "userId\n" + strings.Repeat("u\n", limit)}[format]
		for name, r := range map[string]*http.Request{
			"length":   httptest.NewRequest("POST", usersPath, strings.NewReader(text)),
			"chunked":  httptest.NewRequest("POST", usersPath, io.MultiReader(strings.NewReader(text))),
			"unpacked": httptest.NewRequest("POST", usersPath, strings.NewReader(zip(text))),
		} {
			r.Header = http.Header{"Authorization": {"Bearer " + admin}, "Content-Type": {format}}
			if name == "unpacked" {
				r.Header.Set("Content-Encoding", "gzip")
			}
			requireProblem(t, w.serve(r), http.StatusRequestEntityTooLarge, "BODY_TOO_LARGE", "10000")
		}
	}

	// What is sent is bounded too when it would be small after decompression.
	stored := new(bytes.Buffer)
	z, err := gzip.NewWriterLevel(stored, gzip.NoCompression)
	require.NoError(t, err)
	_, _ = z.Write([]byte(exact))
	require.NoError(t, z.Close())
	r := httptest.NewRequest("POST", usersPath, io.MultiReader(stored))
	r.Header = http.Header{"Authorization": {"Bearer " + admin}, "Content-Type": {"application/json"}, "Content-Encoding": {"gzip"}}
	requireProblem(t, w.serve(r), http.StatusRequestEntityTooLarge, "BODY_TOO_LARGE")
}

// A bomb costs no more than its limit, however small it is.
func TestZipBomb(t *testing.T) {
	w := newWorld(t, func(_ *bulk.Config, api *httpapi.Config) { api.MaxDecoded = 1 << 20 })
	bomb := zip(`{"users":["` + strings.Repeat("x", 20<<20) + `"]}`)
	rec := w.do(admin, "POST", usersPath, bomb, "Content-Encoding: gzip")
	requireProblem(t, rec, http.StatusRequestEntityTooLarge, "BODY_TOO_LARGE", "after decompression")
	w.empty()

	w = newWorld(t)
	rec = w.do(admin, "POST", usersPath, bomb, "Content-Encoding: gzip")
	require.Equal(t, http.StatusOK, rec.Code)
	assert.Contains(t, rec.Body.String(), "USER_TOO_LARGE", "rule: a row over the limits of its size fails alone")

	w = newWorld(t)
	rec = w.do(admin, "POST", usersPath, zip(`{"users":[`+strings.Repeat(" ", 20<<20)+`{}]}`), "Content-Encoding: gzip")
	requireProblem(t, rec, http.StatusRequestEntityTooLarge, "BODY_TOO_LARGE", "a single value")
	w.empty()
}

func TestQueryOptions(t *testing.T) {
	w := newWorld(t)
	post := func(query string) *httptest.ResponseRecorder {
		return w.do(admin, "POST", usersPath+query, "userId\na\n", "Content-Type: text/csv", "Prefer: respond-async")
	}
	for query, want := range map[string]bulk.Options{
		"": {Upsert: true}, "?": {Upsert: true}, "?upsert=false": {}, "?upsert=true&skipDuplicates=true": {Upsert: true, SkipDuplicates: true},
		"?sendWelcomeEmail=true&dryRun=true": {Upsert: true, SendWelcomeEmail: true, DryRun: true}, "?dryRun=fals%65": {Upsert: true},
		"?updateOnly=true&merge=replace&maxFailed=0": {Upsert: true, UpdateOnly: true, Merge: bulk.MergeReplace, MaxFailed: new(0)},
		"?merge=merge&label=":                        {Upsert: true},
	} {
		job, err := w.importer.Job(t.Context(), bulk.Principal{Role: bulk.RoleSuperAdmin}, data(t, post(query))["jobId"].(string))
		require.NoError(t, err)
		assert.Equal(t, want, job.Options, query)
	}
	for query, part := range map[string]string{
		"?upsert": "upsert", "?upsert=": "upsert", "?upsert=1": "upsert", "?upsert=TRUE": "upsert", "?dryRun=true&dryRun=true": "dryRun", "?dryrun=true": `"dryrun"`,
		"?merge=": "merge", "?merge=Fill": "merge", "?maxFailed=": "maxFailed", "?maxFailed=-1": "maxFailed", "?maxFailed=1e2": "maxFailed",
		"?maxFailed=%2B1": "maxFailed", "?maxFailed=null": "maxFailed", "?maxFailed=99999999999999999999": "maxFailed", "?label=%0A": "label",
		"?label=" + strings.Repeat("x", 129): "label", "?label=%ff": "label", "?updateOnly=true&upsert=false": "updateOnly", "?updateonly=true": `"updateonly"`,
		"?x=1": `"x"`, "?upsert=true;dryRun=true": "malformed", "?%zz": "malformed", "?" + strings.Repeat("x", 100): `xxx…"`,
	} {
		requireProblem(t, post(query), http.StatusBadRequest, "INVALID_REQUEST", part)
	}
	requireProblem(t, w.do(admin, "POST", usersPath+"?dryRun=true", usersBody(1)), http.StatusBadRequest, "INVALID_REQUEST", `"dryRun"`)
}

func TestPrefer(t *testing.T) {
	w := newWorld(t)
	for prefer, async := range map[string]bool{
		"respond-async": true, "Respond-Async": true, "respond-async, wait=10": true, "handling=lenient , respond-async ; x=y": true,
		"": false, "wait=10": false, "respond-asynchronously": false, "return=minimal": false,
	} {
		rec := w.do(admin, "POST", usersPath, usersBody(1), "Prefer: "+prefer)
		assert.Equal(t, async, rec.Code == http.StatusAccepted, prefer)
		assert.Equal(t, async, rec.Header().Get("Preference-Applied") == "respond-async", prefer)
	}
	rec := w.do(admin, "POST", usersPath, usersBody(100))
	assert.Equal(t, http.StatusAccepted, rec.Code)
	assert.Empty(t, rec.Header().Get("Preference-Applied"), "rule: a job that nobody preferred is no preference")
}

func TestThreshold(t *testing.T) {
	w := newWorld(t)
	assert.Equal(t, http.StatusOK, w.do(admin, "POST", usersPath, usersBody(99)).Code)
	assert.Equal(t, http.StatusAccepted, w.do(admin, "POST", usersPath, usersBody(100)).Code)
	assert.Equal(t, http.StatusAccepted, w.do(admin, "POST", usersPath, usersBody(10_000)).Code)
	requireProblem(t, w.do(admin, "POST", usersPath, usersBody(10_001)), http.StatusBadRequest, "TOO_MANY_USERS", "10001", "10000")
}

// What is wrong with a body shows, also where a blob store was reading it.
func TestBrokenBodies(t *testing.T) {
	w := newWorld(t)
	reset := errors.New("connection reset by peer")
	for _, n := range []int{1, 150} {
		for name, test := range map[string]struct {
			err  error
			code string
		}{
			"cut off": {io.ErrUnexpectedEOF, "INVALID_JSON"},
			"reset":   {reset, "INVALID_REQUEST"},
		} {
			text := strings.TrimSuffix(usersBody(n), "]}")
			r := httptest.NewRequest("POST", usersPath, io.MultiReader(strings.NewReader(text), iotest.ErrReader(test.err)))
			r.Header = http.Header{"Authorization": {"Bearer " + admin}, "Content-Type": {"application/json"}}
			rec := w.serve(r)
			requireProblem(t, rec, http.StatusBadRequest, test.code)
			assert.NotContains(t, rec.Body.String(), "peer", name)
		}
	}
	w.empty()
	assert.NotContains(t, w.log.String(), "level=ERROR")

	r := httptest.NewRequest("POST", usersPath, nil)
	r.Body = nil
	r.Header = http.Header{"Authorization": {"Bearer " + admin}, "Content-Type": {"application/json"}}
	requireProblem(t, w.serve(r), http.StatusBadRequest, "INVALID_JSON", "empty")
}

func TestBackendsDown(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.blobs.putErr = errors.New("no route")
		requireProblem(t, w.do(admin, "POST", usersPath, usersBody(100)), http.StatusServiceUnavailable, "UNAVAILABLE")
		w.blobs.putErr, w.jobs.err = nil, errors.New("throttled")
		requireProblem(t, w.do(admin, "POST", usersPath, usersBody(100)), http.StatusServiceUnavailable, "UNAVAILABLE")
		w.empty()
		w.blobs.putErr, w.jobs.err = bulk.Permanent(errors.New("denied")), nil
		requireProblem(t, w.do(admin, "POST", usersPath, usersBody(100)), http.StatusInternalServerError, "INTERNAL_ERROR")
	})
}
