package otelbulk_test

import (
	"os"
	"strings"
	"testing"

	"github.com/bulkops/bulkops/observe/otelbulk"
)

const document = "../../docs/operations.md"

func operations(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestTableOfMetrics holds the table of metrics to the code. UPDATE=1 writes it.
func TestTableOfMetrics(t *testing.T) {
	const begin, end = "<!-- metrics -->\n", "<!-- /metrics -->"
	text := operations(t)
	before, rest, ok := strings.Cut(text, begin)
	table, after, ended := strings.Cut(rest, end)
	if !ok || !ended {
		t.Fatalf("%s has no place for the table", document)
	}
	if table == otelbulk.Documented() {
		return
	}
	if os.Getenv("UPDATE") == "" {
		t.Fatalf("the table of metrics is\n%s\nand should be\n%s", table, otelbulk.Documented())
	}
	if err := os.WriteFile(document, []byte(before+begin+otelbulk.Documented()+end+after), 0o644); err != nil {
		t.Fatal(err)
	}
}
