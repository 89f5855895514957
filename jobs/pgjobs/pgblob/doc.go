// Package pgblob keeps blobs in Postgres, for those who want one system for users, jobs and
// blobs: a [bulk.BlobStore] for any number of processes.
//
//	blobs, err := pgblob.New(pool, pgblob.Options{})
//	…
//	err = blobs.Migrate(ctx)
//
// A database is a dear place for blobs: they are in its memory, its log, its replicas and its
// backups. That is fine for payloads and results of some megabytes, a few thousand of them, and
// [Options.MaxBlob] bounds each. Where there are more, an object store is the better place: see
// packages s3blob and cloudblob.
//
// # The tables
//
// A blob is one row, and its content rows of 1 MiB. A blob of up to that size is put by one
// statement. The chunks of a larger one are written while it is read, each by a statement of its
// own, so that no transaction waits for the reader; then one statement makes it a blob, if its
// key is free. From then on it stays, also if that Put does not learn of it. What a Put leaves
// behind that was cut off before is nobody's, and is removed after a day.
//
// # Transactions of the host
//
// With a context of [pgjobs.WithTx] a Put is part of the host's transaction, as is the job that
// the blob is the payload of.
//
// # Old blobs
//
// Blobs are removed once they are older than [Options.Retention], a few by each Put, at most
// once a minute. [Store.Sweep] removes all of them. Both remove rows, whose space Postgres uses
// again once it has been vacuumed.
//
// # Downloads
//
// The store signs no URLs: package httpapi serves downloads itself.
//
// [pgjobs.WithTx]: https://pkg.go.dev/github.com/bulkops/bulkops/jobs/pgjobs#WithTx
package pgblob
