package httpapi

import (
	"net/http"
	"strings"
)

const respondAsync = "respond-async"

// prefersAsync reports whether a request prefers an answer at once to one that
// has the results. Source: RFC 7240, 4.1.
func prefersAsync(header http.Header) bool {
	for _, line := range header.Values("Prefer") {
		for preference := range strings.SplitSeq(line, ",") {
			token, _, _ := strings.Cut(preference, ";")
			if strings.EqualFold(strings.TrimSpace(token), respondAsync) {
				return true
			}
		}
	}
	return false
}
