//go:build unix

package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestFailedRowsGoToAPipe runs twice into a named pipe: it is written to where rows
// failed, and neither replaced nor removed.
func TestFailedRowsGoToAPipe(t *testing.T) {
	withService(t, func(t *testing.T, s *service) {
		name := filepath.Join(t.TempDir(), "failed")
		if err := syscall.Mkfifo(name, 0o600); err != nil {
			t.Fatal(err)
		}
		pipe, err := os.OpenFile(name, os.O_RDWR, 0) // both ends, so that nobody waits for the other
		if err != nil {
			t.Fatal(err)
		}
		defer pipe.Close()
		for _, text := range []string{"email\nnowhere\n", userTable(1)} {
			code, out, stderr := s.run(t.Context(), "-failed", name, writeFile(t, text))
			if code > exitRows {
				t.Fatalf("exit code %d: %s%s", code, out, stderr)
			}
		}
		text := make([]byte, 4096)
		n, err := pipe.Read(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(text[:n]); !strings.HasPrefix(got, "\ufeff_index,") || !strings.HasSuffix(got, ",nowhere\n") || strings.Count(got, "\n") != 2 {
			t.Errorf("the pipe has %q", got)
		}
		if info, err := os.Stat(name); err != nil || info.Mode()&os.ModeNamedPipe == 0 {
			t.Errorf("the pipe was replaced: %v, %v", info, err)
		}
	})
}
