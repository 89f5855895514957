package database

import (
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/bulkops/bulkops/bulk"
)

// CheckSchema returns a [*bulk.ConfigError] for a name that no schema has.
func CheckSchema(schema string) error {
	if strings.ContainsRune(schema, 0) {
		return &bulk.ConfigError{Field: "Options.Schema", Problem: "must not have the character U+0000"}
	}
	return nil
}

// Statement puts the schema before the names of tables, which begin with a $ in the text, and
// the time of the database, in whole milliseconds, in the place of $now.
func Statement(schema, text string) string {
	prefix := ""
	if schema != "" {
		prefix = pgx.Identifier{schema}.Sanitize() + "."
	}
	return strings.NewReplacer(
		"$now", "date_trunc('milliseconds', statement_timestamp())",
		"$bulkops_", prefix+"bulkops_",
	).Replace(text)
}
