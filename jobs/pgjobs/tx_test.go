package pgjobs_test

import (
	"context"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/blob/memblob"
	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/test/pgtest"
	"github.com/bulkops/bulkops/jobs/pgjobs"
	"github.com/bulkops/bulkops/jobs/pgjobs/pgblob"
	"github.com/bulkops/bulkops/store/memstore"
)

var boss = bulk.Principal{ID: "boss", Tenant: "acme", Role: bulk.RoleAdmin}

// A host has a table of its own, and imports in its transactions.
type host struct {
	pool     *pgxpool.Pool
	cfg      bulk.Config
	importer *bulk.Importer
}

func newHost(t *testing.T, server pgtest.Server) *host {
	t.Helper()
	pool := database(t, server)
	blobs, err := pgblob.New(pool, pgblob.Options{})
	require.NoError(t, err)
	require.NoError(t, blobs.Migrate(t.Context()))
	_, err = pool.Exec(t.Context(), `CREATE TABLE uploads (name text PRIMARY KEY)`)
	require.NoError(t, err)
	h := &host{pool: pool, cfg: bulk.Config{
		Store: memstore.New(), Blobs: blobs, Jobs: newQueue(t, pool), Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}}
	h.importer, err = bulk.NewImporter(h.cfg)
	require.NoError(t, err)
	return h
}

func (h *host) begin(t *testing.T) (pgx.Tx, context.Context) {
	t.Helper()
	tx, err := h.pool.Begin(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { _ = tx.Rollback(context.Background()) })
	_, err = tx.Exec(t.Context(), `INSERT INTO uploads VALUES ($1)`, time.Now().String())
	require.NoError(t, err)
	return tx, pgjobs.WithTx(t.Context(), tx)
}

func (h *host) count(t *testing.T, table string) (n int) {
	t.Helper()
	require.NoError(t, h.pool.QueryRow(t.Context(), `SELECT count(*) FROM `+table).Scan(&n))
	return n
}

// counts fails unless there are so many jobs, blobs, and rows of the host.
func (h *host) counts(t *testing.T, jobs, blobs, uploads int, when string) {
	t.Helper()
	assert.Equal(t, jobs, h.count(t, "bulkops_jobs"), "jobs %s", when)
	assert.Equal(t, blobs, h.count(t, "bulkops_blobs"), "blobs %s", when)
	assert.Equal(t, uploads, h.count(t, "uploads"), "rows of the host %s", when)
}

func request() bulk.Request {
	return bulk.Request{Principal: boss, Options: bulk.DefaultOptions(), Async: true, Rows: bulk.Users(bulk.User{ID: "u-1"}, bulk.User{ID: "u-2"})}
}

func TestCommittedTransactionRunsItsJob(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, server pgtest.Server) {
		h := newHost(t, server)
		worker, err := bulk.NewWorker(h.cfg)
		require.NoError(t, err)
		tx, ctx := h.begin(t)
		job, err := h.importer.Submit(ctx, request())
		require.NoError(t, err)
		h.counts(t, 0, 0, 0, "before the commit")
		_, err = worker.RunNext(t.Context())
		require.ErrorIs(t, err, bulk.ErrNoJob, "before the commit")
		changed := h.cfg.Jobs.(*pgjobs.Queue).Changed()
		listening, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- h.cfg.Jobs.(*pgjobs.Queue).Listen(listening) }()
		closed(t, changed, "when it begins to listen")
		changed = h.cfg.Jobs.(*pgjobs.Queue).Changed()

		require.NoError(t, tx.Commit(t.Context()))
		h.counts(t, 1, 1, 1, "after the commit")
		closed(t, changed, "by the commit")
		stop()
		require.NoError(t, <-done)
		id, err := worker.RunNext(t.Context())
		require.NoError(t, err)
		assert.Equal(t, job.ID, id)
		ended, err := h.importer.Job(t.Context(), boss, job.ID)
		require.NoError(t, err)
		assert.Equal(t, bulk.JobCompleted, ended.Status)
		assert.Equal(t, 2, ended.Summary().Created)

		again, err := importUpload(t.Context(), h.pool, h.importer, request())
		require.NoError(t, err)
		id, err = worker.RunNext(t.Context())
		require.NoError(t, err)
		assert.Equal(t, again.ID, id)
		h.counts(t, 2, h.count(t, "bulkops_blobs"), 2, "of the example")

		// A transaction that is over serves no call, and harms no connection.
		_, err = h.importer.Submit(ctx, request())
		require.ErrorIs(t, err, pgx.ErrTxClosed)
	})
}

