package main

import (
	"context"
	"crypto/subtle"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/bulkops/bulkops/bulk"
)

// A user is what the host knows of a caller.
type user struct {
	name, team string
	admin      bool
}

// sessions are the users by their tokens. A host has a database for it.
var sessions = map[string]user{
	"ana-token": {name: "ana", team: "acme", admin: true},
	"bob-token": {name: "bob", team: "acme"},
}

type userKey struct{}

// identified is the host's own authentication: it puts the user into the context
// of the request.
//
// It lets requests without a user pass. So the download links of results work,
// which are for whoever has one; everything else the API refuses by itself, since
// authorize finds no user. A middleware that refuses must spare
// /v1/bulk/downloads/.
func identified(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		given, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		for token, u := range sessions {
			if subtle.ConstantTimeCompare([]byte(token), []byte(given)) == 1 {
				r = r.WithContext(context.WithValue(r.Context(), userKey{}, u))
			}
		}
		next.ServeHTTP(w, r)
	})
}

var errNoUser = errors.New("no user in the context")

// authorize turns the user that the middleware has found into what the API wants.
func authorize(r *http.Request) (bulk.Principal, error) {
	u, ok := r.Context().Value(userKey{}).(user)
	if !ok {
		return bulk.Principal{}, errNoUser
	}
	p := bulk.Principal{ID: u.name, Tenant: u.team, Role: "user"}
	if u.admin {
		p.Role = bulk.RoleAdmin
	}
	return p, nil
}

// logged is the host's log of requests. A download link is a secret, so of its
// path the token is left out.
func logged(log *slog.Logger, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := r.URL.Path
		if before, _, found := strings.Cut(path, "/v1/bulk/downloads/"); found {
			path = before + "/v1/bulk/downloads/…"
		}
		rec := &statusRecorder{ResponseWriter: w, status: http.StatusOK}
		start := time.Now()
		// Deferred, since the API breaks a connection off by a panic.
		defer func() {
			log.InfoContext(r.Context(), "request", "method", r.Method, "path", path, "status", rec.status, "took", time.Since(start))
		}()
		next.ServeHTTP(rec, r)
	})
}

// A statusRecorder keeps the status of an answer.
type statusRecorder struct {
	http.ResponseWriter
	status int
}

func (r *statusRecorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach what is below.
func (r *statusRecorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
