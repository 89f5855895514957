// Package sqsjobs gives a job queue a doorbell: it wraps any [bulk.JobQueue] and
// sends a message to an SQS queue when a job may be claimed, so that functions are
// invoked and workers wake without asking all the time.
//
//	jobs, err := dynamojobs.New(dynamojobs.NewClient(cfg), dynamojobs.Options{Table: "jobs"})
//	rung, err := sqsjobs.New(jobs, sqsjobs.NewClient(cfg), sqsjobs.Options{QueueURL: url})
//
// Importers and workers get the wrapped queue as their [bulk.Config] Jobs. It rings
// when a job was created, when a lease is given up, and when a job is to be tried
// again, by a message that is delayed until then.
//
// # A message only wakes
//
// The record of a job is its entry in the queue, and the lease on it decides who
// works on it. Whoever receives a message claims the next job in fair turn, which
// need not be the one that rang. So messages may be lost, doubled, late and in any
// order:
//
//   - one too many is a claim that finds nothing;
//   - for one too few, because SQS failed, or a worker died and its lease ran out, a
//     sweep finds the job: a claim without a message, from time to time. [Queue.Serve]
//     makes one at least every [MaxWait]; for functions a schedule does, say once a
//     minute;
//   - the body of a message is the id of the job that rang, for people, and for a
//     queue whose index does not show a new job yet.
//
// A ring that fails is logged and changes nothing else: the call it belongs to
// returns what the wrapped queue returned. While SQS does not answer it takes up to
// [Options.Timeout] longer.
//
// A message is delayed by at most [MaxDelay]. A job that waits longer is found by a
// sweep; workers let a job wait for five minutes at most.
//
// # Tenants
//
// Each message has the hash of its job's tenant as its MessageGroupId, by which
// standard queues are fair queues: the messages of a tenant with many do not keep
// those of the others waiting. Which job a message leads to is the turn of the job
// queue all the same.
//
// # Functions and workers
//
// [Answer] is what a message means, for a function that is invoked with it:
//
//	for _, record := range event.Records {
//		if _, err := sqsjobs.Answer(ctx, worker, record.Body); err != nil {
//			failed = append(failed, record.MessageId)
//		}
//	}
//
// Nobody has to ring for work that is left: a worker that stops before the deadline
// of ctx gives its job back, and that rings. A sweep calls Answer without a message, and
// [Queue.Ring] if it found a job.
//
// [Queue.Serve] is the same for a process that stays: it receives the messages
// itself.
//
// Neither tells a [bulk.Notifier] of the end of jobs, and nothing rings for that: call
// [bulk.Worker.Notify] after Answer, with the id that it returned, and once a minute.
package sqsjobs
