package main

import (
	"os/exec"
	"strings"
	"testing"
)

// docs/http.md is what the commands print.
func TestTranscriptIsCurrent(t *testing.T) {
	for _, tool := range []string{"sh", "curl", "seq", "awk", "gzip"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("needs %s to run the commands of docs/http.md", tool)
		}
	}
	var out strings.Builder
	if err := run(t.Context(), true, &out); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
}
