package httpapi

import (
	"net/http"
	"net/url"
	"strings"
)

// root is where the API begins in a path, whatever prefix it is mounted under.
const root = "/v1/bulk/"

// splitRoot splits an escaped path into the prefix and what follows root. A path
// that has root twice could mean either to whoever guards a part of the API by its
// path, so it is none of ours; ok is false, and so it is where root is not there.
func splitRoot(path string) (prefix, rest string, ok bool) {
	i := strings.Index(path, root)
	if i < 0 || i != strings.LastIndex(path, root) {
		return "", "", false
	}
	return path[:i], path[i+len(root):], true
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
	prefix, _, _ := splitRoot(path)
	// What routers strip from the URL is still in the request line. It lacks the
	// prefix only if something rewrote the request.
	if u, err := url.ParseRequestURI(r.RequestURI); err == nil {
		if sent, _, ok := splitRoot(u.EscapedPath()); ok {
			prefix = sent
		}
	}
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
