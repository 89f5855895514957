package httpapi

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

const respondAsync = "respond-async"

// MaxWait is how long a caller can have the status of a job wait for its end, by the
// preference wait.
const MaxWait = 30 * time.Second

// preference returns the value of a preference, and whether the request has it. Of
// several the first one counts. Parameters behind it are passed over. Source: RFC
// 7240, 2.
func preference(header http.Header, name string) (value string, ok bool) {
	for _, line := range header.Values("Prefer") {
		for text := range strings.SplitSeq(line, ",") {
			text, _, _ = strings.Cut(text, ";")
			token, value, _ := strings.Cut(text, "=")
			if strings.EqualFold(strings.TrimSpace(token), name) {
				return strings.Trim(strings.TrimSpace(value), `"`), true
			}
		}
	}
	return "", false
}

// prefersAsync reports whether a request prefers an answer at once to one that
// has the results. Source: RFC 7240, 4.1.
func prefersAsync(header http.Header) bool {
	_, ok := preference(header, respondAsync)
	return ok
}

// prefersWait returns how long a request prefers to wait, and the preference as it is
// applied, "" if there is none or it is no number. Source: RFC 7240, 4.3.
func prefersWait(header http.Header) (wait time.Duration, applied string) {
	text, ok := preference(header, "wait")
	if !ok || text == "" || strings.Trim(text, "0123456789") != "" {
		return 0, ""
	}
	seconds := int(MaxWait / time.Second)
	if digits := strings.TrimLeft(text, "0"); len(digits) <= 2 {
		asked := 0
		for _, digit := range digits {
			asked = 10*asked + int(digit-'0')
		}
		seconds = min(seconds, asked)
	}
	return time.Duration(seconds) * time.Second, fmt.Sprintf("wait=%d", seconds)
}
