package bulktest

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/bulkops/bulkops/bulk"
)

var listCases = []jobCase{{
	name: "List/NewestFirst",
	rule: "List returns the jobs of a tenant, newest first (by id, descending), as Get returns them",
	run: func(t *jobTest) {
		var want []bulk.Job
		for i := range 7 {
			job := t.create()
			switch i % 3 {
			case 1:
				job = t.save(t.claim(job.ID, longLease), bulk.JobChange{Lease: longLease, Progress: fullProgress()})
			case 2:
				job = t.save(t.claim(job.ID, longLease), bulk.JobChange{End: bulk.JobFailed, Error: &bulk.JobError{Code: "code", Message: "message"}})
			}
			want = slices.Insert(want, 0, job)
		}
		var diff string
		what := func() string { return "List does not return the jobs as they are (-want +got):\n" + diff }
		t.soonOr(what, func() bool {
			diff = cmp.Diff(want, t.walk(bulk.JobFilter{Tenant: t.tenant, Limit: 100}, nil), cmpopts.EquateEmpty())
			return diff == ""
		})
	},
}, {
	name: "List/ByIDAndNotByCreation",
	rule: "the order is that of the ids, whatever the order of creation",
	run: func(t *jobTest) {
		var jobs []bulk.JobSpec
		var ids []string
		for range 6 {
			jobs = append(jobs, t.job())
			ids = append(ids, jobs[len(jobs)-1].ID)
		}
		for _, i := range []int{3, 0, 5, 1, 4, 2} {
			t.add(jobs[i])
		}
		slices.Reverse(ids)
		t.lists(bulk.JobFilter{Tenant: t.tenant, Limit: 100}, ids...)
		t.lists(bulk.JobFilter{Tenant: t.tenant, Limit: 2}, ids...)
	},
}, {
	name: "List/Pages",
	rule: "pages have up to limit jobs, and a walk over all of them has each job once",
	run: func(t *jobTest) {
		var ids []string
		for range 12 {
			ids = slices.Insert(ids, 0, t.create().ID)
		}
		for _, limit := range []int{1, 2, 3, 5, 6, 11, 12, 13, 100} {
			t.lists(bulk.JobFilter{Tenant: t.tenant, Limit: limit}, ids...)
		}
	},
}, {
	name: "List/NoJobs",
	rule: "a tenant without jobs has an empty list, and no cursor after it",
	run: func(t *jobTest) {
		t.lists(bulk.JobFilter{Tenant: t.tenant, Limit: 20})
		t.create()
		t.lists(bulk.JobFilter{Tenant: t.tenant, Limit: 20, Status: bulk.JobCompleted})
	},
}, {
	name: "List/ByStatus",
	rule: "Status selects the jobs of one status, as it is now",
	run: func(t *jobTest) {
		ids := make(map[bulk.JobStatus][]string)
		has := func(status bulk.JobStatus, job bulk.Job) { ids[status] = slices.Insert(ids[status], 0, job.ID) }
		for range 3 {
			has(bulk.JobPending, t.create())
			has(bulk.JobProcessing, t.processing(longLease))
			has(bulk.JobProcessing, t.save(t.processing(longLease), bulk.JobChange{}))
			for _, status := range []bulk.JobStatus{bulk.JobCompleted, bulk.JobFailed, bulk.JobCancelled} {
				has(status, t.save(t.processing(longLease), bulk.JobChange{End: status}))
			}
			has(bulk.JobCancelled, t.cancel(t.create().ID, ""))
		}
		for status, want := range ids {
			for _, limit := range []int{1, 2, 100} {
				t.lists(bulk.JobFilter{Tenant: t.tenant, Status: status, Limit: limit}, want...)
			}
		}
	},
}, {
	name: "List/TenantsAreSeparate",
	rule: "List returns the jobs of one tenant, whatever the names of others",
	run: func(t *jobTest) {
		mine := t.create().ID
		names := []string{strings.ToUpper(t.tenant), t.tenant + "#", t.tenant + "\x01", t.tenant + "/a", t.tenant + "é", t.tenant[:len(t.tenant)-1]}
		theirs := make([]string, len(names))
		for i, name := range names {
			theirs[i] = t.in(name).create().ID
		}
		t.lists(bulk.JobFilter{Tenant: t.tenant, Limit: 100}, mine)
		for i, name := range names {
			t.lists(bulk.JobFilter{Tenant: name, Limit: 100}, theirs[i])
		}
	},
}, {
	name: "List/WalkWhileJobsChange",
	rule: "a job that exists throughout a walk over all pages is listed exactly once, whatever else happens",
	run: func(t *jobTest) {
		var ids []string
		for range 15 {
			ids = append(ids, t.create().ID)
		}
		t.listed(ids...)
		page := 0
		jobs := t.walk(bulk.JobFilter{Tenant: t.tenant, Limit: 4}, func() {
			// New jobs before what is listed, changes on both sides of it.
			t.create()
			job := t.claim(ids[page], longLease)
			t.save(job, bulk.JobChange{End: bulk.JobCompleted})
			t.claim(ids[len(ids)-1-page], longLease)
			page++
		})
		times := make(map[string]int)
		for _, job := range jobs {
			times[job.ID]++
		}
		for i, id := range ids {
			if times[id] != 1 {
				t.Errorf("job %d of %d was listed %d times", i, len(ids), times[id])
			}
		}
	},
}, {
	name: "List/RefusesBadCursor",
	rule: "a cursor that List did not make for this tenant is ErrBadCursor",
	run: func(t *jobTest) {
		other := t.in(unique("tenant"))
		for range 3 {
			t.create()
			other.create()
		}
		theirs := other.firstCursor()
		for _, cursor := range []string{
			"garbage", "x", " ", "null", "0", "-1", "{}", "e30", "e30=", "bnVsbA", "eyJpZCI6ICJ4In0", "%00", "\x00", "é", "'; DROP TABLE jobs; --",
			strings.Repeat("A", 10_000), theirs, theirs + "A", "A" + theirs,
		} {
			jobs, _, err := t.queue.List(t.ctx, bulk.JobFilter{Tenant: t.tenant, Limit: 2, Cursor: cursor})
			if !errors.Is(err, bulk.ErrBadCursor) {
				t.Errorf("List with the cursor %q: error is %v with %d jobs, want %q", clip(cursor), errText(err), len(jobs), bulk.ErrBadCursor)
			}
		}
		if _, _, err := t.queue.List(t.ctx, bulk.JobFilter{Tenant: t.tenant, Limit: 2, Cursor: t.firstCursor()}); err != nil {
			t.Errorf("List with a cursor of its own: %v", err)
		}
	},
}}

