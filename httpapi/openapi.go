package httpapi

import (
	"bytes"
	_ "embed"
	"net/http"
	"strconv"
)

//go:embed openapi.json
var document []byte

// OpenAPI returns the OpenAPI 3.1 document of the API, exactly as a [Handler]
// serves it: for hosts that publish it elsewhere too, or make it part of their
// own. Its limits are the defaults of this package and of package bulk.
func OpenAPI() []byte { return bytes.Clone(document) }

// openAPI is GET openapi.json.
func (h *Handler) openAPI(c *call) error {
	if _, err := query(c.r); err != nil {
		return err
	}
	c.w.head("application/json")
	c.w.Header().Set("Content-Length", strconv.Itoa(len(document)))
	c.w.WriteHeader(http.StatusOK)
	// An error here means that the caller is gone, and concerns nobody.
	_, _ = c.w.Write(document)
	return nil
}
