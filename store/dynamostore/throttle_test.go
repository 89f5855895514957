package dynamostore

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bulkops/bulkops/blob/memblob"
	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/test/virtual"
	"github.com/bulkops/bulkops/jobs/memjobs"
)

// create imports so many new users by a job, and returns how long it took from its
// claim to its end. Each of them must have been created, by the first attempt.
func (s *service) create(t *testing.T, mode Mode, users, parallel int) time.Duration {
	t.Helper()
	store, err := New(s, Options{UsersTable: "tbl", ClaimsTable: "claims", Mode: mode})
	if err != nil {
		t.Fatal(err)
	}
	cfg := bulk.Config{
		Store: store, Blobs: memblob.New(), Jobs: memjobs.New(), Parallel: parallel, MaxUsers: users,
		Logger: slog.New(slog.DiscardHandler),
	}
	importer, err := bulk.NewImporter(cfg)
	if err != nil {
		t.Fatal(err)
	}
	worker, err := bulk.NewWorker(cfg)
	if err != nil {
		t.Fatal(err)
	}
	rows := make([]bulk.User, users)
	for i := range rows {
		rows[i] = bulk.User{ID: fmt.Sprint("user ", i), Email: fmt.Sprintf("u%d@example.com", i)}
	}
	admin := bulk.Principal{ID: "a", Tenant: "t", Role: bulk.RoleAdmin}
	job, err := importer.Submit(t.Context(), bulk.Request{Principal: admin, Options: bulk.DefaultOptions(), Rows: bulk.Users(rows...)})
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if err := worker.RunJob(t.Context(), job.ID); err != nil {
		t.Fatal(err)
	}
	if job, err = importer.Job(t.Context(), admin, job.ID); err != nil {
		t.Fatal(err)
	}
	if want := (bulk.Summary{Created: users}); job.Summary() != want {
		t.Fatalf("the job is %s with %+v, want %+v", job.Status, job.Summary(), want)
	}
	if got := s.written(); got != users {
		t.Fatalf("%d users are there, want %d", got, users)
	}
	return job.CompletedAt.Sub(start)
}

// BenchmarkThrottledTable creates users in tables that take 4,000 write units a second
// each and keep those of a tenth of a second. Calls take about 10 ms; time is virtual.
//
//   - makespan/ideal is the time of the job, by that in which the tables take its units.
//   - throttled/calls is the share of the calls that write which met a throttle.
//
// Each is the middle one of the jobs, of which there are five in a run with 10,000 users.
func BenchmarkThrottledTable(b *testing.B) {
	table := capacity{writes: 4000, burst: 100 * time.Millisecond}
	for _, mode := range []Mode{Guarded, Exclusive} {
		units, name := 2.0, "guarded" // of each table for a user
		if mode == Exclusive {
			units, name = 1, "exclusive"
		}
		for _, users := range []int{10_000, 50_000} {
			ideal := (float64(users)*units - table.writes*table.burst.Seconds()) / table.writes
			for _, parallel := range []int{8, 32, 128} {
				b.Run(fmt.Sprintf("%s/users=%d/parallel=%d", name, users, parallel), func(b *testing.B) {
					var ratios, shares []float64
					for b.Loop() {
						for range 50_000 / users {
							virtual.Run(b, func(t *testing.T) {
								s := newService(table)
								ratios = append(ratios, s.create(t, mode, users, parallel).Seconds()/ideal)
								shares = append(shares, float64(s.throttled)/float64(s.calls))
							})
						}
					}
					b.ReportMetric(median(ratios), "makespan/ideal")
					b.ReportMetric(median(shares), "throttled/calls")
					b.ReportMetric(0, "ns/op")
				})
			}
		}
	}
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

// However little tables take, whatever else is wrong with them: each row is created,
// by the first attempt of its job.
func TestThrottledRowsDoNotFail(t *testing.T) {
	burst := 100 * time.Millisecond
	for name, test := range map[string]struct {
		table           capacity
		steal           float64
		users, parallel int
		most            float64 // of calls that are throttled
	}{
		"as new":                 {capacity{4000, burst, 1}, 0, 5000, 128, 0.06},
		"in partitions":          {capacity{4000, burst, 4}, 0, 5000, 32, 0.25},
		"little":                 {capacity{100, time.Second, 1}, 0, 500, 8, 0.5},
		"little for many":        {capacity{100, time.Second, 1}, 0, 2500, 128, 0.5}, // whose time is over before their turn
		"nearly nothing":         {capacity{25, 5 * time.Second, 1}, 0, 200, 8, 0.75},
		"four of five throttled": {capacity{4000, burst, 1}, 0.8, 500, 8, 0.95},
	} {
		for mode, unit := range []string{Guarded: "guarded", Exclusive: "exclusive"} {
			t.Run(strings.ReplaceAll(name, " ", "_")+"/"+unit, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newService(test.table)
					s.steal = test.steal
					took := s.create(t, Mode(mode), test.users, test.parallel)
					share := float64(s.throttled) / float64(s.calls)
					t.Logf("%v, %d calls, %.1f %% throttled", took, s.calls, 100*share)
					if share > test.most {
						t.Errorf("%.1f %% of %d calls were throttled, want at most %.0f %%", 100*share, s.calls, 100*test.most)
					}
				})
			})
		}
	}
}
