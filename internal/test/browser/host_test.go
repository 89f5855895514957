package browser

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/httpapi"
	"github.com/bulkops/bulkops/httpapi/console"
)

const (
	tenant = "acme"

	cookieName  = "session"
	firstCookie = "s3cret"
)

var admin = bulk.Principal{ID: "ana", Tenant: tenant, Role: bulk.RoleAdmin}

// A host is a program that has mounted the API and the page, with its workers. It knows
// callers by a cookie, or by bearer tokens that a script of its own gives to the page.
type host struct {
	url   string
	users *users
	jobs  *queue
	cfg   bulk.Config

	mu       sync.Mutex
	session  string // the one cookie or token that is good
	away     bool   // connections are closed without an answer
	answer   func(http.ResponseWriter, *http.Request) bool
	lose     func(*http.Request) bool
	requests []request
}

// A request is a call of the API that reached the host.
type request struct {
	method, path, query string
	header              http.Header
	body                []byte
	status              int // of the answer, 0 for none
}

// settings are what hosts differ in.
type settings struct {
	bearer   bool // tokens in place of cookies
	rules    bulk.FieldChecker
	mailer   bulk.Mailer
	maxUsers int          // of a request; 0 is the default
	workers  int          // 0 is 2, -1 none
	stub     http.Handler // at /stub/, for tests of these tests
}

// serve starts a host on empty backends. It is stopped when the test has ended.
func serve(tb testing.TB, on backends, s settings) *host {
	tb.Helper()
	h := &host{cfg: on(tb), session: firstCookie}
	h.users = newUsers(h.cfg.Store)
	h.jobs = newQueue(h.cfg.Jobs)
	h.cfg.Store, h.cfg.Jobs, h.cfg.Observer = h.users, h.jobs, observer{}
	h.cfg.FieldRules, h.cfg.Mailer, h.cfg.MaxUsers = s.rules, s.mailer, s.maxUsers
	h.cfg.Logger = slog.New(slog.DiscardHandler)
	h.cfg.Poll = 50 * time.Millisecond
	h.cfg.SegmentRows = 250

	importer, err := bulk.NewImporter(h.cfg)
	if err != nil {
		tb.Fatal(err)
	}
	api, err := httpapi.New(httpapi.Config{Importer: importer, Authorize: h.authorize(s.bearer), RetryAfter: time.Second})
	if err != nil {
		tb.Fatal(err)
	}
	script := ""
	if s.bearer {
		script = "/token.js"
	}
	ui, err := console.New(console.Config{SignIn: "/signin", Script: script})
	if err != nil {
		tb.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/v1/bulk/", h.record(api))
	mux.Handle("/console/", ui)
	mux.HandleFunc("/signin", h.signIn)
	mux.HandleFunc("/token", h.token)
	mux.HandleFunc("/token.js", tokenScript)
	mux.HandleFunc("/favicon.ico", http.NotFound)
	if s.stub != nil {
		mux.Handle("/stub/", s.stub)
	}
	server := httptest.NewServer(mux)
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	h.url = server.URL
	tb.Cleanup(server.Close)
	h.work(tb, s.workers)
	return h
}

// work starts the workers.
func (h *host) work(tb testing.TB, n int) {
	tb.Helper()
	switch n {
	case 0:
		n = 2
	case -1:
		n = 0
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for range n {
		worker, err := bulk.NewWorker(h.cfg)
		if err != nil {
			tb.Fatal(err)
		}
		running.Go(func() { _ = worker.Run(ctx) }) // nil, when ctx ends
	}
	tb.Cleanup(func() {
		cancel()
		running.Wait()
	})
}

// authorize knows the caller by the cookie, which a browser sends whoever made the
// request: so the header that no other site can send has to be there too.
func (h *host) authorize(bearer bool) func(*http.Request) (bulk.Principal, error) {
	return func(r *http.Request) (bulk.Principal, error) {
		h.mu.Lock()
		session := h.session
		h.mu.Unlock()
		if bearer {
			if r.Header.Get("Authorization") == "Bearer "+session {
				return admin, nil
			}
			return bulk.Principal{}, http.ErrNoCookie
		}
		cookie, err := r.Cookie(cookieName)
		if err != nil {
			return bulk.Principal{}, err
		}
		if cookie.Value != session || !console.FromPage(r) {
			return bulk.Principal{}, http.ErrNoCookie
		}
		return admin, nil
	}
}

// signIn is the host's own page, which gives the cookie to whoever presses its button.
func (h *host) signIn(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		h.mu.Lock()
		value := h.session
		h.mu.Unlock()
		http.SetCookie(w, &http.Cookie{Name: cookieName, Value: value, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode})
		http.Redirect(w, r, "/console/", http.StatusSeeOther)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = io.WriteString(w, `<!doctype html><title>Sign in</title><form method="post"><button>Sign in</button></form>`)
}

// token is what the host's script asks for tokens.
func (h *host) token(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.requests = append(h.requests, request{method: r.Method, path: r.URL.Path, query: r.URL.RawQuery, header: r.Header.Clone()})
	_, _ = io.WriteString(w, h.session)
}

// tokenScript is the host's script: it keeps a token until the page asks for another.
func tokenScript(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/javascript")
	_, _ = io.WriteString(w, `let token;
globalThis.bulkopsToken = async renew => {
	if (renew || !token) token = await (await fetch("/token")).text();
	return token;
};`)
}

// expire ends all sessions.
func (h *host) expire() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.session += "+"
}

// leave makes the host stop answering, or come back.
func (h *host) leave(away bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.away = away
}

// intercept gives every call of the API to f, which says whether it has answered. nil
// ends it.
func (h *host) intercept(f func(http.ResponseWriter, *http.Request) bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.answer = f
}

// loseAnswers has the answers lost of the calls of the API that f selects: what they
// ask for is done. f is called by one call at a time.
func (h *host) loseAnswers(f func(*http.Request) bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lose = f
}

// record notes the calls of the API, and makes the faults.
func (h *host) record(api http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the page has gone
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		seen := request{method: r.Method, path: r.URL.Path, query: r.URL.RawQuery, header: r.Header.Clone(), body: body}
		h.mu.Lock()
		away, answer, lost := h.away, h.answer, h.lose != nil && h.lose(r)
		h.mu.Unlock()
		status := &statusWriter{ResponseWriter: w}
		switch {
		case away:
			hangUp(w)
		case answer != nil && answer(status, r):
		case lost:
			unread := httptest.NewRecorder()
			api.ServeHTTP(unread, r)
			status.status = unread.Code
			hangUp(w)
		default:
			api.ServeHTTP(status, r)
		}
		seen.status = status.status
		h.mu.Lock()
		h.requests = append(h.requests, seen)
		h.mu.Unlock()
	})
}

