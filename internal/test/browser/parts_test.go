package browser

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// wantParts checks that the imports were posted in n parts with a key each, all of one
// import, and that each of the rows was applied once.
func (h *host) wantParts(tb testing.TB, n, rows int) {
	tb.Helper()
	keys := make(map[string]bool)
	for _, post := range h.imports(false) {
		keys[post.header.Get("Idempotency-Key")] = true
	}
	base := ""
	for key := range keys {
		base, _, _ = strings.Cut(key, ".")
		break
	}
	for part := 1; part <= n; part++ {
		if key := base + "." + strconv.Itoa(part); !keys[key] {
			tb.Errorf("no part has the key %q: there are %v", key, keys)
		}
	}
	if len(keys) != n {
		tb.Errorf("there are %d keys, want %d: %v", len(keys), n, keys)
	}
	if distinct, most := h.users.written(); distinct != rows || most != 1 {
		tb.Errorf("%d users were written, one of them %d times, want %d once each", distinct, most, rows)
	}
}

// TestTwentyFiveThousandRows go in three parts. In the middle of the second the page is
// reloaded: it goes on where it was, once it has the file again, and takes no other.
func TestTwentyFiveThousandRows(t *testing.T) {
	t.Parallel()
	eachBackend(t, func(t *testing.T, on backends) {
		const rows = 25_000
		h := serve(t, on, settings{})
		p := h.signedIn(t, look{})
		path := file(t, "many.csv", csvOf(rows))
		p.load(path)
		p.says("section", "25,000")
		p.preview()
		p.wantCounts(counts{created: rows})
		held, release := h.users.hold(12_500) // in the second part
		defer release()
		p.click("#import")
		<-held
		p.reload()
		p.inView("running", "running")
		p.give("#file", file(t, "other.csv", csvOf(10)))
		p.see(`#file-again [role="alert"]`)
		p.give("#file", path)
		p.gone("#file-again")
		release()
		p.inView("result", "ready")
		p.wantCounts(counts{created: rows})
		h.wantParts(t, 3, rows)
		h.wantUser(t, "u-24999", "user24999@example.com", `{"team":"team 2"}`)
		if got := eval[int](p, `() => document.querySelectorAll("#parts a").length`); got != 3 {
			t.Errorf("the page leads to %d jobs", got)
		}
	})
}

// TestPartsFollowTheLimitOfTheService: one that takes fewer rows a request is asked no
// more of.
func TestPartsFollowTheLimitOfTheService(t *testing.T) {
	t.Parallel()
	h := serve(t, inMemory, settings{maxUsers: 100})
	p := h.signedIn(t, look{})
	p.load(file(t, "many.csv", csvOf(250)))
	p.preview()
	p.wantCounts(counts{created: 250})
	p.run()
	p.wantCounts(counts{created: 250})
	h.wantParts(t, 3, 250)
}

// TestReload at every step: the page shows what it showed, without a row in storage.
func TestReload(t *testing.T) {
	t.Parallel()
	h := serve(t, inMemory, settings{maxUsers: 100})
	p := h.signedIn(t, look{})
	path := file(t, "many.csv", csvOf(250))
	p.load(path)
	p.preview()

	p.reload()
	p.inView("preview", "ready")
	p.wantCounts(counts{created: 250})
	p.give("#file", path)
	held, release := h.users.hold(50)
	defer release()
	p.click("#import")
	<-held
	p.noTraces()

	// Without the file the parts that are there already are watched to their end.
	p.reload()
	p.inView("running", "running")
	p.see("#file-again")
	release()
	p.says("#done", "100")
	p.give("#file", path)
	p.inView("result", "ready")
	p.wantCounts(counts{created: 250})
	p.reload()
	p.inView("result", "ready")
	p.wantCounts(counts{created: 250})
	h.wantParts(t, 3, 250)
}

// TestAnswerIsLost: the page posts again what may have arrived, and the service knows it.
func TestAnswerIsLost(t *testing.T) {
	t.Parallel()
	h := serve(t, inMemory, settings{maxUsers: 100})
	p := h.signedIn(t, look{})
	p.load(file(t, "many.csv", csvOf(250)))
	p.preview()
	lost := make(map[string]bool)
	h.loseAnswers(func(r *http.Request) bool {
		key := r.Header.Get("Idempotency-Key")
		first := r.Method == http.MethodPost && key != "" && !lost[key]
		lost[key] = true
		return first
	})
	p.click("#import")
	p.tryNow("result", "ready")
	p.wantCounts(counts{created: 250})
	h.wantParts(t, 3, 250)
	if posts := len(h.imports(false)); posts != 6 {
		t.Errorf("%d posts were accepted, want each part twice", posts)
	}
}

// tryNow waits for a view, and has the page try again by its button wherever that is there.
func (p *tab) tryNow(view, state string) {
	p.Helper()
	p.wait("view "+view, `view => {
		document.querySelector("#try-now")?.click();
		return document.querySelector(view) !== null;
	}`, `section[data-view="`+view+`"][data-state="`+state+`"]`)
}

// TestServerIsAwayAndBack: the page says so, waits, and goes on.
func TestServerIsAwayAndBack(t *testing.T) {
	t.Parallel()
	h := serve(t, inMemory, settings{maxUsers: 100})
	p := h.signedIn(t, look{})
	p.load(file(t, "many.csv", csvOf(250)))
	p.preview()
	held, release := h.users.hold(50)
	defer release()
	p.click("#import")
	<-held
	h.leave(true)
	p.see("#away #try-now")
	release()
	p.click("#try-now")
	p.see("#away #try-now")
	h.leave(false)
	p.tryNow("result", "ready")
	p.gone("#away *")
	p.wantCounts(counts{created: 250})
	h.wantParts(t, 3, 250)
}
