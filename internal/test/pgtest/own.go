package pgtest

import (
	"context"
	"crypto/rand"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/bulkops/bulkops/internal/test/pgserver"
)

const (
	startTimeout = 60 * time.Second
	pollInterval = 20 * time.Millisecond
)

// An Own is a server that belongs to one test, which may stop and start it.
type Own struct {
	URL string // the connection string of a superuser, the same after a restart

	bin, data string
	port      int
	cmd       *exec.Cmd
}

// Own starts a server of the same version for the test alone. It is stopped when the test has
// ended. The test is skipped or fails if the programs of the server are not known.
func (s Server) Own(tb testing.TB) *Own {
	tb.Helper()
	bin := need(tb, s.variable+envProgramsSuffix)
	dir, err := os.MkdirTemp("", "pgtest-")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			tb.Error(err)
		}
	})
	o := &Own{bin: bin, data: filepath.Join(dir, "data"), port: freePort(tb)}
	password := rand.Text()
	o.URL = pgserver.URL(o.port, password)
	for _, err := range []error{
		os.Chmod(dir, 0o755), // for the user that the server runs as
		os.Mkdir(o.data, 0o700),
		pgserver.Init(tb.Context(), bin, o.data, password),
	} {
		if err != nil {
			tb.Fatal(err)
		}
	}
	o.Start(tb)
	tb.Cleanup(func() { o.Crash(tb) })
	return o
}

// Start starts the server, which then has recovered.
func (o *Own) Start(tb testing.TB) {
	tb.Helper()
	cmd, err := pgserver.Command(o.bin, o.data, o.port)
	if err != nil {
		tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	o.cmd = cmd
	ctx, cancel := context.WithTimeout(tb.Context(), startTimeout)
	defer cancel()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for pgserver.Ready(ctx, o.URL) != nil {
		select {
		case <-ctx.Done():
			tb.Fatalf("pgtest: the server does not start: %v", context.Cause(ctx))
		case <-tick.C:
		}
	}
}

// Crash ends the server at once, as pg_ctl stop -m immediate does, and returns when it has
// ended. It does nothing if the server does not run.
func (o *Own) Crash(tb testing.TB) {
	tb.Helper()
	if o.cmd == nil {
		return
	}
	if err := o.cmd.Process.Signal(syscall.SIGQUIT); err != nil {
		tb.Errorf("pgtest: %v", err)
	}
	_ = o.cmd.Wait() // its exit code says that it did not end in an orderly way
	o.cmd = nil
}

func freePort(tb testing.TB) int {
	tb.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}
