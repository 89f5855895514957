package pgjobs

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/jobs/pgjobs/internal/database"
)

// Options say where a [Queue] keeps jobs.
type Options struct {
	// Schema is the schema of the tables, taken as it is. Defaults to "", the first of
	// search_path that has them.
	Schema string
}

// A Queue is a [bulk.JobQueue], [bulk.JobNotifier] and [bulk.IdempotencyKeyStore] in
// Postgres. It is safe for concurrent use, and has no goroutines but what [Queue.Listen]
// is called in. Make one with [New] or [NewSQL].
type Queue struct {
	db      database.DB
	schema  string
	text    statements
	changed changes
	sweeper sweeper
}

var (
	_ bulk.JobQueue            = (*Queue)(nil)
	_ bulk.JobNotifier         = (*Queue)(nil)
	_ bulk.IdempotencyKeyStore = (*Queue)(nil)
)

// New returns a queue with the connections of a pool, which stays the caller's, or a
// [*bulk.ConfigError]. It calls nothing.
func New(pool *pgxpool.Pool, opts Options) (*Queue, error) {
	if pool == nil {
		return nil, &bulk.ConfigError{Field: "pool", Problem: "is required"}
	}
	return newQueue(database.OfPool(pool), opts)
}

// NewSQL is [New] with a pool of database/sql, whose driver is that of pgx (package
// github.com/jackc/pgx/v5/stdlib).
func NewSQL(db *sql.DB, opts Options) (*Queue, error) {
	if db == nil {
		return nil, &bulk.ConfigError{Field: "db", Problem: "is required"}
	}
	return newQueue(database.OfSQL(db), opts)
}

func newQueue(db database.DB, opts Options) (*Queue, error) {
	if err := database.CheckSchema(opts.Schema); err != nil {
		return nil, err
	}
	return &Queue{db: db, schema: opts.Schema, text: newStatements(opts.Schema)}, nil
}

//go:embed migrations/*.sql
var migrations embed.FS

// Migrate makes the tables, or brings them to what this version of the package needs, in
// Options.Schema or else the first schema of search_path. It does nothing if there is nothing
// to do, and may be called by any number of processes at once. The files of the folder
// migrations are what it does, for those who apply them by other means: it goes on where those
// have stopped. The role needs the right to create tables there, which the other methods do
// not need.
func (q *Queue) Migrate(ctx context.Context) error {
	err := q.db.Migrate(ctx, migrations, "bulkops_jobs_migrations", q.schema)
	return database.Failure(ctx, "pgjobs: migrate", err)
}

// WithTx returns a context in which the calls of a Queue, and of a store of package pgblob,
// are part of the host's own transaction. A job that [bulk.Importer.Submit] makes with it is
// there for workers once the transaction is committed, and never was if it is rolled back:
//
//	tx, err := pool.Begin(ctx)
//	…
//	defer tx.Rollback(ctx)
//	// what the host writes
//	job, err := importer.Submit(pgjobs.WithTx(ctx, tx), request)
//	…
//	err = tx.Commit(ctx)
//
// The payload is stored before the job. A blob store that is not in this database keeps it
// when the transaction is rolled back, without a job, until its rule for old blobs removes it.
//
// A transaction serves one call at a time, so the context is for one Submit and what goes
// with it, not for workers. A call that fails for a lost connection, a deadlock or the like is
// not tried again, and neither is one that runs into [bulk.Config.CallTimeout]: the transaction
// is over then, and Commit says so. The pool of tx must be of the same database.
func WithTx(ctx context.Context, tx pgx.Tx) context.Context { return database.WithTx(ctx, tx) }

// Create implements [bulk.JobQueue].
func (q *Queue) Create(ctx context.Context, spec bulk.JobSpec) error {
	if err := q.create(ctx, spec); err != nil {
		return database.Failure(ctx, fmt.Sprintf("pgjobs: create job %q", spec.ID), err)
	}
	q.changed.tell()
	return nil
}

