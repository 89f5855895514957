package pgstore

import (
	"strings"

	"github.com/jackc/pgx/v5"
)

// Statements are the text of what the store asks, with the names of its table and columns.
// Each takes the users of a whole batch, as arrays.
type statements struct {
	lookup, insert, update string
}

// noScan keeps the planner from reading the whole table, for the transaction alone. Of a
// table that grows while it is imported into, the planner does not know yet how large it is;
// and a plan is kept for as long as a connection lives.
const noScan = `SELECT set_config('enable_seqscan', 'off', true)`

// lookupText finds users by id or folded email. Parameters: tenant, ids, folded emails.
const lookupText = `
SELECT u.{id}::text, coalesce(u.{email}::text, ''), coalesce(u.{custom_fields}::text, '{}'),
	coalesce(u.{metadata}::text, '{}'), u.{version}::text, coalesce(u.{mark}::text, '')
FROM {table} AS u
WHERE u.{tenant} = $1::text
	AND (u.{id} = ANY($2::text[]) OR lower(u.{email}::text COLLATE "C") = ANY($3::text[]))`

// insertText creates users, but for those whose id or email is in use, and returns the ids of
// those that it did create. It waits for transactions that are about to create the same.
// Parameters: tenant, ids, emails, custom fields, metadata, marks.
const insertText = `
INSERT INTO {table} AS u ({tenant}, {id}, {email}, {custom_fields}, {metadata}, {mark})
SELECT $1::text, w.id, nullif(w.email, ''), w.custom_fields::jsonb, w.metadata::jsonb, w.mark
FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
	AS w (id, email, custom_fields, metadata, mark)
ON CONFLICT DO NOTHING
RETURNING u.{id}::text`

// updateText updates users that have the version, but for those whose new email is in use,
// and returns the ids of those that it did update. Parameters: tenant, ids, versions, emails,
// custom fields, metadata, marks, folded new emails (” for those whose folded email stays).
const updateText = `
WITH owners AS MATERIALIZED (
	SELECT o.{id} AS id, lower(o.{email}::text COLLATE "C") AS key
	FROM {table} AS o
	WHERE o.{tenant} = $1::text AND lower(o.{email}::text COLLATE "C") = ANY(array_remove($8::text[], ''))
)
UPDATE {table} AS u
SET {email} = nullif(w.email, ''), {custom_fields} = w.custom_fields::jsonb, {metadata} = w.metadata::jsonb,
	{mark} = w.mark, {version} = DEFAULT
FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[])
	AS w (id, version, email, custom_fields, metadata, mark, key)
WHERE u.{tenant} = $1::text AND u.{id} = ANY($2::text[]) AND u.{id} = w.id AND u.{version}::text = w.version
	AND NOT EXISTS (SELECT FROM owners AS o WHERE o.key = w.key AND o.id <> w.id)
RETURNING u.{id}::text`

func newStatements(o *Options) statements {
	quote := func(names ...string) string { return pgx.Identifier(names).Sanitize() }
	table := quote(o.Table)
	if o.Schema != "" {
		table = quote(o.Schema, o.Table)
	}
	c := &o.Columns
	names := strings.NewReplacer(
		"{table}", table, "{tenant}", quote(c.Tenant), "{id}", quote(c.ID), "{email}", quote(c.Email),
		"{custom_fields}", quote(c.CustomFields), "{metadata}", quote(c.Metadata),
		"{version}", quote(c.Version), "{mark}", quote(c.Mark),
	)
	return statements{
		lookup: names.Replace(lookupText),
		insert: names.Replace(insertText),
		update: names.Replace(updateText),
	}
}
