package sqlitestore_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/bulkops/bulkops/blob/memblob"
	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/examples/sqlitestore"
	"github.com/bulkops/bulkops/jobs/memjobs"
)

// Users are in SQLite, jobs and results in memory.
func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "sqlitestore")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	store, err := sqlitestore.Open(ctx, filepath.Join(dir, "users.db"))
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	importer, err := bulk.NewImporter(bulk.Config{Store: store, Blobs: memblob.New(), Jobs: memjobs.New()})
	if err != nil {
		log.Fatal(err)
	}

	for _, team := range []string{"Lakers", "Lakers", "Bulls"} {
		fields, err := bulk.NewFields(map[string]any{"team": team})
		if err != nil {
			log.Fatal(err)
		}
		report, err := importer.Import(ctx, bulk.Request{
			Principal: bulk.Principal{ID: "boss", Tenant: "acme", Role: bulk.RoleAdmin},
			Options:   bulk.DefaultOptions(),
			Rows:      bulk.Users(bulk.User{ID: "u-1", Email: "ana@example.com", CustomFields: fields}),
		})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(team, report.Results[0].Status)
	}
	// Output:
	// Lakers created
	// Lakers unchanged
	// Bulls updated
}
