package pgstore

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
)

// maxUndone is how often a transaction is tried that the database undoes for the sake of
// others.
const maxUndone = 10

// basePause is the longest wait before the second try. Each further one may be twice as long.
const basePause = 10 * time.Millisecond

// send sends statements in one round trip, or in two where a connection does not know them
// yet. They are a transaction, which the server begins and ends by itself. It is sent again, and
// statements called again, while the database undoes it because of others that run at the same
// time. If send returns an error, nothing was written, unless the connection broke.
func (s *Store) send(ctx context.Context, statements func(*pgx.Batch)) error {
	for undone := 1; ; undone++ {
		err := s.lend(ctx, func(conn *pgx.Conn) error {
			batch := new(pgx.Batch)
			batch.Queue(planned)
			statements(batch)
			return conn.SendBatch(ctx, batch).Close()
		})
		if !repeatable(err) || undone == maxUndone || sleep(ctx, undone) != nil {
			return err
		}
	}
}

// sleep waits before a transaction is tried again that was undone so many times. Half of the
// wait is random, so that those who stood in each other's way do not meet again.
func sleep(ctx context.Context, undone int) error {
	most := basePause << (undone - 1)
	timer := time.NewTimer(most/2 + rand.N(most/2))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// each reads the columns of all rows, whose memory is theirs only until visit returns. In all
// statements they are text, and not NULL.
func each(rows pgx.Rows, visit func(columns [][]byte)) error {
	defer rows.Close()
	for rows.Next() {
		visit(rows.RawValues())
	}
	return rows.Err()
}
