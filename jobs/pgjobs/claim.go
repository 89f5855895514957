package pgjobs

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/jobs/pgjobs/internal/database"
)

// Claim implements [bulk.JobQueue]. One without an id also removes a few of the jobs and keys
// that have expired, once a minute.
func (q *Queue) Claim(ctx context.Context, claim bulk.Claim) (job bulk.Job, err error) {
	if !storable(claim.JobID) {
		return bulk.Job{}, fmt.Errorf("pgjobs: claim job %q: %w", claim.JobID, bulk.ErrNoJob)
	}
	if claim.JobID == "" && !database.InTx(ctx) && q.sweeper.due() {
		_, _ = q.sweep(ctx) // what is wrong the claim will say, too
	}
	nonce := newNonce()
	err = q.db.Do(ctx, func(conn database.Conn, doubt bool) error {
		r, err := q.claim(ctx, conn, claim, nonce, doubt)
		job = r.job
		return absent(err, bulk.ErrNoJob)
	})
	if err != nil {
		return bulk.Job{}, database.Failure(ctx, fmt.Sprintf("pgjobs: claim job %q", claim.JobID), err)
	}
	return job, nil
}

func (q *Queue) claim(ctx context.Context, conn database.Conn, claim bulk.Claim, nonce pgtype.UUID, doubt bool) (record, error) {
	if doubt {
		r, err := one(conn.Query(ctx, q.text.claimed, nonce))
		if !errors.Is(err, pgx.ErrNoRows) {
			return r, err
		}
	}
	lease := claim.Lease.Truncate(time.Millisecond)
	switch {
	case claim.Ended && claim.JobID != "":
		return one(conn.Query(ctx, q.text.claimEndedID, lease, claim.Worker, nonce, claim.JobID))
	case claim.Ended:
		return one(conn.Query(ctx, q.text.claimEnded, lease, claim.Worker, nonce))
	case claim.JobID != "":
		return one(conn.Query(ctx, q.text.claim, lease, claim.Worker, nonce, claim.JobID))
	}
	for {
		// Both in one round trip, and one transaction.
		var batch pgx.Batch
		batch.Queue(q.text.due, maxDue)
		batch.Queue(q.text.claimNext, lease, claim.Worker, nonce)
		results := conn.SendBatch(ctx, &batch)
		tag, err := results.Exec()
		var r record
		if err == nil {
			r, err = one(results.Query())
		}
		if closeErr := results.Close(); closeErr != nil && (err == nil || errors.Is(err, pgx.ErrNoRows)) {
			err = closeErr
		}
		if !errors.Is(err, pgx.ErrNoRows) || tag.RowsAffected() < maxDue {
			return r, err
		}
	}
}

// newNonce returns a value by which a call knows what it has done.
func newNonce() pgtype.UUID {
	nonce := pgtype.UUID{Valid: true}
	_, _ = rand.Read(nonce.Bytes[:]) // never fails
	return nonce
}
