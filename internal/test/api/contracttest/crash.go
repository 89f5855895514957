package contracttest

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/bulkops/bulkops/bulk"
)

// crashLease outlasts a case, however slow the backends are: a shorter one could end
// before the worker has written anything.
const crashLease = 2 * caseTimeout

// testCrash has answers of backends that are lost, and workers that die.
func testCrash(s *suite) {
	lose := func(s *setup) { s.bulk.Store = &forgetfulStore{Store: s.bulk.Store, lost: map[string]bool{}} }
	for _, m := range modes {
		s.run(string(m)+"/a write whose answer was lost counts once", func(w *world) {
			sound := newWorld(w.T, s.backends).in(w.tenant) // one that loses nothing
			sound.seed(annRow, bobRow)
			o := m.send(w, bodyOf(
				`{"email":"new@example.com"}`,
				`{"userId":"A","email":"newer@example.com"}`,
				`{"userId":"N","customFields":{"k":1}}`,
				`{"userId":"N","customFields":{"l":1}}`,
				bobRow,
			))
			for i, status := range []string{"created", "updated", "created", "updated", "unchanged"} {
				o.row(i, status)
			}
			w.holds(o.answer, user{o.results[0].UserID, "new@example.com", "", ""})
			w.holds(o.answer, user{"A", "newer@example.com", ann.customFields, ann.metadata})
			w.holds(o.answer, user{"N", "", `{"k":1,"l":1}`, ""})
		}, lose)
	}

	dying := func(s *setup) {
		s.bulk.Lease, s.bulk.SegmentRows = crashLease, 50
		s.worker = func(cfg *bulk.Config) { cfg.Jobs = dyingJobs{cfg.Jobs} }
	}
	s.run("a job that is run again after a crash has the same results and ids", func(w *world) {
		sound := newWorld(w.T, s.backends, func(s *setup) { s.bulk.SegmentRows = 50 }).in(w.tenant)
		sound.seed(annRow, bobRow)
		const generated = 120
		var rows []string
		for i := range generated {
			rows = append(rows, fmt.Sprintf(`{"email":"user%d@example.com"}`, i))
		}
		rows = append(rows, `{"userId":"A","customFields":{"n":2}}`, `{"email":"bob@example.com","metadata":{"k":1}}`,
			`{"email":"USER0@example.com"}`, `{"userId":"X","email":"user1@example.com"}`, `{}`)
		posted := w.post(bodyOf(rows...))
		id := posted.accepted().JobID

		if err := w.worker.RunJob(w.ctx, id); err == nil {
			w.Fatal("the worker was to die")
		}
		before := map[int]string{}
		for i := range generated {
			if owner := w.owner(fmt.Sprintf("user%d@example.com", i)); owner != nil {
				before[i] = owner.ID
			}
		}
		if len(before) == 0 {
			w.Fatal("the worker died before it wrote anything")
		}
		if err := sound.worker.RunJob(w.ctx, id); !errors.Is(err, bulk.ErrNoJob) {
			w.Fatalf("a job whose dead worker holds the lease was run: %v", err)
		}
		w.endLease(id)
		sound.run(id)
		o := w.download(w.job(id))
		for i := range generated {
			r := o.row(i, "created")
			if was := before[i]; was != "" && r.UserID != was {
				o.errorf("row %d has the id %q, but %q before the crash", i, r.UserID, was)
			}
			w.holds(o.answer, user{r.UserID, fmt.Sprintf("user%d@example.com", i), "", ""})
		}
		o.row(generated, "updated")
		o.row(generated+1, "updated")
		o.row(generated+2, "unchanged")
		o.row(generated+3, "failed", "EMAIL_TAKEN")
		o.row(generated+4, "failed", missing)
	}, dying)
}

// endLease ends the lease of a dead worker, for which its successor would wait
// otherwise. How leases end by themselves is for the tests of the queues.
func (w *world) endLease(id string) {
	w.Helper()
	job, err := w.Jobs.Get(w.ctx, id)
	if err != nil {
		w.Fatal(err)
	}
	if _, err := w.Jobs.Save(w.ctx, id, job.Token, bulk.JobChange{}); err != nil {
		w.Fatal(err)
	}
}

// A forgetfulStore does every write, and loses the answer the first time that it
// writes a user.
type forgetfulStore struct {
	bulk.Store
	mu   sync.Mutex
	lost map[string]bool
}

func (s *forgetfulStore) Commit(ctx context.Context, tenant string, writes []bulk.Write) []error {
	outcomes := s.Store.Commit(ctx, tenant, writes)
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, write := range writes {
		if outcomes[i] == nil && !s.lost[write.User.ID] {
			s.lost[write.User.ID] = true
			outcomes[i] = errSecret
		}
	}
	return outcomes
}

// dyingJobs are those of a worker that dies with its first checkpoint, which does
// not arrive.
type dyingJobs struct{ bulk.JobQueue }

func (q dyingJobs) Save(ctx context.Context, id string, token int64, change bulk.JobChange) (bulk.Job, error) {
	if change.Progress == nil && change.Lease > 0 {
		return q.JobQueue.Save(ctx, id, token, change) // a heartbeat
	}
	return bulk.Job{}, bulk.ErrLeaseLost
}
