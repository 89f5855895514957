package dynamostore

import (
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bulkops/bulkops/blob/memblob"
	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/jobs/memjobs"
)

// A load run
type outcome struct {
	took     time.Duration
	summary  bulk.Summary
	attempts int
}

func runJob(t *testing.T, s *service, mode Mode, users, parallel int) time.Duration {
	store, err := New(s, Options{UsersTable: "tbl", ClaimsTable: "claims", Mode: mode})
	if err != nil {
		t.Fatal(err)
	}
	cfg := bulk.Config{Store: store, Blobs: memblob.New(), Jobs: memjobs.New(), Parallel: parallel, MaxUsers: users, Logger: slog.New(slog.DiscardHandler)}
	im, err := bulk.NewImporter(cfg)
	if err != nil {
		t.Fatal(err)
	}
	w, err := bulk.NewWorker(cfg)
	if err != nil {
		t.Fatal(err)
	}
	rows := make([]bulk.User, users)
	for i := range rows {
		rows[i] = bulk.User{ID: fmt.Sprint("user ", i), Email: fmt.Sprintf("u%d@example.com", i)}
	}
	admin := bulk.Principal{ID: "a", Tenant: "t", Role: bulk.RoleAdmin}
	job, err := im.Submit(t.Context(), bulk.Request{Principal: admin, Options: bulk.DefaultOptions(), Rows: bulk.Users(rows...)})
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if err := w.RunJob(t.Context(), job.ID); err != nil {
		t.Fatal(err)
	}
	job, err = im.Job(t.Context(), admin, job.ID)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := job.Summary(), (bulk.Summary{Created: users}); got != want {
		t.Errorf("the job is %s with %+v, want %+v", job.Status, got, want)
	}
	return job.CompletedAt.Sub(start)
}

func TestTry(t *testing.T) {
	for _, mode := range []Mode{Guarded, Exclusive} {
		for _, users := range []int{10_000} {
			for _, parallel := range []int{8, 32, 128} {
				var rs, ss []float64
				for range 15 {
					synctest.Test(t, func(t *testing.T) {
						c := capacity{writes: 4000, burst: 100 * time.Millisecond}
						s := newService(c)
						took := runJob(t, s, mode, users, parallel)
						units := float64(users) * float64(2-mode)
						ideal := (units - c.writes*c.burst.Seconds()) / c.writes
						rs = append(rs, took.Seconds()/ideal)
						ss = append(ss, float64(s.throttled)/float64(s.calls))
					})
				}
				slices.Sort(rs)
				slices.Sort(ss)
				fmt.Printf("mode %d users %d parallel %d: %.3f (%.3f) %.4f (%.4f)\n", mode, users, parallel, rs[7], rs[14], ss[7], ss[14])
			}
		}
	}
}
