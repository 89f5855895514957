// Package dynamojobs keeps jobs in one DynamoDB table: a [bulk.JobQueue] for any
// number of processes.
//
//	client := dynamojobs.NewClient(cfg) // an aws.Config
//	jobs, err := dynamojobs.New(client, dynamojobs.Options{Table: "jobs"})
//
// # The record
//
// A job is one item, with its id as the key. What never changes of it is one JSON
// document; what queues and workers change are attributes of their own, so that
// each method but List and Claim is a single write, conditional on the item
// itself. Nothing is read first, and no two items have to agree. Progress is one
// JSON text beside them. An item holds at most 400 KB, see [MaxItem]: a span and
// a failed email take some 30 and 6 bytes, so a job would need thousands of
// claims that each save progress, or as many failed emails in one segment, to
// come near. A Save that does not fit fails for good and changes nothing.
//
// A Get costs one read unit for each four kilobytes of the item, and a change one write
// unit for each kilobyte. The indexes come on top: create and end take two units, a
// claim three, and a Save that renews the lease or gives it up two, as the job's place in
// the index of claims changes with it.
//
// The table also has the idempotency keys of requests, one small item each.
//
// # Claims
//
// A sparse index has the jobs that have not ended, and apart from them, by when they
// ended, those whose end is to be told. It is a hint: it lags behind the table by some
// milliseconds, and the condition on the record decides. In its one partition of jobs
// that have not ended come first the jobs that can be claimed now, by a hash of the
// tenant and the id of the job, so that the jobs of a tenant lie side by side, the
// oldest first. Behind them come those that are under way or wait to be tried again, by the time when that
// is over. A Claim without an id goes on behind the tenant that was served last and
// takes the first job there; one whose time is over, as that of a worker that died, it
// first moves to its place among the others. So:
//
//   - The tenants with claimable jobs take turns, exactly so for claims that one
//     Queue makes one after the other: each is served once before any is served
//     again. Each Queue starts at a random place, and several know nothing of
//     each other. A tenant that comes while another, which has more than 32 jobs, is
//     alone may have to wait for two of those, if they are claimed within a second.
//   - Within a tenant the oldest claimable job is taken. Where several claimers meet,
//     those who lose choose at random among the next few jobs, more of them with each
//     loss.
//   - A lease that lapsed, or a wait that is over, is seen by the next claim where up to
//     32 jobs can be claimed, and else by a claim that comes to the end of the
//     tenants, or was not there for ten seconds.
//
// What is under way or waits is not read, so a claim costs the same with any number of
// such jobs. With 20 claims one after the other, and none of them lost to others, the
// calls of a claim are:
//
//	none can be claimed                       1 query
//	up to 32 can be claimed                   1 query, 1 write
//	10,000 queued, of one tenant              0.6 queries, 1 write; with more than
//	                                          a second between claims 2 queries
//	500 and more queued of each of five       1.2 queries, 1 write
//	for each lease that lapsed, once          1 write more
//	for each race lost to another claimer     1 failed write more
//
// A query takes half a read unit or one. The first claim of a Queue, and one every ten
// minutes, makes three queries more, for jobs that the version before has left.
//
// The partition takes 1,000 write units a second, some 150 small jobs.
//
// # Idle workers
//
// A [bulk.Worker] without work makes a query every [bulk.Config.Poll], and after a
// minute one every 12 times that: with a Poll of a second, 220,000 queries of half a read
// unit a month, some cents on demand. A Queue tells the workers of its own process of
// what it does itself ([Queue.Changed]), so that a job which is created in a worker's
// process starts at once, or within Poll if the index lags. A job that another process
// creates starts within Poll in a busy minute and within 12 times that in a quiet one.
// Where that is too long, lower Poll, or let a bell ring that both can hear:
// jobs/sqsjobs is one.
//
// # Versions
//
// The version before, of November 2026, spread the index over four partitions, and kept
// jobs under way among the others. This one claims the jobs that it left, in turn, and
// workers of both may run on one table at once. Processes of the version before find
// what this one creates, gives back or leaves. Jobs that they still create are found
// within ten minutes, so replace those that take requests first, or soon. Options.Shards
// is gone: if it was above 4, let all jobs end first.
//
// # Lost answers
//
// A conditional write that succeeded and whose answer was lost fails its own
// condition when it is sent again. So every write leaves a nonce in the item:
// when a condition fails, the item that made it fail comes back with the error,
// and a write that finds its own nonce there knows that it was done. The nonces
// of the last claim and cancel, and of the last save with each token, are kept
// apart, so that none hides another.
//
// A request may also arrive late, after its sender gave up on it, sent it again
// and went on. Every write that changes a job carries a stamp, which must be higher than
// that of the item: so a late checkpoint cannot overwrite a newer one of the same worker.
//
// # Clocks
//
// The times of a job are those of the process that wrote them. What a worker may
// change is decided by the fencing token alone, never by a clock. Clocks decide
// when a job can be claimed: a claimer whose clock is ahead takes a job that much
// before its lease is over, and the worker that held it is refused from then on. So
// keep the clocks of all processes within a small part of the lease: with a lease
// of a minute, renewed every 20 seconds, within 30 seconds.
//
// # Expiry
//
// A job whose ExpiresAt has passed does not exist for any method. The item goes
// when DynamoDB's own TTL removes it, usually within two days.
package dynamojobs
