package pgstore

import (
	"fmt"
	"strings"

	"github.com/bulkops/bulkops/bulk"
)

// Defaults of [Options].
const (
	DefaultTable    = "bulkops_users"
	DefaultMaxBatch = 500
)

// mostBatch is what a [bulk.BatchSizer] may return.
const mostBatch = 1000

// Options say where a [Store] keeps users. The zero value is the table that
// [Store.Migrate] makes. Names are taken as they are, case and all.
type Options struct {
	// Schema is the schema of the table. Defaults to "", the first of search_path that
	// has it.
	Schema string
	// Table is the table with the users. Defaults to [DefaultTable].
	Table string
	// Columns are the names of its columns.
	Columns Columns
	// MaxBatch is how many users one statement reads or writes at most, up to 1,000. Defaults
	// to [DefaultMaxBatch].
	MaxBatch int
}

// Columns are the names of columns. The zero value of every field takes its default. The
// package documentation says what a table needs.
type Columns struct {
	// Tenant and ID are text, and unique together. Default to "tenant" and "id".
	Tenant, ID string
	// Email is text, NULL for none, and unique with Tenant by lower(email::text COLLATE "C").
	// Defaults to "email".
	Email string
	// CustomFields and Metadata are jsonb. Default to "custom_fields" and "metadata".
	CustomFields, Metadata string
	// Version has a default that no two rows ever get, such as gen_random_uuid(). Defaults to
	// "version".
	Version string
	// Mark is text with the default ''. Defaults to "mark".
	Mark string
}

func (o *Options) fill() error {
	c := &o.Columns
	seen := make(map[string]bool)
	for _, name := range []struct {
		field, byDefault string
		value            *string
		column           bool
	}{
		{"Options.Schema", "", &o.Schema, false},
		{"Options.Table", DefaultTable, &o.Table, false},
		{"Options.Columns.Tenant", "tenant", &c.Tenant, true},
		{"Options.Columns.ID", "id", &c.ID, true},
		{"Options.Columns.Email", "email", &c.Email, true},
		{"Options.Columns.CustomFields", "custom_fields", &c.CustomFields, true},
		{"Options.Columns.Metadata", "metadata", &c.Metadata, true},
		{"Options.Columns.Version", "version", &c.Version, true},
		{"Options.Columns.Mark", "mark", &c.Mark, true},
	} {
		if *name.value == "" {
			*name.value = name.byDefault
		}
		switch {
		case strings.ContainsRune(*name.value, 0):
			return &bulk.ConfigError{Field: name.field, Problem: "must not have the character U+0000"}
		case name.column && seen[*name.value]:
			return &bulk.ConfigError{Field: name.field, Problem: fmt.Sprintf("is %q, as another column is", *name.value)}
		case name.column:
			seen[*name.value] = true
		}
	}
	if o.MaxBatch == 0 {
		o.MaxBatch = DefaultMaxBatch
	}
	if o.MaxBatch < 1 || o.MaxBatch > mostBatch {
		return &bulk.ConfigError{Field: "Options.MaxBatch", Problem: fmt.Sprintf("must be from 1 to %d", mostBatch)}
	}
	return nil
}
