package pgstore

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/bulkops/bulkops/bulk"
)

// A lender lends a connection to use, which has it alone until it returns.
type lender func(ctx context.Context, use func(*pgx.Conn) error) error

func lendOf(pool *pgxpool.Pool) lender {
	return func(ctx context.Context, use func(*pgx.Conn) error) error {
		return pool.AcquireFunc(ctx, func(conn *pgxpool.Conn) error { return use(conn.Conn()) })
	}
}

func lendOfSQL(db *sql.DB) lender {
	return func(ctx context.Context, use func(*pgx.Conn) error) error {
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
	}
}
