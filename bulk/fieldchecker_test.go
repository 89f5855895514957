package bulk_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/bulk"
)

// ageRules want every user to have an age, and no age to be negative.
type ageRules struct {
	calls []string // what was checked, in synchronous imports of one batch
}

func (r *ageRules) CheckFields(customFields, metadata bulk.Fields) (errors []bulk.RowError) {
	r.calls = append(r.calls, fmt.Sprintf("fields %s %s", customFields, metadata))
	if _, ok := metadata.Get("panic"); ok {
		panic("secret of " + metadata.String())
	}
	if many, ok := metadata.Get("errors"); ok {
		for range len(many) {
			errors = append(errors, bulk.RowError{Message: "one of many"})
		}
	}
	if age, ok := customFields.Get("age"); ok && strings.HasPrefix(string(age), "-") {
		errors = append(errors, bulk.RowError{Code: "OTHER", Field: "customFields.age", Message: "negative", Retryable: true})
	}
	return errors
}

func (r *ageRules) CheckCreate(customFields, metadata bulk.Fields) []bulk.RowError {
	r.calls = append(r.calls, fmt.Sprintf("create %s %s", customFields, metadata))
	if _, ok := metadata.Get("panicLater"); ok {
		panic("secret of " + metadata.String())
	}
	if many, ok := metadata.Get("later"); ok {
		return slices.Repeat([]bulk.RowError{{Message: "one of many"}}, len(many))
	}
	if _, ok := customFields.Get("age"); !ok {
		return []bulk.RowError{{Field: "customFields.age", Message: "missing"}}
	}
	return nil
}

func (r *ageRules) Describe() map[string]string {
	return map[string]string{"customFields.age": "not negative"}
}

var (
	negativeAge = bulk.RowError{Code: bulk.CodeFieldRule, Field: "customFields.age", Message: "negative"}
	missingAge  = bulk.RowError{Code: bulk.CodeFieldRule, Field: "customFields.age", Message: "missing"}
)

func TestFieldRulesAreCheckedForEveryRow(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		rules := &ageRules{}
		f.cfg.FieldRules, f.cfg.Parallel = rules, 1
		require.NoError(t, f.mem.Put(tenant, bulk.User{ID: "old"}))
		req := request()
		req.Rows = rows(
			`{"userId":"a","customFields":{"age":1}}`,
			`{"userId":"b","customFields":{"age":-1},"metadata":5}`,
			`{"userId":"c","metadata":{"m":1}}`,
			`{"userId":"d"}`,
			`{"userId":"e","customFields":{"age":null}}`,
			`{"userId":"old","metadata":{"m":2}}`,
			`{"userId":"a","customFields":{"age":null}}`,
			`{"userId":"a","metadata":{"m":3}}`,
			`{"userId":"c","customFields":{"age":2}}`,
		)
		report, err := f.importer().Import(t.Context(), req)
		require.NoError(t, err)
		for i, want := range []struct {
			status bulk.Status
			errors []bulk.RowError
		}{
			{bulk.StatusCreated, nil},
			{bulk.StatusFailed, []bulk.RowError{{Code: bulk.CodeInvalidMetadata, Field: "metadata", Message: "metadata must be an object, not a number"}, negativeAge}},
			{bulk.StatusFailed, []bulk.RowError{missingAge}},
			{bulk.StatusFailed, []bulk.RowError{missingAge}},
			{bulk.StatusFailed, []bulk.RowError{missingAge}},
			{bulk.StatusUpdated, nil},
			{bulk.StatusUpdated, nil},
			{bulk.StatusUpdated, nil},
			{bulk.StatusCreated, nil}, // the row before it has failed
		} {
			assert.Equal(t, want.status, report.Results[i].Status, "row %d", i)
			assert.Equal(t, want.errors, report.Results[i].Errors, "row %d", i)
		}
		assert.ElementsMatch(t, []string{
			`fields {"age":1} {}`, `fields {"age":-1} {}`, `fields {} {"m":1}`, `fields {"age":null} {}`, `fields {} {"m":2}`,
			`fields {"age":null} {}`, `fields {} {"m":3}`, `fields {"age":2} {}`,
			`create {"age":1} {}`, `create {} {"m":1}`, `create {} {}`, `create {} {}`, `create {"age":2} {}`,
		}, rules.calls)
		_, found := f.mem.Get(tenant, "d")
		assert.False(t, found)
	})
}

