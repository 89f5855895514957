package browser

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// stub serves pages with the faults that every page is watched for.
func stub(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.URL.Path, ".js") {
		w.Header().Set("Content-Type", "text/javascript")
		_, _ = fmt.Fprint(w, map[string]string{
			"exception.js": `setTimeout(() => { throw new Error("planted"); });`,
			"rejection.js": `Promise.reject(new Error("planted"));`,
			"console.js":   `console.error("planted");`,
			"origin.js":    `fetch("http://127.0.0.1:1/planted").catch(() => {});`,
			"inline.js":    `document.body.insertAdjacentHTML("beforeend", "<img src='/planted.png' onerror='alert(1)'>");`,
			"local.js":     `localStorage.setItem("planted", "ana@example.com");`,
			"url.js":       `history.replaceState(null, "", "#/ana@example.com");`,
			"database.js":  `indexedDB.open("planted").onsuccess = () => document.body.append("done");`,
			"cache.js":     `caches.open("planted").then(() => document.body.append("done"));`,
			"good.js":      ``,
		}[r.URL.Path[len("/stub/"):]])
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'self'; connect-src *")
	name := r.URL.Path[len("/stub/"):]
	content := `<h1>Planted</h1><p>Text</p>`
	if name == "image" {
		content += `<img src="/stub/good.js">`
	}
	_, _ = fmt.Fprintf(w, `<!doctype html><html lang="en"><title>Stub</title><main>%s</main><script src="/stub/%s.js"></script>`, content, name)
}

// TestWatchNoticesFaults: each of them would fail the test of a page that has it.
func TestWatchNoticesFaults(t *testing.T) {
	t.Parallel()
	h := serve(t, inMemory, settings{stub: http.HandlerFunc(stub)})
	for name, want := range map[string]string{
		"exception": "uncaught exception",
		"rejection": "uncaught exception",
		"console":   "console.error",
		"origin":    "request to another origin",
		"inline":    "violates the Content-Security-Policy",
	} {
		t.Run(name, func(t *testing.T) {
			p := open(&recorder{TB: t}, h, "/stub/"+name, look{})
			faults := ""
			for end := time.Now().Add(patience); !strings.Contains(faults, want); {
				faults += strings.Join(p.watch.take(), "\n")
				eval[any](p, `() => new Promise(requestAnimationFrame)`)
				if time.Now().After(end) {
					t.Fatalf("it notices %q", faults)
				}
			}
		})
	}
}

// A recorder is a test that notes its errors in place of failing.
type recorder struct {
	testing.TB
	errors []string
}

func (r *recorder) Errorf(format string, args ...any) {
	r.errors = append(r.errors, fmt.Sprintf(format, args...))
}

func (r *recorder) Error(args ...any) { r.errors = append(r.errors, fmt.Sprint(args...)) }

// TestTracesAreNoticed: and a page that leaves none passes.
func TestTracesAreNoticed(t *testing.T) {
	t.Parallel()
	h := serve(t, inMemory, settings{stub: http.HandlerFunc(stub)})
	for name, want := range map[string]string{
		"good":     "",
		"local":    "an address is in localStorage planted",
		"url":      "an address is in a URL",
		"database": "the page keeps IndexedDB planted",
		"cache":    "the page keeps cache planted",
	} {
		t.Run(name, func(t *testing.T) {
			p := open(&recorder{TB: t}, h, "/stub/"+name, look{})
			if name == "database" || name == "cache" {
				p.says("body", "done")
			}
			if name == "cache" {
				eval[any](p, `async () => (await caches.open("planted")).put("/planted", new Response("x"))`)
			}
			p.check()
			got := strings.Join(p.TB.(*recorder).errors, "\n")
			if !strings.Contains(got, want) || want == "" && got != "" {
				t.Errorf("the errors are %q, want %q", got, want)
			}
		})
	}
}

// TestAxeFindsViolations: a picture without a text is one, and a good page has none.
func TestAxeFindsViolations(t *testing.T) {
	t.Parallel()
	h := serve(t, inMemory, settings{stub: http.HandlerFunc(stub)})
	for name, want := range map[string]int{"good": 0, "image": 1} {
		p := open(t, h, "/stub/"+name, look{})
		if got := p.axe(); len(got) != want || want > 0 && !strings.HasPrefix(got[0], "image-alt at img") {
			t.Errorf("on the page %q axe-core finds %q", name, got)
		}
	}
}

// TestLongTaskIsMeasured: one that takes a tenth of a second is.
func TestLongTaskIsMeasured(t *testing.T) {
	t.Parallel()
	h := serve(t, inMemory, settings{stub: http.HandlerFunc(stub)})
	p := open(t, h, "/stub/good", look{})
	eval[any](p, `() => new Promise(done => setTimeout(() => {
		for (const end = performance.now() + 100; performance.now() < end;);
		setTimeout(done);
	}))`)
	p.wait("a task of 100 ms", `() => globalThis.longestTask >= 100`)
}
