package pgblob

import (
	"cmp"
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/jobs/pgjobs/internal/database"
)

// Defaults of [Options], and the size of the pieces that blobs are kept in.
const (
	DefaultMaxBlob   = 256 << 20
	DefaultRetention = bulk.DefaultRetention

	chunkSize = 1 << 20
	// putMemory is a chunk, and what of it is in the way to the server.
	putMemory = 4 * chunkSize
)

// Options say where a [Store] keeps blobs, and how many. The zero value of every field takes
// its default.
type Options struct {
	// Schema is the schema of the tables, taken as it is. Defaults to "", the first of
	// search_path that has them.
	Schema string
	// MaxBlob is the most bytes that a blob may have. A Put of more fails for good. Defaults to
	// 256 MiB.
	MaxBlob int64
	// Retention is how long a blob is kept: at least 30 days, and no less than
	// [bulk.Config.Retention]. Defaults to 30 days.
	Retention time.Duration
}

func (o *Options) fill() error {
	o.MaxBlob = cmp.Or(o.MaxBlob, DefaultMaxBlob)
	o.Retention = cmp.Or(o.Retention, DefaultRetention)
	switch {
	case o.MaxBlob < 1:
		return &bulk.ConfigError{Field: "Options.MaxBlob", Problem: "is negative"}
	case o.Retention < DefaultRetention:
		return &bulk.ConfigError{Field: "Options.Retention", Problem: fmt.Sprintf("is %v; blobs are kept for at least %v", o.Retention, DefaultRetention)}
	}
	return database.CheckSchema(o.Schema)
}

// A Store is a [bulk.BlobStore] in Postgres. It is safe for concurrent use and has no
// goroutines. Make one with [New] or [NewSQL].
type Store struct {
	db   database.DB
	opts Options
	text statements

	mu    sync.Mutex
	swept time.Time
}

var (
	_ bulk.BlobStore   = (*Store)(nil)
	_ bulk.PutBufferer = (*Store)(nil)
)

// New returns a store with the connections of a pool, which stays the caller's, or a
// [*bulk.ConfigError]. It calls nothing.
func New(pool *pgxpool.Pool, opts Options) (*Store, error) {
	if pool == nil {
		return nil, &bulk.ConfigError{Field: "pool", Problem: "is required"}
	}
	return newStore(database.OfPool(pool), opts)
}

// NewSQL is [New] with a pool of database/sql, whose driver is that of pgx (package
// github.com/jackc/pgx/v5/stdlib).
func NewSQL(db *sql.DB, opts Options) (*Store, error) {
	if db == nil {
		return nil, &bulk.ConfigError{Field: "db", Problem: "is required"}
	}
	return newStore(database.OfSQL(db), opts)
}

func newStore(db database.DB, opts Options) (*Store, error) {
	if err := opts.fill(); err != nil {
		return nil, err
	}
	return &Store{db: db, opts: opts, text: newStatements(opts.Schema)}, nil
}

//go:embed migrations/*.sql
var migrations embed.FS

// Migrate makes the tables, or brings them to what this version of the package needs, in
// Options.Schema or else the first schema of search_path, as that of package pgjobs does.
func (s *Store) Migrate(ctx context.Context) error {
	err := s.db.Migrate(ctx, migrations, "bulkops_blobs_migrations", s.opts.Schema)
	return database.Failure(ctx, "pgblob: migrate", err)
}

// PutMemory implements [bulk.PutBufferer].
func (s *Store) PutMemory() int64 { return putMemory }

// Put implements [bulk.BlobStore]. It looks at ctx between two reads of r.
func (s *Store) Put(ctx context.Context, key string, r io.Reader, _ bulk.BlobInfo) error {
	err := bulk.CheckBlobKey(key)
	if err == nil {
		err = s.put(ctx, key, r)
	}
	if err != nil {
		return database.Failure(ctx, fmt.Sprintf("pgblob: put %q", key), err)
	}
	if !database.InTx(ctx) && s.sweepDue() {
		_, _ = s.sweep(ctx) // the next one will say what is wrong, if it is still
	}
	return nil
}

// Get implements [bulk.BlobStore]. A reader has no connection between two chunks. It fails once
// its blob is deleted.
func (s *Store) Get(ctx context.Context, key string) (io.ReadCloser, error) {
	err := bulk.CheckBlobKey(key)
	r := &reader{ctx: ctx, store: s, key: key, next: 1}
	if err == nil {
		err = s.db.Do(ctx, func(conn database.Conn, _ bool) error {
			return absent(conn.QueryRow(ctx, s.text.open, key).Scan(&r.upload, &r.left, &r.chunk))
		})
	}
	if err != nil {
		return nil, database.Failure(ctx, fmt.Sprintf("pgblob: get %q", key), err)
	}
	r.left -= int64(len(r.chunk))
	return r, nil
}

// Delete implements [bulk.BlobStore].
func (s *Store) Delete(ctx context.Context, key string) error {
	err := bulk.CheckBlobKey(key)
	if err == nil {
		err = s.db.Do(ctx, func(conn database.Conn, _ bool) error {
			_, err := conn.Exec(ctx, s.text.remove, key)
			return err
		})
	}
	return database.Failure(ctx, fmt.Sprintf("pgblob: delete %q", key), err)
}
