package pgstore_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/test/pgtest"
	"github.com/bulkops/bulkops/store/pgstore"
)

// reads are how often the table was read from end to end, and how many entries its indexes
// returned.
type reads struct{ scans, entries int64 }

func readsOf(t *testing.T, pool *pgxpool.Pool) (r reads) {
	t.Helper()
	// The one connection tells what it did now and not later.
	if _, err := pool.Exec(t.Context(), `SELECT pg_stat_force_next_flush()`); err != nil {
		t.Fatal(err)
	}
	err := pool.QueryRow(t.Context(), `SELECT (SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'bulkops_users'),
		(SELECT sum(idx_tup_read)::bigint FROM pg_stat_user_indexes WHERE relname = 'bulkops_users')`).Scan(&r.scans, &r.entries)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// No statement costs more as the table grows, even though the planner knows nothing of that:
// the table is filled through one connection, which keeps its plans, and is analyzed before and
// not again.
func TestCostDoesNotGrowWithTheTable(t *testing.T) {
	database := migrated(t, pgtest.Newest(t).URL)
	if err := execute(t.Context(), database, `ALTER TABLE bulkops_users SET (autovacuum_enabled = off)`); err != nil {
		t.Fatal(err)
	}
	pool, err := pgxpool.New(context.Background(), with(t, database, "pool_max_conns", "1"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	store, err := pgstore.New(pool, pgstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	// The planner knows a table of ten users, and is not told that it grows.
	for i := range 10 {
		if err := store.Commit(t.Context(), "acme", creates(bulk.User{ID: fmt.Sprint("first", i)}))[0]; err != nil {
			t.Fatal(err)
		}
	}
	if err := execute(t.Context(), database, `VACUUM (ANALYZE) bulkops_users`); err != nil {
		t.Fatal(err)
	}
	nobody := make([]bulk.Ref, store.MaxBatch())
	for i := range nobody {
		nobody[i] = bulk.Ref{ID: fmt.Sprint("nobody", i), Email: fmt.Sprintf("nobody%d@example.com", i)}
	}
	for range 10 { // the plan for so small a table is made now, and kept
		if _, err := store.Lookup(t.Context(), "acme", nobody); err != nil {
			t.Fatal(err)
		}
	}
	const batches = 40
	last := readsOf(t, pool)
	for batch := range batches {
		size := 1 + (batch+10)*337%store.MaxBatch() // a plan for one is not one for hundreds
		refs, users := make([]bulk.Ref, size), make([]bulk.User, size)
		for i := range users {
			users[i] = bulk.User{ID: fmt.Sprint("u", batch, "-", i), Email: fmt.Sprintf("u%d-%d@example.com", batch, i)}
			refs[i] = bulk.Ref{ID: users[i].ID, Email: users[i].Email}
		}
		if _, err := store.Lookup(t.Context(), "acme", refs); err != nil {
			t.Fatal(err)
		}
		for _, err := range store.Commit(t.Context(), "acme", creates(users...)) {
			if err != nil {
				t.Fatal(err)
			}
		}
		found, err := store.Lookup(t.Context(), "acme", refs)
		if err != nil {
			t.Fatal(err)
		}
		updates := make([]bulk.Write, size)
		for i := range updates {
			updates[i] = bulk.Write{User: users[i], Base: found[i].ByID}
			if i%2 == 0 { // and moves the other half
				updates[i].User.Email = "new-" + users[i].Email
				updates[i].Patch.Email = updates[i].User.Email
			}
		}
		for _, err := range store.Commit(t.Context(), "acme", updates) {
			if err != nil {
				t.Fatal(err)
			}
		}
		now := readsOf(t, pool)
		if now.scans > last.scans {
			t.Fatalf("batch %d read the whole table", batch)
		}
		// Two lookups and a write of each user find one entry each: some missing, the new emails too.
		if entries := now.entries - last.entries; entries > int64(3*size) {
			t.Fatalf("batch %d of %d users read %d entries of indexes", batch, size, entries)
		}
		last = now
	}
}
