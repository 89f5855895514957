package database_test

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/test/pgtest"
	"github.com/bulkops/bulkops/jobs/pgjobs/internal/database"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func exec(ctx context.Context, url, statement string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, statement)
	return err
}

func open(t *testing.T, options ...string) (database.DB, *pgxpool.Pool) {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), pgtest.Database(t, pgtest.Newest(t).URL, exec, options...))
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return database.OfPool(pool), pool
}

func file(number int, text string) fstest.MapFS {
	return fstest.MapFS{fmt.Sprintf("migrations/%04d_test.sql", number): {Data: fmt.Appendf(nil, `
BEGIN;
SELECT pg_advisory_xact_lock(hashtextextended('bulkops', 0));
CREATE TABLE IF NOT EXISTS migrations (version integer PRIMARY KEY);
INSERT INTO migrations (version) VALUES (%d);
%s;
COMMIT;`, number, text)}}
}

// A newer version of the files upgrades what an older one has made, and keeps what is in it;
// one that fails changes nothing, and can be mended.
func TestUpgrade(t *testing.T) {
	db, pool := open(t)
	files := file(1, `CREATE TABLE things (name text)`)
	require.NoError(t, db.Migrate(t.Context(), files, "migrations", ""))
	_, err := pool.Exec(t.Context(), `INSERT INTO things VALUES ('old')`)
	require.NoError(t, err)

	bad := maps.Clone(files)
	maps.Copy(bad, file(2, `ALTER TABLE things ADD COLUMN size int; SELECT 1/0`))
	require.Error(t, db.Migrate(t.Context(), bad, "migrations", ""))
	maps.Copy(files, file(2, `ALTER TABLE things ADD COLUMN size int NOT NULL DEFAULT 7`))
	var migrating sync.WaitGroup
	for range 6 {
		migrating.Go(func() { assert.NoError(t, db.Migrate(t.Context(), files, "migrations", "")) })
	}
	migrating.Wait()
	var name string
	var size, versions int
	require.NoError(t, pool.QueryRow(t.Context(), `SELECT name, size, (SELECT count(*) FROM migrations) FROM things`).Scan(&name, &size, &versions))
	assert.Equal(t, "old", name)
	assert.Equal(t, 7, size)
	assert.Equal(t, 2, versions)
}

func TestEncoding(t *testing.T) {
	db, _ := open(t, "ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0")
	err := db.Migrate(t.Context(), file(1, `SELECT 1`), "migrations", "")
	require.ErrorContains(t, err, "SQL_ASCII")
	assert.False(t, bulk.Retryable(err))
}
