package pgjobs_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/test/pgtest"
	"github.com/bulkops/bulkops/jobs/pgjobs"
)

func spec(id, tenant string) bulk.JobSpec {
	now := time.Now().UTC().Truncate(time.Millisecond)
	return bulk.JobSpec{ID: id, Tenant: tenant, CreatedAt: now, ExpiresAt: now.Add(time.Hour)}
}

// single returns a queue that has one connection, by way of a proxy.
func single(t *testing.T, proxy *pgtest.Proxy) *pgjobs.Queue {
	t.Helper()
	config, err := pgxpool.ParseConfig(proxy.URL)
	require.NoError(t, err)
	config.MaxConns = 1
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return newQueue(t, pool)
}

// A call that was done and whose answer was lost is done once, and says so.
func TestLostAnswers(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, server pgtest.Server) {
		pool := database(t, server)
		direct := newQueue(t, pool)
		proxy := pgtest.NewProxy(t, pool.Config().ConnString())
		queue := single(t, proxy)
		ctx := t.Context()
		const lease = time.Hour
		n := 0
		created := func() string {
			n++
			id := fmt.Sprintf("job_%d", n)
			require.NoError(t, direct.Create(ctx, spec(id, "acme")))
			return id
		}
		claimed := func() bulk.Job {
			job, err := direct.Claim(ctx, bulk.Claim{JobID: created(), Lease: lease})
			require.NoError(t, err)
			return job
		}
		ended := func() bulk.Job {
			job := claimed()
			job, err := direct.Save(ctx, job.ID, job.Token, bulk.JobChange{End: bulk.JobCompleted, Notify: true})
			require.NoError(t, err)
			return job
		}
		for name, prepare := range map[string]func() (call func() error, check func()){
			"Create": func() (func() error, func()) {
				n++
				s := spec(fmt.Sprintf("job_%d", n), "acme")
				return func() error { return queue.Create(ctx, s) }, func() {
					job, err := direct.Get(ctx, s.ID)
					require.NoError(t, err)
					assert.Equal(t, bulk.JobPending, job.Status)
					assert.ErrorIs(t, queue.Create(ctx, s), bulk.ErrJobExists, "a call of its own")
				}
			},
			"Claim": func() (func() error, func()) {
				id := created()
				return func() error { _, err := queue.Claim(ctx, bulk.Claim{JobID: id, Lease: lease}); return err }, func() {
					job, err := direct.Get(ctx, id)
					require.NoError(t, err)
					assert.Equal(t, int64(1), job.Token)
				}
			},
			"Claim next": func() (func() error, func()) {
				_, err := pool.Exec(ctx, "DELETE FROM bulkops_jobs") // of other cases
				require.NoError(t, err)
				first, second := created(), created()
				return func() error { _, err := queue.Claim(ctx, bulk.Claim{Lease: lease}); return err }, func() {
					sum := int64(0)
					for _, id := range []string{first, second} {
						job, err := direct.Get(ctx, id)
						require.NoError(t, err)
						sum += job.Token
					}
					assert.Equal(t, int64(1), sum, "of two jobs one is claimed once")
				}
			},
			"Claim ended": func() (func() error, func()) {
				job := ended()
				return func() error {
						_, err := queue.Claim(ctx, bulk.Claim{Ended: true, JobID: job.ID, Lease: lease})
						return err
					}, func() {
						got, err := direct.Get(ctx, job.ID)
						require.NoError(t, err)
						assert.Equal(t, job.Token+1, got.Token)
						require.NoError(t, direct.Delete(ctx, job.ID))
					}
			},
			"Save a checkpoint": func() (func() error, func()) {
				job := claimed()
				change := bulk.JobChange{Lease: lease, Progress: &bulk.Progress{Rows: 7}}
				return func() error { _, err := queue.Save(ctx, job.ID, job.Token, change); return err }, func() {
					got, err := direct.Get(ctx, job.ID)
					require.NoError(t, err)
					assert.Equal(t, 7, got.Progress.Rows)
				}
			},
			"Save the end": func() (func() error, func()) {
				job := claimed()
				return func() error {
						got, err := queue.Save(ctx, job.ID, job.Token, bulk.JobChange{End: bulk.JobFailed, Results: "results"})
						assert.Equal(t, bulk.JobFailed, got.Status)
						return err
					}, func() {
						_, err := queue.Save(ctx, job.ID, job.Token, bulk.JobChange{End: bulk.JobFailed})
						assert.ErrorIs(t, err, bulk.ErrLeaseLost, "a call of its own")
					}
			},
			"Cancel": func() (func() error, func()) {
				id := created()
				return func() error {
						job, err := queue.Cancel(ctx, id, bulk.Cancellation{Results: "results"})
						assert.Equal(t, bulk.JobCancelled, job.Status)
						return err
					}, func() {
						_, err := queue.Cancel(ctx, id, bulk.Cancellation{})
						assert.ErrorIs(t, err, bulk.ErrJobEnded, "a call of its own")
					}
			},
			"Delete": func() (func() error, func()) {
				job := ended()
				return func() error { return queue.Delete(ctx, job.ID) }, func() {
					assert.ErrorIs(t, queue.Delete(ctx, job.ID), bulk.ErrJobNotFound, "a call of its own")
				}
			},
			"PutIdempotencyKey": func() (func() error, func()) {
				n++
				key := bulk.IdempotencyKey{Tenant: "acme", Name: fmt.Sprint(n), Version: 1, ExpiresAt: time.Now().Add(time.Hour), Run: fmt.Sprint("run", n)}
				return func() error { return queue.PutIdempotencyKey(ctx, key) }, func() {
					assert.ErrorIs(t, queue.PutIdempotencyKey(ctx, key), bulk.ErrConflict, "a call of its own")
				}
			},
		} {
			t.Run(name, func(t *testing.T) {
				warm, _ := prepare() // the statement is prepared, so that the call is one request
				require.NoError(t, warm())
				call, check := prepare()
				var cuts atomic.Int32
				proxy.SetFault(func(chunk pgtest.Chunk) pgtest.Fault {
					return pgtest.Fault{Cut: !chunk.ToServer && cuts.Add(1) == 1}
				})
				err := call()
				proxy.SetFault(nil)
				require.NoError(t, err)
				assert.Positive(t, cuts.Load(), "no answer was lost")
				check()
			})
		}
	})
}

