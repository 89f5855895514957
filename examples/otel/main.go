// Command otel serves the bulk API with metrics for Prometheus and traces of
// OpenTelemetry, on the in-memory backends:
//
//	go run . -addr 127.0.0.1:8080 -metrics 127.0.0.1:9090
//	curl -H "Authorization: Bearer ana-token" -H "Content-Type: application/json" \
//	  http://127.0.0.1:8080/v1/bulk/users -d '{"users": [{"userId": "u-1", "email": "ana@example.com"}]}'
//	curl http://127.0.0.1:9090/metrics
//
// -traces writes the spans to the standard output. The metrics have a port of their own,
// which a host does not show to the world.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/trace"

	"github.com/bulkops/bulkops/blob/memblob"
	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/httpapi"
	"github.com/bulkops/bulkops/jobs/memjobs"
	"github.com/bulkops/bulkops/observe/otelbulk"
	"github.com/bulkops/bulkops/store/memstore"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "`address` of the API")
	metrics := flag.String("metrics", "127.0.0.1:9090", "`address` of /metrics")
	traces := flag.Bool("traces", false, "write spans to the standard output")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *addr, *metrics, *traces); err != nil {
		fmt.Fprintln(os.Stderr, "otel:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, addr, metrics string, traces bool) error {
	var exporters []trace.SpanExporter
	if traces {
		e, err := printSpans(os.Stdout)
		if err != nil {
			return err
		}
		exporters = append(exporters, e)
	}
	tel, err := newTelemetry(exporters...)
	if err != nil {
		return err
	}
	api, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	scrape, err := net.Listen("tcp", metrics)
	if err != nil {
		return errors.Join(err, api.Close())
	}
	fmt.Printf("http://%s/v1/bulk/ and http://%s/metrics\n", api.Addr(), scrape.Addr())
	err = serve(ctx, tel, api, scrape)
	last, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return errors.Join(err, tel.close(last))
}

// observe tells OpenTelemetry what importers and workers with that configuration do,
// and how long their queue is.
func observe(cfg *bulk.Config, tel *telemetry) (stop func() error, err error) {
	meters, tracers := tel.meters, tel.tracers
	observer, err := otelbulk.New(otelbulk.Options{MeterProvider: meters, TracerProvider: tracers})
	if err != nil {
		return nil, err
	}
	cfg.Observer = observer
	registration, err := observer.WatchQueue(cfg.Jobs, time.Minute)
	if err != nil {
		return nil, err
	}
	return registration.Unregister, nil
}

// serve runs the API, a worker and /metrics until ctx ends.
func serve(ctx context.Context, tel *telemetry, api, scrape net.Listener) error {
	cfg := bulk.Config{
		Store: memstore.New(), Blobs: memblob.New(), Jobs: memjobs.New(),
		Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	}
	stop, err := observe(&cfg, tel)
	if err != nil {
		return err
	}
	handler, worker, err := newAPI(cfg)
	if err != nil {
		return err
	}
	// The span of the HTTP request, in the trace of its caller, is the parent of the
	// importer's.
	traced := otelhttp.NewHandler(handler, "bulk",
		otelhttp.WithTracerProvider(tel.tracers), otelhttp.WithMeterProvider(tel.meters), otelhttp.WithPropagators(propagation.TraceContext{}))
	metrics := http.NewServeMux()
	metrics.Handle("GET /metrics", tel.scrape)

	workerCtx, stopWorker := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = worker.Run(workerCtx) }) // it returns nil, when the context ends
	failed := make(chan error, 2)
	servers := []*http.Server{
		{Handler: traced, ReadHeaderTimeout: 10 * time.Second},
		{Handler: metrics, ReadHeaderTimeout: 10 * time.Second},
	}
	for i, listener := range []net.Listener{api, scrape} {
		running.Go(func() { failed <- servers[i].Serve(listener) })
	}
	select {
	case err = <-failed:
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for _, server := range servers {
		err = errors.Join(err, server.Shutdown(grace))
	}
	stopWorker()
	running.Wait()
	return errors.Join(err, stop())
}

// newAPI returns the API, and the worker of its jobs.
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

// authorize knows one caller. A host asks whoever knows its callers.
func authorize(r *http.Request) (bulk.Principal, error) {
	if r.Header.Get("Authorization") != "Bearer ana-token" {
		return bulk.Principal{}, errors.New("unknown token")
	}
	return bulk.Principal{ID: "ana", Tenant: "acme", Role: bulk.RoleAdmin}, nil
}
