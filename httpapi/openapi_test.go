package httpapi_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/bulk/fieldrules"
	"github.com/bulkops/bulkops/httpapi"
)

func TestOpenAPIIsServed(t *testing.T) {
	w := newWorld(t)
	const path = "/v1/bulk/openapi.json"
	for _, token := range []string{admin, superAdmin} {
		rec := w.do(token, "GET", path, "")
		require.Equal(t, http.StatusOK, rec.Code)
		assert.Equal(t, string(httpapi.OpenAPI()), rec.Body.String(), "rule: it is served exactly")
		assert.Equal(t, "application/json", rec.Header().Get("Content-Type"))
		assert.Equal(t, "no-store", rec.Header().Get("Cache-Control"))
	}
	requireProblem(t, w.do("", "GET", path, ""), http.StatusUnauthorized, "UNAUTHENTICATED")
	requireProblem(t, w.do("user:acme:uma", "GET", path, ""), http.StatusForbidden, "FORBIDDEN")
	requireProblem(t, w.do(admin, "GET", path+"?x=1", ""), http.StatusBadRequest, "INVALID_REQUEST", `"x"`)
	requireProblem(t, w.do(admin, "POST", path, ""), http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED", "GET, HEAD")

	server := httptest.NewServer(w.handler)
	defer server.Close()
	r, err := http.NewRequest("HEAD", server.URL+"/prefix"+path, nil)
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+admin)
	res, err := server.Client().Do(r)
	require.NoError(t, err)
	defer res.Body.Close()
	assert.EqualValues(t, len(httpapi.OpenAPI()), res.ContentLength)

	httpapi.OpenAPI()[0] = 'x'
	assert.True(t, json.Valid(httpapi.OpenAPI()), "rule: the caller's copy is its own")
}

// Whatever a component is, something refers to it. The two responses to what is
// no operation are for the whole document.
func TestOpenAPIHasNothingUnused(t *testing.T) {
	var tree struct {
		Components map[string]map[string]json.RawMessage
	}
	text := httpapi.OpenAPI()
	require.NoError(t, json.Unmarshal(text, &tree))
	for kind, components := range tree.Components {
		for name := range components {
			if kind == "securitySchemes" || name == "PathNotFound" || name == "MethodNotAllowed" {
				continue
			}
			assert.Contains(t, string(text), fmt.Sprintf(`"$ref": "#/components/%s/%s"`, kind, name))
		}
	}
}

// The rules of a host are published, and rows that break them say so.
func TestFieldRules(t *testing.T) {
	rules, err := fieldrules.New(fieldrules.Rules{
		CustomFields: map[string]string{"plan": "required,oneof=free pro", `<"é">`: "number,max=9007199254740992"},
	})
	require.NoError(t, err)
	w := newWorld(t, func(cfg *bulk.Config, _ *httpapi.Config) { cfg.FieldRules = rules })
	rec := w.do(admin, "GET", "/v1/bulk/openapi.json", "")
	require.Equal(t, http.StatusOK, rec.Code)
	assert.Equal(t, fmt.Sprint(rec.Body.Len()), rec.Header().Get("Content-Length"))
	var served, plain map[string]any
	require.NoError(t, json.Unmarshal(rec.Body.Bytes(), &served))
	require.NoError(t, json.Unmarshal(httpapi.OpenAPI(), &plain))
	assert.Equal(t, map[string]any{
		"customFields.plan":  `is required; must be a string; must be one of "free", "pro"`,
		`customFields.<"é">`: "must be a number; must be at most 9007199254740992",
	}, served["x-field-rules"])
	delete(served, "x-field-rules")
	assert.Equal(t, plain, served, "rule: the rest is the same")
	rec = w.do(admin, "POST", usersPath, `{"users":[{"userId":"a","customFields":{"plan":"pro"}},{"userId":"b","customFields":{"plan":"gold","<\"é\">":9007199254740993}}]}`)
	require.Equal(t, http.StatusOK, rec.Code)
	for _, part := range []string{
		`"index":0,"userId":"a","status":"created"`, `"code":"FIELD_RULE","field":"customFields.plan","message":"customFields.plan: must be one of \"free\", \"pro\""`,
		`must be at most 9007199254740992`,
	} {
		assert.Contains(t, rec.Body.String(), part)
	}
}
