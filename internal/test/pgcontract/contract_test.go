package pgcontract

import (
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/test/api/contracttest"
	"github.com/bulkops/bulkops/internal/test/pgtest"
	"github.com/bulkops/bulkops/jobs/pgjobs"
	"github.com/bulkops/bulkops/jobs/pgjobs/pgblob"
	"github.com/bulkops/bulkops/store/pgstore"
)

func execute(ctx context.Context, url, statement string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, statement)
	return err
}

// TestPostgres keeps users, jobs and blobs in one database.
func TestPostgres(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, server pgtest.Server) {
		pool, err := pgxpool.New(t.Context(), pgtest.Database(t, server.URL, execute))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(pool.Close)
		// Some cases are about what stops before the next batch, and count on the batches
		// of other stores.
		users, err1 := pgstore.New(pool, pgstore.Options{MaxBatch: bulk.MaxBatch})
		blobs, err2 := pgblob.New(pool, pgblob.Options{})
		jobs, err3 := pgjobs.New(pool, pgjobs.Options{})
		if err := errors.Join(err1, err2, err3); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(users.Migrate(t.Context()), blobs.Migrate(t.Context()), jobs.Migrate(t.Context())); err != nil {
			t.Fatal(err)
		}
		contracttest.Run(t, func(*testing.T) contracttest.Backends {
			return contracttest.Backends{Store: users, Blobs: blobs, Jobs: jobs}
		})
	})
}
