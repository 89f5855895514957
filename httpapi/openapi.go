package httpapi

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
)

//go:embed openapi.json
var document []byte

// OpenAPI returns the OpenAPI 3.1 document of the API, exactly as a [Handler] of an
// importer without [bulk.Config.FieldRules] serves it: for hosts that publish it
// elsewhere too, or make it part of their own. Its limits are the defaults of this
// package and of package bulk.
func OpenAPI() []byte { return bytes.Clone(document) }

// documentWith returns the document with the host's rules in words as its
// extension x-field-rules: an object with the fields' names, as in
// "customFields.age".
func documentWith(rules map[string]string) ([]byte, error) {
	if len(rules) == 0 {
		return document, nil
	}
	text, err := json.MarshalIndent(rules, "  ", "  ")
	if err != nil {
		return nil, err
	}
	rest := bytes.TrimPrefix(document, []byte("{"))
	return slices.Concat([]byte("{\n  \"x-field-rules\": "), text, []byte(","), rest), nil
}

// openAPI is GET openapi.json.
func (h *Handler) openAPI(c *call) error {
	if _, err := query(c.r); err != nil {
		return err
	}
	c.w.head("application/json")
	c.w.Header().Set("Content-Length", strconv.Itoa(len(h.document)))
	c.w.WriteHeader(http.StatusOK)
	// An error here means that the caller is gone, and concerns nobody.
	_, _ = c.w.Write(h.document)
	return nil
}
