package openapitest_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"pgregory.net/rapid"
)

// drawValue draws a value by the type, range, pattern, items and properties of a
// schema. Keywords that tie properties together are left out, so objects may
// break them.
func drawValue(t *rapid.T, ref *openapi3.SchemaRef, label string) any {
	s := ref.Value
	switch {
	case s.Const != nil:
		return s.Const
	case len(s.Enum) > 0:
		return rapid.SampledFrom(s.Enum).Draw(t, label)
	case s.Type == nil:
		return drawJSON(t, 3, label)
	}
	switch kind := rapid.SampledFrom(s.Type.Slice()).Draw(t, label+" type"); kind {
	case "null":
		return nil
	case "boolean":
		return rapid.Bool().Draw(t, label)
	case "integer":
		return rapid.IntRange(int(or(s.Min, 0)), int(or(s.Max, 1000))).Draw(t, label)
	case "string":
		return drawString(t, s, label)
	case "array":
		most := uint64(30) // is enough to become a job
		if s.MaxItems != nil {
			most = min(most, *s.MaxItems)
		}
		values := make([]any, rapid.IntRange(int(s.MinItems), int(most)).Draw(t, label+" length"))
		for i := range values {
			values[i] = drawValue(t, s.Items, label)
		}
		return values
	case "object":
		object := map[string]any{}
		for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
			if slices.Contains(s.Required, name) || rapid.Bool().Draw(t, label+" has "+name) {
				object[name] = drawValue(t, s.Properties[name], name)
			}
		}
		if s.AdditionalProperties.Has != nil && *s.AdditionalProperties.Has {
			for range rapid.IntRange(0, 3).Draw(t, label+" fields") {
				object[rapid.StringN(1, 20, -1).Draw(t, "field")] = drawJSON(t, 3, "value")
			}
		}
		return object
	default:
		panic("the generator knows no type " + kind)
	}
}

func or(limit *float64, otherwise float64) float64 {
	if limit == nil {
		return otherwise
	}
	return *limit
}

// drawString draws a string of a schema. Of the identities there are few, so that
// rows meet.
func drawString(t *rapid.T, s *openapi3.Schema, label string) string {
	if label == "userId" || label == "email" {
		known := map[string][]string{
			"userId": {"u1", "u2", "u3", "U1", "ü"},
			"email":  {"a@example.com", "A@Example.com", "b@example.com", "c@example.com", "ü@example.com"},
		}
		if rapid.IntRange(0, 3).Draw(t, label+" is new") > 0 {
			return rapid.SampledFrom(known[label]).Draw(t, label)
		}
	}
	least, most := int(s.MinLength), -1
	if s.MaxLength != nil {
		most = int(*s.MaxLength)
	}
	if s.Pattern == "" {
		return rapid.StringN(least, 40, -1).Draw(t, label)
	}
	fits := func(text string) bool {
		n := len([]rune(text))
		return n >= least && (most < 0 || n <= most)
	}
	return rapid.StringMatching(s.Pattern).Filter(fits).Draw(t, label)
}

// drawJSON draws any JSON value.
func drawJSON(t *rapid.T, depth int, label string) any {
	kinds := 5
	if depth > 0 {
		kinds = 7
	}
	switch rapid.IntRange(0, kinds-1).Draw(t, label+" kind") {
	case 0:
		return nil
	case 1:
		return rapid.Bool().Draw(t, label)
	case 2:
		return json.Number(rapid.SampledFrom([]string{
			"0", "-0", "1", "-1.5", "9007199254740993", "1e-130", "9.99e125", "1e126", "1e400", "0.1e1", "12345678901234567890123456789012345678", "123456789012345678901234567890123456789",
		}).Draw(t, label))
	case 3:
		return rapid.StringN(0, 20, -1).Draw(t, label)
	case 4:
		return rapid.SampledFrom([]string{"", "=1+1", "'@x", "\u0000", "\u2028", "a,b;c\"d\r\n", "ＡＢ", strings.Repeat("x", 300), "null", "true", "../..", "%00"}).Draw(t, label)
	case 5:
		values := make([]any, rapid.IntRange(0, 3).Draw(t, label+" length"))
		for i := range values {
			values[i] = drawJSON(t, depth-1, label)
		}
		return values
	default:
		object := map[string]any{}
		for range rapid.IntRange(0, 3).Draw(t, label+" size") {
			object[rapid.StringN(0, 10, -1).Draw(t, "name")] = drawJSON(t, depth-1, label)
		}
		return object
	}
}

// encode writes a drawn value as JSON.
func encode(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// ndjson writes drawn rows a line each.
func ndjson(rows []any) string {
	var b strings.Builder
	for _, row := range rows {
		fmt.Fprintln(&b, encode(row))
	}
	return b.String()
}

// table writes drawn rows as CSV with that separator, in the columns of the document.
func table(rows []any, separator string) string {
	quote := func(value any) string {
		if value == nil {
			return ""
		}
		text, ok := value.(string)
		if !ok {
			text = encode(value)
		}
		return `"` + strings.ReplaceAll(text, `"`, `""`) + `"`
	}
	var b strings.Builder
	b.WriteString(strings.Join([]string{"userId", "email", "customFields:json", "metadata:json", "metadata.a:number", "_rest\r\n"}, separator))
	for _, row := range rows {
		user, _ := row.(map[string]any)
		for _, name := range []string{"userId", "email", "customFields", "metadata"} {
			b.WriteString(quote(user[name]) + separator)
		}
		b.WriteString("1" + separator + "x\r\n")
	}
	return b.String()
}
