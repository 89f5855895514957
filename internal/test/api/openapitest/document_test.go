package openapitest_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
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

	"github.com/bulkops/bulkops/blob/memblob"
	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/bulk/fieldrules"
	"github.com/bulkops/bulkops/httpapi"
	"github.com/bulkops/bulkops/internal/test/api/openapitest"
	"github.com/bulkops/bulkops/jobs/memjobs"
	"github.com/bulkops/bulkops/store/memstore"
)

// newHandler returns a handler over in-memory backends that lets everybody in.
func newHandler(t *testing.T, rules bulk.FieldChecker) http.Handler {
	t.Helper()
	importer, err := bulk.NewImporter(bulk.Config{
		Store: memstore.New(), Blobs: memblob.New(), Jobs: memjobs.New(), Mailer: mailer{}, FieldRules: rules, Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	handler, err := httpapi.New(httpapi.Config{Importer: importer, Authorize: func(*http.Request) (bulk.Principal, error) {
		return bulk.Principal{ID: "ana", Tenant: "acme", Role: bulk.RoleAdmin}, nil
	}})
	require.NoError(t, err)
	return openapitest.Check(t, handler)
}

func loadOpenAPI(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(httpapi.OpenAPI())
	require.NoError(t, err)
	return doc
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
		"RowResult": bulk.RowResult{ParentIndex: new(0), Line: 1, UserID: "u", Email: "e", Errors: make([]bulk.RowError, 1), Changes: []string{"email"}, WelcomeEmail: bulk.WelcomeSent},
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
		string(bulk.CodeFieldRule), string(bulk.CodeUserTooLarge), string(bulk.CodeUserExists), string(bulk.CodeUserNotFound), string(bulk.CodeEmailTaken), string(bulk.CodeStoreError), string(bulk.CodeOutcomeUnknown),
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
			r := httptest.NewRequest("POST", "/v1/bulk/users", strings.NewReader(body))
			r.Header.Set("Content-Type", mediaType)
			rec := httptest.NewRecorder()
			newHandler(t, nil).ServeHTTP(rec, r)
			require.Equal(t, http.StatusOK, rec.Code, "%s: %s", name, rec.Body)
			assert.Contains(t, rec.Body.String(), `"failed":0`, name)
		}
	}
}

// A document with the rules of a host in it is valid too.
func TestOpenAPIWithFieldRulesIsValid(t *testing.T) {
	rules, err := fieldrules.New(fieldrules.Rules{CustomFields: map[string]string{"plan": "required,oneof=free pro", `<"é">`: "number"}})
	require.NoError(t, err)
	rec := httptest.NewRecorder()
	newHandler(t, rules).ServeHTTP(rec, httptest.NewRequest("GET", "/v1/bulk/openapi.json", nil))
	require.Equal(t, http.StatusOK, rec.Code)
	doc, err := openapi3.NewLoader().LoadFromData(rec.Body.Bytes())
	require.NoError(t, err)
	assert.NoError(t, doc.Validate(t.Context()))
	assert.Len(t, doc.Extensions["x-field-rules"], 2)
}
