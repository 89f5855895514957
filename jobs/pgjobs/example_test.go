package pgjobs_test

import (
	"context"
	"log"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/jobs/pgjobs"
	"github.com/bulkops/bulkops/jobs/pgjobs/pgblob"
	"github.com/bulkops/bulkops/store/memstore"
)

func Example() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, "postgres://app@localhost/app")
	if err != nil {
		log.Fatal(err)
	}
	jobs, err := pgjobs.New(pool, pgjobs.Options{})
	if err != nil {
		log.Fatal(err)
	}
	blobs, err := pgblob.New(pool, pgblob.Options{})
	if err != nil {
		log.Fatal(err)
	}
	if err := jobs.Migrate(ctx); err != nil {
		log.Fatal(err)
	}
	if err := blobs.Migrate(ctx); err != nil {
		log.Fatal(err)
	}
	go jobs.Listen(ctx) // until ctx ends; its error says what no repetition mends
	worker, err := bulk.NewWorker(bulk.Config{Store: memstore.New(), Blobs: blobs, Jobs: jobs})
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(worker.Run(ctx))
}

// What the host writes and the job become true together, or not at all.
func ExampleWithTx() {
	log.Print(importUpload(context.Background(), nil, nil, bulk.Request{}))
}

// importUpload notes an upload and makes the job that imports it.
func importUpload(ctx context.Context, pool *pgxpool.Pool, importer *bulk.Importer, request bulk.Request) (*bulk.Job, error) {
	tx, err := pool.Begin(ctx)
	if err != nil {
		return nil, err
	}
	defer tx.Rollback(ctx) // does nothing once it is committed
	job, err := importer.Submit(pgjobs.WithTx(ctx, tx), request)
	if err != nil {
		return nil, err
	}
	if _, err := tx.Exec(ctx, `INSERT INTO uploads (name) VALUES ($1)`, job.ID); err != nil {
		return nil, err
	}
	return job, tx.Commit(ctx)
}
