package bulk_test

import (
	"fmt"
	"log/slog"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/blob/memblob"
	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/test/virtual"
	"github.com/bulkops/bulkops/jobs/memjobs"
	"github.com/bulkops/bulkops/store/memstore"
)

// groupRows is how many rows the jobs of this file have.
const groupRows = 10_000

// An errand is a job whose rows wait for each other, or do not: what is there before,
// its rows, and what becomes of them.
type errand struct {
	users, rows []bulk.User
	want        bulk.Summary
}

// distinct creates users who have nothing to do with each other.
func distinct(n int) errand {
	e := errand{want: bulk.Summary{Created: n}}
	for i := range n {
		e.rows = append(e.rows, bulk.User{ID: fmt.Sprint("u", i), Email: fmt.Sprintf("e%d@example.com", i)})
	}
	return e
}

// oneUser updates one user in each row.
func oneUser(n int) errand {
	e := errand{users: []bulk.User{{ID: "u", Email: "e@example.com"}}, want: bulk.Summary{Updated: n}}
	for i := range n {
		fields, err := bulk.NewFields(map[string]any{fmt.Sprint("f", i%7): i})
		if err != nil {
			panic(err) // it is the same each time
		}
		e.rows = append(e.rows, bulk.User{ID: "u", CustomFields: fields})
	}
	return e
}

// chain gives each user the address that the one before has just left.
func chain(n int) errand {
	e := errand{want: bulk.Summary{Updated: n}}
	for i := range n {
		e.users = append(e.users, bulk.User{ID: fmt.Sprint("u", i), Email: fmt.Sprintf("e%d@example.com", i)})
		e.rows = append(e.rows, bulk.User{ID: fmt.Sprint("u", i), Email: fmt.Sprintf("e%d@example.com", i-1)})
	}
	return e
}

// run runs the errand by a job, with calls that take so long, and returns the time from
// its claim to its end. m counts the calls.
func (e errand) run(t *testing.T, takes time.Duration, m *meter) time.Duration {
	t.Helper()
	store := memstore.New()
	require.NoError(t, store.Put(tenant, e.users...))
	wait := func(string) error { return sleep(t.Context(), takes) }
	cfg := bulk.Config{
		Store: meteredStore{&slowStore{Store: store, takes: takes}, m}, Blobs: meteredBlobs{latentBlobs{memblob.New(), takes}, m},
		Jobs: &hookedJobs{JobQueue: memjobs.New(), before: wait}, Logger: slog.New(slog.DiscardHandler),
	}
	importer, err := bulk.NewImporter(cfg)
	require.NoError(t, err)
	worker, err := bulk.NewWorker(cfg)
	require.NoError(t, err)
	job, err := importer.Submit(t.Context(), request(e.rows...))
	require.NoError(t, err)
	start := time.Now()
	require.NoError(t, worker.RunJob(t.Context(), job.ID))
	done, err := importer.Job(t.Context(), admin, job.ID)
	require.NoError(t, err)
	require.Equal(t, e.want, done.Summary())
	for _, row := range e.rows {
		if row.Email == "" {
			break
		}
		found, err := store.Lookup(t.Context(), tenant, []bulk.Ref{{ID: row.ID}})
		require.NoError(t, err)
		require.Equal(t, row.Email, found[0].ByID.Email)
	}
	return done.CompletedAt.Sub(start)
}

// BenchmarkGroups compares jobs of 10,000 rows that wait for each other with one of
// 10,000 users, at 10 ms a call, in virtual time: rows of one user, and a chain of
// addresses that move from user to user.
func BenchmarkGroups(b *testing.B) {
	measure := func(e errand) (took time.Duration) {
		virtual.Run(b, func(t *testing.T) { took = e.run(t, latency, &meter{}) })
		return took
	}
	bare := measure(distinct(groupRows))
	for metric, of := range map[string]func(int) errand{"rows-of-one/distinct": oneUser, "chain/distinct": chain} {
		b.Run(metric, func(b *testing.B) {
			var took time.Duration
			for b.Loop() {
				took = measure(of(groupRows))
			}
			b.ReportMetric(took.Seconds()/bare.Seconds(), metric)
			b.ReportMetric(0, "ns/op")
		})
	}
}

// TestChain runs chains: each row is looked up once more when its turn comes, written
// down and committed, whatever the length, and takes no more memory for being in a long
// one.
func TestChain(t *testing.T) {
	allocated := func(n int) (bytes float64) {
		e := chain(n)
		synctest.Test(t, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			m := &meter{}
			e.run(t, 0, m)
			runtime.ReadMemStats(&after)
			bytes = float64(after.TotalAlloc-before.TotalAlloc) / float64(n)
			t.Logf("%d rows: %d lookups, %d commits, %d chunks, %.0f bytes a row", n, m.lookups, m.commits, m.chunks, bytes)
			batches := n / bulk.MaxBatch
			assert.Equal(t, n, m.commits)
			assert.LessOrEqual(t, m.lookups, n+batches)
			assert.LessOrEqual(t, m.chunks, n+1, "one for each write and the last")
		})
		return bytes
	}
	short, long := allocated(groupRows/8), allocated(groupRows)
	assert.Less(t, long, 1.5*short, "bytes allocated for a row of a chain that is eight times as long")
}
