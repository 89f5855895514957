package browser

import (
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// maxSize bounds what the page has in all, uncompressed.
const maxSize = 150 << 10

// TestSize: the page is one file each of HTML, CSS and JavaScript, small and without
// anything from elsewhere.
func TestSize(t *testing.T) {
	t.Parallel()
	h := serve(t, inMemory, settings{})
	p := open(t, h, "/console/", look{})
	p.wait("the first paint", `() => performance.getEntriesByName("first-contentful-paint").length > 0`)
	var paths []string
	for _, address := range p.watch.urls() {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, u.Path)
	}
	slices.Sort(paths)
	if want := []string{"/console/", "/console/console.css", "/console/console.js"}; !slices.Equal(paths, want) {
		t.Errorf("the page needs %v before it is there, want %v", paths, want)
	}
	size := 0
	for _, path := range paths {
		response, err := http.Get(h.url + path)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || response.StatusCode != http.StatusOK {
			t.Fatalf("GET %s: %s, %v", path, response.Status, err)
		}
		size += len(text)
		for _, directive := range []string{"unsafe-inline", "unsafe-eval", "*", "http:", "https:", "blob:"} {
			if policy := response.Header.Get("Content-Security-Policy"); policy == "" || strings.Contains(policy, directive) {
				t.Errorf("GET %s: the policy is %q", path, policy)
			}
		}
	}
	t.Logf("the page has %d bytes in %d files", size, len(paths))
	if size > maxSize {
		t.Errorf("the page has %d bytes, more than %d", size, maxSize)
	}
}
