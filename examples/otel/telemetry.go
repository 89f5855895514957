package main

import (
	"context"
	"errors"
	"io"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	exporter "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/exporters/stdout/stdouttrace"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/trace"
)

// telemetry is where metrics and spans go. Nothing of it is global.
type telemetry struct {
	meters  *metric.MeterProvider
	tracers *trace.TracerProvider
	scrape  http.Handler // serves the metrics to Prometheus
}

// newTelemetry returns metrics for Prometheus, and traces for the exporters given. A
// service in production has one for OTLP there.
func newTelemetry(exporters ...trace.SpanExporter) (*telemetry, error) {
	registry := prometheus.NewRegistry()
	reader, err := exporter.New(exporter.WithRegisterer(registry), exporter.WithoutScopeInfo())
	if err != nil {
		return nil, err
	}
	var options []trace.TracerProviderOption
	for _, e := range exporters {
		options = append(options, trace.WithBatcher(e))
	}
	return &telemetry{
		meters:  metric.NewMeterProvider(metric.WithReader(reader)),
		tracers: trace.NewTracerProvider(options...),
		scrape:  promhttp.HandlerFor(registry, promhttp.HandlerOpts{}),
	}, nil
}

// close sends what has not been sent.
func (t *telemetry) close(ctx context.Context) error {
	return errors.Join(t.tracers.Shutdown(ctx), t.meters.Shutdown(ctx))
}

// printSpans returns an exporter that writes spans as JSON.
func printSpans(w io.Writer) (trace.SpanExporter, error) {
	return stdouttrace.New(stdouttrace.WithWriter(w))
}
