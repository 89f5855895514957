package httpapi

import (
	"net/http"
	"net/url"
	"strings"
)

// root is where the API begins in a path, whatever prefix it is mounted under.
const root = "/v1/bulk/"

// splitRoot splits an escaped path into the prefix and what follows root. No path
// of the API has root in it, so the last one is ours. A path without it has
// neither.
func splitRoot(path string) (prefix, rest string) {
	i := strings.LastIndex(path, root)
	if i < 0 {
		return "", ""
	}
	return path[:i], path[i+len(root):]
}

// path returns the path of the API's path rest as the caller of r has to write it.
func (h *Handler) path(r *http.Request, rest string) string {
	return h.prefix(r) + root + rest
}

// prefix returns the escaped path that the API is mounted under, as callers see
// it.
func (h *Handler) prefix(r *http.Request) string {
	if h.base != nil {
		return strings.TrimRight(h.base.EscapedPath(), "/")
	}
	path := r.URL.EscapedPath()
	// What routers strip from the URL is still in the request line. It lacks the
	// prefix only if something rewrote the request.
	if u, err := url.ParseRequestURI(r.RequestURI); err == nil && strings.Contains(u.EscapedPath(), root) {
		path = u.EscapedPath()
	}
	prefix, _ := splitRoot(path)
	// Two slashes would make the first segment a host.
	if trimmed := strings.TrimLeft(prefix, "/"); len(trimmed) < len(prefix) {
		prefix = "/" + trimmed
	}
	return strings.TrimSuffix(prefix, "/")
}

// url is path as an absolute URL.
func (h *Handler) url(r *http.Request, rest string) string {
	u := url.URL{Scheme: "http", Host: r.Host}
	switch {
	case h.base != nil:
		u = url.URL{Scheme: h.base.Scheme, Host: h.base.Host}
	case r.TLS != nil:
		u.Scheme = "https"
	}
	return u.String() + h.path(r, rest)
}
