-- The users of package pgstore. The file is applied by Store.Migrate, or by
--
--	psql -v ON_ERROR_STOP=1 -f 0001_users.sql
--
-- in the schema that is first in search_path. To apply it twice fails and changes nothing.
BEGIN;

-- One process migrates at a time.
SELECT pg_advisory_xact_lock(hashtextextended('bulkops', 0));

CREATE TABLE IF NOT EXISTS bulkops_users_migrations (
	version    integer PRIMARY KEY,
	applied_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO bulkops_users_migrations (version) VALUES (1);

CREATE TABLE bulkops_users (
	tenant        text COLLATE "C" NOT NULL,
	id            text COLLATE "C" NOT NULL,
	email         text COLLATE "C",                       -- as given; NULL for none
	custom_fields jsonb NOT NULL DEFAULT '{}',
	metadata      jsonb NOT NULL DEFAULT '{}',
	version       uuid NOT NULL DEFAULT gen_random_uuid(), -- a new one with each change
	mark          text COLLATE "C" NOT NULL DEFAULT '',    -- of the library
	-- The tenant comes last, so that nothing leads to all users of a tenant, however few the
	-- planner takes them for.
	PRIMARY KEY (id, tenant)
) WITH (fillfactor = 85); -- room for the next version of a row on its page: such an update touches no index

-- The claim of an email. In the collation C, lower() folds the ASCII letters and nothing else.
CREATE UNIQUE INDEX bulkops_users_email ON bulkops_users (lower(email::text COLLATE "C"), tenant)
WHERE email IS NOT NULL;

COMMIT;
