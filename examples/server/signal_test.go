//go:build unix

package main

import (
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// TestSignalStopsIt runs the program itself and sends it the signals that a
// container or a terminal would.
func TestSignalStopsIt(t *testing.T) {
	for _, sig := range []os.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			self, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), self, "-addr", "127.0.0.1:0")
			cmd.Env = append(os.Environ(), "BULKOPS_TEST_RUN_MAIN=1")
			stdout, stderr := newOutput(), newOutput()
			cmd.Stdout, cmd.Stderr = stdout, stderr
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() {
				ended <- cmd.Wait()
				stdout.close()
				stderr.close()
			}()
			stdout.find(t, `(/v1/bulk/jobs\n)`)
			if err := cmd.Process.Signal(sig); err != nil {
				t.Error(err)
			}
			if err := <-ended; err != nil {
				t.Errorf("after %s: %v\n%s", sig, err, stderr)
			}
			stderr.find(t, `(msg=stopping)`)
		})
	}
}
