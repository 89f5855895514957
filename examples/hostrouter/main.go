// Command hostrouter serves the bulk API as a part of a host that has a router,
// routes and middleware of its own: on http.ServeMux, chi, gin or echo.
//
//	go run . -router chi
//	curl -H "Authorization: Bearer ana-token" http://127.0.0.1:8080/api/v1/bulk/jobs
//
// It is a module of its own, so that the library does not depend on routers.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bulkops/bulkops/blob/memblob"
	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/httpapi"
	"github.com/bulkops/bulkops/jobs/memjobs"
	"github.com/bulkops/bulkops/store/memstore"
)

func main() {
	names := make([]string, len(hosts))
	for i, h := range hosts {
		names[i] = h.name
	}
	router := flag.String("router", "mux", "`name` of the router: "+strings.Join(names, ", "))
	addr := flag.String("addr", "127.0.0.1:8080", "`address` to listen on")
	flag.Parse()
	i := slices.Index(names, *router)
	if i < 0 {
		fmt.Fprintf(os.Stderr, "hostrouter: there is no router %q, only %s\n", *router, strings.Join(names, ", "))
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := serve(ctx, hosts[i], *addr); err != nil {
		fmt.Fprintln(os.Stderr, "hostrouter:", err)
		os.Exit(1)
	}
}

// newAPI returns the API on in-memory backends, and the worker of its jobs.
func newAPI(cfg bulk.Config) (http.Handler, *bulk.Worker, error) {
	importer, err := bulk.NewImporter(cfg)
	if err != nil {
		return nil, nil, err
	}
	api, err := httpapi.New(httpapi.Config{Importer: importer, Authorize: authorize})
	if err != nil {
		return nil, nil, err
	}
	worker, err := bulk.NewWorker(cfg)
	return api, worker, err
}

// serve runs a host until ctx ends.
func serve(ctx context.Context, h host, addr string) error {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	api, worker, err := newAPI(bulk.Config{Store: memstore.New(), Blobs: memblob.New(), Jobs: memjobs.New(), Logger: log})
	if err != nil {
		return err
	}
	workerCtx, stopWorker := context.WithCancel(context.Background())
	var working sync.WaitGroup
	working.Go(func() { _ = worker.Run(workerCtx) }) // it returns nil, when the context ends
	defer working.Wait()
	defer stopWorker()

	server := &http.Server{Addr: addr, Handler: h.build(api, log), ReadHeaderTimeout: 10 * time.Second}
	stopped := make(chan error, 1)
	defer context.AfterFunc(ctx, func() {
		grace, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		stopped <- server.Shutdown(grace)
	})()
	fmt.Printf("http://%s%s/v1/bulk/ (%s)\n", addr, h.prefix, h.name)
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-stopped
}
