package console

import (
	"cmp"
	"net/http"
	"net/url"
	"strings"

	"github.com/bulkops/bulkops/bulk"
)

// DefaultAPI is where the page looks for the API, seen from itself: "/v1/bulk/" for a page at
// "/console/", and "/admin/v1/bulk/" for one at "/admin/console/".
const DefaultAPI = "../v1/bulk/"

// A Config says what the page works with. Its zero value is useful.
type Config struct {
	// API is the path of the API, from the root of the host, as in "/v1/bulk/", or
	// relative to the page. It is on the page's own origin. Defaults to [DefaultAPI].
	API string
	// SignIn is the path of the host's page for signing in, which users are led to when
	// their session has ended. It is opened in a tab of its own. Defaults to none: users
	// are told to sign in again.
	SignIn string
	// Script is the path of a script of the host's own that runs before the page's. It may
	// set the function globalThis.bulkopsToken, by which the page gets bearer tokens:
	//
	//	globalThis.bulkopsToken = async (renew) => "…";
	//
	// It is called before the first request, and with true where a token was refused. A
	// token that is not there, null or "", means that the user has to sign in. Defaults to
	// none: the page relies on cookies.
	Script string
}

// New returns the handler of the page, or a [*bulk.ConfigError] that names the field at fault.
//
// It is mounted at a path that ends with "/console/", behind any prefix, or anywhere with that
// path stripped; it has two files below it, and answers GET and HEAD.
func New(cfg Config) (http.Handler, error) {
	cfg.API = cmp.Or(cfg.API, DefaultAPI)
	if !strings.HasSuffix(cfg.API, "/") {
		cfg.API += "/" // or the last name would be lost where others are joined to it
	}
	for _, each := range []struct{ field, value string }{{"API", cfg.API}, {"SignIn", cfg.SignIn}, {"Script", cfg.Script}} {
		if u, err := url.Parse(each.value); err != nil || u.Scheme != "" || u.Fragment != "" ||
			strings.HasPrefix(each.value, "//") || strings.ContainsAny(each.value, `\ `) { // browsers take the one for a slash and drop the other
			return nil, &bulk.ConfigError{Field: "console.Config." + each.field, Problem: "is not a path on the page's own origin"}
		}
	}
	files, err := makeFiles(cfg)
	if err != nil {
		return nil, err
	}
	return &handler{files: files}, nil
}

// The header that the page sends with every request, and its value.
const (
	Header      = "X-Requested-With"
	HeaderValue = "bulkops-console"
)

// FromPage reports whether a request has the header that the page sends. Browsers let no page
// of another origin send it unless the host allows that by CORS, so a cookie that comes with
// it was not sent behind the user's back.
func FromPage(r *http.Request) bool { return r.Header.Get(Header) == HeaderValue }

// policy lets the page load its own script, worker and style, and talk to its own origin.
const policy = "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// mount is where the page is in a path, whatever prefix it is mounted under.
const mount = "/console/"

type handler struct {
	files map[string]*file // by their names, "" for the page
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Content-Security-Policy", policy)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		header.Set("Allow", "GET, HEAD")
		http.Error(w, "this path serves GET and HEAD", http.StatusMethodNotAllowed)
		return
	}
	if strings.HasSuffix(r.URL.Path, strings.TrimSuffix(mount, "/")) {
		// Relative, as a prefix may have been stripped.
		header.Set("Location", strings.Trim(mount, "/")+"/")
		w.WriteHeader(http.StatusMovedPermanently)
		return
	}
	name := strings.TrimPrefix(r.URL.Path, "/")
	if i := strings.LastIndex(r.URL.Path, mount); i >= 0 {
		name = r.URL.Path[i+len(mount):]
	}
	found := h.files[name]
	if found == nil {
		http.NotFound(w, r)
		return
	}
	found.serve(w, r)
}
