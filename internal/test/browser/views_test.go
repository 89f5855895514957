package browser

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
)

var (
	pictures = flag.String("pictures", "", "`folder` for a picture of each view, in each of the ways to look at it")
	docs     = flag.String("docs", "", "`folder` for the pictures that the documents show")
)

// looks are the ways in which every view is looked at. axe-core looks at all but the last,
// which has the colours of one and the places of another.
var looks = []struct {
	name string
	axe  bool
	look
}{
	{"light-wide", true, look{width: 1280, height: 900}},
	{"dark-wide", true, look{width: 1280, height: 900, dark: true}},
	{"light-narrow", true, look{width: 360, height: 740}},
	{"dark-narrow", false, look{width: 360, height: 740, dark: true}},
}

// shows checks a view in all looks: axe-core finds nothing, and no window has to be
// scrolled sideways. It takes the pictures that were asked for.
func (p *tab) shows(name string) {
	p.Helper()
	for _, l := range looks {
		p.as(l.look)
		where := name + " " + l.name
		p.fits(where)
		if l.axe {
			p.accessible(where)
		}
		if *pictures != "" {
			// What is behind a dialog is dark no further than the window.
			height := eval[float64](p, `() => document.querySelector("dialog[open]") ? innerHeight : document.documentElement.scrollHeight`)
			p.picture(filepath.Join(*pictures, name+"-"+l.name+".png"), 0, height)
		}
	}
	// What is wide at 1,280 pixels and is made four times as large. Source: WCAG 2.2, 1.4.10.
	p.as(look{width: 320, height: 256})
	p.fits(name + " at four times the size")
	p.as(looks[0].look)
}

// documented takes a picture for the documents, if they are asked for: of a part of the
// page that begins with an element.
func (p *tab) documented(name, selector string) {
	p.Helper()
	if *docs == "" {
		return
	}
	p.as(look{width: 1100, height: 800})
	top := eval[float64](p, `s => {
		document.activeElement.blur();
		return Math.max(0, document.querySelector(s).getBoundingClientRect().top + scrollY - 24);
	}`, selector)
	p.picture(filepath.Join(*docs, name+".png"), top, min(720, eval[float64](p, `top => document.documentElement.scrollHeight - top`, top)))
	p.as(looks[0].look)
}

// picture writes one of a part of the page, as wide as the window.
func (p *tab) picture(path string, top, height float64) {
	p.Helper()
	call(p, emulation.SetScrollbarsHidden, emulation.SetScrollbarsHiddenParams{Hidden: true})
	shot := call(p, page.CaptureScreenshot, page.CaptureScreenshotParams{
		Format: page.CaptureScreenshotFormatPng, CaptureBeyondViewport: yes(),
		Clip: &page.Viewport{Y: top, Width: eval[float64](p, `() => innerWidth`), Height: height, Scale: 1},
	})
	call(p, emulation.SetScrollbarsHidden, emulation.SetScrollbarsHiddenParams{Hidden: false})
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		p.Fatal(err)
	}
	if err := os.WriteFile(path, shot.Data, 0o644); err != nil {
		p.Fatal(err)
	}
}

// season is a file as a club has it, with a few rows that fail.
func season() string {
	teams := []string{"Lakers", "Bulls", "Heat", "Jazz", "Suns", "Nets"}
	names := []string{"ana", "bo", "cy", "dee", "eve", "fay", "gus", "hal", "ida", "joe"}
	var b strings.Builder
	b.WriteString("Member No.;E-Mail;Team;Points;Since\r\n")
	for i := range 640 {
		email := fmt.Sprintf("%s.%d@example.com", names[i%10], 1000+i)
		if i%97 == 3 {
			email = strings.ReplaceAll(email, "@", " at ")
		}
		if i%211 == 5 {
			email = "ana.1000@example.com"
		}
		fmt.Fprintf(&b, "m-%d;%s;%s;%d;%d-0%d-15\r\n", 1000+i, email, teams[i%6], i*7%100, 2015+i%10, 1+i%9)
	}
	return b.String()
}

// TestViews walks through all of them.
func TestViews(t *testing.T) {
	t.Parallel()
	h := serve(t, inMemory, settings{})
	for i := range 120 {
		h.put(t, user(t, fmt.Sprintf("m-%d", 1100+i), "", `{"Team":"Lakers"}`))
	}
	p := h.signedIn(t, looks[0].look)
	p.shows("import")
	p.give("#file", file(t, "book.xlsx", "PK\x03\x04"))
	p.see("#file-problem .message")
	p.shows("import-problem")
	p.load(file(t, "season-2026.csv", season()))
	p.shows("columns")
	p.documented("columns", "#columns")
	p.choose(target(0, "data-target"), "ignore")
	p.choose(target(1, "data-target"), "ignore")
	p.click("#check")
	p.see("#problems [role=alert]")
	p.shows("columns-problem")
	p.choose(target(0, "data-target"), "userId")
	p.choose(target(1, "data-target"), "email")
	p.fill("#label", "Season tickets 2026")
	p.preview()
	p.shows("preview")
	p.documented("check", "body")

	held, release := h.users.hold(1400)
	defer release()
	p.click("#import")
	<-held
	p.wait("progress", `() => document.querySelector("#progress").value > 0`)
	p.shows("running")
	p.click("#cancel")
	p.see("#confirm")
	p.shows("cancel")
	p.click("#confirm-no")
	p.gone("#confirm")
	h.expire()
	p.see("#notice #try-again")
	p.shows("signed-out")
	p.beside("/signin").enter()
	h.leave(true)
	p.click("#try-again")
	p.see("#away #try-now")
	h.intercept(func(w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("Retry-After", "3600") // so that the notice stays
		w.WriteHeader(http.StatusServiceUnavailable)
		return true
	})
	h.leave(false)
	p.click("#try-now")
	p.says("#away", "60 minutes")
	p.shows("away")
	h.intercept(nil)
	p.click("#try-now")
	release()
	p.inView("result", "ready")
	p.shows("result")
	p.click("#mend")
	p.see("#mend-table")
	p.shows("mending")
	p.documented("mend", ".mending")
	p.fill(`#mend-table tr[data-index="3"] [data-column="email"]`, "dee.1003@example.com")
	p.click("#send-mended")
	p.inView("job", "ended")
	p.shows("job-mended")
	p.visit("/console/#/jobs")
	p.inView("jobs", "ready")
	p.shows("jobs")
	p.documented("imports", "body")
	p.click(`#jobs tr[data-level="0"] a`)
	p.inView("job", "ended")
	p.shows("job")
	p.visit("/console/#/jobs/job_none")
	p.inView("job", "failed")
	p.shows("job-missing")
}
