package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/audits"
	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/dom"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

const (
	// patience is how long a test waits for what has to come. It is met on a machine
	// that stands still, and so is no measure of anything.
	patience = 3 * time.Minute
	// pause is between two looks at the page.
	pause = 20 * time.Millisecond
)

// A tab is a page in a browser context of its own: no other test shares its cookies and
// its storage.
type tab struct {
	testing.TB
	ctx       context.Context
	host      *host
	watch     *watch
	downloads string // folder
}

// A look is how a page is looked at. The zero value is a wide, light window of somebody
// who reads English.
type look struct {
	language string // such as "de-DE"
	dark     bool
	width    int
	height   int
}

// open opens a tab of a browser context of its own at a path of the host.
func open(tb testing.TB, h *host, path string, l look) *tab {
	tb.Helper()
	return openIn(tb, startChromium(tb), h, path, l, chromedp.WithNewBrowserContext())
}

// beside opens another tab in the same browser context: a second window of one person.
func (p *tab) beside(path string) *tab {
	p.Helper()
	return openIn(p.TB, p.ctx, p.host, path, look{})
}

func openIn(tb testing.TB, parent context.Context, h *host, path string, l look, options ...chromedp.ContextOption) *tab {
	tb.Helper()
	w := &watch{origin: h.url}
	ctx, cancel := chromedp.NewContext(parent, append(options, chromedp.WithListener(w.event))...)
	w.dialog = func() {
		// The page may be gone by then.
		_, _ = chromedp.Call(ctx, page.HandleJavaScriptDialog, page.HandleJavaScriptDialogParams{Accept: true})
	}
	p := &tab{TB: tb, ctx: ctx, host: h, watch: w, downloads: tb.TempDir()}
	tb.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil { // opens the tab
		tb.Fatal(err)
	}
	call(p, log.Enable, cdp.Empty{})
	call(p, audits.Enable, cdp.Empty{})
	call(p, network.Enable, network.EnableParams{})
	call(p, browser.SetDownloadBehavior, browser.SetDownloadBehaviorParams{
		Behavior: browser.SetDownloadBehaviorBehaviorAllow, DownloadPath: p.downloads,
		BrowserContextID: chromedp.FromContext(ctx).BrowserContextID,
	})
	call(p, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true})
	call(p, emulation.SetTimezoneOverride, emulation.SetTimezoneOverrideParams{TimezoneID: "Europe/Berlin"})
	call(p, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: observeTasks})
	p.as(l)
	p.visit(path)
	tb.Cleanup(p.check)
	return p
}

// as changes how the page is looked at. A language counts from the next load on.
func (p *tab) as(l look) {
	p.Helper()
	if l.language == "" {
		l.language = "en-GB"
	}
	if l.width == 0 {
		l.width, l.height = 1280, 900
	}
	scheme := "light"
	if l.dark {
		scheme = "dark"
	}
	call(p, emulation.SetLocaleOverride, emulation.SetLocaleOverrideParams{Locale: l.language})
	call(p, emulation.SetUserAgentOverride, emulation.SetUserAgentOverrideParams{
		UserAgent: eval[string](p, `() => navigator.userAgent`), AcceptLanguage: l.language,
	})
	call(p, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}})
	call(p, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
		Width: int64(l.width), Height: int64(l.height), DeviceScaleFactor: 1,
	})
}

// check is what every page has to pass when its test has ended.
func (p *tab) check() {
	p.noTraces()
	for _, fault := range p.watch.take() {
		p.Error(fault)
	}
}

// visit goes to a path of the host, or to another URL.
func (p *tab) visit(path string) {
	p.Helper()
	if strings.HasPrefix(path, "/") {
		path = p.host.url + path
	}
	p.do(chromedp.Navigate(path))
}

func (p *tab) reload() {
	p.Helper()
	p.do(chromedp.Reload())
}

// do runs actions.
func (p *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		p.Fatal(err)
	}
}