// walk returns the jobs of all pages. between is called after each page that has
// another one behind it.
func (t *jobTest) walk(filter bulk.JobFilter, between func()) []bulk.Job {
	t.Helper()
	var all []bulk.Job
	for pages := 0; ; pages++ {
		jobs, cursor, err := t.queue.List(t.ctx, filter)
		if err != nil {
			t.Fatalf("List: %v", err)
		}
		if len(jobs) > filter.Limit {
			t.Fatalf("List returned %d jobs, the limit is %d", len(jobs), filter.Limit)
		}
		all = append(all, jobs...)
		if cursor == "" {
			return all
		}
		if pages > 1000 {
			t.Fatalf("List has a cursor after %d pages", pages)
		}
		if filter.Cursor = cursor; between != nil {
			between()
		}
	}
}

// lists waits until a walk returns exactly these jobs in this order.
func (t *jobTest) lists(filter bulk.JobFilter, want ...string) {
	t.Helper()
	var got []string
	what := func() string {
		return fmt.Sprintf("List with status %q and limit %d has (-want +got):\n%s", filter.Status, filter.Limit, cmp.Diff(want, got, cmpopts.EquateEmpty()))
	}
	t.soonOr(what, func() bool {
		got = got[:0]
		for _, job := range t.walk(filter, nil) {
			got = append(got, job.ID)
		}
		return slices.Equal(got, want)
	})
}

// firstCursor returns the cursor after the first page of a tenant with several
// jobs.
func (t *jobTest) firstCursor() (cursor string) {
	t.Helper()
	t.soon(fmt.Sprintf("List of tenant %q has no second page", t.tenant), func() bool {
		var err error
		if _, cursor, err = t.queue.List(t.ctx, bulk.JobFilter{Tenant: t.tenant, Limit: 1}); err != nil {
			t.Fatalf("List: %v", err)
		}
		return cursor != ""
	})
	return cursor
}