// hangUp closes the connection without an answer.
func hangUp(w http.ResponseWriter) {
	connection, _, err := http.NewResponseController(w).Hijack()
	if err == nil {
		_ = connection.Close()
	}
}

// A statusWriter notes the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(p)
}

func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// seen returns the requests so far that want wants.
func (h *host) seen(want func(request) bool) []request {
	h.mu.Lock()
	defer h.mu.Unlock()
	var all []request
	for _, r := range h.requests {
		if want(r) {
			all = append(all, r)
		}
	}
	return all
}

// imports are the posts of users that were accepted, dry runs or not.
func (h *host) imports(dryRun bool) []request {
	return h.seen(func(r request) bool {
		return r.method == http.MethodPost && r.path == "/v1/bulk/users" && r.dryRun() == dryRun && r.status < 300
	})
}

// dryRun tells whether a post of users is one.
func (r request) dryRun() bool {
	return bytes.Contains([]byte(r.query), []byte("dryRun=true")) || bytes.Contains(r.body, []byte(`"dryRun":true`))
}

// signedIn opens the page as somebody who has signed in.
func (h *host) signedIn(tb testing.TB, l look) *tab {
	tb.Helper()
	p := open(tb, h, "/signin", l)
	p.enter()
	return p
}

// enter presses the button of the host's own page.
func (p *tab) enter() {
	p.Helper()
	p.click("button")
	p.see(`section[data-view="import"] h1`)
}
