// Package pgjobs keeps jobs and idempotency keys in Postgres, from version 14 on: a
// [bulk.JobQueue] for any number of processes.
//
//	jobs, err := pgjobs.New(pool, pgjobs.Options{}) // a *pgxpool.Pool
//	…
//	err = jobs.Migrate(ctx)
//	go jobs.Listen(ctx) // workers learn of jobs at once, and not by polling
//
// # A job in the host's own transaction
//
// With a context of [WithTx] a job that an importer makes is part of a transaction: it runs once
// that is committed, and never was if it is rolled back.
//
// # Claims
//
// A claim without an id is one round trip and one transaction. It reads two entries of an index
// and writes one job, however many wait, run or have ended: a test counts the pages.
//
//   - The tenants with jobs that can be claimed take turns, over all processes together, in the
//     order of their names. Within a tenant the oldest job is taken.
//   - Claims at the same moment do not wait for each other, nor for a job that somebody holds
//     (FOR UPDATE SKIP LOCKED). They may then serve the same tenant one after another.
//   - A lease is renewed by a write that touches no index, as is a checkpoint. What a claim has to
//     look at again, since its time has come, it looks at first, 100 jobs at a time: a job that is
//     under way is looked at once for each of its leases.
//
// # Clocks
//
// All times of a job but CreatedAt and ExpiresAt are the database's: leases, delays, expiry. The
// clocks of the processes need not agree.
//
// # Lost answers
//
// A call whose connection is lost is made again, for up to half a minute if it may have had its
// effect, or until its context ends. Each leaves a value of its own in the row by which it knows
// that it was done: so a Save that was done is not taken for a lost lease, and a claim not for a
// job of another. A Save that arrives late, when its sender has gone on, changes nothing.
//
// # Expiry
//
// A job or key whose ExpiresAt has passed does not exist for any method. Rows are removed in
// batches of 500, one a minute, by the processes that claim jobs: see [Queue.Sweep].
//
// # Poolers
//
// Behind PgBouncer in its mode transaction, pgx must not keep prepared statements unless PgBouncer
// does (max_prepared_statements), and [Queue.Listen] needs a connection around it.
package pgjobs
