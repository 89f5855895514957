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
// A Save, a heartbeat too, costs one write unit for each kilobyte of the item and
// one for the index of claims, a Get one read unit for each four kilobytes.
//
// The table also has the idempotency keys of requests, one small item each.
//
// # Claims
//
// A sparse index has the jobs that have not ended. It is a hint: it lags behind
// the table by some milliseconds, and the condition on the record decides. It
// is sharded by tenant and sorted by tenant and job id, so that the jobs of a
// tenant lie side by side, the oldest first. A Claim without an id goes on behind
// the tenant that it served last and takes the first claimable job there. So:
//
//   - The tenants with claimable jobs take turns, exactly so for claims that one
//     Queue makes one after the other: each is served once before any is served
//     again. Each Queue starts at a random place, and several know nothing of
//     each other.
//   - Within a tenant the oldest claimable job is taken, which includes those
//     whose worker died. Where several claimers meet, those who lose choose at
//     random among the next few jobs, more of them with each loss.
//   - A claim that finds a job costs one query and one write, and a failed write
//     for every race lost. Hints of jobs that are under way are read on the way:
//     about 50 take one read unit.
//   - A claim that finds none costs one query for each shard and one more, and
//     the hints of all jobs that are under way or wait to be tried again.
//
// The jobs of a tenant are in one shard, which takes 1,000 changes a second.
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
// and went on. Every write carries a stamp, which must be higher than that of the
// item: so a late checkpoint cannot overwrite a newer one of the same worker.
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
