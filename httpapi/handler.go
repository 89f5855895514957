package httpapi

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/redact"
)

// A Handler serves the API. It is safe for concurrent use and has no goroutines.
type Handler struct {
	cfg   Config
	base  *url.URL // nil to derive it from requests
	links links
	// document is what openapi.json serves.
	document []byte
	waits    chan struct{} // as many as calls may wait for the end of a job
	// budget is the memory for all requests at once.
	budget *budget
	// origins refuses what pages of other origins send.
	origins *http.CrossOriginProtection
}

var _ http.Handler = (*Handler)(nil)

// New returns a handler, or a [*bulk.ConfigError] that names the field at fault.
func New(cfg Config) (*Handler, error) {
	cfg, base, err := cfg.complete()
	if err != nil {
		return nil, err
	}
	text, err := documentWith(cfg.Importer.FieldRules())
	if err != nil {
		return nil, err
	}
	origins, err := trustedOrigins(cfg.TrustedOrigins, base)
	if err != nil {
		return nil, err
	}
	return &Handler{
		cfg: cfg, base: base, links: links{key: bytes.Clone(cfg.LinkKey)}, document: text,
		waits: make(chan struct{}, cfg.MaxWaits), budget: newBudget(cfg.MaxMemory, cfg.RetryAfter), origins: origins,
	}, nil
}

// A call is one request and its answer.
type call struct {
	w *answer
	r *http.Request
	// principal is the caller; zero on endpoints that are open to all.
	principal bulk.Principal
	// arg is the variable part of the path, unescaped.
	arg string
}

// ServeHTTP answers a request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.serveRoutes(w, r, routes)
}

// serveRoutes answers a request to one of the routes.
func (h *Handler) serveRoutes(w http.ResponseWriter, r *http.Request, routes []route) {
	c := &call{w: &answer{ResponseWriter: w, r: r}, r: r}
	defer func() {
		if cause := recover(); cause != nil {
			h.panicked(c, cause)
		}
	}()
	if err := h.serve(c, routes); err != nil {
		h.fail(c, err)
	}
}

func (h *Handler) serve(c *call, routes []route) error {
	route, arg := findRoute(routes, c.r.URL.EscapedPath())
	if route == nil {
		return &problem{status: http.StatusNotFound, code: codeNotFound, message: "there is nothing at this path"}
	}
	if !route.allows(c.r.Method) {
		return &problem{
			status: http.StatusMethodNotAllowed, code: codeMethodNotAllowed,
			message: fmt.Sprintf("this path serves %s", route.allow),
			header:  http.Header{"Allow": {route.allow}},
		}
	}
	c.arg = arg
	if err := h.origins.Check(c.r); err != nil {
		return crossOrigin()
	}
	if !route.open {
		principal, err := h.authorize(c.r)
		if err != nil {
			return err
		}
		c.principal = principal
	}
	return route.serve(h, c)
}

// authorize returns the caller, or the problem with it.
func (h *Handler) authorize(r *http.Request) (bulk.Principal, error) {
	principal, err := h.cfg.Authorize(r)
	if err == nil {
		err = principal.Authorize()
		var unusable *bulk.ConfigError
		if errors.As(err, &unusable) {
			// The host's fault and not the caller's, so the answer says nothing of it.
			return bulk.Principal{}, fmt.Errorf("httpapi: Config.Authorize returned a caller that cannot be served: %w", err)
		}
	}
	switch {
	case err == nil:
		return principal, nil
	case errors.Is(err, bulk.ErrForbidden), errors.Is(err, bulk.ErrUnavailable), r.Context().Err() != nil:
		return bulk.Principal{}, err
	default:
		return bulk.Principal{}, &problem{
			status: http.StatusUnauthorized, code: codeUnauthenticated,
			message: "the request has no valid credentials",
			header:  http.Header{"Www-Authenticate": {h.cfg.Challenge}},
		}
	}
}

// panicked ends a call that panicked: the process goes on.
func (h *Handler) panicked(c *call, cause any) {
	if cause == http.ErrAbortHandler {
		panic(cause)
	}
	h.cfg.Logger.ErrorContext(c.r.Context(), "panic while serving a request",
		"method", c.r.Method, "panic", redact.Text(fmt.Sprint(cause)), "stack", string(debug.Stack()))
	if c.w.begun {
		c.w.abort()
	}
	c.w.fail(internal())
}

// fail answers with what went wrong.
func (h *Handler) fail(c *call, err error) {
	p, cause := problemOf(err)
	ctx := c.r.Context()
	switch {
	case cause == nil:
	case ctx.Err() != nil || c.w.gone:
		// The caller gave up, which is its own affair.
		h.cfg.Logger.DebugContext(ctx, "request cancelled", "method", c.r.Method, redact.Error(cause))
		p = unavailable()
	default:
		h.cfg.Logger.ErrorContext(ctx, "request failed", "method", c.r.Method, "code", p.code, redact.Error(cause))
	}
	if c.w.begun {
		c.w.abort()
	}
	if p.status == http.StatusServiceUnavailable || p.code == codeKeyInProgress {
		h.retryAfter(c)
	}
	c.w.fail(p)
}

// retryAfter tells the caller when to come again.
func (h *Handler) retryAfter(c *call) {
	seconds := (h.cfg.RetryAfter + time.Second - 1) / time.Second
	c.w.Header().Set("Retry-After", strconv.FormatInt(int64(seconds), 10))
}

// A route is a path of the API.
type route struct {
	path  string // below root, with * for the variable part
	allow string // the Allow header
	open  bool   // the path itself says what the caller may have
	serve func(*Handler, *call) error
}

func (r *route) allows(method string) bool {
	return slices.Contains(strings.Split(r.allow, ", "), method)
}

const (
	allowGet  = "GET, HEAD"
	allowJob  = "DELETE, GET, HEAD"
	allowPost = "POST"
)

var routes = []route{
	{path: "users", allow: allowPost, serve: (*Handler).importUsers},
	{path: "jobs", allow: allowGet, serve: (*Handler).listJobs},
	{path: "jobs/*", allow: allowJob, serve: (*Handler).oneJob},
	{path: "jobs/*/results", allow: allowGet, serve: (*Handler).jobResults},
	{path: "jobs/*/cancel", allow: allowPost, serve: (*Handler).cancelJob},
	{path: "jobs/*/retry", allow: allowPost, serve: (*Handler).retryJob},
	downloadRoute,
	{path: "openapi.json", allow: allowGet, serve: (*Handler).openAPI},
}

var downloadRoute = route{path: "downloads/*", allow: allowGet, open: true, serve: (*Handler).download}

// findRoute returns the route of an escaped path under any prefix, and the
// variable part of the path.
func findRoute(routes []route, path string) (_ *route, arg string) {
	_, path, ok := splitRoot(path)
	if !ok {
		return nil, ""
	}
	for i := range routes {
		if arg, ok := match(routes[i].path, path); ok {
			return &routes[i], arg
		}
	}
	return nil, ""
}

func match(pattern, path string) (arg string, ok bool) {
	before, after, variable := strings.Cut(pattern, "*")
	if !variable {
		return "", path == pattern
	}
	arg, ok = strings.CutPrefix(path, before)
	if !ok {
		return "", false
	}
	arg, ok = strings.CutSuffix(arg, after)
	if !ok || arg == "" || strings.Contains(arg, "/") {
		return "", false
	}
	arg, err := url.PathUnescape(arg)
	return arg, err == nil
}
