package pgjobs_test

import (
	"context"
	"database/sql"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/bulk/bulktest"
	"github.com/bulkops/bulkops/internal/test/pgtest"
	"github.com/bulkops/bulkops/jobs/pgjobs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// exec is what package pgtest needs of the driver.
func exec(ctx context.Context, url, statement string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, statement)
	return err
}

// open returns a pool of a database.
func open(t testing.TB, url string) *pgxpool.Pool {
	t.Helper()
	config, err := pgxpool.ParseConfig(url)
	require.NoError(t, err)
	return openConfig(t, config)
}

func openConfig(t testing.TB, config *pgxpool.Config) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return pool
}

func newQueue(t testing.TB, pool *pgxpool.Pool) *pgjobs.Queue {
	t.Helper()
	queue, err := pgjobs.New(pool, pgjobs.Options{})
	require.NoError(t, err)
	return queue
}

// database makes an empty database with the tables and returns its pool.
func database(t testing.TB, server pgtest.Server) *pgxpool.Pool {
	t.Helper()
	pool := open(t, pgtest.Database(t, server.URL, exec))
	require.NoError(t, newQueue(t, pool).Migrate(t.Context()))
	return pool
}

func TestConformance(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, server pgtest.Server) {
		t.Parallel() // each has a database of its own
		pool := database(t, server)
		bulktest.TestJobQueue(t, func(t *testing.T) bulk.JobQueue { return newQueue(t, pool) })
	})
}

func TestKeyConformance(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, server pgtest.Server) {
		pool := database(t, server)
		bulktest.TestIdempotencyKeyStore(t, func(t *testing.T) bulk.IdempotencyKeyStore { return newQueue(t, pool) })
	})
}

// A schema of a name that has to be quoted, by way of database/sql.
func TestConformanceOfSQLAndSchema(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t, pgtest.Newest(t).URL, exec)
	require.NoError(t, exec(t.Context(), url, `CREATE SCHEMA "Bulk ""Ops"""`))
	db, err := sql.Open("pgx", url)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, db.Close()) })
	queue, err := pgjobs.NewSQL(db, pgjobs.Options{Schema: `Bulk "Ops"`})
	require.NoError(t, err)
	require.NoError(t, queue.Migrate(t.Context()))
	bulktest.TestJobQueue(t, func(*testing.T) bulk.JobQueue { return queue })
	bulktest.TestIdempotencyKeyStore(t, func(*testing.T) bulk.IdempotencyKeyStore { return queue })
}

// Without prepared statements, as poolers want it that give a connection to each transaction.
func TestConformanceWithoutPreparedStatements(t *testing.T) {
	for name, mode := range map[string]pgx.QueryExecMode{"exec": pgx.QueryExecModeExec, "simple": pgx.QueryExecModeSimpleProtocol} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := database(t, pgtest.Newest(t)).Config().Copy()
			config.ConnConfig.DefaultQueryExecMode = mode
			queue := newQueue(t, openConfig(t, config))
			bulktest.TestJobQueue(t, func(*testing.T) bulk.JobQueue { return queue })
			bulktest.TestIdempotencyKeyStore(t, func(*testing.T) bulk.IdempotencyKeyStore { return queue })
		})
	}
}

func BenchmarkConformance(b *testing.B) {
	pool := database(b, pgtest.Newest(b))
	bulktest.BenchmarkJobQueue(b, func(b *testing.B) bulk.JobQueue { return newQueue(b, pool) })
}
