package pgstore_test

import (
	"context"
	"log"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bulkops/bulkops/blob/memblob"
	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/jobs/memjobs"
	"github.com/bulkops/bulkops/store/pgstore"
)

// Users are in Postgres, jobs and results in memory.
func Example() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, "postgres://app@db.example.com/app")
	if err != nil {
		log.Fatal(err)
	}
	defer pool.Close()
	store, err := pgstore.New(pool, pgstore.Options{})
	if err != nil {
		log.Fatal(err)
	}
	if err := store.Migrate(ctx); err != nil {
		log.Fatal(err)
	}
	importer, err := bulk.NewImporter(bulk.Config{Store: store, Blobs: memblob.New(), Jobs: memjobs.New()})
	if err != nil {
		log.Fatal(err)
	}
	_ = importer
}

// A table that the host has had for long: see docs/postgres.md for what it needs.
func ExampleNew_tableOfTheHost() {
	pool, err := pgxpool.New(context.Background(), "postgres://app@db.example.com/app")
	if err != nil {
		log.Fatal(err)
	}
	defer pool.Close()
	store, err := pgstore.New(pool, pgstore.Options{
		Schema: "app", Table: "members",
		Columns: pgstore.Columns{Tenant: "org", ID: "login", Email: "mail", Version: "bulk_version", Mark: "bulk_mark"},
	})
	if err != nil {
		log.Fatal(err)
	}
	log.Println(store.MaxBatch())
}
