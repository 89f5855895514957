module github.com/bulkops/bulkops/internal/test/pgcontract

go 1.26.0

replace (
	github.com/bulkops/bulkops => ../../..
	github.com/bulkops/bulkops/internal/test/api => ../api
	github.com/bulkops/bulkops/jobs/pgjobs => ../../../jobs/pgjobs
	github.com/bulkops/bulkops/store/pgstore => ../../../store/pgstore
)

require (
	github.com/bulkops/bulkops v0.0.0-00010101000000-000000000000
	github.com/bulkops/bulkops/internal/test/api v0.0.0-00010101000000-000000000000
	github.com/bulkops/bulkops/jobs/pgjobs v0.0.0-00010101000000-000000000000
	github.com/bulkops/bulkops/store/pgstore v0.0.0-00010101000000-000000000000
	github.com/jackc/pgx/v5 v5.12.0
)

require (
	github.com/getkin/kin-openapi v0.152.0 // indirect
	github.com/go-json-experiment/json v1.27.2 // indirect
	github.com/go-openapi/jsonpointer v0.22.5 // indirect
	github.com/go-openapi/swag/jsonname v0.25.5 // indirect
	github.com/google/go-cmp v0.7.0 // indirect
	github.com/jackc/pgpassfile v1.0.0 // indirect
	github.com/jackc/pgservicefile v0.0.0-20240606120523-5a60cdf6a761 // indirect
	github.com/jackc/puddle/v2 v2.2.3 // indirect
	github.com/oasdiff/yaml v0.1.1 // indirect
	github.com/oasdiff/yaml3 v0.0.14 // indirect
	github.com/rogpeppe/go-internal v1.16.0 // indirect
	github.com/santhosh-tekuri/jsonschema/v6 v6.0.3 // indirect
	golang.org/x/sync v0.24.0 // indirect
	golang.org/x/text v0.43.0 // indirect
)
