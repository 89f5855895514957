package httpapi

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/bulkops/bulkops/internal/rowtext"
)

// query returns the query parameters of a request, each of which must be one of
// the names and stand once.
func query(r *http.Request, names ...string) (map[string]string, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, badRequest("the query string is malformed")
	}
	params := make(map[string]string, len(values))
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if !slices.Contains(names, name) {
			known := "there are none here"
			if len(names) > 0 {
				known = "there are " + strings.Join(names, ", ")
			}
			return nil, badRequest("unknown query parameter %s: %s", rowtext.Quote(name), known)
		}
		if len(values[name]) > 1 {
			return nil, badRequest("query parameter %s stands twice", name)
		}
		params[name] = values[name][0]
	}
	return params, nil
}
