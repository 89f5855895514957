package pgstore_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/test/pgtest"
	"github.com/bulkops/bulkops/store/pgstore"
)

// applied are the numbers of the migrations of a database.
func applied(t *testing.T, connection string) string {
	t.Helper()
	var numbers string
	err := connect(t, connection).QueryRow(t.Context(),
		`SELECT coalesce(string_agg(version::text, ' ' ORDER BY version), '') FROM bulkops_users_migrations`).Scan(&numbers)
	if err != nil {
		t.Fatal(err)
	}
	return numbers
}

// migration is the text of a file, as psql would run it.
func migration(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("migrations", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// All files, which a later one joins, and nothing else.
const allMigrations = "1 2"

func TestMigrateUpgradesAFilledTable(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, server pgtest.Server) {
		database := pgtest.Database(t, server.URL, execute)
		if err := execute(t.Context(), database, migration(t, "0001_users.sql")); err != nil {
			t.Fatal(err)
		}
		store := open(t, database)
		const batches = 20
		var refs []bulk.Ref
		for batch := range batches {
			var users []bulk.User
			for i := range store.MaxBatch() {
				n := batch*store.MaxBatch() + i
				users = append(users, bulk.User{
					ID: fmt.Sprint("u", n), Email: fmt.Sprintf("U%d@example.com", n),
					CustomFields: fields(t, fmt.Sprintf(`{"n":%d.%d}`, 9007199254740993+n, n)),
				})
			}
			for i, err := range store.Commit(t.Context(), "acme", creates(users...)) {
				if err != nil {
					t.Fatalf("user %q: %v", users[i].ID, err)
				}
			}
			if batch == batches/2 {
				for _, user := range users {
					refs = append(refs, bulk.Ref{ID: user.ID})
				}
			}
		}
		before, err := store.Lookup(t.Context(), "acme", refs)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second time there is nothing to do
			if err := store.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := applied(t, database); got != allMigrations {
				t.Fatalf("applied are %s", got)
			}
		}
		after, err := store.Lookup(t.Context(), "acme", refs)
		if err != nil {
			t.Fatal(err)
		}
		for i := range after {
			if before[i].ByID == nil || after[i].ByID == nil || *before[i].ByID != *after[i].ByID {
				t.Fatalf("user %q was %+v and is %+v", refs[i].ID, before[i].ByID, after[i].ByID)
			}
		}
		// What the upgrade brings: a write of the host is noticed.
		if err := execute(t.Context(), database, `UPDATE bulkops_users SET metadata = '{"host":true}' WHERE id = '`+refs[0].ID+`'`); err != nil {
			t.Fatal(err)
		}
		if err := store.Commit(t.Context(), "acme", []bulk.Write{{User: after[0].ByID.User, Base: after[0].ByID}})[0]; !errors.Is(err, bulk.ErrConflict) {
			t.Errorf("an update from what was before the host's is %v, want %v", err, bulk.ErrConflict)
		}
	})
}

// Each process has a pool of its own.
func TestMigrateByManyAtOnce(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, server pgtest.Server) {
		for range 2 {
			database := pgtest.Database(t, server.URL, execute)
			var running sync.WaitGroup
			for range 8 {
				store := open(t, database)
				running.Go(func() {
					if err := store.Migrate(t.Context()); err != nil {
						t.Error(err)
					}
				})
			}
			running.Wait()
			if got := applied(t, database); got != allMigrations {
				t.Errorf("applied are %s", got)
			}
		}
	})
}

func TestFileAppliedTwiceChangesNothing(t *testing.T) {
	database := migrated(t, pgtest.Newest(t).URL)
	files, err := filepath.Glob("migrations/*.sql")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		if err := execute(t.Context(), database, migration(t, filepath.Base(file))); err == nil {
			t.Errorf("%s was applied twice", file)
		}
	}
	if got := applied(t, database); got != allMigrations {
		t.Errorf("applied are %s", got)
	}
	if err := open(t, database).Commit(t.Context(), "acme", creates(bulk.User{ID: "u"}))[0]; err != nil {
		t.Error(err)
	}
}

func TestMigrateInASchema(t *testing.T) {
	database := pgtest.Database(t, pgtest.Newest(t).URL, execute)
	if err := execute(t.Context(), database, `CREATE SCHEMA "The App"`); err != nil {
		t.Fatal(err)
	}
	pool := connect(t, database)
	store, err := pgstore.New(pool, pgstore.Options{Schema: "The App"})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := store.Commit(t.Context(), "acme", creates(bulk.User{ID: "u"}))[0]; err != nil {
		t.Fatal(err)
	}
	var path, users string
	err = pool.QueryRow(t.Context(), `SELECT current_setting('search_path'), (SELECT count(*)::text FROM "The App".bulkops_users)`).Scan(&path, &users)
	if err != nil || path != `"$user", public` || users != "1" {
		t.Errorf("the connection has the search_path %s, and the schema %s users: %v", path, users, err)
	}
}

func TestMigrateRefuses(t *testing.T) {
	server := pgtest.Newest(t)
	ascii := pgtest.Database(t, server.URL, execute, "TEMPLATE template0 ENCODING 'SQL_ASCII'")
	if err := open(t, ascii).Migrate(t.Context()); err == nil || bulk.Retryable(err) {
		t.Errorf("in a database of another encoding: %v, want a permanent error", err)
	}
	other, err := pgstore.New(connect(t, server.URL), pgstore.Options{Table: "members"})
	if err != nil {
		t.Fatal(err)
	}
	var config *bulk.ConfigError
	if err := other.Migrate(t.Context()); !errors.As(err, &config) {
		t.Errorf("for a table of the host: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := open(t, server.URL).Migrate(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that has ended: %v", err)
	}
}
