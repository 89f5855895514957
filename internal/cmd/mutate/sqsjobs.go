package main

// Faults of the doorbell: when it rings and for how long, and what an answer does.
var sqsjobs = []mutation{
	{
		name: "a ring that failed fails the creation", file: "jobs/sqsjobs/queue.go",
		old: `		q.ring(ctx, bell{job: spec.ID, tenant: spec.Tenant})
`, new: `		return q.send(ctx, bell{job: spec.ID, tenant: spec.Tenant})
`, test: "TestRingFails",
	},
	{
		name: "a creation in doubt does not ring", file: "jobs/sqsjobs/queue.go",
		old: `err == nil || bulk.Retryable(err) || errors.Is(err, context.Canceled)`, new: `err == nil || errors.Is(err, context.Canceled)`,
		test: "TestRingsInDoubt/lost_answer",
	},
	{
		name: "a cancelled creation does not ring", file: "jobs/sqsjobs/queue.go",
		old: ` || errors.Is(err, context.Canceled)`, new: ` || errors.Is(err, bulk.ErrUnavailable)`, test: "TestRingsInDoubt/cancelled",
	},
	{
		name: "a refused creation rings", file: "jobs/sqsjobs/queue.go",
		old: `	if mayBeDone(err) {
`, new: `	if mayBeDone(err) || err != nil {
`, test: "TestRings/create_under",
	},
	{
		name: "an end rings", file: "jobs/sqsjobs/queue.go",
		old: `ended := change.End != "" || change.Notified || job.Status.Ended()`, new: `ended := false`, test: "^TestRings$/^end$",
	},
	{
		name: "telling of an end rings", file: "jobs/sqsjobs/queue.go",
		old: `change.Notified || job.Status.Ended()`, new: `false`, test: "^TestRings$/telling_of_an_end",
	},
	{
		name: "a heartbeat rings", file: "jobs/sqsjobs/queue.go",
		old: `change.Lease <= 0 && mayBeDone`, new: `mayBeDone`, test: "TestRings/claim_by_id",
	},
	{
		name: "a ring does not wait for the retry", file: "jobs/sqsjobs/queue.go",
		old: `, after: change.RetryAfter`, test: "TestRings/release_for_30",
	},
	{
		name: "abilities of the wrapped queue are lost", file: "jobs/sqsjobs/queue.go",
		old: `{ return q.jobQueue }`, new: `{ return nil }`, test: "TestUnwrapKeepsAbilities",
	},
	{
		name: "a ring may come before the job can be claimed", file: "jobs/sqsjobs/ring.go",
		old: `int32((after + time.Second - 1) / time.Second)`, new: `int32(after / time.Second)`, test: "TestRings/release_for_half",
	},
	{
		name: "a message has the name of the tenant", file: "jobs/sqsjobs/ring.go",
		old: `aws.String(group(b.tenant))`, new: `aws.String(b.tenant)`, test: "TestRings/release$",
	},
	{
		name: "a ring ends with its call", file: "jobs/sqsjobs/ring.go",
		old: `context.WithTimeout(context.WithoutCancel(ctx), q.opts.Timeout)`, new: `context.WithTimeout(ctx, q.opts.Timeout)`,
		test: "TestRingOutlivesItsCall",
	},
	{
		name: "a ring holds up a call whose context has ended", file: "jobs/sqsjobs/ring.go",
		old: `	defer context.AfterFunc(ctx, func() { time.AfterFunc(lastMoment, cancel) })()
`, test: "TestRingOutlivesItsCall",
	},
	{
		name: "a ring has no deadline", file: "jobs/sqsjobs/ring.go",
		old: `context.WithTimeout(context.WithoutCancel(ctx), q.opts.Timeout)`, new: `context.WithCancel(context.WithoutCancel(ctx))`,
		test: "TestRingFails/silent",
	},
	{
		name: "a job that rang is not asked for by its id", file: "jobs/sqsjobs/serve.go",
		old: `message != "" && message != anyJob {`, new: `message == anyJob {`, test: "TestAnswer|TestServeWithLateIndex",
	},
	{
		name: "a job that was left fails its message", file: "jobs/sqsjobs/serve.go",
		old: `	if errors.Is(err, bulk.ErrNoJob) || errors.Is(err, bulk.ErrJobLeft) {
`, new: `	if errors.Is(err, bulk.ErrNoJob) {
`, test: "TestAnswer",
	},
	{
		name: "a worker receives before it has looked for another job", file: "jobs/sqsjobs/serve.go",
		old: `			message, err = "", nil // a worker logs how its attempts fail
`, new: `			message, err = q.receive(ctx)
`, test: "TestServeReceivesOnlyWhenIdle",
	},
	{
		name: "a failed attempt keeps other jobs waiting", file: "jobs/sqsjobs/serve.go",
		old: `message, err = "", nil // a`, new: `message = "" // a`, test: "TestServeAfterFailedAttempt",
	},
	{
		name: "a message is forgotten while the queue fails", file: "jobs/sqsjobs/serve.go",
		old: `			failures++
`, new: `			failures++
			message = ""
`, test: "TestServeWhileQueueFails",
	},
	{
		name: "a message is not deleted", file: "jobs/sqsjobs/serve.go",
		old: `	q.remove(ctx, message.ReceiptHandle)
`, test: "TestServeWakes",
	},
	{
		name: "a receive has no deadline", file: "jobs/sqsjobs/serve.go",
		old: `context.WithTimeout(ctx, MaxWait+q.opts.Timeout)`, new: `context.WithCancel(ctx)`, test: "TestServeWhileSQSFails/receive_is_silent",
	},
	{
		name: "the pause does not grow", file: "jobs/sqsjobs/serve.go",
		old: `pause.Wait(ctx, failures)`, new: `pause.Wait(ctx, min(failures, 1))`, test: "TestServeWhileSQSFails/receive_is_refused",
	},
}
