package main

import (
	"net/http"
	"strings"
	"testing"
)

// TestOthersCannotSignAnybodyIn: a page from elsewhere that makes a browser send its own
// token's form would have its visitor import users for somebody else.
func TestOthersCannotSignAnybodyIn(t *testing.T) {
	s := start(t, "-tokens", "one=admin:acme:ana")
	for site, want := range map[string]int{"cross-site": http.StatusForbidden, "same-site": http.StatusForbidden, "same-origin": http.StatusSeeOther} {
		r, err := http.NewRequestWithContext(t.Context(), "POST", s.url+"/signin", strings.NewReader("token=one"))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", site)
		resp, err := s.client.Transport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want || (want == http.StatusForbidden) != (len(resp.Cookies()) == 0) {
			t.Errorf("%s: %s %v, want %d", site, resp.Status, resp.Cookies(), want)
		}
	}
}
