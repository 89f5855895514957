package browser

import (
	"context"
	"flag"
	"os"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/bulkops/bulkops/internal/test/required"
)

const (
	envChromium = "BULKOPS_CHROMIUM" // path of the program
	envAxe      = "BULKOPS_TEST_AXE" // folder of the npm package axe-core
)

// intranet is another name of this machine. Browsers trust pages of 127.0.0.1 as those of
// https, and not those of this one.
const intranet = "intranet.test"

// parallelTests is how many tests run at once. Each keeps a process of the browser busy
// while it does not wait.
const parallelTests = "3"

// TestMain closes the browser of all tests.
func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", parallelTests); err != nil {
		panic(err)
	}
	code := m.Run()
	if chromium.close != nil {
		chromium.close()
	}
	os.Exit(code)
}

// chromium is the one browser of the test binary.
var chromium struct {
	sync.Mutex
	ctx   context.Context
	close func()
}

// startChromium starts the browser, unless it runs already. It skips or fails the test
// if there is none.
func startChromium(tb testing.TB) context.Context {
	tb.Helper()
	path := required.Variable(tb, envChromium, "Chromium")
	chromium.Lock()
	defer chromium.Unlock()
	if chromium.ctx != nil {
		return chromium.ctx
	}
	profile, err := os.MkdirTemp("", "chromium-") // outlives the test that starts it
	if err != nil {
		tb.Fatal(err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path),
		chromedp.UserDataDir(profile),
		chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("hide-scrollbars", false),
		chromedp.ProxyServer("direct://"), // whatever the environment names
		chromedp.Flag("host-resolver-rules", "MAP "+intranet+" 127.0.0.1"),
	)
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // it has none for root
	}
	allocator, stopAllocator := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, stop := chromedp.NewContext(allocator)
	chromium.close = func() {
		stop()
		stopAllocator()
		_ = os.RemoveAll(profile) // of a browser that has ended
	}
	if err := chromedp.Do(ctx); err != nil {
		chromium.close()
		chromium.close = nil
		tb.Fatalf("start Chromium: %v", err)
	}
	chromium.ctx = ctx
	return ctx
}
