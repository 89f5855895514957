// Package bulk imports users in bulk: up to 10,000 users in a request, each row
// with a result of its own.
//
// A [Store] keeps the users, a [BlobStore] the payloads and results, a [JobQueue]
// the jobs; packages below store, blob and jobs implement them in memory, on
// AWS and in Postgres, and package bulktest proves other implementations. An [Importer] takes
// requests; a [Worker] runs the jobs that they become. Package httpapi puts an
// HTTP API on them.
//
// # What is promised
//
//   - Every row has exactly one result, in order, and the counts add up.
//   - No update is lost and no two users of a tenant share an email, whatever
//     runs at the same time.
//   - A job survives the crash of its worker, and repeating the rows that were
//     under way gives the same results.
//   - A merge never destroys what it does not know.
//   - Every store follows the same rules.
package bulk
