package pgjobs

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/test/pgtest"
)

// A save that comes late, when its sender has gone on, changes nothing.
func TestLateSave(t *testing.T) {
	pool, err := pgxpool.New(t.Context(), pgtest.Database(t, pgtest.Newest(t).URL, execute))
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	queue, err := New(pool, Options{})
	require.NoError(t, err)
	require.NoError(t, queue.Migrate(t.Context()))
	now := time.Now().UTC().Truncate(time.Millisecond)
	require.NoError(t, queue.Create(t.Context(), bulk.JobSpec{ID: "job_1", Tenant: "acme", CreatedAt: now, ExpiresAt: now.Add(time.Hour)}))
	job, err := queue.Claim(t.Context(), bulk.Claim{Lease: time.Hour})
	require.NoError(t, err)

	late := nextStamp()
	want, err := queue.Save(t.Context(), job.ID, job.Token, bulk.JobChange{Lease: time.Hour, Progress: &bulk.Progress{Rows: 2}})
	require.NoError(t, err)
	arguments, _, err := queue.saveArguments(bulk.JobChange{Lease: time.Hour, Progress: &bulk.Progress{Rows: 1}})
	require.NoError(t, err)
	_, err = one(pool.Query(t.Context(), queue.text.save, append([]any{job.ID, job.Token, late}, arguments...)...))
	require.ErrorIs(t, err, pgx.ErrNoRows)
	got, err := queue.Get(t.Context(), job.ID)
	require.NoError(t, err)
	assert.Equal(t, want, got)
}

// Claims look again at jobs that were to be done by now. Those that were renewed meanwhile stay
// with their workers, however many they are, and one whose worker is gone is found behind them.
func TestManyRenewedLeases(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, server pgtest.Server) {
		pool, err := pgxpool.New(t.Context(), pgtest.Database(t, server.URL, execute))
		require.NoError(t, err)
		t.Cleanup(pool.Close)
		queue, err := New(pool, Options{})
		require.NoError(t, err)
		require.NoError(t, queue.Migrate(t.Context()))
		const renewed = 3*maxDue + 50
		_, err = pool.Exec(t.Context(), `
INSERT INTO bulkops_jobs (id, tenant, spec, expires_at, updated_at, status, lease_until, due_at, token, not_before)
SELECT 'job_' || n, 'acme', '{}'::json, now() + interval '1 day', now(), 'processing',
	CASE WHEN n % 2 = 0 THEN now() + interval '1 hour' END, now() - interval '2 minutes', 1,
	CASE WHEN n % 2 = 1 THEN now() + interval '1 hour' END
FROM generate_series(1, $1) n
UNION ALL
SELECT 'job_lapsed', 'acme', '{"id": "job_lapsed"}'::json, now() + interval '1 day', now(), 'processing', now() - interval '1 second', now() - interval '1 minute', 1, NULL`, renewed)
		require.NoError(t, err)
		job, err := queue.Claim(t.Context(), bulk.Claim{Lease: time.Hour})
		require.NoError(t, err)
		assert.Equal(t, "job_lapsed", job.ID)
		assert.EqualValues(t, 2, job.Token)
		_, err = queue.Claim(t.Context(), bulk.Claim{Lease: time.Hour})
		require.ErrorIs(t, err, bulk.ErrNoJob)

		// None of them is looked at again before its lease could be over.
		due := explain(t, pool, false, queue.text.due, maxDue)
		assert.Zero(t, due.rows())
	})
}

// A heartbeat touches no index, so that Postgres need not write one.
func TestHeartbeatsTouchNoIndex(t *testing.T) {
	pool, err := pgxpool.New(t.Context(), pgtest.Database(t, pgtest.Newest(t).URL, execute))
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	queue, err := New(pool, Options{})
	require.NoError(t, err)
	require.NoError(t, queue.Migrate(t.Context()))
	fill(t, pool, 1, 0, 1, 0)
	change := bulk.JobChange{Lease: 2 * time.Hour, Progress: &bulk.Progress{Rows: 1}}
	const beats = 50
	for range beats {
		_, err := queue.Save(t.Context(), "job_1_00000001_1", 1, change)
		require.NoError(t, err)
	}
	// Postgres counts what an index was not written for, once the connection has told.
	var updated, hot int
	_, err = pool.Exec(t.Context(), `SELECT pg_stat_force_next_flush()`)
	require.NoError(t, err)
	require.NoError(t, pool.QueryRow(t.Context(), `
SELECT pg_stat_get_tuples_updated(oid), pg_stat_get_tuples_hot_updated(oid) FROM pg_class WHERE relname = 'bulkops_jobs'`).Scan(&updated, &hot))
	assert.Equal(t, beats, updated)
	assert.Equal(t, beats, hot)
}

// A lease that is renewed for a shorter time than it had ends that much earlier for all claims.
func TestShortenedLease(t *testing.T) {
	pool, err := pgxpool.New(t.Context(), pgtest.Database(t, pgtest.Newest(t).URL, execute))
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	queue, err := New(pool, Options{})
	require.NoError(t, err)
	require.NoError(t, queue.Migrate(t.Context()))
	now := time.Now().UTC().Truncate(time.Millisecond)
	require.NoError(t, queue.Create(t.Context(), bulk.JobSpec{ID: "job_1", Tenant: "acme", CreatedAt: now, ExpiresAt: now.Add(time.Hour)}))
	job, err := queue.Claim(t.Context(), bulk.Claim{Lease: time.Hour})
	require.NoError(t, err)
	_, err = queue.Save(t.Context(), job.ID, job.Token, bulk.JobChange{Lease: 100 * time.Millisecond})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		job, err = queue.Claim(t.Context(), bulk.Claim{Lease: time.Hour})
		return err == nil
	}, 20*time.Second, 20*time.Millisecond)
	assert.EqualValues(t, 2, job.Token)
}
