package pgjobs

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/backoff"
	"github.com/bulkops/bulkops/jobs/pgjobs/internal/database"
)

// Changed implements [bulk.JobNotifier]. The channel is closed when a job is created, when one
// is given up for others to claim at once, and when one ends; not when time alone makes a job
// claimable. Of changes by other queues, in this process or others, it tells while
// [Queue.Listen] runs.
func (q *Queue) Changed() <-chan struct{} { return q.changed.next() }

// relisten is the pause before a lost connection is made again.
var relisten = backoff.Backoff{Base: 100 * time.Millisecond, Cap: 10 * time.Second}

// Listen tells this queue what others change, until ctx ends: then it returns nil. A process
// calls it in a goroutine of its own, once for each queue. It has a connection of the pool all
// the while, and makes it again when it is lost; what it may have missed it tells then. It
// returns an error that no repetition mends. Without it workers find jobs by polling.
//
// A pooler between this program and the database must keep a session's connection for it: in
// PgBouncer's modes transaction and statement nothing is heard.
func (q *Queue) Listen(ctx context.Context) error {
	for failures := 1; ; failures++ {
		err := q.db.Lend(ctx, func(conn *pgx.Conn) error {
			if _, err := conn.Exec(ctx, `LISTEN `+channel); err != nil {
				return err
			}
			failures = 0
			return q.hear(ctx, conn)
		})
		if ctx.Err() != nil {
			return nil
		}
		if err = database.Failure(ctx, "pgjobs: listen", err); !bulk.Retryable(err) {
			return err
		}
		if relisten.Wait(ctx, max(1, failures)) != nil {
			return nil
		}
	}
}

// hear tells what comes. The connection must not go back to the pool listening: it is closed.
func (q *Queue) hear(ctx context.Context, conn *pgx.Conn) error {
	defer conn.Close(context.WithoutCancel(ctx))
	for {
		q.changed.tell() // first, what came before the connection did
		for {
			heard, err := conn.WaitForNotification(ctx)
			if err != nil {
				return err
			}
			if heard.Payload == q.schema {
				break
			}
		}
	}
}
