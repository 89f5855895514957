package awse2e_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/test/race"
)

// TestTwoJobsWantTheSameEmails: each email goes to one user, whichever job was
// first, and the other job says so of its row.
func TestTwoJobsWantTheSameEmails(t *testing.T) {
	emails := 1_000
	if testing.Short() || race.Enabled {
		emails = 200
	}
	eachCloud(t, both, func(t *testing.T, c *cloud) {
		cfgs := [2]bulk.Config{c.open(), c.open()}
		if c.mode == exclusive {
			cfgs[1].Store = cfgs[0].Store // there it has to be one
		}
		id := func(job, i int) string { return fmt.Sprintf("user %d of job %d", i, job) }
		email := func(i int) string { return fmt.Sprintf("u%d@example.com", i) }
		var jobs [2]*bulk.Job
		for j := range jobs {
			rows := rowsOf(t, emails, func(i int) user { return user{ID: id(j, i), Email: email(i)} })
			jobs[j] = submit(t, cfgs[j], rows, bulk.DefaultOptions())
		}
		var running sync.WaitGroup
		for j := range jobs {
			worker := newWorker(t, cfgs[j])
			running.Go(func() {
				if err := worker.RunJob(t.Context(), jobs[j].ID); err != nil {
					t.Error(err)
				}
			})
		}
		running.Wait()
		var files [2]resultsFile
		for j := range jobs {
			files[j] = readResults(t, results(t, cfgs[j], run(t, cfgs[j], jobs[j].ID)), emails)
		}
		t.Logf("%d to %d", files[0].Summary.Created, files[1].Summary.Created)
		found := lookup(t, cfgs[0], emails, func(i int) bulk.Ref { return bulk.Ref{Email: email(i)} })
		for i := range emails {
			owner := found[i].ByEmail
			for j := range files {
				r := files[j].Results[i]
				created := r.Status == bulk.StatusCreated
				taken := r.Status == bulk.StatusFailed && len(r.Errors) == 1 && r.Errors[0].Code == bulk.CodeEmailTaken
				owns := owner != nil && owner.ID == id(j, i)
				if created != owns || taken == owns {
					t.Fatalf("email %d belongs to %+v; job %d says %+v", i, owner, j, r)
				}
			}
		}
		if n := len(c.scan(t.Context(), c.users.UsersTable)); n != emails {
			t.Errorf("%d emails have %d users", emails, n)
		}
	})
}

// lookup looks up n references.
func lookup(tb testing.TB, cfg bulk.Config, n int, ref func(i int) bulk.Ref) []bulk.Found {
	tb.Helper()
	var all []bulk.Found
	for start := 0; start < n; start += bulk.MaxBatch {
		var refs []bulk.Ref
		for i := start; i < min(start+bulk.MaxBatch, n); i++ {
			refs = append(refs, ref(i))
		}
		found, err := cfg.Store.Lookup(tb.Context(), tenant, refs)
		if err != nil {
			tb.Fatal(err)
		}
		all = append(all, found...)
	}
	return all
}
