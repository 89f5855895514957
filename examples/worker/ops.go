package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	exporter "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/sdk/metric"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/observe/otelbulk"
)

// ops is what operators see of the process.
type ops struct {
	jobs     bulk.JobQueue
	meters   *metric.MeterProvider
	registry *prometheus.Registry
}

// newOps measures what workers with that configuration do. How long the queue is, one
// process of a fleet is to measure: the API's, say.
func newOps(cfg *bulk.Config) (*ops, error) {
	o := &ops{jobs: cfg.Jobs, registry: prometheus.NewRegistry()}
	reader, err := exporter.New(exporter.WithRegisterer(o.registry), exporter.WithoutScopeInfo())
	if err != nil {
		return nil, err
	}
	o.meters = metric.NewMeterProvider(metric.WithReader(reader))
	cfg.Observer, err = otelbulk.New(otelbulk.Options{MeterProvider: o.meters})
	return o, err
}

// serve serves until stop is called: also while workers drain, when ctx has ended.
func (o *ops) serve(ctx context.Context, listener net.Listener) (stop func() error) {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(o.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := o.ready(r.Context(), ctx.Err()); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		}
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, WriteTimeout: time.Minute}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	return func() error {
		err := errors.Join(server.Close(), o.meters.Shutdown(context.Background()))
		if failure := <-failed; !errors.Is(failure, http.ErrServerClosed) {
			err = errors.Join(err, failure)
		}
		return err
	}
}

var (
	errDraining    = errors.New("draining: it was told to stop")
	errUnreachable = errors.New("the queue cannot be reached")
)

// ready asks the queue for a job that there is not. A worker that is not ready does no
// harm, since nobody sends anything to it: it is for deploys, which wait for it.
func (o *ops) ready(ctx context.Context, stopped error) error {
	if stopped != nil {
		return errDraining
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if _, err := o.jobs.Get(ctx, "ready"); !errors.Is(err, bulk.ErrJobNotFound) {
		return errUnreachable // why not is in the log when the worker meets it
	}
	return nil
}
