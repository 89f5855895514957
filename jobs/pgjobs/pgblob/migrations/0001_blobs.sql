-- The blobs of package pgblob. The file is applied by Store.Migrate, or by
--
--	psql -v ON_ERROR_STOP=1 -f 0001_blobs.sql
--
-- in the schema that is first in search_path. To apply it twice fails and changes nothing.
BEGIN;

-- One process migrates at a time.
SELECT pg_advisory_xact_lock(hashtextextended('bulkops', 0));

CREATE TABLE IF NOT EXISTS bulkops_blobs_migrations (
	version    integer PRIMARY KEY,
	applied_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO bulkops_blobs_migrations (version) VALUES (1);

-- A blob is there when its row is.
CREATE TABLE bulkops_blobs (
	key    text COLLATE "C" PRIMARY KEY,
	upload uuid NOT NULL,                   -- whose chunks are its content
	size   bigint NOT NULL,                 -- in bytes
	put_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX bulkops_blobs_age ON bulkops_blobs (put_at);

-- The content in pieces of a size, the last one shorter. Nothing of it ever changes.
CREATE TABLE bulkops_blobs_chunks (
	upload uuid NOT NULL,
	n      integer NOT NULL,                -- from 0
	data   bytea NOT NULL,
	PRIMARY KEY (upload, n)
);

-- Uploads that are under way, or were given up: their chunks are no blob's.
CREATE TABLE bulkops_blobs_uploads (
	upload     uuid PRIMARY KEY,
	started_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX bulkops_blobs_uploads_age ON bulkops_blobs_uploads (started_at);

COMMIT;
