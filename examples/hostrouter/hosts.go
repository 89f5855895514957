package main

import (
	"log/slog"
	"net/http"

	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	"github.com/labstack/echo/v5"
)

// A host is a router with the API mounted in it.
type host struct {
	name string
	// prefix is what stands in front of /v1/bulk/ in the paths of callers.
	prefix string
	// build returns the router of a host whose API is api.
	build func(api http.Handler, log *slog.Logger) http.Handler
}

var hosts = []host{
	{"mux", "", onServeMux},
	{"mux-prefix", "/api", onServeMuxWithPrefix},
	{"mux-stripped", "/api/internal", onServeMuxStripped},
	{"mux-param", "/t/%C3%A4%20b", onServeMuxWithParameter},
	{"chi", "/api", onChi},
	{"gin", "/api", onGin},
	{"echo", "/api", onEcho},
}

// onServeMux mounts the API at its own paths.
func onServeMux(api http.Handler, log *slog.Logger) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", health)
	mux.Handle("/v1/bulk/", api)
	return logged(log, identified(mux))
}

// onServeMuxWithPrefix mounts the API under a prefix that it gets to see.
func onServeMuxWithPrefix(api http.Handler, log *slog.Logger) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", health)
	mux.Handle("/api/v1/bulk/", api)
	return logged(log, identified(mux))
}

// onServeMuxStripped mounts the API under a prefix that it does not get to see.
// Its links are right all the same: it takes them from the request line.
func onServeMuxStripped(api http.Handler, log *slog.Logger) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", health)
	mux.Handle("/api/internal/", http.StripPrefix("/api/internal", api))
	return logged(log, identified(mux))
}

// onServeMuxWithParameter mounts the API under a prefix that varies.
func onServeMuxWithParameter(api http.Handler, log *slog.Logger) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", health)
	mux.Handle("/t/{team}/v1/bulk/", api)
	return logged(log, identified(mux))
}

// onChi mounts the API in a subrouter of chi. Handle, and not Mount, leaves
// 404 and 405 to the API.
func onChi(api http.Handler, log *slog.Logger) http.Handler {
	router := chi.NewRouter()
	router.Use(func(next http.Handler) http.Handler { return logged(log, next) }, identified)
	router.Get("/health", health)
	router.Route("/api", func(r chi.Router) {
		r.Handle("/v1/bulk/*", api)
	})
	return router
}

// onGin mounts the API in a group of gin. gin.Recovery stays away from it: that
// would end a stream that broke off as if it were complete, and the API recovers
// from its panics itself. So the middleware that the host has anyway goes to
// groups, and not to the engine.
func onGin(api http.Handler, log *slog.Logger) http.Handler {
	gin.SetMode(gin.ReleaseMode)
	router := gin.New()
	router.Group("/", gin.Recovery()).GET("/health", gin.WrapF(health))
	group := router.Group("/api")
	group.Any("/v1/bulk/*path", gin.WrapH(logged(log, identified(api))))
	return router
}

// onEcho mounts the API in a group of echo.
func onEcho(api http.Handler, log *slog.Logger) http.Handler {
	router := echo.New()
	router.GET("/health", echo.WrapHandler(http.HandlerFunc(health)))
	group := router.Group("/api",
		echo.WrapMiddleware(func(next http.Handler) http.Handler { return logged(log, next) }),
		echo.WrapMiddleware(identified))
	group.Any("/v1/bulk/*", echo.WrapHandler(api))
	return router
}

// health is a route of the host's own.
func health(w http.ResponseWriter, _ *http.Request) {
	_, _ = w.Write([]byte("fine\n"))
}