// A request that never came is sent again.
func TestLostRequests(t *testing.T) {
	pool := database(t, pgtest.Newest(t))
	proxy := pgtest.NewProxy(t, pool.Config().ConnString())
	queue := single(t, proxy)
	require.NoError(t, queue.Create(t.Context(), spec("job_1", "acme")))
	var cuts atomic.Int32
	proxy.SetFault(func(chunk pgtest.Chunk) pgtest.Fault {
		return pgtest.Fault{Cut: chunk.ToServer && cuts.Add(1) == 1}
	})
	require.NoError(t, queue.Create(t.Context(), spec("job_2", "acme")))
	assert.Positive(t, cuts.Load())
	_, err := queue.Get(t.Context(), "job_2")
	require.NoError(t, err)
}

// life is what workers do with all jobs there are: each is ended once, whatever happens.
func life(t *testing.T, ctx context.Context, queue *pgjobs.Queue, ends *sync.Map) {
	for ctx.Err() == nil {
		job, err := queue.Claim(ctx, bulk.Claim{Lease: time.Second, Worker: "life"})
		if err != nil {
			if !errors.Is(err, bulk.ErrNoJob) && ctx.Err() == nil {
				assert.True(t, bulk.Retryable(err), "Claim: %v", err)
			}
			time.Sleep(5 * time.Millisecond)
			continue
		}
		for rows := 1; rows <= 3 && err == nil; rows++ {
			_, err = queue.Save(ctx, job.ID, job.Token, bulk.JobChange{Lease: time.Second, Progress: &bulk.Progress{Rows: job.Progress.Rows + rows}})
		}
		if err == nil {
			_, err = queue.Save(ctx, job.ID, job.Token, bulk.JobChange{End: bulk.JobCompleted})
		}
		switch {
		case err == nil:
			if _, twice := ends.LoadOrStore(job.ID, true); twice {
				t.Errorf("job %s was ended twice", job.ID)
			}
		case ctx.Err() == nil && !errors.Is(err, bulk.ErrLeaseLost):
			assert.True(t, bulk.Retryable(err), "Save: %v", err)
		}
	}
}

