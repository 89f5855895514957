package browser

import (
	"bufio"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// startExample builds and starts examples/server, with a token, and returns where it is.
func startExample(tb testing.TB, token string) string {
	tb.Helper()
	program := filepath.Join(tb.TempDir(), "server")
	build := exec.CommandContext(tb.Context(), "go", "build", "-o", program, "./examples/server")
	build.Dir = filepath.FromSlash("../../..")
	if output, err := build.CombinedOutput(); err != nil {
		tb.Fatalf("build examples/server: %v\n%s", err, output)
	}
	server := exec.Command(program, "-addr", "127.0.0.1:0", "-tokens", token+"=admin:acme:ana")
	server.Stderr = tb.Output()
	stdout, err := server.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := server.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		_ = server.Process.Signal(os.Interrupt) // Wait says how it ended
		if err := server.Wait(); err != nil {
			tb.Error(err)
		}
	})
	out := bufio.NewReader(stdout)
	line, err := out.ReadString('\n')
	if err != nil {
		tb.Fatal(err)
	}
	go func() { _, _ = io.Copy(io.Discard, out) }() // so that it never waits for a reader
	url, ok := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
	if !ok {
		tb.Fatalf("the server said %q", line)
	}
	return url
}

// TestExampleServer is what somebody sees who tries the page for the first time: they are
// led to sign in, and import a file. No other site can use the cookie that they have then.
func TestExampleServer(t *testing.T) {
	t.Parallel()
	h := &host{url: startExample(t, "t0ken")}
	p := open(t, h, "/console/#/jobs", look{})
	p.see("#notice #sign-in")
	beside := p.beside("/signin")
	beside.fill("#token", "t0ken")
	beside.click("button")
	beside.inView("import", "empty")
	p.click("#try-again")
	p.inView("jobs", "ready")

	beside.load(file(t, "members.csv", members))
	beside.preview()
	beside.wantCounts(counts{created: 5, failed: 1})
	beside.run()
	beside.wantCounts(counts{created: 5, failed: 1})

	got := eval[int](p, `async () => (await fetch("/v1/bulk/jobs")).status`)
	if got != http.StatusUnauthorized {
		t.Errorf("a call with the cookie alone is answered with %d", got)
	}
}
