package database

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/bulkops/bulkops/bulk"
)

// Migrate applies the files migrations/NNNN_name.sql that have not been applied yet, in a
// schema, or the first of search_path if that is "". Each file is a transaction that takes a
// lock, notes its number in the table, and fails if it is noted: psql applies it just as well.
func (d DB) Migrate(ctx context.Context, files fs.FS, table, schema string) error {
	return d.Lend(ctx, func(conn *pgx.Conn) error {
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
		names, err := fs.Glob(files, "migrations/*.sql")
		if err != nil {
			return err
		}
		slices.Sort(names)
		for _, name := range names {
			if err := apply(ctx, conn, files, name, table); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		return nil
	})
}

// apply applies a file unless that was done.
func apply(ctx context.Context, conn *pgx.Conn, files fs.FS, name, table string) error {
	digits, _, _ := strings.Cut(path.Base(name), "_")
	number, err := strconv.Atoi(digits)
	if err != nil {
		return err
	}
	done := func() (bool, error) {
		var last int
		err := conn.QueryRow(ctx, `SELECT coalesce(max(version), 0) FROM `+table).Scan(&last)
		if state(err) == undefinedTable {
			return false, nil
		}
		return last >= number, err
	}
	if applied, err := done(); applied || err != nil {
		return err
	}
	text, err := fs.ReadFile(files, name)
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
