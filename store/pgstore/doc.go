// Package pgstore keeps users in Postgres, version 14 or newer.
//
//	pool, err := pgxpool.New(ctx, "postgres://app@db/app")
//	store, err := pgstore.New(pool, pgstore.Options{})
//	err = store.Migrate(ctx)
//
// # Tables
//
// One row for each user. [Store.Migrate] makes the table, or the files of the folder migrations,
// which are plain SQL: see docs/postgres.md. Custom fields and metadata are jsonb, whose
// numbers keep every digit; the order of names and the spelling of numbers are not kept, and
// mean nothing. The claim of an email is a unique index over its folded form and the tenant.
//
// # A table of the host
//
// [Options] name the table and its columns, so it can be one that the host program has already.
// It needs
//
//   - tenant and id, text, with a unique index over both; other keys of the table are its own;
//   - an email, text or citext, NULL for none, with a unique index over the tenant and
//     lower(email::text COLLATE "C"), which folds the ASCII letters and nothing else, WHERE it
//     is NOT NULL;
//   - custom fields and metadata, jsonb;
//   - a version with a default that never comes back, such as a uuid with gen_random_uuid(), and
//     a trigger that sets it anew when the host changes one of the columns above;
//   - a mark, text, with the empty text as its default.
//
// The collations of tenant and id must tell all texts apart that differ in a byte, as all do that
// are not nondeterministic. Columns that are not named here are never read or written: a new
// user has their defaults. What a constraint or a trigger of the host refuses fails its row,
// for good, and no other.
//
// The host writes as it likes. What it changes between the lookup of an import and its write
// makes that write a conflict, which the library resolves: nothing of either is lost.
//
// # Round trips and transactions
//
// A Lookup is one statement, a Commit one transaction of at most one UPDATE and one INSERT for
// the whole batch, sent together: one round trip each. A Commit whose writes stand against
// others takes more. READ COMMITTED is enough, and other levels do: transactions that the
// database undoes because of others (SQLSTATE 40001 and 40P01) are sent again, up to 10 times.
// The database must be a primary: a replica lags behind, and a Lookup there breaks promises.
//
// The durability of a write is that of the database: with synchronous_commit off, users that
// were reported as written may be lost in a crash.
package pgstore
