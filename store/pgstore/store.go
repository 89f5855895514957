package pgstore

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bulkops/bulkops/bulk"
)

// A Store is a [bulk.Store] in Postgres. It has no goroutines of its own.
type Store struct {
	lend       lender
	opts       Options
	statements statements
}

var (
	_ bulk.Store      = (*Store)(nil)
	_ bulk.BatchSizer = (*Store)(nil)
)

// New returns a store, or a [*bulk.ConfigError] that names the option at fault. It does not
// call the database: a table that does not exist is an error of the first Lookup. The caller
// closes the pool.
func New(pool *pgxpool.Pool, opts Options) (*Store, error) {
	if pool == nil {
		return nil, &bulk.ConfigError{Field: "pool", Problem: "is required"}
	}
	return newStore(lendOf(pool), opts)
}

// NewSQL is [New] for a pool of database/sql, whose driver must be that of pgx: package
// github.com/jackc/pgx/v5/stdlib.
func NewSQL(db *sql.DB, opts Options) (*Store, error) {
	if db == nil {
		return nil, &bulk.ConfigError{Field: "db", Problem: "is required"}
	}
	return newStore(lendOfSQL(db), opts)
}

func newStore(lend lender, opts Options) (*Store, error) {
	if err := opts.fill(); err != nil {
		return nil, err
	}
	return &Store{lend: lend, opts: opts, statements: newStatements(&opts)}, nil
}

// MaxBatch implements [bulk.BatchSizer].
func (s *Store) MaxBatch() int { return s.opts.MaxBatch }

// Lookup implements [bulk.Store]. It is one statement.
func (s *Store) Lookup(ctx context.Context, tenant string, refs []bulk.Ref) ([]bulk.Found, error) {
	if len(refs) < 1 || len(refs) > s.opts.MaxBatch {
		return nil, fmt.Errorf("pgstore: look up %d references: %w", len(refs), bulk.ErrBatchTooLarge)
	}
	var ids, keys []string
	for _, ref := range refs {
		if ref.ID != "" {
			ids = append(ids, ref.ID)
		}
		if ref.Email != "" {
			keys = append(keys, bulk.EmailKey(ref.Email))
		}
	}
	users, err := s.read(ctx, tenant, ids, keys)
	if err != nil {
		return nil, failure(ctx, fmt.Sprintf("look up %d references", len(refs)), err)
	}
	found := make([]bulk.Found, len(refs))
	for i, ref := range refs {
		users.byID[ref.ID].put(&found[i].ByID, &found[i].Err) // no user has the id "", nor that email
		users.byEmail[bulk.EmailKey(ref.Email)].put(&found[i].ByEmail, &found[i].Err)
	}
	return found, nil
}

// A row is a user as it was read, or why it cannot be.
type row struct {
	bulk.Stored
	err error
}

// put hands out a copy of the user, if there is one.
func (r *row) put(user **bulk.Stored, err *error) {
	switch {
	case r == nil:
	case r.err != nil:
		*err = r.err
	default:
		stored := r.Stored
		*user = &stored
	}
}

// rows are users by what they are found by.
type rows struct{ byID, byEmail map[string]*row }

// read returns the users with these ids and folded emails.
func (s *Store) read(ctx context.Context, tenant string, ids, keys []string) (users rows, err error) {
	err = s.send(ctx, func(batch *pgx.Batch) {
		users = rows{byID: make(map[string]*row), byEmail: make(map[string]*row)}
		batch.Queue(s.statements.lookup, tenant, ids, keys).Query(func(result pgx.Rows) error {
			return each(result, func(columns [][]byte) {
				r := readRow(columns)
				users.byID[r.ID] = r
				if r.Email != "" {
					users.byEmail[bulk.EmailKey(r.Email)] = r
				}
			})
		})
	})
	return users, err
}

// readRow makes a user of the columns of the lookup, which are all text, and not NULL.
func readRow(columns [][]byte) *row {
	r := &row{Stored: bulk.Stored{
		User:    bulk.User{ID: string(columns[0]), Email: string(columns[1])},
		Version: string(columns[4]),
		Mark:    string(columns[5]),
	}}
	var err error
	if r.CustomFields, err = parse(columns[2]); err == nil {
		r.Metadata, err = parse(columns[3])
	}
	if err != nil {
		r.err = fmt.Errorf("pgstore: read user %q: %w", r.ID, bulk.Permanent(err))
	}
	return r
}

// parse reads stored fields. Merging leaves out the nulls that another program may have
// written.
func parse(text []byte) (bulk.Fields, error) {
	fields, err := bulk.ParseFields(text)
	return bulk.Fields{}.Merge(fields), err
}
