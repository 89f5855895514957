package pgjobs_test

import (
	"os"
	osexec "os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/test/pgtest"
	"github.com/bulkops/bulkops/jobs/pgjobs"
	"github.com/bulkops/bulkops/jobs/pgjobs/pgblob"
)

// Many processes migrate at once, any number of times.
func TestMigrateAtOnce(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, server pgtest.Server) {
		pool := open(t, pgtest.Database(t, server.URL, exec))
		var migrating sync.WaitGroup
		for range 8 {
			migrating.Go(func() { assert.NoError(t, newQueue(t, pool).Migrate(t.Context())) })
		}
		migrating.Wait()
		queue := newQueue(t, pool)
		require.NoError(t, queue.Create(t.Context(), spec("job_1", "acme")))
		require.NoError(t, queue.Migrate(t.Context()), "of a database that is filled")
		_, err := queue.Get(t.Context(), "job_1")
		require.NoError(t, err)
	})
}

// The files are plain SQL, which psql applies as well.
func TestMigrateByFiles(t *testing.T) {
	server := pgtest.Newest(t)
	pool := open(t, pgtest.Database(t, server.URL, exec))
	files, err := filepath.Glob("migrations/*.sql")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	url := pool.Config().ConnString()
	apply := func(file string) error {
		if psql, err := osexec.LookPath("psql"); err == nil {
			return osexec.CommandContext(t.Context(), psql, url, "-v", "ON_ERROR_STOP=1", "-qf", file).Run()
		}
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		conn, err := pgx.Connect(t.Context(), url) // by the simple protocol, as psql does
		require.NoError(t, err)
		defer conn.Close(t.Context())
		_, err = conn.PgConn().Exec(t.Context(), string(text)).ReadAll()
		return err
	}
	for _, file := range files {
		require.NoError(t, apply(file), "%s", file)
		require.Error(t, apply(file), "%s, a second time", file)
	}
	queue := newQueue(t, pool)
	require.NoError(t, queue.Migrate(t.Context()), "what is done by psql is not done again")
	require.NoError(t, queue.Create(t.Context(), spec("job_1", "acme")))
}

// The rights of docs/postgres-jobs.md.
const grants = `
GRANT SELECT, INSERT, UPDATE, DELETE ON bulkops_jobs, bulkops_jobs_keys TO app;
GRANT SELECT, UPDATE ON bulkops_jobs_turn TO app;
GRANT SELECT, INSERT, UPDATE, DELETE ON bulkops_blobs, bulkops_blobs_uploads TO app;
GRANT SELECT, INSERT, DELETE ON bulkops_blobs_chunks TO app;
`

// They are enough for the whole life of a queue and a blob store.
func TestRights(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, server pgtest.Server) {
		pool := database(t, server)
		blobs, err := pgblob.New(pool, pgblob.Options{})
		require.NoError(t, err)
		require.NoError(t, blobs.Migrate(t.Context()))
		role := "app_" + pool.Config().ConnConfig.Database
		for _, statement := range []string{
			`CREATE ROLE ` + role + ` LOGIN PASSWORD 'secret'`, strings.ReplaceAll(grants, "TO app;", "TO "+role+";"),
		} {
			_, err := pool.Exec(t.Context(), statement)
			require.NoError(t, err)
		}
		config := pool.Config().Copy()
		config.ConnConfig.User, config.ConnConfig.Password = role, "secret"
		limited := openConfig(t, config)
		queue := newQueue(t, limited)
		ctx := t.Context()
		blobs, err = pgblob.New(limited, pgblob.Options{})
		require.NoError(t, err)
		for _, size := range []int{1, 3 << 20} {
			require.NoError(t, blobs.Put(ctx, "blob", strings.NewReader(strings.Repeat("x", size)), bulk.BlobInfo{}))
			r, err := blobs.Get(ctx, "blob")
			require.NoError(t, err)
			require.NoError(t, r.Close())
			require.NoError(t, blobs.Delete(ctx, "blob"))
		}
		_, err = blobs.Sweep(ctx)
		require.NoError(t, err)
		require.NoError(t, queue.Create(ctx, spec("job_1", "acme")))
		job, err := queue.Claim(ctx, bulk.Claim{Lease: time.Hour})
		require.NoError(t, err)
		_, err = queue.Save(ctx, job.ID, job.Token, bulk.JobChange{End: bulk.JobCompleted})
		require.NoError(t, err)
		_, _, err = queue.List(ctx, bulk.JobFilter{Tenant: "acme", Limit: 1})
		require.NoError(t, err)
		require.NoError(t, queue.PutIdempotencyKey(ctx, bulk.IdempotencyKey{Tenant: "acme", Name: "k", Version: 1, ExpiresAt: time.Now().Add(time.Hour)}))
		require.NoError(t, queue.Delete(ctx, job.ID))
		_, err = queue.Sweep(ctx)
		require.NoError(t, err)

		_, err = pool.Exec(ctx, `REVOKE INSERT ON bulkops_jobs FROM `+role)
		require.NoError(t, err)
		err = queue.Create(ctx, spec("job_2", "acme"))
		require.Error(t, err)
		assert.False(t, bulk.Retryable(err), "a denied permission is for good: %v", err)
		for _, statement := range []string{`DROP OWNED BY ` + role, `DROP ROLE ` + role} {
			_, err = pool.Exec(ctx, statement)
			require.NoError(t, err)
		}
	})
}

