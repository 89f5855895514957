package sqlitestore

// schema is what [Open] creates where it is missing. A host may add columns. One
// that changes an email itself sets email_key to lower(email), which in SQLite
// folds ASCII letters alone, as [bulk.EmailKey] does.
const schema = `
CREATE TABLE IF NOT EXISTS users (
	tenant        TEXT NOT NULL,
	id            TEXT NOT NULL,
	email         TEXT,                       -- as given; NULL for none
	email_key     TEXT,                       -- bulk.EmailKey of it
	custom_fields TEXT NOT NULL DEFAULT '{}', -- JSON text keeps every digit
	metadata      TEXT NOT NULL DEFAULT '{}',
	version       TEXT NOT NULL DEFAULT (hex(randomblob(16))),
	mark          TEXT NOT NULL DEFAULT '',
	PRIMARY KEY (tenant, id),
	UNIQUE (tenant, email_key)
) STRICT;

-- What other programs change is a new version too, so that an import whose lookup
-- was before cannot undo it.
CREATE TRIGGER IF NOT EXISTS users_version
AFTER UPDATE OF email, email_key, custom_fields, metadata ON users
WHEN NEW.version = OLD.version
BEGIN
	UPDATE users SET version = hex(randomblob(16)) WHERE tenant = NEW.tenant AND id = NEW.id;
END;
`

const selectUsers = `
SELECT id, COALESCE(email, ''), COALESCE(email_key, ''), custom_fields, metadata, version, mark
FROM users
WHERE tenant = ?1 AND (id IN (SELECT value FROM json_each(?2)) OR email_key IN (SELECT value FROM json_each(?3)))`

// An id in use is no error but no change: the email that a user of that id has is
// its own, and would be found taken first. The parameters of insertUser are also
// the first ones of updateUser.
const insertUser = `
INSERT INTO users (tenant, id, email, email_key, custom_fields, metadata, version, mark)
VALUES (?1, ?2, NULLIF(?3, ''), NULLIF(?4, ''), ?5, ?6, ?7, ?8)
ON CONFLICT (tenant, id) DO NOTHING`

const updateUser = `
UPDATE users
SET email = NULLIF(?3, ''), email_key = NULLIF(?4, ''), custom_fields = ?5, metadata = ?6, version = ?7, mark = ?8
WHERE tenant = ?1 AND id = ?2 AND version = ?9`
