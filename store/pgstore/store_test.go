package pgstore_test

import (
	"context"
	"database/sql"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	_ "github.com/jackc/pgx/v5/stdlib"
	"go.uber.org/goleak"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/bulk/bulktest"
	"github.com/bulkops/bulkops/internal/test/pgtest"
	"github.com/bulkops/bulkops/store/pgstore"
)

// TestMain makes the test program also one of the processes that import at the same time.
func TestMain(m *testing.M) {
	if os.Getenv(writerVariable) != "" {
		writerMain()
		return
	}
	goleak.VerifyTestMain(m)
}

func TestConformance(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, server pgtest.Server) {
		database := hasty(t, migrated(t, server.URL))
		bulktest.TestStore(t, func(t *testing.T) bulk.Store { return open(t, database) })
	})
}

// What hosts set for their connections changes what the database does, but not what the store
// promises.
func TestConformanceWithSettingsOfTheHost(t *testing.T) {
	server := pgtest.Newest(t)
	for isolation, mode := range map[string]string{
		"serializable":    "exec",            // without prepared statements
		"repeatable read": "simple_protocol", // for poolers in transaction mode
	} {
		t.Run(isolation, func(t *testing.T) {
			database := hasty(t, migrated(t, server.URL))
			database = with(t, database, "default_transaction_isolation", isolation)
			database = with(t, database, "default_query_exec_mode", mode)
			bulktest.TestStore(t, func(t *testing.T) bulk.Store { return open(t, database) })
		})
	}
}

// A pool of database/sql, and a collation of a language, in which texts are in another order and
// lower() folds more.
func TestConformanceOverDatabaseSQLInALanguage(t *testing.T) {
	database := hasty(t, migrated(t, pgtest.Newest(t).URL, "TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'tr'"))
	bulktest.TestStore(t, func(t *testing.T) bulk.Store {
		db, err := sql.Open("pgx", database)
		if err != nil {
			t.Fatal(err)
		}
		db.SetMaxOpenConns(8)
		t.Cleanup(func() {
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		})
		store, err := pgstore.NewSQL(db, pgstore.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return store
	})
}

// hasty returns a connection string by which commits do not wait for the disk, which takes the
// suite most of its time. That they are durable is for the tests with crashes.
func hasty(tb testing.TB, connection string) string {
	tb.Helper()
	return with(tb, connection, "synchronous_commit", "off")
}

func BenchmarkConformance(b *testing.B) {
	database := migrated(b, pgtest.Newest(b).URL)
	bulktest.BenchmarkStore(b, func(b *testing.B) bulk.Store { return open(b, database) })
}

// execute runs one statement on a connection of its own.
func execute(ctx context.Context, url, statement string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, statement)
	return err
}

// migrated makes a database with the store's own table.
func migrated(tb testing.TB, server string, options ...string) string {
	tb.Helper()
	database := pgtest.Database(tb, server, execute, options...)
	if err := open(tb, database).Migrate(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	return database
}

// with adds a setting to a connection string.
func with(tb testing.TB, connection, name, value string) string {
	tb.Helper()
	u, err := url.Parse(connection)
	if err != nil {
		tb.Fatal(err)
	}
	query := u.Query()
	query.Set(name, value)
	u.RawQuery = strings.ReplaceAll(query.Encode(), "+", "%20")
	return u.String()
}

// as sets user and password of a connection string.
func as(tb testing.TB, connection, user, password string) string {
	tb.Helper()
	u, err := url.Parse(connection)
	if err != nil {
		tb.Fatal(err)
	}
	u.User = url.UserPassword(user, password)
	return u.String()
}

// connect opens a pool of 8 connections that the test's end closes.
func connect(tb testing.TB, connection string) *pgxpool.Pool {
	tb.Helper()
	pool, err := pgxpool.New(context.Background(), with(tb, connection, "pool_max_conns", "8"))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(pool.Close)
	return pool
}

// open returns a store with the default options on a pool of its own.
func open(tb testing.TB, connection string) *pgstore.Store {
	tb.Helper()
	store, err := pgstore.New(connect(tb, connection), pgstore.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	return store
}
