package browser

import (
	"fmt"
	"net/url"
	"strings"
	"sync"

	"github.com/chromedp/cdproto/audits"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
)

// A watch notes what no page may do.
type watch struct {
	origin string
	dialog func() // closes one; called in a goroutine of its own

	mu     sync.Mutex
	faults []string
	seen   []string // URLs of all requests
}

// event takes an event of a tab.
func (w *watch) event(event any) {
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		text := e.ExceptionDetails.Text
		if e.ExceptionDetails.Exception != nil {
			text += " " + e.ExceptionDetails.Exception.Description
		}
		w.fault("uncaught exception: %s", text)
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeAssert {
			var text []string
			for _, arg := range e.Args {
				text = append(text, string(arg.Value)+arg.Description)
			}
			w.fault("console.%s: %s", e.Type, strings.Join(text, " "))
		}
	case *log.EventEntryAdded:
		// What failed on the network is what tests do on purpose, and a header that counts
		// with https alone does no harm without it.
		if e.Entry.Level == log.EntryLevelError && e.Entry.Source != log.EntrySourceNetwork &&
			!strings.HasPrefix(e.Entry.Text, "The Cross-Origin-Opener-Policy header has been ignored") {
			w.fault("log of %s: %s", e.Entry.Source, e.Entry.Text)
		}
	case *audits.EventIssueAdded:
		if e.Issue.Code == audits.InspectorIssueCodeContentSecurityPolicyIssue {
			d := e.Issue.Details.ContentSecurityPolicyIssueDetails
			w.fault("violates the Content-Security-Policy: %s, %s", d.ViolatedDirective, d.BlockedURL)
		}
	case *page.EventJavascriptDialogOpening:
		// The page asks before it is left in the middle of an import, and never else.
		if e.Type != page.DialogTypeBeforeunload {
			w.fault("dialog of type %s: %s", e.Type, e.Message)
		}
		if w.dialog != nil {
			go w.dialog()
		}
	case *network.EventRequestWillBeSent:
		w.request(e.Request.URL)
	}
}

// request notes a request, which may only go to the page's own origin.
func (w *watch) request(address string) {
	u, err := url.Parse(address)
	if err != nil {
		w.fault("request to %q: %v", address, err)
		return
	}
	if u.Scheme == "blob" || u.Scheme == "data" || address == "about:blank" {
		return // goes nowhere
	}
	w.mu.Lock()
	w.seen = append(w.seen, address)
	w.mu.Unlock()
	if got := u.Scheme + "://" + u.Host; got != w.origin {
		w.fault("request to another origin: %s", address)
	}
}

func (w *watch) fault(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults = append(w.faults, fmt.Sprintf(format, args...))
}

// take returns the faults so far, and forgets them.
func (w *watch) take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	faults := w.faults
	w.faults = nil
	return faults
}

// urls returns what was requested so far.
func (w *watch) urls() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.seen...)
}
