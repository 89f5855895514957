package openapitest

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/test/race"
)

// checkRequest checks a request that was taken.
func (e *checked) checkRequest(doc *document, op *operation) error {
	if err := e.checkParameters(doc, op); err != nil {
		return err
	}
	if op.RequestBody == nil {
		return nil
	}
	if op.path != importPath {
		return e.checkBody(doc, op)
	}
	contentType, _, err := mime.ParseMediaType(e.Header.Get("Content-Type"))
	if err != nil || op.RequestBody.Value.Content[contentType] == nil {
		return fmt.Errorf("the document has no body of type %q", e.Header.Get("Content-Type"))
	}
	text, err := e.decoded()
	if err != nil {
		return fmt.Errorf("the body is not gzip: %w", err)
	}
	if race.Enabled && len(text) > 4<<20 {
		return nil // to decode it would take half a minute
	}
	text = bytes.TrimPrefix(text, []byte("\ufeff")) // as the description of the body allows
	var rows []json.RawMessage
	switch contentType {
	case "application/json":
		rows, err = doc.checkImport(op.place().at("", "requestBody", "content", contentType, "schema"), text)
	case "application/x-ndjson":
		for line := range bytes.Lines(text) {
			if line = bytes.TrimSpace(line); len(line) > 0 {
				rows = append(rows, line)
			}
		}
	default:
		return nil
	}
	if err != nil {
		return err
	}
	return e.checkRows(doc, rows)
}

// importPath is that of the one operation whose body has rows.
const importPath = "/v1/bulk/users"

// checkBody checks a body without rows.
func (e *checked) checkBody(doc *document, op *operation) error {
	text, err := e.decoded()
	if len(e.Sent) == 0 || err == nil && len(bytes.TrimSpace(text)) == 0 {
		if op.RequestBody.Value.Required {
			return fmt.Errorf("it has no body")
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("the body is not gzip: %w", err)
	}
	contentType, _, err := mime.ParseMediaType(e.Header.Get("Content-Type"))
	if err != nil || op.RequestBody.Value.Content[contentType] == nil {
		return fmt.Errorf("the document has no body of type %q", e.Header.Get("Content-Type"))
	}
	value, err := parse(text)
	if err != nil {
		return err
	}
	return doc.validate(op.place().at("", "requestBody", "content", contentType, "schema"), value)
}

func (e *checked) checkParameters(doc *document, op *operation) error {
	query, err := url.ParseQuery(e.URL.RawQuery)
	if err != nil {
		return err
	}
	for i, parameter := range op.Parameters {
		p := parameter.Value
		var values []string
		switch p.In {
		case openapi3.ParameterInPath:
			values = []string{op.args[p.Name]}
		case openapi3.ParameterInQuery:
			values = query[p.Name]
			delete(query, p.Name)
		case openapi3.ParameterInHeader:
			values = e.Header.Values(p.Name)
			if p.Name == "Content-Encoding" || p.Name == "Prefer" {
				values = list(values)
			}
		}
		if len(values) == 0 && !p.Required {
			continue
		}
		if len(values) != 1 {
			return fmt.Errorf("parameter %s is there %d times", p.Name, len(values))
		}
		at := op.place().at("", "parameters", fmt.Sprint(i)).at(parameter.Ref).at("", "schema")
		if err := doc.validateText(p.Schema, at, values[0]); err != nil {
			return fmt.Errorf("parameter %s: %w", p.Name, err)
		}
	}
	if len(query) > 0 {
		return fmt.Errorf("the document has no such query parameters: %s", query.Encode())
	}
	return nil
}

// list returns the value of a header that is a list: it may take several lines,
// its names are of any case, and an empty one is none. Source: RFC 9110, 5.6.1.
func list(lines []string) []string {
	text := strings.ToLower(strings.Join(lines, ", "))
	if strings.TrimSpace(text) == "" {
		return nil
	}
	return []string{text}
}

// decoded returns the request's body without its compression.
func (e *checked) decoded() ([]byte, error) {
	switch strings.ToLower(e.Header.Get("Content-Encoding")) {
	case "gzip", "x-gzip":
		r, err := gzip.NewReader(bytes.NewReader(e.Sent))
		if err != nil {
			return nil, err
		}
		return io.ReadAll(r)
	default:
		return e.Sent, nil
	}
}

// checkImport checks the body of an import but for its rows, which it returns.
func (d *document) checkImport(schema place, text []byte) ([]json.RawMessage, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil {
		return nil, err
	}
	var rows []json.RawMessage
	if err := json.Unmarshal(members["users"], &rows); err != nil {
		return nil, fmt.Errorf("users: %w", err)
	}
	// Good rows in their place leave what is not about rows.
	good := make([]json.RawMessage, len(rows))
	for i := range good {
		good[i] = json.RawMessage(`{"userId":"u"}`)
	}
	users, err := json.Marshal(good)
	if err != nil {
		return nil, err
	}
	members["users"] = users
	text, err = json.Marshal(members)
	if err != nil {
		return nil, err
	}
	value, err := parse(text)
	if err != nil {
		return nil, err
	}
	return rows, d.validate(schema, value)
}

// expressed are the codes of what the schema of a user says in full. The others
// are about more than a schema can say: duplicate keys, sizes, depth, and numbers.
var expressed = []bulk.RowCode{
	bulk.CodeInvalidUser, bulk.CodeMissingIdentifier, bulk.CodeInvalidUserID, bulk.CodeInvalidEmail, bulk.CodeUnknownField,
}

// checkRows checks that exactly the rows failed validation that are not of the
// schema.
func (e *checked) checkRows(doc *document, rows []json.RawMessage) error {
	var answer struct {
		Data struct {
			TotalRecords int
			Results      []bulk.RowResult
		}
	}
	if err := json.Unmarshal(e.Body, &answer); err != nil {
		return err
	}
	if answer.Data.TotalRecords != len(rows) {
		return fmt.Errorf("rule: totalRecords counts the rows: %d, %d", answer.Data.TotalRecords, len(rows))
	}
	if e.Status != http.StatusOK {
		return nil
	}
	for i, result := range answer.Data.Results {
		value, err := parse(rows[i])
		if err != nil {
			continue // a key stands twice, and means what its decoder says
		}
		invalid := doc.validate(component("User"), value)
		refused := slices.ContainsFunc(result.Errors, func(e bulk.RowError) bool { return slices.Contains(expressed, e.Code) })
		switch {
		case invalid != nil && result.Status != bulk.StatusFailed && result.Status != bulk.StatusNotProcessed:
			return fmt.Errorf("row %d is %s: %w", i, result.Status, invalid)
		case invalid == nil && refused:
			return fmt.Errorf("row %d failed: the document allows it: %+v", i, result.Errors)
		}
	}
	return nil
}