func TestFieldRulesOfJobsAndDryRuns(t *testing.T) {
	for _, dry := range []bool{false, true} {
		bubble(t, func(t *testing.T, f *fixture) {
			f.cfg.FieldRules, f.cfg.Parallel = &ageRules{}, 1
			req := request()
			req.Rows = rows(`{"email":"a@x.io"}`, `{"userId":"b","customFields":{"age":-1}}`, `{"userId":"c","customFields":{"age":1}}`)
			req.Options.DryRun = dry
			job, err := f.importer().Submit(t.Context(), req)
			require.NoError(t, err)
			done, file := f.finish(job.ID)
			assert.Equal(t, bulk.JobCompleted, done.Status)
			assert.Equal(t, bulk.Summary{Created: 1, Failed: 2}, file.Summary)
			assert.Equal(t, []bulk.RowError{missingAge}, file.Results[0].Errors)
			assert.Equal(t, []bulk.RowError{negativeAge}, file.Results[1].Errors)
		})
	}
}

func TestFieldRulesThatPanicFailTheirRow(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		var log bytes.Buffer
		f.cfg.FieldRules, f.cfg.Parallel = &ageRules{}, 1
		f.cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
		req := request()
		req.Rows = rows(
			`{"userId":"a","metadata":{"panic":1}}`, `{"userId":"b","customFields":{"age":1},"metadata":{"panicLater":1}}`, `{"userId":"c","customFields":{"age":1}}`,
		)
		report, err := f.importer().Import(t.Context(), req)
		require.NoError(t, err)
		assert.Equal(t, bulk.Summary{Created: 1, Failed: 2}, report.Summary)
		for _, r := range report.Results[:2] {
			require.Len(t, r.Errors, 1)
			assert.Equal(t, bulk.CodeFieldRule, r.Errors[0].Code)
			assert.NotContains(t, r.Errors[0].Message, "secret")
		}
		assert.Equal(t, 1, strings.Count(log.String(), "Config.FieldRules panicked"), "once an import: %s", &log)
		assert.Contains(t, log.String(), "fieldchecker_test.go")
		assert.NotContains(t, log.String(), "secret")
	})
}

func TestErrorsOfFieldRulesAreBounded(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.cfg.FieldRules = &ageRules{}
		req := request()
		req.Rows = rows(`{"userId":"a","customFields":{"age":-1},"metadata":{"errors":` + strings.Repeat("1", 30) + `,"x":0}}`)
		report, err := f.importer().Import(t.Context(), req)
		require.NoError(t, err)
		assert.Len(t, report.Results[0].Errors, 31)
		req.Rows = rows(`{"userId":"a","customFields":{"age":-1},"metadata":{"errors":"` + strings.Repeat("1", 998) + `"}}`)
		report, err = f.importer().Import(t.Context(), req)
		require.NoError(t, err)
		require.Len(t, report.Results[0].Errors, 100)
		assert.Equal(t, "one of many; and 901 more errors of this row", report.Results[0].Errors[99].Message)
		req.Rows = rows(`{"userId":"a","metadata":{"later":"` + strings.Repeat("1", 498) + `"}}`)
		report, err = f.importer().Import(t.Context(), req)
		require.NoError(t, err)
		require.Len(t, report.Results[0].Errors, 100)
		assert.Equal(t, "one of many; and 400 more errors of this row", report.Results[0].Errors[99].Message)
	})
}

type silentRules struct{ ageRules }

func (*silentRules) Describe() map[string]string { panic("no words") }

func TestFieldRulesAreDescribed(t *testing.T) {
	cfg := memConfig()
	im, err := bulk.NewImporter(cfg)
	require.NoError(t, err)
	assert.Nil(t, im.FieldRules())

	cfg.FieldRules = &ageRules{}
	im, err = bulk.NewImporter(cfg)
	require.NoError(t, err)
	im.FieldRules()["customFields.age"] = "changed"
	assert.Equal(t, map[string]string{"customFields.age": "not negative"}, im.FieldRules(), "rule: the caller's copy is its own")

	cfg.FieldRules = &silentRules{}
	_, err = bulk.NewImporter(cfg)
	var bad *bulk.ConfigError
	require.ErrorAs(t, err, &bad)
	assert.Equal(t, "Config.FieldRules", bad.Field)
}
