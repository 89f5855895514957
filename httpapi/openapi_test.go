package httpapi_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/httpapi"
)

func loadOpenAPI(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(httpapi.OpenAPI())
	require.NoError(t, err)
	return doc
}

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

// The document, its schemas and its examples are valid.
func TestOpenAPIIsValid(t *testing.T) {
	doc := loadOpenAPI(t)
	assert.Equal(t, "3.1.0", doc.OpenAPI)
	require.NoError(t, doc.Validate(t.Context(), openapi3.EnableExamplesValidation(), openapi3.ProhibitExtensionsWithRef()))

	seen := map[string]bool{}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			assert.NotEmpty(t, op.OperationID, "%s %s", method, path)
			assert.False(t, seen[op.OperationID], "rule: operation ids are unique: %s", op.OperationID)
			seen[op.OperationID] = true
			assert.NotEmpty(t, op.Summary)
			assert.NotEmpty(t, op.Tags)
		}
	}
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

// The document has the limits, codes and names of the code.
func TestOpenAPIAgreesWithTheCode(t *testing.T) {
	doc := loadOpenAPI(t)
	schema := func(name string) *openapi3.Schema {
		require.Contains(t, doc.Components.Schemas, name)
		return doc.Components.Schemas[name].Value
	}
	property := func(of, name string) *openapi3.Schema {
		require.Contains(t, schema(of).Properties, name)
		return schema(of).Properties[name].Value
	}
	assert.EqualValues(t, bulk.DefaultMaxUsers, *property("ImportRequest", "users").MaxItems)
	assert.EqualValues(t, bulk.MaxUserID, *property("User", "userId").MaxLength)
	assert.EqualValues(t, bulk.MaxEmail, *property("User", "email").MaxLength)
	assert.EqualValues(t, bulk.MaxIdempotencyKey, *doc.Components.Parameters["IdempotencyKey"].Value.Schema.Value.MaxLength)
	assert.Contains(t, schema("User").Description, fmt.Sprintf("%d bytes", bulk.MaxUser))
	assert.Contains(t, schema("Fields").Description, fmt.Sprintf("at most %d levels", bulk.MaxFieldDepth))
	assert.Contains(t, schema("Fields").Description, fmt.Sprintf("1 to %d characters", bulk.MaxFieldName))
	assert.Equal(t, 64<<20, httpapi.DefaultMaxBody)
	assert.Equal(t, 64<<20, httpapi.DefaultMaxDecoded)
	assert.Contains(t, doc.Paths.Value("/v1/bulk/users").Post.Description, "64 MiB as sent, 64 MiB after decompression")

	// Go values, as they are encoded, have exactly the documented members.
	members := func(v any) []string {
		text, err := json.Marshal(v)
		require.NoError(t, err)
		var m map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(text, &m))
		return slices.Sorted(maps.Keys(m))
	}
	fields, err := bulk.NewFields(map[string]any{"a": 1})
	require.NoError(t, err)
	for name, value := range map[string]any{
		"User":      bulk.User{ID: "u", Email: "e", CustomFields: fields, Metadata: fields},
		"Options":   bulk.Options{Label: "l"},
		"Summary":   bulk.Summary{},
		"RowResult": bulk.RowResult{ParentIndex: new(0), Line: 1, UserID: "u", Email: "e", Errors: make([]bulk.RowError, 1), WelcomeEmail: bulk.WelcomeSent},
		"RowError":  bulk.RowError{Field: "f", Retryable: true, ConflictsWith: "u"},
		"JobError":  bulk.JobError{},
	} {
		assert.Equal(t, members(value), slices.Sorted(maps.Keys(schema(name).Properties)), name)
		require.NotNil(t, schema(name).AdditionalProperties.Has, name)
		assert.False(t, *schema(name).AdditionalProperties.Has, name)
	}

	enum := func(s *openapi3.Schema) (values []string) {
		for _, v := range s.Enum {
			values = append(values, v.(string))
		}
		return values
	}
	assert.ElementsMatch(t, []string{
		string(bulk.CodeInvalidUser), string(bulk.CodeMissingIdentifier), string(bulk.CodeInvalidUserID), string(bulk.CodeInvalidEmail),
		string(bulk.CodeInvalidCustomFields), string(bulk.CodeInvalidMetadata), string(bulk.CodeUnknownField), string(bulk.CodeDuplicateKey),
		string(bulk.CodeUserTooLarge), string(bulk.CodeUserExists), string(bulk.CodeUserNotFound), string(bulk.CodeEmailTaken), string(bulk.CodeStoreError), string(bulk.CodeOutcomeUnknown),
	}, enum(schema("RowErrorCode")))
	assert.ElementsMatch(t, []string{
		string(bulk.StatusCreated), string(bulk.StatusUpdated), string(bulk.StatusUnchanged), string(bulk.StatusSkipped),
		string(bulk.StatusFailed), string(bulk.StatusNotProcessed),
	}, enum(schema("RowStatus")))
	assert.ElementsMatch(t, []string{
		string(bulk.JobPending), string(bulk.JobProcessing), string(bulk.JobCompleted), string(bulk.JobFailed), string(bulk.JobCancelled),
	}, enum(schema("JobStatus")))
	assert.ElementsMatch(t, []string{bulk.JobErrorUnavailable, bulk.JobErrorInternal, bulk.JobErrorAttempts, bulk.JobErrorTooManyFailed}, enum(property("JobError", "code")))

	// Every code of the list belongs to a response, and the other way round.
	codes := map[string]bool{}
	for _, list := range regexp.MustCompile(`"code": \{"enum": \[([^\]]*)\]`).FindAllStringSubmatch(string(httpapi.OpenAPI()), -1) {
		for code := range strings.SplitSeq(list[1], ", ") {
			codes[strings.Trim(code, `"`)] = true
		}
	}
	assert.ElementsMatch(t, slices.Collect(maps.Keys(codes)), enum(schema("ErrorCode")))
}

// The examples of bodies are taken as they stand, every row of them.
func TestOpenAPIExamples(t *testing.T) {
	for mediaType, content := range loadOpenAPI(t).Paths.Value("/v1/bulk/users").Post.RequestBody.Value.Content {
		require.NotEmpty(t, content.Examples, mediaType)
		for name, example := range content.Examples {
			body, ok := example.Value.Value.(string)
			if !ok {
				text, err := json.Marshal(example.Value.Value)
				require.NoError(t, err)
				body = string(text)
			}
			rec := newWorld(t).do(admin, "POST", usersPath, body, "Content-Type: "+mediaType)
			require.Equal(t, http.StatusOK, rec.Code, "%s: %s", name, rec.Body)
			assert.Contains(t, rec.Body.String(), `"failed":0`, name)
		}
	}
}
