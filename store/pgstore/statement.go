package pgstore

import (
	"strings"

	"github.com/jackc/pgx/v5"
)

// Statements are the text of what the store asks, with the names of its table and columns.
// Each takes the users of a whole batch, as arrays.
type statements struct {
	lookup, insert, insertFree, update string
}

// planned keeps the planner from plans, for the transaction alone, that are bad when its idea of
// a table or an array is wrong: from reading the whole table, and from comparing each user of
// a batch with each. While a table is imported into, nobody has told the planner yet how
// large it is; and a connection keeps plans, made for arrays of any length, for as long as it lives.
// Without bitmaps, rows are locked in the order of their ids and not of their places.
//
// For the same reason the statements look users up one by one, in a subquery with a LIMIT, which
// the planner cannot turn into a scan of all users of the tenant; and the index of emails is
// partial, so that it is no way to find ids.
const planned = `SELECT set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true),
	set_config('enable_nestloop', 'off', true)`

// lookupText finds users by id or folded email, each of them once if no id is given twice, and
// no email. Parameters: tenant, ids, folded emails.
const lookupText = `
SELECT u.id, u.email, u.custom_fields, u.metadata, u.version, u.mark
FROM unnest($2::text[]) AS k (id) CROSS JOIN LATERAL (
	SELECT {columns} FROM {table} AS t WHERE t.{id} = k.id AND t.{tenant} = $1::text LIMIT 1
) AS u
UNION ALL
SELECT u.id, u.email, u.custom_fields, u.metadata, u.version, u.mark
FROM unnest($3::text[]) AS k (key) CROSS JOIN LATERAL (
	SELECT {columns} FROM {table} AS t WHERE lower(t.{email}::text COLLATE "C") = k.key AND t.{tenant} = $1::text LIMIT 1
) AS u
WHERE NOT EXISTS (SELECT FROM unnest($2::text[]) AS i (id) WHERE i.id = u.id)`

// columnsText are the columns of a user as text, and none of them NULL.
const columnsText = `t.{id}::text AS id, coalesce(t.{email}::text, '') AS email,
		coalesce(t.{custom_fields}::text, '{}') AS custom_fields, coalesce(t.{metadata}::text, '{}') AS metadata,
		t.{version}::text AS version, coalesce(t.{mark}::text, '') AS mark`

// insertText creates users and returns their ids. It fails if an id or email is in use, or,
// with DO NOTHING, leaves those users out: that looks into each index before it writes to it, and
// visits nearly twice as many pages (TestPlans). Either way it waits for transactions that are about
// to create the same. Parameters: tenant, ids, emails, custom fields, metadata, marks.
const insertText = `
INSERT INTO {table} AS u ({tenant}, {id}, {email}, {custom_fields}, {metadata}, {mark})
SELECT $1::text, w.id, nullif(w.email, ''), w.custom_fields::jsonb, w.metadata::jsonb, w.mark
FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
	AS w (id, email, custom_fields, metadata, mark)
{conflict}
RETURNING u.{id}::text`

// updateText updates users that have the version, but for those whose new email is in use,
// and returns the ids of those that it did update. It has but one join, of which any kind
// keeps the order of ids. Parameters: tenant, ids, versions, emails, custom fields, metadata,
// marks, folded new emails (” for those whose folded email stays).
const updateText = `
UPDATE {table} AS u
SET {email} = nullif(w.email, ''), {custom_fields} = w.custom_fields::jsonb, {metadata} = w.metadata::jsonb,
	{mark} = w.mark, {version} = DEFAULT
FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[])
	AS w (id, version, email, custom_fields, metadata, mark, key)
WHERE u.{tenant} = $1::text AND u.{id} = ANY($2::text[]) AND u.{id} = w.id AND u.{version}::text = w.version
	AND w.key <> ALL(ARRAY(
		SELECT k.key
		FROM unnest($8::text[]) AS k (key) CROSS JOIN LATERAL (
			SELECT FROM {table} AS t WHERE lower(t.{email}::text COLLATE "C") = k.key AND t.{tenant} = $1::text LIMIT 1
		) AS taken
		WHERE k.key <> ''
	))
RETURNING u.{id}::text`

func newStatements(o *Options) statements {
	quote := func(names ...string) string { return pgx.Identifier(names).Sanitize() }
	table := quote(o.Table)
	if o.Schema != "" {
		table = quote(o.Schema, o.Table)
	}
	c := &o.Columns
	names := strings.NewReplacer(
		"{columns}", columnsText, "{table}", table, "{tenant}", quote(c.Tenant), "{id}", quote(c.ID), "{email}", quote(c.Email),
		"{custom_fields}", quote(c.CustomFields), "{metadata}", quote(c.Metadata),
		"{version}", quote(c.Version), "{mark}", quote(c.Mark),
	)
	return statements{
		lookup:     names.Replace(names.Replace(lookupText)), // columns first
		insert:     names.Replace(strings.Replace(insertText, "{conflict}", "", 1)),
		insertFree: names.Replace(strings.Replace(insertText, "{conflict}", "ON CONFLICT DO NOTHING", 1)),
		update:     names.Replace(updateText),
	}
}
