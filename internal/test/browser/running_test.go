package browser

import (
	"net/http"
	"strings"
	"testing"
)

// isWait selects the calls that wait for the end of a job.
func isWait(r request) bool { return strings.HasPrefix(r.header.Get("Prefer"), "wait=") }

// TestProgressIsLive: an import that runs can be watched, left and found again.
func TestProgressIsLive(t *testing.T) {
	t.Parallel()
	eachBackend(t, func(t *testing.T, on backends) {
		const rows = 1000
		h := serve(t, on, settings{})
		p := h.signedIn(t, look{})
		p.load(file(t, "many.csv", csvOf(rows)))
		p.fill("#label", "Season tickets")
		p.preview()
		held, release := h.users.hold(600)
		defer release()
		p.click("#import")
		p.inView("running", "running")
		<-held
		progress := func() {
			t.Helper()
			p.wait("progress", `() => { const n = document.querySelector("#progress").value; return 0 < n && n < 100; }`)
		}
		progress()
		p.says("#done", "1,000")

		// Left, and found again, both in this tab and from the list.
		p.visit("/console/#/jobs")
		p.says("#jobs", "Season tickets")
		p.click("#jobs tr[data-job] a")
		p.inView("job", "running")
		progress()
		p.visit("/console/#/")
		p.click(`section[data-view="import"] a[href="#/running"]`)
		p.inView("running", "running")
		progress()
		release()
		p.inView("result", "ready")
		p.wantCounts(counts{created: rows})
		if distinct, most := h.users.written(); distinct != rows || most != 1 {
			t.Errorf("%d users were written, one of them %d times", distinct, most)
		}
		if len(h.seen(isWait)) == 0 {
			t.Error("the page never waited for the end of a job")
		}
	})
}

// TestCancel: it asks first, says what it does, and keeps its word.
func TestCancel(t *testing.T) {
	t.Parallel()
	eachBackend(t, func(t *testing.T, on backends) {
		const rows = 1000
		h := serve(t, on, settings{})
		p := h.signedIn(t, look{})
		p.load(file(t, "many.csv", csvOf(rows)))
		p.preview()
		held, release := h.users.hold(300)
		defer release()
		p.click("#import")
		<-held
		p.click("#cancel")
		p.says("#confirm", "stay")
		p.click("#confirm-no")
		p.gone("#confirm")
		if n := len(h.seen(isCancel)); n != 0 {
			t.Fatalf("%d cancellations were sent without a yes", n)
		}
		p.click("#cancel")
		p.click("#confirm-yes")
		<-h.jobs.knows
		release()
		p.inView("result", "ready")
		p.see(".message.warn")
		distinct, most := h.users.written()
		if distinct == rows || most != 1 {
			t.Errorf("%d of %d users were written, one of them %d times", distinct, rows, most)
		}
		p.wantCounts(counts{created: distinct, notProcessed: rows - distinct})

		// The rest can be had later.
		p.visit("/console/#/jobs")
		p.click("#jobs tr[data-job] a")
		p.inView("job", "ended")
		p.wantCounts(counts{created: distinct, notProcessed: rows - distinct})
		p.click("#retry-rest")
		p.wait("the job of the rest", `() => document.querySelector("section[data-view=job][data-state=ended]") && !document.querySelector("#retry-rest")`)
		p.wantCounts(counts{created: rows - distinct})
		if distinct, most := h.users.written(); distinct != rows || most != 1 {
			t.Errorf("%d users were written, one of them %d times", distinct, most)
		}
	})
}

// TestCancelOfParts: no part is sent behind the one that was cancelled, until somebody wants
// it.
func TestCancelOfParts(t *testing.T) {
	t.Parallel()
	h := serve(t, inMemory, settings{maxUsers: 100})
	p := h.signedIn(t, look{})
	p.load(file(t, "many.csv", csvOf(250)))
	p.preview()
	held, release := h.users.hold(150)
	defer release()
	p.click("#import")
	<-held
	p.click("#cancel")
	p.click("#confirm-yes")
	<-h.jobs.knows
	release()
	p.inView("result", "ready")
	h.wantNoUser(t, "u-249")
	if n := len(h.imports(false)); n != 2 {
		t.Errorf("%d parts were sent, want two", n)
	}
	distinct, _ := h.users.written()
	p.wantCounts(counts{created: distinct, notProcessed: 250 - distinct})
	p.click("#continue")
	p.wait("the end of the last part", `() => document.querySelector("section[data-view=result][data-state=ready]") && !document.querySelector("#continue")`)
	h.wantUser(t, "u-249", "user249@example.com", `{"team":"team 4"}`)
	if _, most := h.users.written(); most != 1 {
		t.Errorf("a user was written %d times", most)
	}
}

func isCancel(r request) bool {
	return r.method == http.MethodPost && strings.HasSuffix(r.path, "/cancel") && r.status == http.StatusOK
}
