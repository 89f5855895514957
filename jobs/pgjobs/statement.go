package pgjobs

import (
	"fmt"

	"github.com/bulkops/bulkops/jobs/pgjobs/internal/database"
)

// statements are those of a queue, with its schema.
type statements struct {
	create, spec, get, cancel, remove, save    string
	list, listNext, listStatus, listStatusNext string
	due, claimNext, claim, claimed             string
	claimEnded, claimEndedID                   string
	getKey, newKey, putKey                     string
	sweepJobs, sweepKeys                       string
	count                                      string
}

// What a record has: see [record].
const columns = `spec, status, updated_at, started_at, completed_at, cancel_requested, token, attempts, worker,
	lease_until, not_before, progress, results, error, notify, cancel_nonce, save_stamp`

// channel is what queues listen to; the payload is the schema of the option.
const channel = "bulkops_jobs"

// maxDue is how many jobs a claim looks at again at most, before it has another look.
const maxDue = 100

const (
	createStatement = `
WITH created AS (
	INSERT INTO $bulkops_jobs (id, tenant, spec, expires_at, updated_at) VALUES ($1, $2, $3, $4, $5)
	ON CONFLICT (id) DO NOTHING
	RETURNING id)
SELECT pg_notify('` + channel + `', $6) FROM created`

	specStatement = `SELECT spec::text FROM $bulkops_jobs WHERE id = $1`

	getStatement = `SELECT ` + columns + ` FROM $bulkops_jobs WHERE id = $1 AND ` + live

	// The listings: $1 is the tenant, $3 the status if there is one, and the last argument where
	// the page before ended. A tenant is a range of one value here: then no index but the one meant has the
	// order, however wrong the planner's idea of the numbers is.
	listStatement = `
SELECT ` + columns + ` FROM $bulkops_jobs
WHERE tenant >= $1 AND %s AND ` + live + `
ORDER BY tenant DESC, id DESC LIMIT $2`
	listFirst = `tenant <= $1`
	listBelow = `(tenant, id) < ($1, $3)`

	listStatusStatement = `
SELECT ` + columns + ` FROM $bulkops_jobs
WHERE (status, tenant) >= ($3, $1) AND %s AND ` + live + `
ORDER BY status DESC, tenant DESC, id DESC LIMIT $2`
	listStatusFirst = `(status, tenant) <= ($3, $1)`
	listStatusBelow = `(status, tenant, id) < ($3, $1, $4)`

	// dueStatement looks again at the jobs that are due: those that can be claimed by now join
	// the line, the others were renewed meanwhile.
	dueStatement = `
WITH due AS (
	SELECT id FROM $bulkops_jobs
	WHERE completed_at IS NULL AND due_at <= statement_timestamp()
	ORDER BY due_at LIMIT $1
	FOR UPDATE SKIP LOCKED)
UPDATE $bulkops_jobs j SET due_at = CASE
	WHEN greatest(lease_until, not_before) > statement_timestamp() THEN greatest(lease_until, not_before) END
FROM due WHERE j.id = due.id`

	// claimNextStatement takes the oldest job of the tenant behind the one that was served last,
	// or, if there is none, of the first tenant. Claims at the same moment do not wait for each
	// other: they may serve the same tenant, and the first of them notes the turn.
	claimNextStatement = `
WITH ahead AS MATERIALIZED (
	SELECT id FROM $bulkops_jobs
	WHERE completed_at IS NULL AND due_at IS NULL AND ` + live + `
		AND tenant > (SELECT tenant FROM $bulkops_jobs_turn)
	ORDER BY tenant, id LIMIT 1
	FOR UPDATE SKIP LOCKED
), first AS MATERIALIZED (
	SELECT id FROM $bulkops_jobs
	WHERE completed_at IS NULL AND due_at IS NULL AND ` + live + `
		AND NOT EXISTS (SELECT FROM ahead)
	ORDER BY tenant, id LIMIT 1
	FOR UPDATE SKIP LOCKED
), claimed AS (
	UPDATE $bulkops_jobs SET ` + claimChanges + `
	WHERE id = (SELECT id FROM ahead UNION ALL SELECT id FROM first LIMIT 1)
	RETURNING tenant, ` + columns + `
), turn AS (
	UPDATE $bulkops_jobs_turn t SET tenant = claimed.tenant FROM claimed
	WHERE t.one IN (SELECT one FROM $bulkops_jobs_turn FOR UPDATE SKIP LOCKED)
)
SELECT ` + columns + ` FROM claimed`

	// claimChanges are what a claim of a job that has not ended changes.
	claimChanges = `
		status = 'processing', started_at = coalesce(started_at, $now), ` + leaseChanges

	leaseChanges = `updated_at = $now, lease_until = $now + $1::interval, due_at = $now + $1::interval,
		token = token + 1, attempts = attempts + 1, worker = $2, claim_nonce = $3, save_stamp = 0`

	claimStatement = `
UPDATE $bulkops_jobs SET ` + claimChanges + `
WHERE id = $4 AND completed_at IS NULL AND ` + live + ` AND ` + free + `
RETURNING ` + columns

	// countStatement reads the two indexes of jobs that have not ended, and their rows.
	countStatement = `
WITH unended AS (
	SELECT id, spec, (` + free + `) AS ready FROM $bulkops_jobs
	WHERE completed_at IS NULL AND due_at IS NULL AND ` + live + `
	UNION ALL
	SELECT id, spec, (` + free + `) AS ready FROM $bulkops_jobs
	WHERE completed_at IS NULL AND due_at IS NOT NULL AND ` + live + `
)
SELECT count(*) FILTER (WHERE ready), count(*) FILTER (WHERE NOT ready),
	(SELECT spec ->> 'createdAt' FROM unended WHERE ready ORDER BY id LIMIT 1)
FROM unended`

	// live is said in a way that makes no use of the index by which what has expired is found.
	live = `(expires_at > statement_timestamp()) IS TRUE`

	free = `(lease_until IS NULL OR lease_until <= statement_timestamp())
	AND (not_before IS NULL OR not_before <= statement_timestamp())`

	// claimEndedStatement takes the one that is due for the longest time.
	claimEndedStatement = `
UPDATE $bulkops_jobs SET ` + leaseChanges + `
WHERE id = (
	SELECT id FROM $bulkops_jobs
	WHERE notify AND due_at <= statement_timestamp() AND ` + live + `
	ORDER BY due_at LIMIT 1
	FOR UPDATE SKIP LOCKED)
RETURNING ` + columns

	claimEndedIDStatement = `
UPDATE $bulkops_jobs SET ` + leaseChanges + `
WHERE id = $4 AND notify AND due_at <= statement_timestamp() AND ` + live + `
RETURNING ` + columns

	// claimedStatement finds the job that a claim without an id got whose answer was lost.
	claimedStatement = `
SELECT ` + columns + ` FROM $bulkops_jobs
WHERE (completed_at IS NULL AND due_at IS NOT NULL OR notify) AND claim_nonce = $1 LIMIT 1`

	// saveStatement: $4 is the lease and $5 the delay, of which one is NULL at least; $7 the end.
	saveStatement = `
WITH saved AS (
	UPDATE $bulkops_jobs SET
		updated_at = $now,
		save_stamp = $3,
		lease_until = $now + $4::interval,
		not_before = $now + $5::interval,
		progress = coalesce($6::json, progress),
		attempts = CASE WHEN $6::json IS NOT NULL OR $10::boolean THEN 0 ELSE attempts END,
		status = coalesce($7::text, status),
		completed_at = CASE WHEN $7::text IS NOT NULL THEN $now ELSE completed_at END,
		results = CASE WHEN $7::text IS NOT NULL THEN $8::text ELSE results END,
		error = CASE WHEN $7::text IS NOT NULL THEN $9::json ELSE error END,
		notify = (notify OR $10::boolean) AND NOT $11::boolean,
		due_at = CASE
			WHEN $7::text IS NOT NULL THEN CASE WHEN $10::boolean THEN $now END
			WHEN $11::boolean THEN NULL
			WHEN completed_at IS NOT NULL THEN coalesce($now + $4::interval, $now + $5::interval, $now)
			WHEN $4::interval IS NOT NULL THEN least(due_at, $now + $4::interval)
			ELSE $now + $5::interval END
	WHERE id = $1 AND token = $2 AND save_stamp < $3 AND lease_until IS NOT NULL AND ` + live + `
		AND CASE WHEN completed_at IS NULL THEN NOT $11::boolean ELSE $7::text IS NULL AND $6::json IS NULL END
	RETURNING ` + columns + `)
SELECT ` + columns + `, CASE WHEN $12::boolean THEN pg_notify('` + channel + `', $13)::text END FROM saved`

	cancelStatement = `
WITH cancelled AS (
	UPDATE $bulkops_jobs SET
		updated_at = $now,
		cancel_nonce = $4,
		cancel_requested = cancel_requested OR status <> 'pending',
		status = CASE status WHEN 'pending' THEN 'cancelled' ELSE status END,
		completed_at = CASE status WHEN 'pending' THEN $now END,
		results = CASE status WHEN 'pending' THEN $2 ELSE results END,
		notify = status = 'pending' AND $3,
		due_at = CASE status WHEN 'pending' THEN CASE WHEN $3 THEN $now END ELSE due_at END
	WHERE id = $1 AND completed_at IS NULL AND ` + live + `
	RETURNING ` + columns + `)
SELECT ` + columns + `, CASE WHEN status = 'cancelled' THEN pg_notify('` + channel + `', $5)::text END FROM cancelled`

	removeStatement = `
DELETE FROM $bulkops_jobs WHERE id = $1 AND completed_at IS NOT NULL AND ` + live

	getKeyStatement = `
SELECT key::text FROM $bulkops_jobs_keys WHERE tenant = $1 AND name = $2 AND ` + live

	// newKeyStatement makes a key, unless there is one.
	newKeyStatement = `
INSERT INTO $bulkops_jobs_keys AS k (tenant, name, version, expires_at, key) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (tenant, name) DO UPDATE SET version = excluded.version, expires_at = excluded.expires_at, key = excluded.key
WHERE k.expires_at <= statement_timestamp()`

	// putKeyStatement changes the key of the version before.
	putKeyStatement = `
UPDATE $bulkops_jobs_keys SET version = $3, expires_at = $4, key = $5
WHERE tenant = $1 AND name = $2 AND version = $3 - 1 AND ` + live

	sweepJobsStatement = `
DELETE FROM $bulkops_jobs WHERE id IN (
	SELECT id FROM $bulkops_jobs WHERE expires_at <= statement_timestamp() ORDER BY expires_at LIMIT $1
	FOR UPDATE SKIP LOCKED)`

	sweepKeysStatement = `
DELETE FROM $bulkops_jobs_keys WHERE (tenant, name) IN (
	SELECT tenant, name FROM $bulkops_jobs_keys WHERE expires_at <= statement_timestamp() ORDER BY expires_at LIMIT $1
	FOR UPDATE SKIP LOCKED)`
)

func newStatements(schema string) statements {
	in := func(text string) string { return database.Statement(schema, text) }
	return statements{
		create: in(createStatement), spec: in(specStatement), get: in(getStatement),
		list: in(fmt.Sprintf(listStatement, listFirst)), listNext: in(fmt.Sprintf(listStatement, listBelow)),
		listStatus: in(fmt.Sprintf(listStatusStatement, listStatusFirst)), listStatusNext: in(fmt.Sprintf(listStatusStatement, listStatusBelow)),
		due: in(dueStatement), claimNext: in(claimNextStatement), claim: in(claimStatement), claimed: in(claimedStatement),
		claimEnded: in(claimEndedStatement), claimEndedID: in(claimEndedIDStatement),
		save: in(saveStatement), cancel: in(cancelStatement), remove: in(removeStatement),
		getKey: in(getKeyStatement), newKey: in(newKeyStatement), putKey: in(putKeyStatement),
		sweepJobs: in(sweepJobsStatement), sweepKeys: in(sweepKeysStatement),
		count: in(countStatement),
	}
}
