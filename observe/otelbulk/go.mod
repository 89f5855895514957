module github.com/bulkops/bulkops/observe/otelbulk

go 1.26.0

replace github.com/bulkops/bulkops => ../..

require (
	github.com/bulkops/bulkops v0.0.0-00010101000000-000000000000
	go.opentelemetry.io/otel v1.47.0
	go.opentelemetry.io/otel/metric v1.47.0
	go.opentelemetry.io/otel/sdk v1.47.0
	go.opentelemetry.io/otel/sdk/metric v1.47.0
	go.opentelemetry.io/otel/trace v1.47.0
)
