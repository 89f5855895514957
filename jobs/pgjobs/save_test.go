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
