-- The jobs of package pgjobs. The file is applied by Queue.Migrate, or by
--
--	psql -v ON_ERROR_STOP=1 -f 0001_jobs.sql
--
-- in the schema that is first in search_path. To apply it twice fails and changes nothing.
BEGIN;

-- One process migrates at a time.
SELECT pg_advisory_xact_lock(hashtextextended('bulkops', 0));

CREATE TABLE IF NOT EXISTS bulkops_jobs_migrations (
	version    integer PRIMARY KEY,
	applied_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO bulkops_jobs_migrations (version) VALUES (1);

CREATE TABLE bulkops_jobs (
	id               text COLLATE "C" PRIMARY KEY,
	tenant           text COLLATE "C" NOT NULL,
	spec             json NOT NULL,                -- what never changes: bulk.JobSpec
	expires_at       timestamptz NOT NULL,         -- from then on the job does not exist
	status           text COLLATE "C" NOT NULL DEFAULT 'pending'
	                 CHECK (status IN ('pending', 'processing', 'completed', 'failed', 'cancelled')),
	updated_at       timestamptz NOT NULL,
	started_at       timestamptz,
	completed_at     timestamptz,                  -- NULL until the job has ended
	cancel_requested boolean NOT NULL DEFAULT false,
	token            bigint NOT NULL DEFAULT 0,    -- one more with each claim
	attempts         integer NOT NULL DEFAULT 0,
	worker           text NOT NULL DEFAULT '',
	lease_until      timestamptz,                  -- NULL if nobody holds a lease
	not_before       timestamptz,
	progress         json NOT NULL DEFAULT '{}',   -- bulk.Progress
	results          text NOT NULL DEFAULT '',
	error            json,                         -- bulk.JobError
	notify           boolean NOT NULL DEFAULT false, -- the job has ended, and somebody is still to be told

	-- When a claim has to look at the job again. Of one that has not ended: NULL if it can be
	-- claimed, or else not later than that is so. A lease is renewed without it, so that
	-- heartbeats touch no index. Of one that is to be told of: when it can be claimed for that.
	due_at           timestamptz,

	-- By these a call whose answer was lost knows that it was done.
	claim_nonce      uuid,
	cancel_nonce     uuid,
	save_stamp       bigint NOT NULL DEFAULT 0     -- of the last save by the token; it rises
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);

-- The jobs that can be claimed, by turns and age.
CREATE INDEX bulkops_jobs_ready ON bulkops_jobs (tenant, id) WHERE completed_at IS NULL AND due_at IS NULL;
-- Those that can be claimed later.
CREATE INDEX bulkops_jobs_due ON bulkops_jobs (due_at) WHERE completed_at IS NULL AND due_at IS NOT NULL;
-- Those that have ended and are to be told of.
CREATE INDEX bulkops_jobs_untold ON bulkops_jobs (due_at) WHERE notify;
-- Listings. The status comes first so that no other statement can read a tenant by that index.
CREATE INDEX bulkops_jobs_list ON bulkops_jobs (tenant, id);
CREATE INDEX bulkops_jobs_list_status ON bulkops_jobs (status, tenant, id);
CREATE INDEX bulkops_jobs_expiry ON bulkops_jobs (expires_at);

-- The tenant that was served last. It has one row.
CREATE TABLE bulkops_jobs_turn (
	one    boolean PRIMARY KEY DEFAULT true CHECK (one),
	tenant text COLLATE "C" NOT NULL DEFAULT ''
) WITH (fillfactor = 10);
INSERT INTO bulkops_jobs_turn DEFAULT VALUES;

-- The idempotency keys of requests.
CREATE TABLE bulkops_jobs_keys (
	tenant     text COLLATE "C" NOT NULL,
	name       text COLLATE "C" NOT NULL,
	version    bigint NOT NULL,
	expires_at timestamptz NOT NULL,
	key        json NOT NULL,                      -- bulk.IdempotencyKey
	PRIMARY KEY (tenant, name)
);
CREATE INDEX bulkops_jobs_keys_expiry ON bulkops_jobs_keys (expires_at);

COMMIT;
