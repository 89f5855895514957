package pgstore_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bulkops/bulkops/blob/memblob"
	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/test/pgtest"
	"github.com/bulkops/bulkops/jobs/memjobs"
)

var boss = bulk.Principal{ID: "boss", Tenant: "acme", Role: bulk.RoleAdmin}

// An outage is a fault that the network or the server has while jobs run. It returns what the
// proxy between them does, and what has to be done, on the test's own goroutine, each time the
// proxy asks for it.
type outage func(t *testing.T, o *pgtest.Own, event chan<- struct{}) (fault func(pgtest.Chunk) pgtest.Fault, act func())

var outages = map[string]outage{
	// Requests do not come, answers are lost, and both may be late.
	"network": func(_ *testing.T, _ *pgtest.Own, event chan<- struct{}) (func(pgtest.Chunk) pgtest.Fault, func()) {
		cut := every(37, event)
		return func(pgtest.Chunk) pgtest.Fault {
			return pgtest.Fault{Cut: cut(), Delay: time.Duration(rand.IntN(3)) * time.Millisecond}
		}, func() {}
	},
	// An administrator ends all connections.
	"terminated": func(t *testing.T, o *pgtest.Own, event chan<- struct{}) (func(pgtest.Chunk) pgtest.Fault, func()) {
		return noting(every(60, event)), func() {
			if err := execute(t.Context(), o.URL, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
				WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'`); err != nil {
				t.Error(err)
			}
		}
	},
	// The server crashes and recovers.
	"crash": func(t *testing.T, o *pgtest.Own, event chan<- struct{}) (func(pgtest.Chunk) pgtest.Fault, func()) {
		return noting(every(150, event)), func() {
			o.Crash(t)
			o.Start(t)
		}
	},
}

// every returns a function that is called for each chunk. For each nth it reports true and makes
// an event, unless the one before is not done yet.
func every(n int64, event chan<- struct{}) func() bool {
	var chunks atomic.Int64
	return func() bool {
		if chunks.Add(1)%n != 0 {
			return false
		}
		select {
		case event <- struct{}{}:
		default:
		}
		return true
	}
}

// noting calls a function for each chunk, and passes all on.
func noting(each func() bool) func(pgtest.Chunk) pgtest.Fault {
	return func(pgtest.Chunk) pgtest.Fault {
		each()
		return pgtest.Fault{}
	}
}

// Whatever happens on the way to the database, each row is done once and its result says so.
func TestJobsUnderFaults(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, server pgtest.Server) {
		for name, outage := range outages {
			t.Run(name, func(t *testing.T) { jobsUnder(t, server, outage) })
		}
	})
}

func jobsUnder(t *testing.T, server pgtest.Server, outage outage) {
	own := server.Own(t)
	if err := open(t, own.URL).Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	proxy := pgtest.NewProxy(t, own.URL)
	cfg := bulk.Config{
		Store: open(t, proxy.URL), Blobs: memblob.New(), Jobs: memjobs.New(),
		Poll: 10 * time.Millisecond, MaxAttempts: 1000, Logger: slog.New(slog.DiscardHandler),
	}
	importer, err := bulk.NewImporter(cfg)
	if err != nil {
		t.Fatal(err)
	}
	worker, err := bulk.NewWorker(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := worker.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	defer running.Wait()
	defer stop()

	event := make(chan struct{}, 1)
	fault, act := outage(t, own, event)
	proxy.SetFault(fault)
	const users = 3000
	happened := 0
	for round := 1; round <= 3; round++ {
		want := bulk.Summary{Updated: users}
		if round == 1 {
			want = bulk.Summary{Created: users}
		}
		job, err := importer.Submit(t.Context(), bulk.Request{
			Principal: boss, Options: bulk.DefaultOptions(), Rows: bulk.Users(persons(users, round)...),
		})
		if err != nil {
			t.Fatal(err)
		}
		for !job.Status.Ended() {
			select {
			case <-event:
				happened++
				act()
			default:
			}
			if job, err = importer.Wait(t.Context(), boss, job.ID, 20*time.Millisecond); err != nil {
				t.Fatal(err)
			}
		}
		if job.Status != bulk.JobCompleted || job.Summary() != want {
			t.Fatalf("round %d ended as %s with %+v, want %+v", round, job.Status, job.Summary(), want)
		}
		holds(t, own.URL, persons(users, round))
	}
	if happened == 0 {
		t.Error("nothing happened while the jobs ran")
	}
}

// holds fails unless the table has these users and no others.
func holds(t *testing.T, database string, users []bulk.User) {
	t.Helper()
	pool := connect(t, database)
	defer pool.Close()
	var count int
	if err := pool.QueryRow(t.Context(), `SELECT count(*) FROM bulkops_users`).Scan(&count); err != nil || count != len(users) {
		t.Fatalf("the table has %d users, want %d: %v", count, len(users), err)
	}
	store := open(t, database)
	for start := 0; start < len(users); start += store.MaxBatch() {
		part := users[start:min(start+store.MaxBatch(), len(users))]
		refs := make([]bulk.Ref, len(part))
		for i, user := range part {
			refs[i] = bulk.Ref{ID: user.ID, Email: user.Email}
		}
		found, err := store.Lookup(t.Context(), boss.Tenant, refs)
		if err != nil {
			t.Fatal(err)
		}
		for i, user := range part {
			if found[i].ByID == nil || found[i].ByID.User != user || found[i].ByEmail == nil || found[i].ByEmail.ID != user.ID {
				t.Fatalf("user %q is %s", user.ID, fmt.Sprint(found[i]))
			}
		}
	}
}
