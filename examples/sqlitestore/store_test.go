package sqlitestore_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/bulk/bulktest"
	"github.com/bulkops/bulkops/examples/sqlitestore"
)

// TestConformance gives each case a connection of its own to the same file, as
// processes have it.
func TestConformance(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users.db")
	bulktest.TestStore(t, func(t *testing.T) bulk.Store { return open(t, path) })
}

func BenchmarkConformance(b *testing.B) {
	bulktest.BenchmarkStore(b, func(b *testing.B) bulk.Store { return open(b, filepath.Join(b.TempDir(), "users.db")) })
}

func open(t testing.TB, path string) *sqlitestore.Store {
	t.Helper()
	store, err := sqlitestore.Open(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return store
}
