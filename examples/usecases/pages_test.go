// Package usecases_test checks that docs/usecases leads to all of its pages. What a
// page says of its program is checked with the program, the rest by doccheck.
package usecases_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestIndexLeadsToEveryPage(t *testing.T) {
	dir := filepath.Join("..", "..", "docs", "usecases")
	pages, err := filepath.Glob(filepath.Join(dir, "*.md"))
	if err != nil || len(pages) != 6 {
		t.Fatalf("%d pages: %v", len(pages), err)
	}
	index, err := os.ReadFile(filepath.Join(dir, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range pages {
		if base := filepath.Base(page); base != "README.md" && !strings.Contains(string(index), "]("+base+")") {
			t.Errorf("README.md does not lead to %s", base)
		}
	}
}
