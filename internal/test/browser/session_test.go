package browser

import (
	"strings"
	"testing"
)

// TestSessionExpires in the middle of an import of parts: the page says so, the user signs
// in beside it, and nothing is lost or done twice.
func TestSessionExpires(t *testing.T) {
	t.Parallel()
	eachBackend(t, func(t *testing.T, on backends) {
		h := serve(t, on, settings{maxUsers: 100})
		p := h.signedIn(t, look{})
		p.load(file(t, "many.csv", csvOf(250)))
		p.preview()
		held, release := h.users.hold(50)
		defer release()
		p.click("#import")
		<-held
		h.expire()
		release()
		p.see("#notice #sign-in")
		p.click("#try-again") // too early
		p.see("#notice #sign-in")
		href := eval[string](p, `() => document.querySelector("#sign-in").href`)
		p.beside(href[len(h.url):]).enter()
		p.click("#try-again")
		p.inView("result", "ready")
		p.gone("#notice *")
		p.wantCounts(counts{created: 250})
		h.wantParts(t, 3, 250)
	})
}

// TestTokenIsRenewed: a host with tokens is asked for a new one, and the user for nothing.
func TestTokenIsRenewed(t *testing.T) {
	t.Parallel()
	h := serve(t, inMemory, settings{bearer: true, maxUsers: 100})
	p := open(t, h, "/console/", look{})
	p.load(file(t, "many.csv", csvOf(250)))
	p.preview()
	held, release := h.users.hold(50)
	defer release()
	p.click("#import")
	<-held
	h.expire()
	release()
	p.inView("result", "ready")
	p.gone("#notice *")
	p.wantCounts(counts{created: 250})
	h.wantParts(t, 3, 250)
	if n := len(h.seen(func(r request) bool { return r.path == "/token" })); n != 2 {
		t.Errorf("the host was asked for a token %d times, want twice", n)
	}
}

// TestWithoutHTTPS: inside of a company pages have no https here and there, and browsers
// then lack digests of files. An import still survives a reload.
func TestWithoutHTTPS(t *testing.T) {
	t.Parallel()
	h := serve(t, inMemory, settings{maxUsers: 100})
	h.url = strings.Replace(h.url, "127.0.0.1", intranet, 1)
	p := h.signedIn(t, look{})
	if eval[bool](p, `() => isSecureContext`) {
		t.Fatal("the browser trusts the page")
	}
	path := file(t, "many.csv", csvOf(250))
	p.load(path)
	p.preview()
	held, release := h.users.hold(150)
	defer release()
	p.click("#import")
	<-held
	p.reload()
	p.give("#file", path)
	release()
	p.inView("result", "ready")
	p.wantCounts(counts{created: 250})
	h.wantParts(t, 3, 250)
}

// TestNobodyIsSignedIn: the page leads to the host's own, and goes on.
func TestNobodyIsSignedIn(t *testing.T) {
	t.Parallel()
	h := serve(t, inMemory, settings{})
	p := open(t, h, "/console/#/jobs", look{})
	p.see("#notice #sign-in")
	p.beside("/signin").enter()
	p.click("#try-again")
	p.inView("jobs", "ready")
	p.gone("#notice *")
}
