module github.com/bulkops/bulkops/internal/cmd/pgsoak

go 1.26.0

replace (
	github.com/bulkops/bulkops => ../../..
	github.com/bulkops/bulkops/jobs/pgjobs => ../../../jobs/pgjobs
	github.com/bulkops/bulkops/store/pgstore => ../../../store/pgstore
)

require (
	github.com/bulkops/bulkops v0.0.0-00010101000000-000000000000
	github.com/bulkops/bulkops/jobs/pgjobs v0.0.0-00010101000000-000000000000
	github.com/bulkops/bulkops/store/pgstore v0.0.0-00010101000000-000000000000
	github.com/jackc/pgx/v5 v5.12.0
)

require (
	github.com/go-json-experiment/json v1.27.2 // indirect
	github.com/jackc/pgpassfile v1.0.0 // indirect
	github.com/jackc/pgservicefile v0.0.0-20240606120523-5a60cdf6a761 // indirect
	github.com/jackc/puddle/v2 v2.2.3 // indirect
	golang.org/x/sync v0.24.0 // indirect
	golang.org/x/text v0.43.0 // indirect
)
