package contracttest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/bulkops/bulkops/bulk"
)

func testCancel(s *suite) {
	for _, n := range []int{1, 150} {
		s.run(fmt.Sprintf("a pending job of %d rows is cancelled at once", n), func(w *world) {
			id := w.submit(usersBody(n))
			job := w.cancel(id).job()
			if want := (summary{NotProcessed: n}); job.Status != "cancelled" || job.summary != want {
				job.errorf("want a cancelled job with no row processed")
			}
			o := w.download(w.job(id))
			for i := range n {
				if r := o.row(i, "notProcessed"); r.UserID != fmt.Sprintf("u%d", i) || r.Email != fmt.Sprintf("u%d@example.com", i) {
					o.errorf("result %d does not name its row", i)
				}
			}
			if err := w.worker.RunJob(w.ctx, id); !errors.Is(err, bulk.ErrNoJob) {
				job.errorf("a cancelled job can be claimed: %v", err)
			}
			w.lacks(o.answer, "u0")
			w.cancel(id).refusedWith(http.StatusConflict, "JOB_ENDED")
			if again := w.job(id); again.Status != "cancelled" || *again.CompletedAt != *job.CompletedAt {
				again.errorf("a cancel too much changed the job")
			}
		})
	}
	s.run("a completed job has ended", func(w *world) {
		id := w.submit(bodyOf(annRow))
		w.run(id)
		for range 2 {
			w.cancel(id).refusedWith(http.StatusConflict, "JOB_ENDED")
		}
		if job := w.job(id); job.Status != "completed" {
			job.errorf("the job is %s, want completed", job.Status)
		}
	})
	s.run("a job that never was", func(w *world) {
		w.cancel("job_00000000-0000-7000-8000-000000000000").refusedWith(http.StatusNotFound, "JOB_NOT_FOUND")
	})

	const rows = 250
	stop := newGate()
	seen := &seenCancel{done: stop.open}
	s.run("a running job stops before its next batch", func(w *world) {
		id := w.submit(usersBody(rows))
		done := make(chan error, 1)
		go func() { done <- w.worker.RunJob(w.ctx, id) }()
		w.waitFor(stop.entered)
		if job := w.cancel(id).job(); job.Status != "processing" && job.Status != "cancelled" {
			job.errorf("the job is %s, want processing or cancelled", job.Status)
		}
		w.cancel(id) // once more is no harm
		if err := <-done; err != nil {
			w.Fatal(err)
		}
		job := w.job(id)
		if job.Status != "cancelled" {
			job.fatalf("the job is %s, want cancelled", job.Status)
		}
		o := w.download(job)
		if o.summary.Created == 0 || o.summary.NotProcessed == 0 || o.summary.Created+o.summary.NotProcessed != rows {
			o.errorf("the summary is %+v, want created rows and rows that were not reached", o.summary)
		}
		for i, r := range o.results {
			id := fmt.Sprintf("u%d", i)
			if stored := w.lookup(bulk.Ref{ID: id}).ByID != nil; stored != (r.Status == "created") {
				o.errorf("row %d is %s, and stored is %v", i, r.Status, stored)
			}
		}
		w.cancel(id).refusedWith(http.StatusConflict, "JOB_ENDED")
	}, stop.change, func(s *setup) {
		s.bulk.Parallel = 1
		s.bulk.Poll = 5 * time.Millisecond
		s.worker = func(cfg *bulk.Config) { cfg.Jobs = watchedJobs{cfg.Jobs, seen} }
	})
}

// seenCancel calls done once the worker knows that its job is to be cancelled:
// that is when it asks again after it was told.
type seenCancel struct {
	told atomic.Bool
	done func()
}

type watchedJobs struct {
	bulk.JobQueue
	seen *seenCancel
}

func (q watchedJobs) Get(ctx context.Context, id string) (bulk.Job, error) {
	if q.seen.told.Load() {
		q.seen.done()
	}
	job, err := q.JobQueue.Get(ctx, id)
	if err == nil && job.CancelRequested {
		q.seen.told.Store(true)
	}
	return job, err
}