// What has expired is removed, a batch by a claim and all by Sweep; the others stay.
func TestSweep(t *testing.T) {
	pool := database(t, pgtest.Newest(t))
	queue := newQueue(t, pool)
	require.NoError(t, queue.Create(t.Context(), spec("job_kept", "acme")))
	require.NoError(t, queue.PutIdempotencyKey(t.Context(), bulk.IdempotencyKey{Tenant: "acme", Name: "kept", Version: 1, ExpiresAt: time.Now().Add(time.Hour)}))
	const old = 1200
	_, err := pool.Exec(t.Context(), `
INSERT INTO bulkops_jobs (id, tenant, spec, expires_at, updated_at)
SELECT 'job_' || n, 'acme', '{}', now() - interval '1 second', now() FROM generate_series(1, $1) n`, old)
	require.NoError(t, err)
	_, err = pool.Exec(t.Context(), `
INSERT INTO bulkops_jobs_keys (tenant, name, version, expires_at, key)
SELECT 'acme', 'key ' || n, 1, now() - interval '1 second', '{}' FROM generate_series(1, $1) n`, old)
	require.NoError(t, err)
	count := func(table string) (n int) {
		t.Helper()
		require.NoError(t, pool.QueryRow(t.Context(), `SELECT count(*) FROM `+table).Scan(&n))
		return n
	}
	job, err := queue.Claim(t.Context(), bulk.Claim{Lease: time.Hour})
	require.NoError(t, err)
	assert.Equal(t, "job_kept", job.ID)
	assert.Equal(t, old+1-500, count("bulkops_jobs"))
	assert.Equal(t, old+1-500, count("bulkops_jobs_keys"))
	_, err = queue.Claim(t.Context(), bulk.Claim{Lease: time.Hour})
	require.ErrorIs(t, err, bulk.ErrNoJob)
	assert.Equal(t, old+1-500, count("bulkops_jobs"), "within the minute")
	n, err := queue.Sweep(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 2*(old-500), n)
	assert.Equal(t, 1, count("bulkops_jobs"))
	assert.Equal(t, 1, count("bulkops_jobs_keys"))
}

func TestOptions(t *testing.T) {
	pool := open(t, "postgres://127.0.0.1:1/none")
	_, err := pgjobs.New(pool, pgjobs.Options{Schema: "a\x00"})
	var bad *bulk.ConfigError
	require.ErrorAs(t, err, &bad)
	assert.Equal(t, "Options.Schema", bad.Field)
	_, err = pgjobs.New(nil, pgjobs.Options{})
	require.Error(t, err)
	_, err = pgjobs.NewSQL(nil, pgjobs.Options{})
	require.Error(t, err)
}

// A missing table is for good, a server that is away is not.
func TestErrorsAreClassified(t *testing.T) {
	queue := newQueue(t, open(t, pgtest.Database(t, pgtest.Newest(t).URL, exec)))
	_, err := queue.Get(t.Context(), "job_1")
	require.Error(t, err)
	assert.False(t, bulk.Retryable(err), "%v", err)
	_, err = newQueue(t, open(t, "postgres://127.0.0.1:1/none")).Get(t.Context(), "job_1")
	require.Error(t, err)
	assert.True(t, bulk.Retryable(err), "%v", err)
	require.NotErrorIs(t, err, bulk.ErrJobNotFound)

	// What no column of text holds is no job's.
	queue = newQueue(t, database(t, pgtest.Newest(t)))
	for _, id := range []string{"a\x00", "\xff"} {
		_, err := queue.Get(t.Context(), id)
		require.ErrorIs(t, err, bulk.ErrJobNotFound)
		_, err = queue.Cancel(t.Context(), id, bulk.Cancellation{})
		require.ErrorIs(t, err, bulk.ErrJobNotFound)
		require.ErrorIs(t, queue.Delete(t.Context(), id), bulk.ErrJobNotFound)
		_, err = queue.Claim(t.Context(), bulk.Claim{JobID: id, Lease: time.Hour})
		require.ErrorIs(t, err, bulk.ErrNoJob)
		_, err = queue.Save(t.Context(), id, 1, bulk.JobChange{})
		require.ErrorIs(t, err, bulk.ErrLeaseLost)
	}
	_, err = queue.Save(t.Context(), "job", 1, bulk.JobChange{End: bulk.JobPending})
	require.Error(t, err)
	assert.False(t, bulk.Retryable(err))
}
