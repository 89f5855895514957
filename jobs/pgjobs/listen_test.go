package pgjobs_test

import (
	"context"
	"fmt"
	"os"
	osexec "os/exec"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/test/pgtest"
	"github.com/bulkops/bulkops/jobs/pgjobs"
)

const envChild = "PGJOBS_TEST_CHILD"

// TestChildCreates is the other process of the test below.
func TestChildCreates(t *testing.T) {
	url := os.Getenv(envChild)
	if url == "" {
		return
	}
	require.NoError(t, newQueue(t, open(t, url)).Create(t.Context(), spec("job_of_child", "acme")))
}

func closed(t *testing.T, changed <-chan struct{}, why string) {
	t.Helper()
	select {
	case <-changed:
	case <-time.After(10 * time.Second):
		t.Fatalf("the channel is not closed %s", why)
	}
}

// A queue that listens is told what other processes do, also after its connection was lost.
func TestListen(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, server pgtest.Server) {
		pool := database(t, server)
		queue, other := newQueue(t, open(t, pool.Config().ConnString())), newQueue(t, pool)
		ctx, stop := context.WithCancel(t.Context())
		var listening sync.WaitGroup
		changed := queue.Changed()
		listening.Go(func() { assert.NoError(t, queue.Listen(ctx)) })
		closed(t, changed, "when it begins to listen")

		changed = queue.Changed()
		child := osexec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestChildCreates$")
		child.Env = append(os.Environ(), envChild+"="+pool.Config().ConnString())
		out, err := child.CombinedOutput()
		require.NoError(t, err, "%s", out)
		closed(t, changed, "by a job of another process")

		job, err := other.Claim(t.Context(), bulk.Claim{JobID: "job_of_child", Lease: time.Hour})
		require.NoError(t, err)
		changed = queue.Changed()
		job, err = other.Save(t.Context(), job.ID, job.Token, bulk.JobChange{Lease: time.Hour, Progress: &bulk.Progress{Rows: 1}})
		require.NoError(t, err)
		_, err = other.Save(t.Context(), job.ID, job.Token, bulk.JobChange{RetryAfter: time.Hour})
		require.NoError(t, err)
		select {
		case <-changed:
			t.Error("the channel is closed by what nobody waits for")
		case <-time.After(100 * time.Millisecond):
		}
		require.NoError(t, other.Create(t.Context(), spec("job_2", "acme")))
		closed(t, changed, "by a job")

		changed = queue.Changed()
		_, err = pool.Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
			WHERE datname = current_database() AND query LIKE 'LISTEN%'`)
		require.NoError(t, err)
		closed(t, changed, "when it listens again")
		changed = queue.Changed()
		_, err = other.Cancel(t.Context(), "job_2", bulk.Cancellation{})
		require.NoError(t, err)
		closed(t, changed, "by an end, after the connection was lost")
		stop()
		listening.Wait()
	})
}

// Queues in several schemas of a database do not hear each other.
func TestListenInASchema(t *testing.T) {
	url := pgtest.Database(t, pgtest.Newest(t).URL, exec)
	pool := open(t, url)
	queues := make(map[string]*pgjobs.Queue)
	for _, schema := range []string{"one", "two"} {
		require.NoError(t, exec(t.Context(), url, "CREATE SCHEMA "+schema))
		queue, err := pgjobs.New(pool, pgjobs.Options{Schema: schema})
		require.NoError(t, err)
		require.NoError(t, queue.Migrate(t.Context()))
		queues[schema] = queue
	}
	ctx, stop := context.WithCancel(t.Context())
	var listening sync.WaitGroup
	changed := queues["one"].Changed()
	listening.Go(func() { assert.NoError(t, queues["one"].Listen(ctx)) })
	closed(t, changed, "when it begins to listen")
	changed = queues["one"].Changed()
	require.NoError(t, queues["two"].Create(t.Context(), spec("job_1", "acme")))
	select {
	case <-changed:
		t.Error("a job of another schema is told")
	case <-time.After(100 * time.Millisecond):
	}
	second, err := pgjobs.New(pool, pgjobs.Options{Schema: "one"})
	require.NoError(t, err)
	require.NoError(t, second.Create(t.Context(), spec("job_1", "acme")))
	closed(t, changed, "by a job of its schema")
	stop()
	listening.Wait()
}

// Claims of all processes together go by turns.
func TestTurnsOfAllProcesses(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, server pgtest.Server) {
		pool := database(t, server)
		queue := newQueue(t, pool)
		for i := range 4 {
			require.NoError(t, queue.Create(t.Context(), spec(fmt.Sprint("job_a_", i), "many")))
		}
		require.NoError(t, queue.Create(t.Context(), spec("job_b_0", "few")))
		require.NoError(t, queue.Create(t.Context(), spec("job_b_1", "few")))
		require.NoError(t, queue.Create(t.Context(), spec("job_c_0", ""))) // a tenant like others
		var order []string
		for range 7 {
			// A process that runs one job and ends.
			job, err := newQueue(t, pool).Claim(t.Context(), bulk.Claim{Lease: time.Hour})
			require.NoError(t, err)
			order = append(order, job.ID)
		}
		assert.Equal(t, []string{"job_b_0", "job_a_0", "job_c_0", "job_b_1", "job_a_1", "job_a_2", "job_a_3"}, order)
	})
}

// Claims at the same moment wait for nobody: not for each other, and not for a job or a turn
// that somebody holds.
func TestClaimsDoNotWait(t *testing.T) {
	pool := database(t, pgtest.Newest(t))
	queue := newQueue(t, pool)
	for _, id := range []string{"job_1", "job_2"} {
		require.NoError(t, queue.Create(t.Context(), spec(id, "acme")))
	}
	held, err := pool.Begin(t.Context())
	require.NoError(t, err)
	defer func() { _ = held.Rollback(context.WithoutCancel(t.Context())) }()
	_, err = held.Exec(t.Context(), `SELECT FROM bulkops_jobs, bulkops_jobs_turn WHERE id = 'job_1' FOR UPDATE`)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	job, err := queue.Claim(ctx, bulk.Claim{Lease: time.Hour})
	require.NoError(t, err)
	assert.Equal(t, "job_2", job.ID)
	_, err = queue.Claim(ctx, bulk.Claim{Lease: time.Hour})
	assert.ErrorIs(t, err, bulk.ErrNoJob)
}
