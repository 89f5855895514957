package pgstore_test

import (
	"database/sql"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/store/pgstore"
)

func TestNewRefusesOptions(t *testing.T) {
	pool, err := pgxpool.New(t.Context(), "postgres://nobody@127.0.0.1:1/none")
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	db, err := sql.Open("pgx", "postgres://nobody@127.0.0.1:1/none")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for field, open := range map[string]func() (*pgstore.Store, error){
		"pool": func() (*pgstore.Store, error) { return pgstore.New(nil, pgstore.Options{}) },
		"db":   func() (*pgstore.Store, error) { return pgstore.NewSQL(nil, pgstore.Options{}) },
		"Options.Table": func() (*pgstore.Store, error) {
			return pgstore.New(pool, pgstore.Options{Table: "users\x00"})
		},
		"Options.Columns.Email": func() (*pgstore.Store, error) {
			return pgstore.New(pool, pgstore.Options{Columns: pgstore.Columns{ID: "email"}})
		},
		"Options.MaxBatch": func() (*pgstore.Store, error) {
			return pgstore.NewSQL(db, pgstore.Options{MaxBatch: 1001})
		},
	} {
		var config *bulk.ConfigError
		if store, err := open(); store != nil || !errors.As(err, &config) || config.Field != field {
			t.Errorf("%s: %v, %v", field, store, err)
		}
	}
	store, err := pgstore.New(pool, pgstore.Options{MaxBatch: 7})
	if err != nil || store.MaxBatch() != 7 {
		t.Errorf("a store with a MaxBatch of 7: %v, %v", store, err)
	}
}

// A database that cannot be reached may be there the next time.
func TestUnreachable(t *testing.T) {
	pool, err := pgxpool.New(t.Context(), "postgres://nobody@127.0.0.1:1/none")
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	store, err := pgstore.New(pool, pgstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Lookup(t.Context(), "acme", []bulk.Ref{{ID: "u"}}); err == nil || !bulk.Retryable(err) {
		t.Errorf("Lookup: %v, want a retryable error", err)
	}
	outcomes := store.Commit(t.Context(), "acme", creates(bulk.User{ID: "u"}, bulk.User{ID: "v"}))
	for _, err := range outcomes {
		if err == nil || !bulk.Retryable(err) {
			t.Errorf("Commit: %v, want a retryable error", err)
		}
	}
}
