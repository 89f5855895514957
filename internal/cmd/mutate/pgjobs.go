package main

// Faults of users, queue and blobs in Postgres: how users are created, each way in which a call
// knows itself again, what claims may look at, and what is told to whom.
var pgjobs = []mutation{
	{
		name: "users who were created meanwhile spoil the others", file: "store/pgstore/commit.go",
		old: `if sqlState(err) == uniqueViolation {`, new: `if false {`, test: "TestConformance",
	},
	{
		name: "each index is looked into before each write", file: "store/pgstore/statement.go",
		old: `"{conflict}", "", 1`, new: `"{conflict}", "ON CONFLICT DO NOTHING", 1`, test: "TestPlans",
	},
	{
		name: "a late save overwrites a later one", file: "jobs/pgjobs/statement.go",
		old: " AND save_stamp < $3", test: "TestLateSave",
	},
	{
		name: "a save does not know itself again", file: "jobs/pgjobs/save.go",
		old: `if errors.Is(err, pgx.ErrNoRows) && doubt {`, new: `if errors.Is(err, pgx.ErrNoRows) && doubt && false {`, test: "TestLostAnswers",
	},
	{
		name: "a claim does not know itself again", file: "jobs/pgjobs/claim.go",
		old: "\tif doubt {", new: "\tif false {", test: "TestLostAnswers",
	},
	{
		name: "a cancel does not know itself again", file: "jobs/pgjobs/queue.go",
		old: `(!doubt || r.cancelNonce != nonce)`, new: `true`, test: "TestLostAnswers",
	},
	{
		name: "a create does not know itself again", file: "jobs/pgjobs/queue.go",
		old: `if !doubt {`, new: `if true {`, test: "TestLostAnswers",
	},
	{
		name: "a key does not know itself again", file: "jobs/pgjobs/key.go",
		old: `if doubt {`, new: `if false {`, test: "TestLostAnswers",
	},
	{
		name: "a claim takes a job whose lease was renewed", file: "jobs/pgjobs/statement.go",
		old: `THEN greatest(lease_until, not_before) END`, new: `THEN NULL END`, test: "TestManyRenewedLeases",
	},
	{
		name: "a claim looks at the jobs that are due once", file: "jobs/pgjobs/claim.go",
		old: `tag.RowsAffected() < maxDue {`, new: `tag.RowsAffected() <= maxDue {`, test: "TestManyRenewedLeases",
	},
	{
		name: "a heartbeat writes an index", file: "jobs/pgjobs/statement.go",
		old: `THEN least(due_at, $now + $4::interval)`, new: `THEN $now + $4::interval`, test: "TestHeartbeatsTouchNoIndex",
	},
	{
		name: "a lease that becomes shorter is not looked at in time", file: "jobs/pgjobs/statement.go",
		old: `THEN least(due_at, $now + $4::interval)`, new: `THEN coalesce(due_at, $now + $4::interval)`, test: "TestShortenedLease",
	},
	{
		name: "the turn is not noted", file: "jobs/pgjobs/statement.go",
		old: `SET tenant = claimed.tenant FROM claimed`, new: `SET tenant = t.tenant FROM claimed`, test: "TestTurnsOfAllProcesses",
	},
	{
		name: "a claim waits for the turn", file: "jobs/pgjobs/statement.go",
		old: `FROM $bulkops_jobs_turn FOR UPDATE SKIP LOCKED)`, new: `FROM $bulkops_jobs_turn FOR UPDATE)`, test: "TestClaimsDoNotWait",
	},
	{
		name: "a listing may read the jobs of others", file: "jobs/pgjobs/statement.go",
		old: `ORDER BY tenant DESC, id DESC LIMIT $2`, new: `ORDER BY id DESC LIMIT $2`, test: "TestCostDoesNotGrow",
	},
	{
		name: "other processes are not told of a job", file: "jobs/pgjobs/statement.go",
		old: "SELECT pg_notify('` + channel + `', $6) FROM created", new: "SELECT $6::text FROM created", test: "TestListen",
	},
	{
		name: "a queue hears those of other schemas", file: "jobs/pgjobs/listen.go",
		old: `if heard.Payload == q.schema {`, new: `if heard.Payload != "none" {`, test: "TestListenInASchema",
	},
	{
		name: "a transaction of the host is passed over", file: "jobs/pgjobs/internal/database/database.go",
		old: `if tx, ok := ctx.Value(txKey{}).(pgx.Tx); ok {`, new: `if tx, ok := ctx.Value(txKey{}).(pgx.Tx); ok && false {`, test: "TestTransaction",
	},
	{
		name: "what has expired stays", file: "jobs/pgjobs/claim.go",
		old: `_, _ = q.sweep(ctx)`, new: `_ = q.sweep`, test: "TestSweep",
	},
	{
		name: "an upload that failed leaves its chunks", file: "jobs/pgjobs/pgblob/put.go",
		old: `if err == nil || !up.begun {`, new: `if true {`, test: "TestSizes",
	},
	{
		name: "an upload that failed takes its blob along", file: "jobs/pgjobs/pgblob/statement.go",
		old: `WITH begun AS (DELETE FROM $bulkops_blobs_uploads WHERE upload = $1 RETURNING upload)`,
		new: `WITH blob AS (DELETE FROM $bulkops_blobs WHERE upload = $1), begun AS (SELECT $1::uuid AS upload)`, test: "TestCancelledTooLate",
	},
	{
		name: "a put does not know itself again", file: "jobs/pgjobs/pgblob/put.go",
		old: `case doubt && id == u.id:`, new: `case false:`, test: "TestLostAnswers",
	},
	{
		name: "a blob may have any size", file: "jobs/pgjobs/pgblob/put.go",
		old: `u.size > u.store.opts.MaxBlob`, new: `u.size < 0`, test: "TestSizes",
	},
}

// cloudblob has the faults of the store in buckets of gocloud.dev.
var cloudblob = []mutation{
	{
		name: "puts in files end at once", file: "blob/cloudblob/store.go",
		old: `if opts.OneProcess {`, new: `if false {`, test: "^TestPutsOfOneProcessEndInTurn$",
	},
	{
		name: "a put takes any object for its own", file: "blob/cloudblob/put.go",
		old: `stored.Metadata[nonceName] != nonce`, new: `stored == nil`, test: "^TestConformance$/memblob/Put/RefusesKeyInUse",
	},
	{
		name: "a put does not know itself again", file: "blob/cloudblob/put.go",
		old: `stored.Metadata[nonceName] != nonce`, new: `stored != nil`, test: "TestLostAnswers",
	},
	{
		name: "files are taken without a word", file: "blob/cloudblob/store.go",
		old: `!opts.OneProcess && inFiles(bucket)`, new: `false && inFiles(bucket)`, test: "TestFilesNeedOneProcess",
	},
	{
		name: "a missing bucket is a missing blob", file: "blob/cloudblob/errors.go",
		old: `case err == nil, err == io.EOF:`, new: `case true, err == io.EOF:`, test: "TestMissingBucket",
	},
	{
		name: "a broken connection ends a reader", file: "blob/cloudblob/reader.go",
		old: `if err := r.reopen(err); err != nil {`, new: `if r.reopen(err); err != nil {`, test: "TestBrokenConnection",
	},
}
