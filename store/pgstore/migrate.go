package pgstore

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/bulkops/bulkops/bulk"
)

// Each file is a transaction that takes a lock, notes its number, and fails if it is noted.
//
//go:embed migrations/*.sql
var migrations embed.FS

const (
	undefinedTable = "42P01"

	// migrated is the number of the last migration that was applied, 0 for none.
	migrated = `SELECT coalesce(max(version), 0) FROM bulkops_users_migrations`
)

// Migrate makes the table of the zero [Options], or brings it to what this version of the
// package needs, in Options.Schema or else the first schema of search_path. It does nothing
// if there is nothing to do, and may be called by any number of processes at once. The files
// of the folder migrations are what it does, for those who apply them by other means: it goes
// on where those have stopped.
//
// The role needs the right to create tables, functions and triggers there, which imports do
// not need. The database must have the encoding UTF8. A store with a table or columns of
// other names is refused: its table is the host's to make.
func (s *Store) Migrate(ctx context.Context) error {
	own := Options{Schema: s.opts.Schema, MaxBatch: s.opts.MaxBatch}
	if err := own.fill(); err != nil {
		return err
	}
	if own != s.opts {
		return &bulk.ConfigError{Field: "Options.Table", Problem: "must be the default, with its columns, for Migrate"}
	}
	err := s.lend(ctx, func(conn *pgx.Conn) error { return migrate(ctx, conn, s.opts.Schema) })
	if err != nil {
		return failure(ctx, "migrate", err)
	}
	return nil
}

func migrate(ctx context.Context, conn *pgx.Conn, schema string) error {
	var encoding string
	if err := conn.QueryRow(ctx, `SHOW server_encoding`).Scan(&encoding); err != nil {
		return err
	}
	if encoding != "UTF8" {
		return bulk.Permanent(fmt.Errorf("the database has the encoding %s, which cannot hold all text; UTF8 can", encoding))
	}
	if schema != "" {
		if _, err := conn.Exec(ctx, `SELECT set_config('search_path', $1, false)`, pgx.Identifier{schema}.Sanitize()); err != nil {
			return err
		}
		defer conn.Exec(ctx, `RESET search_path`)
	}
	files, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return err
	}
	slices.Sort(files)
	for _, file := range files {
		if err := apply(ctx, conn, file); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	return nil
}

// apply applies a file unless that was done.
func apply(ctx context.Context, conn *pgx.Conn, file string) error {
	number, err := strconv.Atoi(file[len("migrations/") : len("migrations/")+4])
	if err != nil {
		return err
	}
	done := func() (bool, error) {
		var last int
		err := conn.QueryRow(ctx, migrated).Scan(&last)
		if sqlState(err) == undefinedTable {
			return false, nil
		}
		return last >= number, err
	}
	if applied, err := done(); applied || err != nil {
		return err
	}
	text, err := migrations.ReadFile(file)
	if err != nil {
		return err
	}
	_, err = conn.PgConn().Exec(ctx, string(text)).ReadAll()
	if err == nil {
		return nil
	}
	if _, undo := conn.Exec(ctx, "ROLLBACK"); undo != nil {
		return errors.Join(err, undo)
	}
	if applied, _ := done(); applied { // by another process, meanwhile
		return nil
	}
	return err
}
