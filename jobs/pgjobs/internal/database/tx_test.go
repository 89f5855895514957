package database_test

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/jobs/pgjobs/internal/database"
)

// A call is part of the transaction of its context, and of no other.
func TestTransaction(t *testing.T) {
	db, pool := open(t)
	tx, err := pool.Begin(t.Context())
	require.NoError(t, err)
	defer tx.Rollback(t.Context())
	ctx := database.WithTx(t.Context(), tx)
	calls := 0
	require.NoError(t, db.Do(ctx, func(conn database.Conn, doubt bool) error {
		calls++
		assert.False(t, doubt)
		_, err := conn.Exec(ctx, `CREATE TABLE things (name text)`)
		return err
	}))
	err = db.Do(t.Context(), func(conn database.Conn, _ bool) error {
		_, err := conn.Exec(t.Context(), `SELECT FROM things`)
		return err
	})
	require.Error(t, err, "another transaction sees the table before the commit")
	require.NoError(t, tx.Commit(t.Context()))

	calls = 0
	err = database.Failure(ctx, "call", db.Do(ctx, func(conn database.Conn, _ bool) error {
		calls++
		_, err := conn.Exec(ctx, `SELECT 1`)
		return err
	}))
	require.ErrorIs(t, err, pgx.ErrTxClosed)
	assert.False(t, bulk.Retryable(err), "a transaction that is over is so for good")
	assert.Equal(t, 1, calls)
}
