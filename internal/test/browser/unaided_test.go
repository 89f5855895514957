package browser

import (
	"strings"
	"testing"

	"github.com/chromedp/cdproto/dom"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// focused is the accessible name of what has the focus, as far as its label, its own text
// and aria-label say it.
const focused = `() => {
	const e = document.activeElement;
	return e.getAttribute("aria-label") || [...(e.labels ?? [])].map(l => l.innerText).join(" ") || e.innerText || "";
}`

// tabTo presses Tab until what has the focus has a name with the part. It fails if the
// focus has gone round without that.
func (p *tab) tabTo(part string) {
	p.Helper()
	var names []string
	for range 80 {
		p.press("Tab")
		name := strings.TrimSpace(eval[string](p, focused))
		if strings.Contains(name, part) {
			p.focusIsVisible(name)
			return
		}
		names = append(names, name)
	}
	p.Fatalf("Tab does not lead to %q, only to %q", part, names)
}

// focusIsVisible checks that what has the focus is in the window and is marked.
func (p *tab) focusIsVisible(name string) {
	p.Helper()
	if !eval[bool](p, `() => {
		const visible = e => { const style = getComputedStyle(e); return style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0 || style.boxShadow !== "none"; };
		const e = document.activeElement, box = e.getBoundingClientRect();
		const inside = box.bottom > 0 && box.top < innerHeight;
		// A control that is not shown is marked by its label.
		return inside && (visible(e) || [...(e.labels ?? [])].some(visible));
	}`) {
		p.Errorf("nobody sees that %q has the focus", name)
	}
}

// TestKeyboardAlone: the whole first import, mending and all, without a mouse.
func TestKeyboardAlone(t *testing.T) {
	t.Parallel()
	h := serve(t, inMemory, settings{})
	p := h.signedIn(t, look{})
	p.tabTo("Skip to the content")
	p.press("Enter")
	p.wait("the heading has the focus", `() => document.activeElement.closest("h1") !== null`)

	path := file(t, "members.csv", members)
	call(p, page.SetInterceptFileChooserDialog, page.SetInterceptFileChooserDialogParams{Enabled: true})
	choosers := chromedp.Events(p.ctx, page.FileChooserOpened)
	p.tabTo("Choose a file")
	p.press("Enter")
	for e, err := range choosers {
		if err != nil {
			t.Fatal(err)
		}
		call(p, dom.SetFileInputFiles, dom.SetFileInputFilesParams{Files: []string{path}, BackendNodeID: e.BackendNodeID})
		break
	}
	p.inView("import", "file")
	p.tabTo("Create new users, update existing ones")
	p.press("ArrowDown")
	if got := eval[string](p, `() => document.querySelector("[name=mode]:checked").value`); got != "skip" {
		t.Errorf("the arrow chose %q", got)
	}
	p.press("ArrowUp")
	p.tabTo("Check what would happen")
	p.press("Enter")
	p.inView("preview", "ready")
	p.wait("the heading has the focus", `() => document.activeElement.matches("h1")`)
	p.wantCounts(counts{created: 5, failed: 1})
	p.tabTo("Import the")
	p.press("Enter")
	p.inView("result", "ready")
	p.wantCounts(counts{created: 5, failed: 1})
	p.tabTo("Mend")
	p.press("Enter")
	p.see("#mend-table")
	p.wait("the heading of the mending has the focus", `() => document.activeElement.matches("h2")`)
	for range 20 {
		if p.press("Tab"); eval[string](p, `() => document.activeElement.dataset.column ?? ""`) == "email" {
			break
		}
	}
	p.focusIsVisible("the cell")
	p.typeOver("fay@example.com")
	p.tabTo("Send")
	p.press("Space")
	p.inView("job", "ended")
	p.wantCounts(counts{created: 1})
	h.wantUser(t, "u-4", "fay@example.com", `{"points":40,"team":"Heat"}`)
}

// TestDialogByKeyboard: it takes the focus, keeps it, is left by Escape, and gives the focus
// back.
func TestDialogByKeyboard(t *testing.T) {
	t.Parallel()
	h := serve(t, inMemory, settings{workers: -1})
	job := h.submit(t, "Season tickets", "u-1")
	p := h.signedIn(t, look{})
	p.visit("/console/#/jobs/" + job.ID)
	p.inView("job", "running")
	p.tabTo("Cancel")
	p.press("Enter")
	p.see("#confirm")
	for range 6 {
		p.press("Tab")
		// Between its ends the focus may be on the browser's own controls, never on the page's.
		if !eval[bool](p, `() => document.activeElement === document.body || document.activeElement.closest("#confirm") !== null`) {
			t.Error("the focus leaves the dialog for the page")
		}
	}
	p.press("Escape")
	p.gone("#confirm")
	p.wait("the button has the focus again", `() => document.activeElement.id === "cancel"`)
	if n := len(h.seen(isCancel)); n != 0 {
		t.Errorf("%d cancellations were sent", n)
	}
}

// TestListenersAreTold: what happens is said in a live region.
func TestListenersAreTold(t *testing.T) {
	t.Parallel()
	h := serve(t, inMemory, settings{})
	p := h.signedIn(t, look{})
	p.load(file(t, "members.csv", members))
	p.preview()
	p.says(`[role="status"]`, "complete")
	p.run()
	p.says(`[role="status"]`, "5 created")
}