// call runs a command of the protocol.
func call[P, R any](p *tab, command cdp.Command[P, R], params P) R {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	result, err := chromedp.Call(ctx, command, params)
	if err != nil {
		p.Fatalf("%s: %v", command.Method, err)
	}
	return result
}

// expression is a call of a function of JavaScript.
func expression(function string, args []any) (string, error) {
	encoded := make([]string, len(args))
	for i, arg := range args {
		text, err := json.Marshal(arg)
		if err != nil {
			return "", err
		}
		encoded[i] = string(text)
	}
	return fmt.Sprintf("(%s)(%s)", function, strings.Join(encoded, ", ")), nil
}

// try calls a function of JavaScript in the page, awaits what it returns, and decodes
// that from JSON.
func try[T any](ctx context.Context, function string, args ...any) (result T, err error) {
	source, err := expression(function, args)
	if err != nil {
		return result, err
	}
	answer, err := chromedp.Call(ctx, runtime.Evaluate, runtime.EvaluateParams{
		Expression: "(async () => JSON.stringify(await " + source + ") ?? 'null')()", AwaitPromise: yes(), ReturnByValue: yes(),
	})
	if err != nil {
		return result, err
	}
	if answer.ExceptionDetails != nil {
		return result, fmt.Errorf("%s: %s", function, answer.ExceptionDetails.Exception.Description)
	}
	var text string
	if err := json.Unmarshal(answer.Result.Value, &text); err != nil {
		return result, err
	}
	return result, json.Unmarshal([]byte(text), &result)
}

func yes() *bool {
	b := true
	return &b
}

// eval is try that ends the test if it fails.
func eval[T any](p *tab, function string, args ...any) T {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	result, err := try[T](ctx, function, args...)
	if err != nil {
		p.Fatal(err)
	}
	return result
}

// until calls a function of JavaScript until it returns what counts as true there, and
// returns that. what says what is waited for.
func until[T any](p *tab, what, function string, args ...any) T {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	for {
		// A page that is about to be replaced answers with an error.
		result, err := try[json.RawMessage](ctx, function, args...)
		if err == nil && !isFalse(result) {
			var value T
			if err := json.Unmarshal(result, &value); err != nil {
				p.Fatal(err)
			}
			return value
		}
		select {
		case <-ctx.Done():
			p.Fatalf("%s: waited in vain (%s, %v); the page shows:\n%s", what, result, err, p.shown())
		case <-ticker.C:
		}
	}
}

func isFalse(value json.RawMessage) bool {
	switch string(value) {
	case "", "null", "false", "0", `""`:
		return true
	}
	return false
}

// shown is the text of the page, for messages.
func (p *tab) shown() string {
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	text, err := try[string](ctx, `() => location.href + "\n" + document.body.innerText`)
	if err != nil {
		return err.Error()
	}
	if len(text) > 4000 {
		text = text[:4000] + "…"
	}
	return text
}

// wait waits until a function of JavaScript returns what counts as true.
func (p *tab) wait(what, function string, args ...any) {
	p.Helper()
	until[json.RawMessage](p, what, function, args...)
}

// see waits until an element is visible.
func (p *tab) see(selector string) {
	p.Helper()
	p.wait("see "+selector, `s => [...document.querySelectorAll(s)].some(e => e.checkVisibility({visibilityProperty: true}))`, selector)
}

// gone waits until no element of the selector is visible.
func (p *tab) gone(selector string) {
	p.Helper()
	p.wait("gone "+selector, `s => ![...document.querySelectorAll(s)].some(e => e.checkVisibility({visibilityProperty: true}))`, selector)
}

// texts returns the texts of all elements that are there now.
func (p *tab) texts(selector string) []string {
	p.Helper()
	return eval[[]string](p, `s => [...document.querySelectorAll(s)].map(e => e.innerText.trim())`, selector)
}

// says waits until the text of an element has the part.
func (p *tab) says(selector, part string) {
	p.Helper()
	p.wait(fmt.Sprintf("%s says %q", selector, part),
		`(s, part) => [...document.querySelectorAll(s)].some(e => e.innerText.includes(part))`, selector, part)
}

