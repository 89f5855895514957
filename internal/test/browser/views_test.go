package browser

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/page"
)

var (
	pictures = flag.String("pictures", "", "`folder` for a picture of each view, in each of the ways to look at it")
	readme   = flag.String("readme", "", "`file` for the picture of README.md")
)

// looks are the ways in which every view is looked at.
var looks = []struct {
	name string
	look
}{
	{"light-wide", look{width: 1280, height: 900}},
	{"dark-wide", look{width: 1280, height: 900, dark: true}},
	{"light-narrow", look{width: 360, height: 740}},
	{"dark-narrow", look{width: 360, height: 740, dark: true}},
}

// shows checks a view in all looks: axe-core finds nothing, and no window has to be
// scrolled sideways. It takes the pictures that were asked for.
func (p *tab) shows(name string) {
	p.Helper()
	for _, l := range looks {
		p.as(l.look)
		where := name + " " + l.name
		p.fits(where)
		p.accessible(where)
		if *pictures != "" {
			p.picture(filepath.Join(*pictures, name+"-"+l.name+".png"), true)
		}
	}
	p.as(looks[0].look)
}

// picture writes one of the whole page, or of the window.
func (p *tab) picture(path string, whole bool) {
	p.Helper()
	size := eval[struct{ Width, Height float64 }](p, `whole => ({
		width: innerWidth, height: whole ? document.documentElement.scrollHeight : innerHeight,
	})`, whole)
	shot := call(p, page.CaptureScreenshot, page.CaptureScreenshotParams{
		Format: page.CaptureScreenshotFormatPng, CaptureBeyondViewport: &whole,
		Clip: &page.Viewport{Width: size.Width, Height: size.Height, Scale: 1},
	})
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
	if *readme != "" {
		p.as(look{width: 1100, height: 760})
		eval[any](p, `() => { document.activeElement.blur(); scrollTo(0, 0); }`)
		p.picture(*readme, false)
		p.as(looks[0].look)
	}

	held, release := h.users.hold(12)
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
	p.says("#away", "hour")
	p.shows("away")
	h.intercept(nil)
	p.click("#try-now")
	release()
	p.inView("result", "ready")
	p.shows("result")
	p.click("#mend")
	p.see("#mend-table")
	p.shows("mending")
	p.fill(`#mend-table tr[data-index="3"] [data-column="email"]`, "dee.1003@example.com")
	p.click("#send-mended")
	p.inView("job", "ended")
	p.shows("job-mended")
	p.visit("/console/#/jobs")
	p.inView("jobs", "ready")
	p.shows("jobs")
	p.click(`#jobs tr[data-level="0"] a`)
	p.inView("job", "ended")
	p.shows("job")
	p.visit("/console/#/jobs/job_none")
	p.inView("job", "failed")
	p.shows("job-missing")
}
