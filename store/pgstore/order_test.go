package pgstore_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/test/pgtest"
)

// Batches that change the same users in different orders do not wait for each other in a
// circle: Postgres would end one of them after a second.
func TestBatchesOfTheSameUsersDoNotDeadlock(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, server pgtest.Server) {
		database := migrated(t, server.URL)
		store := open(t, database)
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
		noDeadlocks(t, database)
	})
}

// Two imports of the same addresses without ids make up an id for each, so the order of ids
// is of no help.
func TestBatchesOfTheSameEmailsDoNotDeadlock(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, server pgtest.Server) {
		database := migrated(t, server.URL)
		store := open(t, database)
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
		noDeadlocks(t, database)
	})
}

func noDeadlocks(t *testing.T, database string) {
	t.Helper()
	var deadlocks int
	err := connect(t, database).QueryRow(t.Context(),
		`SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()`).Scan(&deadlocks)
	if err != nil || deadlocks > 0 {
		t.Errorf("there were %d deadlocks: %v", deadlocks, err)
	}
}