func (q *Queue) create(ctx context.Context, spec bulk.JobSpec) error {
	doc, err := document(spec)
	if err != nil {
		return err
	}
	return q.db.Do(ctx, func(conn database.Conn, doubt bool) error {
		err := conn.QueryRow(ctx, q.text.create, spec.ID, spec.Tenant, doc, spec.ExpiresAt, spec.CreatedAt, q.schema).Scan(nil)
		if !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		if !doubt {
			return bulk.ErrJobExists
		}
		var stored string
		err = conn.QueryRow(ctx, q.text.spec, spec.ID).Scan(&stored)
		if err == nil && stored != doc || errors.Is(err, pgx.ErrNoRows) {
			return bulk.ErrJobExists
		}
		return err // nil if it is the very job, made by the call before
	})
}

// Get implements [bulk.JobQueue].
func (q *Queue) Get(ctx context.Context, id string) (job bulk.Job, err error) {
	if !storable(id) {
		return bulk.Job{}, fmt.Errorf("pgjobs: get job %q: %w", id, bulk.ErrJobNotFound)
	}
	err = q.db.Do(ctx, func(conn database.Conn, _ bool) error {
		job, err = q.get(ctx, conn, id)
		return err
	})
	if err != nil {
		return bulk.Job{}, database.Failure(ctx, fmt.Sprintf("pgjobs: get job %q", id), err)
	}
	return job, nil
}

func (q *Queue) get(ctx context.Context, conn database.Conn, id string) (bulk.Job, error) {
	r, err := one(conn.Query(ctx, q.text.get, id))
	if err != nil {
		return bulk.Job{}, absent(err, bulk.ErrJobNotFound)
	}
	return r.job, nil
}

// Cancel implements [bulk.JobQueue].
func (q *Queue) Cancel(ctx context.Context, id string, cancellation bulk.Cancellation) (job bulk.Job, err error) {
	if !storable(id) {
		return bulk.Job{}, fmt.Errorf("pgjobs: cancel job %q: %w", id, bulk.ErrJobNotFound)
	}
	nonce := newNonce()
	err = q.db.Do(ctx, func(conn database.Conn, doubt bool) error {
		r, err := one(conn.Query(ctx, q.text.cancel, id, cancellation.Results, cancellation.Notify, nonce, q.schema))
		if errors.Is(err, pgx.ErrNoRows) {
			r, err = one(conn.Query(ctx, q.text.get, id))
			if err = absent(err, bulk.ErrJobNotFound); err == nil && (!doubt || r.cancelNonce != nonce) {
				err = bulk.ErrJobEnded
			}
		}
		job = r.job
		return err
	})
	if err != nil {
		if !errors.Is(err, bulk.ErrJobEnded) {
			job = bulk.Job{}
		}
		return job, database.Failure(ctx, fmt.Sprintf("pgjobs: cancel job %q", id), err)
	}
	if job.Status.Ended() {
		q.changed.tell()
	}
	return job, nil
}

// Delete implements [bulk.JobQueue].
func (q *Queue) Delete(ctx context.Context, id string) error {
	if !storable(id) {
		return fmt.Errorf("pgjobs: delete job %q: %w", id, bulk.ErrJobNotFound)
	}
	err := q.db.Do(ctx, func(conn database.Conn, doubt bool) error {
		tag, err := conn.Exec(ctx, q.text.remove, id)
		if err != nil || tag.RowsAffected() > 0 {
			return err
		}
		_, err = q.get(ctx, conn, id)
		switch {
		case err == nil:
			return bulk.ErrJobNotEnded
		case doubt && errors.Is(err, bulk.ErrJobNotFound):
			return nil // the call before was done
		}
		return err
	})
	return database.Failure(ctx, fmt.Sprintf("pgjobs: delete job %q", id), err)
}

// storable reports whether a column of text can hold it. What it cannot hold is no job's.
func storable(text string) bool {
	return utf8.ValidString(text) && strings.IndexByte(text, 0) < 0
}

// absent puts an error of package bulk in the place of that of a missing row.
func absent(err, missing error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return missing
	}
	return err
}

// changes is a channel that is closed when something has changed.
type changes struct {
	mu sync.Mutex
	c  chan struct{}
}

func (c *changes) next() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.c == nil {
		c.c = make(chan struct{})
	}
	return c.c
}

func (c *changes) tell() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.c != nil {
		close(c.c)
		c.c = nil
	}
}

// sweeper says when to look for what has expired.
type sweeper struct {
	mu   sync.Mutex
	last time.Time
}

// due reports whether it is time, at most once for each time.
func (s *sweeper) due() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.last) < sweepEvery {
		return false
	}
	s.last = time.Now()
	return true
}
