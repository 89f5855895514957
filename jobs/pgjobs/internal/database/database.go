// Package database is the way of this module's packages to Postgres: connections of
// a host's pool or transaction, calls that are tried again, errors and migrations.
package database

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/backoff"
)

// A DB lends connections. Make one with [OfPool] or [OfSQL].
type DB struct {
	lend func(ctx context.Context, use func(*pgx.Conn) error) error
}

// OfPool returns a DB with the connections of a pool.
func OfPool(pool *pgxpool.Pool) DB {
	return DB{func(ctx context.Context, use func(*pgx.Conn) error) error {
		return pool.AcquireFunc(ctx, func(conn *pgxpool.Conn) error { return use(conn.Conn()) })
	}}
}

// OfSQL returns a DB with the connections of a pool of the driver of pgx.
func OfSQL(db *sql.DB) DB {
	return DB{func(ctx context.Context, use func(*pgx.Conn) error) error {
		conn, err := db.Conn(ctx)
		if err != nil {
			return err
		}
		defer conn.Close()
		return conn.Raw(func(driver any) error {
			c, ok := driver.(*stdlib.Conn)
			if !ok {
				return bulk.Permanent(fmt.Errorf("the pool has connections of type %T, not of the driver of pgx", driver))
			}
			return use(c.Conn())
		})
	}}
}

type txKey struct{}

// WithTx returns a context whose calls are part of a transaction.
func WithTx(ctx context.Context, tx pgx.Tx) context.Context {
	return context.WithValue(ctx, txKey{}, tx)
}

// A Conn is what calls need of a connection or a transaction.
type Conn interface {
	Exec(ctx context.Context, text string, arguments ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, text string, arguments ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, text string, arguments ...any) pgx.Row
	SendBatch(ctx context.Context, batch *pgx.Batch) pgx.BatchResults
}

// InTx reports whether calls with the context are part of a transaction of the host.
func InTx(ctx context.Context) bool { return ctx.Value(txKey{}) != nil }

// Lend calls use with a connection that it has alone, in no transaction.
func (d DB) Lend(ctx context.Context, use func(*pgx.Conn) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return d.lend(ctx, use)
}

// Of calls that are tried again: how often in all, how often if one may have had its
// effect, which has to be found out, and the pauses.
const (
	maxCalls   = 5
	maxDoubted = 30
)

var pause = backoff.Backoff{Base: 20 * time.Millisecond, Cap: time.Second}

// Do calls use with a connection, and again after failures that may pass: lost
// connections, deadlocks, serialization failures. doubt says that an earlier call may
// have had its effect although it failed. If the context has a transaction of the host, use
// is called with that, and once.
func (d DB) Do(ctx context.Context, use func(conn Conn, doubt bool) error) error {
	if tx, ok := ctx.Value(txKey{}).(pgx.Tx); ok {
		if err := ctx.Err(); err != nil {
			return err
		}
		return use(tx, false)
	}
	doubt := false
	for failures := 1; ; failures++ {
		lent := false
		err := d.Lend(ctx, func(conn *pgx.Conn) error { lent = true; return use(conn, doubt) })
		if err == nil || ctx.Err() != nil || !passing(err) {
			return err
		}
		doubt = doubt || lent && mayBeDone(err)
		if failures == maxDoubted || failures >= maxCalls && !doubt || pause.Wait(ctx, failures) != nil {
			return err
		}
	}
}
