package pgblob

import "github.com/bulkops/bulkops/jobs/pgjobs/internal/database"

// statements are those of a store, with its schema.
type statements struct {
	putSmall, begin, add, end, upload, discard string
	open, chunk, remove                        string
	sweepBlobs, sweepUploads                   string
}

const (
	// putSmallStatement puts a blob of up to one chunk.
	putSmallStatement = `
WITH blob AS (
	INSERT INTO $bulkops_blobs (key, upload, size) VALUES ($1, $2, octet_length($3::bytea))
	ON CONFLICT (key) DO NOTHING RETURNING upload
), content AS (
	INSERT INTO $bulkops_blobs_chunks (upload, n, data) SELECT upload, 0, $3 FROM blob WHERE octet_length($3) > 0)
SELECT upload FROM blob`

	// beginStatement and addStatement write the first chunk and the others, endStatement makes
	// them a blob.
	beginStatement = `
WITH begun AS (
	INSERT INTO $bulkops_blobs_uploads (upload) VALUES ($1) ON CONFLICT (upload) DO NOTHING)
` + addStatement

	addStatement = `
INSERT INTO $bulkops_blobs_chunks (upload, n, data) VALUES ($1, $2, $3) ON CONFLICT (upload, n) DO NOTHING`

	// The lock is for a discard at the same time: one of the two finds the upload.
	endStatement = `
WITH begun AS (
	SELECT upload FROM $bulkops_blobs_uploads WHERE upload = $2 FOR UPDATE
), blob AS (
	INSERT INTO $bulkops_blobs (key, upload, size) SELECT $1, upload, $3 FROM begun
	ON CONFLICT (key) DO NOTHING RETURNING upload
), ended AS (
	DELETE FROM $bulkops_blobs_uploads WHERE upload IN (SELECT upload FROM blob))
SELECT upload FROM blob`

	uploadStatement = `SELECT upload FROM $bulkops_blobs WHERE key = $1`

	// discardStatement undoes an upload, unless it is a blob: others may have seen that.
	discardStatement = `
WITH begun AS (DELETE FROM $bulkops_blobs_uploads WHERE upload = $1 RETURNING upload)
DELETE FROM $bulkops_blobs_chunks c USING begun WHERE c.upload = begun.upload`

	openStatement = `
SELECT b.upload, b.size, c.data FROM $bulkops_blobs b
LEFT JOIN $bulkops_blobs_chunks c ON c.upload = b.upload AND c.n = 0
WHERE b.key = $1`

	chunkStatement = `SELECT data FROM $bulkops_blobs_chunks WHERE upload = $1 AND n = $2`

	removeStatement = `
WITH blob AS (DELETE FROM $bulkops_blobs WHERE key = $1 RETURNING upload)
DELETE FROM $bulkops_blobs_chunks c USING blob WHERE c.upload = blob.upload`

	sweepBlobsStatement = `
WITH old AS (
	DELETE FROM $bulkops_blobs WHERE key IN (
		SELECT key FROM $bulkops_blobs WHERE put_at < statement_timestamp() - $1::interval ORDER BY put_at LIMIT $2
		FOR UPDATE SKIP LOCKED)
	RETURNING upload
), content AS (
	DELETE FROM $bulkops_blobs_chunks c USING old WHERE c.upload = old.upload)
SELECT count(*) FROM old`

	sweepUploadsStatement = `
WITH old AS (
	DELETE FROM $bulkops_blobs_uploads WHERE upload IN (
		SELECT upload FROM $bulkops_blobs_uploads WHERE started_at < statement_timestamp() - $1::interval ORDER BY started_at LIMIT $2
		FOR UPDATE SKIP LOCKED)
	RETURNING upload
), content AS (
	DELETE FROM $bulkops_blobs_chunks c USING old WHERE c.upload = old.upload)
SELECT count(*) FROM old`
)

func newStatements(schema string) statements {
	in := func(text string) string { return database.Statement(schema, text) }
	return statements{
		putSmall: in(putSmallStatement), begin: in(beginStatement), add: in(addStatement), end: in(endStatement),
		upload: in(uploadStatement), discard: in(discardStatement),
		open: in(openStatement), chunk: in(chunkStatement), remove: in(removeStatement),
		sweepBlobs: in(sweepBlobsStatement), sweepUploads: in(sweepUploadsStatement),
	}
}
