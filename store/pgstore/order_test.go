package pgstore_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/test/pgtest"
	"github.com/bulkops/bulkops/store/pgstore"
)

// Batches that change the same users in different orders do not wait for each other in a
// circle: Postgres would end one of them after a second.
func TestBatchesOfTheSameUsersDoNotDeadlock(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, server pgtest.Server) {
		database := migrated(t, server.URL)
		store, deadlocks := openCounting(t, database)
		const users, batches, rounds = 200, 8, 10
		bases := make([]*bulk.Stored, users)
		refs := make([]bulk.Ref, users)
		var all []bulk.User
		for i := range refs {
			refs[i].ID = fmt.Sprint("u", i)
			all = append(all, bulk.User{ID: refs[i].ID})
		}
		for _, err := range store.Commit(t.Context(), "acme", creates(all...)) {
			if err != nil {
				t.Fatal(err)
			}
		}
		for range rounds {
			found, err := store.Lookup(t.Context(), "acme", refs)
			if err != nil {
				t.Fatal(err)
			}
			for i := range found {
				bases[i] = found[i].ByID
			}
			done := make([]int, batches)
			var running sync.WaitGroup
			for batch := range batches {
				running.Go(func() {
					writes := make([]bulk.Write, users)
					for i, n := range rand.Perm(users) {
						writes[i] = bulk.Write{User: bases[n].User, Base: bases[n]}
					}
					for _, err := range store.Commit(t.Context(), "acme", writes) {
						switch {
						case err == nil:
							done[batch]++
						case !errors.Is(err, bulk.ErrConflict):
							t.Error(err)
						}
					}
				})
			}
			running.Wait()
			sum := 0
			for _, n := range done {
				sum += n
			}
			if sum != users {
				t.Errorf("%d updates from the same versions of %d users were done", sum, users)
			}
		}
		if n := deadlocks.Load(); n > 0 {
			t.Errorf("there were %d deadlocks", n)
		}
	})
}

// Two imports of the same addresses without ids make up an id for each, so the order of ids
// is of no help.
func TestBatchesOfTheSameEmailsDoNotDeadlock(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, server pgtest.Server) {
		database := migrated(t, server.URL)
		store, deadlocks := openCounting(t, database)
		const emails, batches, rounds = 200, 8, 10
		for round := range rounds {
			var running sync.WaitGroup
			var done atomic.Int32
			for batch := range batches {
				running.Go(func() {
					users := make([]bulk.User, emails)
					for i, n := range rand.Perm(emails) {
						users[i] = bulk.User{ID: fmt.Sprintf("u%d-%d-%d", round, batch, i), Email: fmt.Sprintf("E%d-%d@example.com", round, n)}
					}
					for _, err := range store.Commit(t.Context(), "acme", creates(users...)) {
						switch {
						case err == nil:
							done.Add(1)
						case !errors.Is(err, bulk.ErrEmailTaken):
							t.Error(err)
						}
					}
				})
			}
			running.Wait()
			if n := done.Load(); n != emails {
				t.Errorf("%d users were created for %d emails", n, emails)
			}
		}
		if n := deadlocks.Load(); n > 0 {
			t.Errorf("there were %d deadlocks", n)
		}
	})
}

// Where no order helps, Postgres ends one of the transactions. If it is that of a batch, no row of
// it gets to know.
func TestDeadlockReachesNoRow(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, server pgtest.Server) {
		database := migrated(t, server.URL)
		store, deadlocks := openCounting(t, database)
		// The host does not look for deadlocks, so that it is the batch that is ended.
		host := connect(t, with(t, database, "deadlock_timeout", "1h"))
		begin := func(id string) pgx.Tx {
			tx, err := host.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			hostCreates(t, tx, id)
			return tx
		}
		waiting := func(want int) {
			for n := -1; n != want; {
				err := host.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity
					WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&n)
				if err != nil {
					t.Fatal(err)
				}
			}
		}
		last, middle := begin("c"), begin("b")
		var running sync.WaitGroup
		running.Go(func() {
			for _, err := range store.Commit(t.Context(), "acme", creates(bulk.User{ID: "a"}, bulk.User{ID: "b"}, bulk.User{ID: "c"})) {
				if err != nil {
					t.Error(err)
				}
			}
		})
		waiting(1) // the batch has a, and waits for b
		running.Go(func() {
			hostCreates(t, last, "a")
			if err := last.Rollback(t.Context()); err != nil {
				t.Error(err)
			}
		})
		waiting(2) // the host has c, and waits for a
		if err := middle.Rollback(t.Context()); err != nil {
			t.Fatal(err)
		}
		running.Wait() // the batch had b, and waited for c
		if n := deadlocks.Load(); n != 1 {
			t.Errorf("there were %d deadlocks, want 1", n)
		}
	})
}

func hostCreates(t *testing.T, tx pgx.Tx, id string) {
	if _, err := tx.Exec(t.Context(), `INSERT INTO bulkops_users (tenant, id) VALUES ('acme', $1)`, id); err != nil {
		t.Error(err)
	}
}

// deadlocks counts the transactions of a pool that ended for a deadlock.
type deadlocks struct{ atomic.Int32 }

func (d *deadlocks) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return ctx
}

func (d *deadlocks) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func (d *deadlocks) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	return ctx
}

func (d *deadlocks) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}

func (d *deadlocks) TraceBatchEnd(_ context.Context, _ *pgx.Conn, data pgx.TraceBatchEndData) {
	var e *pgconn.PgError
	if errors.As(data.Err, &e) && e.Code == "40P01" {
		d.Add(1)
	}
}

// openCounting returns a store that counts its deadlocks, which Postgres finds soon.
func openCounting(t *testing.T, database string) (*pgstore.Store, *deadlocks) {
	t.Helper()
	config, err := pgxpool.ParseConfig(with(t, with(t, database, "deadlock_timeout", "10ms"), "pool_max_conns", "8"))
	if err != nil {
		t.Fatal(err)
	}
	counter := new(deadlocks)
	config.ConnConfig.Tracer = counter
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	store, err := pgstore.New(pool, pgstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return store, counter
}