func TestRolledBackTransactionLeavesNothing(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, server pgtest.Server) {
		h := newHost(t, server)
		keyed := request()
		keyed.IdempotencyKey = "key"
		for range 2 { // the second time the key is as new
			tx, ctx := h.begin(t)
			_, err := h.importer.Submit(ctx, request())
			require.NoError(t, err)
			keyed.Rows = request().Rows
			accepted, err := h.importer.Accept(ctx, keyed)
			require.NoError(t, err)
			assert.NotNil(t, accepted.Job)
			assert.False(t, accepted.Replayed)
			require.NoError(t, tx.Rollback(t.Context()))
			h.counts(t, 0, 0, 0, "after the rollback")
			assert.Zero(t, h.count(t, "bulkops_jobs_keys"))
			assert.Zero(t, h.count(t, "bulkops_blobs_chunks"))
		}
		tx, ctx := h.begin(t)
		keyed.Rows = request().Rows
		first, err := h.importer.Accept(ctx, keyed)
		require.NoError(t, err)
		require.NoError(t, tx.Commit(t.Context()))
		keyed.Rows = request().Rows
		second, err := h.importer.Accept(t.Context(), keyed)
		require.NoError(t, err)
		assert.True(t, second.Replayed)
		assert.Equal(t, first.Job.ID, second.Job.ID)
	})
}

// What is refused leaves the transaction as it was.
func TestRefusedRequestLeavesTheTransaction(t *testing.T) {
	h := newHost(t, pgtest.Newest(t))
	tx, ctx := h.begin(t)
	bad := request()
	bad.Rows = bulk.Users() // no rows
	_, err := h.importer.Submit(ctx, bad)
	var refused *bulk.RequestError
	require.ErrorAs(t, err, &refused)
	job := spec("job_1", "acme")
	require.NoError(t, h.cfg.Jobs.Create(ctx, job))
	require.ErrorIs(t, h.cfg.Jobs.Create(ctx, job), bulk.ErrJobExists)
	_, err = h.cfg.Jobs.Get(ctx, "job_2")
	require.ErrorIs(t, err, bulk.ErrJobNotFound)
	require.NoError(t, tx.Commit(t.Context()))
	h.counts(t, 1, 0, 1, "after the commit")
}

// A transaction that has failed makes no job, and is not tried again.
func TestFailedTransaction(t *testing.T) {
	h := newHost(t, pgtest.Newest(t))
	tx, ctx := h.begin(t)
	_, err := tx.Exec(t.Context(), `SELECT 1/0`)
	require.Error(t, err)
	_, err = h.importer.Submit(ctx, request())
	require.Error(t, err)
	assert.False(t, bulk.Retryable(err), "%v", err)
	require.Error(t, tx.Commit(t.Context()))
	h.counts(t, 0, 0, 0, "after the commit")
}

// With blobs elsewhere a payload is left, and no job.
func TestRollbackWithBlobsElsewhere(t *testing.T) {
	h := newHost(t, pgtest.Newest(t))
	blobs := memblob.New()
	h.cfg.Blobs = blobs
	importer, err := bulk.NewImporter(h.cfg)
	require.NoError(t, err)
	tx, ctx := h.begin(t)
	job, err := importer.Submit(ctx, request())
	require.NoError(t, err)
	require.NoError(t, tx.Rollback(t.Context()))
	assert.Equal(t, []string{job.Payload}, blobs.Keys())
	h.counts(t, 0, 0, 0, "after the rollback")
}