// value returns what a control holds.
func (p *tab) value(selector string) string {
	p.Helper()
	p.see(selector)
	return eval[string](p, `s => document.querySelector(s).value`, selector)
}

// settled is where the centre of an element is once it is visible, enabled, at rest for
// two frames, and what a click there would hit.
const settled = `async s => {
	const e = [...document.querySelectorAll(s)].find(e => e.checkVisibility({visibilityProperty: true}));
	if (!e || e.disabled || e.getAttribute("aria-disabled") === "true") return null;
	e.scrollIntoView({block: "center", inline: "center", behavior: "instant"});
	const frame = () => new Promise(done => requestAnimationFrame(() => done(e.getBoundingClientRect())));
	const before = await frame(), after = await frame();
	if (before.x !== after.x || before.y !== after.y || after.width === 0) return null;
	const x = after.x + after.width / 2, y = after.y + after.height / 2;
	const hit = document.elementFromPoint(x, y);
	const label = hit && hit.closest("label");
	return hit && (e.contains(hit) || hit.contains(e) && hit !== document.body || label && label.control === e) ? {x, y} : null;
}`

type point struct{ X, Y float64 }

// click clicks an element with the mouse, as soon as it can be.
func (p *tab) click(selector string) {
	p.Helper()
	at := until[point](p, "click "+selector, settled, selector)
	p.do(chromedp.MouseClickXY(at.X, at.Y))
}

// choose sets a list to one of its values.
func (p *tab) choose(selector, value string) {
	p.Helper()
	p.see(selector)
	p.wait(fmt.Sprintf("choose %q in %s", value, selector), `(s, value) => {
		const e = document.querySelector(s);
		if (e.disabled || ![...e.options].some(o => o.value === value)) return false;
		e.focus();
		e.value = value;
		e.dispatchEvent(new Event("input", {bubbles: true}));
		e.dispatchEvent(new Event("change", {bubbles: true}));
		return true;
	}`, selector, value)
}

// fill replaces the text of a field.
func (p *tab) fill(selector, text string) {
	p.Helper()
	p.see(selector)
	eval[any](p, `s => { const e = document.querySelector(s); e.focus(); e.select(); }`, selector)
	if text == "" {
		p.press("Delete")
	} else {
		call(p, input.InsertText, input.InsertTextParams{Text: text})
	}
	eval[any](p, `s => { const e = document.querySelector(s); e.dispatchEvent(new Event("change", {bubbles: true})); }`, selector)
}

// drop drops a file on an element, as from a desktop.
func (p *tab) drop(selector, file string) {
	p.Helper()
	at := until[point](p, "drop on "+selector, settled, selector)
	data := &input.DragData{Items: []*input.DragDataItem{}, Files: []string{file}, DragOperationsMask: 1}
	for _, kind := range []input.DispatchDragEventType{
		input.DispatchDragEventTypeDragEnter, input.DispatchDragEventTypeDragOver, input.DispatchDragEventTypeDrop,
	} {
		call(p, input.DispatchDragEvent, input.DispatchDragEventParams{Type: kind, X: at.X, Y: at.Y, Data: data})
	}
}

// give sets the file of an input, as the browser's dialog does.
func (p *tab) give(selector, file string) {
	p.Helper()
	p.wait("there is "+selector, `s => document.querySelector(s) !== null`, selector)
	found := call(p, runtime.Evaluate, runtime.EvaluateParams{Expression: fmt.Sprintf("document.querySelector(%q)", selector)})
	call(p, dom.SetFileInputFiles, dom.SetFileInputFilesParams{Files: []string{file}, ObjectID: found.Result.ObjectID})
}

func decode[T any](p *tab, text []byte) (value T) {
	p.Helper()
	if err := json.Unmarshal(text, &value); err != nil {
		p.Fatal(err)
	}
	return value
}
