package httpapi_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestListOfAnotherTenant(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		first := w.submit(usersBody(1))
		second := w.submit(usersBody(2))
		list := func(token, query string) (ids []string, cursor any) {
			rec := w.do(token, "GET", "/v1/bulk/jobs"+query, "")
			require.Equal(t, http.StatusOK, rec.Code, "%s %s: %s", token, query, rec.Body)
			for _, job := range data(t, rec)["jobs"].([]any) {
				ids = append(ids, job.(map[string]any)["jobId"].(string))
			}
			return ids, data(t, rec)["cursor"]
		}
		ids, _ := list(superAdmin, "?tenant=acme")
		assert.ElementsMatch(t, []string{first, second}, ids)
		ids, cursor := list(superAdmin, "?tenant=acme&limit=1")
		require.Len(t, ids, 1)
		rest, _ := list(superAdmin, "?tenant=acme&limit=1&cursor="+cursor.(string))
		assert.ElementsMatch(t, []string{first, second}, append(ids, rest...))
		ids, _ = list(superAdmin, "?tenant=acme&status=completed")
		assert.Empty(t, ids)
		for _, query := range []string{"", "?tenant=hq", "?tenant=", "?tenant=globex", "?tenant=ACME"} {
			ids, _ = list(superAdmin, query)
			assert.Empty(t, ids, query)
		}
		ids, _ = list(admin, "?tenant=acme")
		assert.Len(t, ids, 2, "rule: everybody may name its own tenant")

		for _, query := range []string{"?tenant=acme", "?tenant="} {
			requireProblem(t, w.do(otherAdmin, "GET", "/v1/bulk/jobs"+query, ""), http.StatusForbidden, "FORBIDDEN", "")
		}
		for _, query := range []string{"?tenant=acme&tenant=acme", "?tenant=%ff", "?tenant=%00", "?tenant=" + strings.Repeat("x", 129), "?cursor=" + cursor.(string)} {
			requireProblem(t, w.do(superAdmin, "GET", "/v1/bulk/jobs"+query, ""), http.StatusBadRequest, "INVALID_REQUEST", "")
		}
	})
}