// Backends are terminated all the time while jobs are made and run: no job is lost, and none
// is run by two at once.
func TestTerminatedBackends(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, server pgtest.Server) {
		pool := database(t, server)
		killer := open(t, server.URL)
		const jobs, workers = 120, 6
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		var ends sync.Map
		var running sync.WaitGroup
		for range workers {
			queue := newQueue(t, open(t, pool.Config().ConnString()))
			running.Go(func() { life(t, ctx, queue, &ends) })
		}
		kills := 0
		running.Go(func() {
			for ctx.Err() == nil {
				tag, err := killer.Exec(ctx, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
					WHERE datname = $1 AND pid <> pg_backend_pid() ORDER BY random() LIMIT 1`, pool.Config().ConnConfig.Database)
				if err == nil {
					kills += int(tag.RowsAffected())
				}
				time.Sleep(25 * time.Millisecond)
			}
		})
		queue := newQueue(t, pool)
		for i := range jobs {
			s := spec(fmt.Sprintf("job_%03d", i), fmt.Sprint("tenant", i%3))
			for {
				err := queue.Create(ctx, s)
				if err == nil {
					break
				}
				require.True(t, bulk.Retryable(err), "Create: %v", err)
			}
		}
		allEnded(t, pool, jobs)
		stop()
		running.Wait()
		assert.Greater(t, kills, workers)
	})
}

// allEnded waits until so many jobs have ended.
func allEnded(t *testing.T, pool *pgxpool.Pool, jobs int) {
	t.Helper()
	var ended int
	deadline := time.Now().Add(time.Minute)
	for ended < jobs && time.Now().Before(deadline) {
		time.Sleep(20 * time.Millisecond)
		_ = pool.QueryRow(t.Context(), `SELECT count(*) FROM bulkops_jobs WHERE status = 'completed'`).Scan(&ended) // it may be terminated, too
	}
	require.Equal(t, jobs, ended, "jobs that have ended")
}

// What was reported as done is there after a crash of the server, and its queue works on.
func TestCrashOfTheServer(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, server pgtest.Server) {
		own := server.Own(t)
		pool := open(t, own.URL)
		queue := newQueue(t, pool)
		require.NoError(t, queue.Migrate(t.Context()))
		var ends sync.Map
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		var running sync.WaitGroup
		running.Go(func() { life(t, ctx, newQueue(t, pool), &ends) })
		made := 0
		running.Go(func() {
			for ctx.Err() == nil {
				if queue.Create(ctx, spec(fmt.Sprintf("job_%04d", made), "acme")) == nil {
					made++
				}
			}
		})
		for range 3 {
			time.Sleep(300 * time.Millisecond)
			own.Crash(t)
			own.Start(t)
		}
		time.Sleep(300 * time.Millisecond)
		stop()
		running.Wait()
		require.Positive(t, made)
		for i := range made {
			id := fmt.Sprintf("job_%04d", i)
			job, err := queue.Get(t.Context(), id)
			require.NoError(t, err)
			if _, ended := ends.Load(id); ended {
				assert.Equal(t, bulk.JobCompleted, job.Status, "a job that was ended")
			}
		}
	})
}
