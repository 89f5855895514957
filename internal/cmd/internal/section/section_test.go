package section_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/bulkops/bulkops/internal/cmd/internal/section"
)

func TestPut(t *testing.T) {
	file := filepath.Join(t.TempDir(), "page.md")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("before\n<!-- made by make this -->\nold\n<!-- end of what make this made -->\nafter\n")
	if err := section.Check(file, "this", "new\n"); err == nil {
		t.Error("another text is not noticed")
	}
	if err := section.Put(file, "this", "new\n"); err != nil {
		t.Fatal(err)
	}
	if err := section.Check(file, "this", "new\n"); err != nil {
		t.Error(err)
	}
	want := "before\n<!-- made by make this -->\nnew\n<!-- end of what make this made -->\nafter\n"
	if got, err := os.ReadFile(file); err != nil || string(got) != want {
		t.Errorf("%v, the file has\n%s", err, got)
	}
	if err := section.Put(file, "that", ""); err == nil {
		t.Error("a part is put between lines that are not there")
	}
}
