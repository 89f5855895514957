package httpapi_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/httpapi"
	"github.com/bulkops/bulkops/jobs/memjobs"
)

func TestIdempotencyKey(t *testing.T) {
	for name, n := range map[string]int{"Sync": 3, "Job": 100} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, withKeys)
			key := "Idempotency-Key: k-1"
			first := w.do(admin, "POST", usersPath, usersBody(n), key)
			require.Less(t, first.Code, 300, first.Body)
			assert.Empty(t, first.Header().Get("Idempotency-Replayed"))

			again := w.do(admin, "POST", usersPath, usersBody(n), key)
			assert.Equal(t, first.Code, again.Code)
			assert.Equal(t, "true", again.Header().Get("Idempotency-Replayed"))
			assert.Equal(t, first.Body.String(), again.Body.String())
			assert.Equal(t, first.Header().Get("Location"), again.Header().Get("Location"))

			requireProblem(t, w.do(admin, "POST", usersPath, usersBody(n+1), key), http.StatusUnprocessableEntity, "IDEMPOTENCY_KEY_REUSED")
			other := w.do(strings.Replace(admin, "acme", "other", 1), "POST", usersPath, usersBody(n), key)
			assert.Empty(t, other.Header().Get("Idempotency-Replayed"))
		})
	}
}

func TestIdempotencyKeyInProgress(t *testing.T) {
	queue := memjobs.New()
	inner := 0
	w := newWorld(t, func(cfg *bulk.Config, api *httpapi.Config) { cfg.IdempotencyKeys = queue })
	w.store.lookup = func() {
		if inner++; inner > 1 {
			return
		}
		rec := w.do(admin, "POST", usersPath, usersBody(3), "Idempotency-Key: k")
		requireProblem(t, rec, http.StatusConflict, "IDEMPOTENCY_IN_PROGRESS")
		assert.Equal(t, "5", rec.Header().Get("Retry-After"))
	}
	rec := w.do(admin, "POST", usersPath, usersBody(3), "Idempotency-Key: k")
	assert.Equal(t, http.StatusOK, rec.Code)
	assert.Equal(t, 1, inner)
}

func TestIdempotencyKeyIsChecked(t *testing.T) {
	w := newWorld(t, withKeys)
	for _, keys := range [][]string{{""}, {"a", "b"}, {"ä"}, {strings.Repeat("a", 256)}} {
		r := httptest.NewRequest("POST", usersPath, strings.NewReader(usersBody(1)))
		r.Header.Set("Authorization", "Bearer "+admin)
		r.Header.Set("Content-Type", "application/json")
		r.Header["Idempotency-Key"] = keys
		requireProblem(t, w.serve(r), http.StatusBadRequest, "INVALID_REQUEST")
	}
	without := newWorld(t)
	requireProblem(t, without.do(admin, "POST", usersPath, usersBody(1), "Idempotency-Key: a"), http.StatusBadRequest, "INVALID_REQUEST")
}

func withKeys(cfg *bulk.Config, _ *httpapi.Config) { cfg.IdempotencyKeys = memjobs.New() }

// A first request that takes longer than a reservation lasts keeps its key.
func TestIdempotencyKeyOfASlowRequest(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		const takes = 9 * time.Minute
		w.store.lookup = func() { w.store.lookup = nil; time.Sleep(takes) }
		first := make(chan *httptest.ResponseRecorder)
		go func() { first <- w.do(admin, "POST", usersPath, usersBody(3), "Idempotency-Key: k") }()
		for range takes / time.Minute {
			time.Sleep(59 * time.Second)
			again := w.do(admin, "POST", usersPath, usersBody(3), "Idempotency-Key: k")
			requireProblem(t, again, http.StatusConflict, "IDEMPOTENCY_IN_PROGRESS")
		}
		answer := <-first
		require.Equal(t, http.StatusOK, answer.Code, answer.Body)
		again := w.do(admin, "POST", usersPath, usersBody(3), "Idempotency-Key: k")
		assert.Equal(t, "true", again.Header().Get("Idempotency-Replayed"))
		assert.Equal(t, answer.Body.String(), again.Body.String())
	}, withKeys, func(cfg *bulk.Config, _ *httpapi.Config) { cfg.CallTimeout = time.Hour })
}
