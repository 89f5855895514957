package memjobs_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/jobs/memjobs"
)

// TestModel compares the queue with a list of jobs that is searched from end to
// end, over random calls and while time goes by.
func TestModel(t *testing.T) {
	// rapid asks a *testing.T for its deadline, which a bubble does not have. It
	// stops after 24 hours, also of a bubble: so the times below are short.
	synctest.Test(t, func(t *testing.T) { rapid.Check(struct{ testing.TB }{t}, checkModel) })
}

// The times of the model: how long leases and jobs last, and how long one waits.
const (
	lease   = time.Second
	briefly = time.Second
	long    = 20 * time.Second
)

func checkModel(t *rapid.T) {
	q := memjobs.New()
	var model []bulk.Job               // in the order of their ids
	last := ""                         // the tenant that was served last
	passed := make(map[string]int)     // how often a tenant with a job was not served
	tenants := []string{"a", "b", "c"} // the order of names is not that of turns
	live := func() (jobs []*bulk.Job) {
		for i := range model {
			if model[i].ExpiresAt.After(time.Now()) {
				jobs = append(jobs, &model[i])
			}
		}
		return jobs
	}
	free := func(job *bulk.Job) bool {
		now := time.Now()
		return !job.Status.Ended() && !job.LeaseUntil.After(now) && !job.NotBefore.After(now)
	}
	untold := func(job *bulk.Job) bool {
		now := time.Now()
		return job.Notify && !job.LeaseUntil.After(now) && !job.NotBefore.After(now)
	}
	draw := func(t *rapid.T) *bulk.Job {
		if len(model) == 0 {
			t.Skip("no jobs")
		}
		return &model[rapid.IntRange(0, len(model)-1).Draw(t, "job")]
	}
	exists := func(job *bulk.Job) bool { return job.ExpiresAt.After(time.Now()) }
	wants := func(t *rapid.T, err, want error) {
		t.Helper()
		if !errors.Is(err, want) {
			t.Fatalf("error is %v, want %v", err, want)
		}
	}
	claimed := func(job *bulk.Job) {
		job.Token++
		job.Attempts++
		job.UpdatedAt = time.Now().UTC()
		job.LeaseUntil = job.UpdatedAt.Add(lease)
		if job.Status.Ended() {
			return
		}
		job.Status = bulk.JobProcessing
		if job.StartedAt.IsZero() {
			job.StartedAt = job.UpdatedAt
		}
	}
	t.Repeat(map[string]func(*rapid.T){
		"wait": func(t *rapid.T) {
			time.Sleep(rapid.SampledFrom([]time.Duration{time.Millisecond, briefly / 4, briefly, long}).Draw(t, "time"))
		},
		"create": func(t *rapid.T) {
			now := time.Now().UTC()
			spec := bulk.JobSpec{
				ID:     fmt.Sprintf("job-%03d", len(model)),
				Tenant: rapid.SampledFrom(tenants).Draw(t, "tenant"), CreatedAt: now,
				ExpiresAt: now.Add(rapid.SampledFrom([]time.Duration{briefly, 3 * long}).Draw(t, "kept")),
			}
			wants(t, q.Create(t.Context(), spec), nil)
			wants(t, q.Create(t.Context(), spec), bulk.ErrJobExists)
			model = append(model, bulk.Job{JobSpec: spec, Status: bulk.JobPending, UpdatedAt: now})
		},
		"claim": func(t *rapid.T) {
			job := draw(t)
			_, err := q.Claim(t.Context(), bulk.Claim{JobID: job.ID, Lease: lease})
			if !exists(job) || !free(job) {
				wants(t, err, bulk.ErrNoJob)
				return
			}
			wants(t, err, nil)
			claimed(job)
		},
		"claim ended": func(t *rapid.T) {
			job := draw(t)
			_, err := q.Claim(t.Context(), bulk.Claim{JobID: job.ID, Lease: lease, Ended: true})
			if !exists(job) || !untold(job) {
				wants(t, err, bulk.ErrNoJob)
				return
			}
			wants(t, err, nil)
			claimed(job)
		},
		"claim next ended": func(t *rapid.T) {
			var first *bulk.Job // the one that was due first
			due := func(job *bulk.Job) time.Time {
				return slices.MaxFunc([]time.Time{job.CompletedAt, job.LeaseUntil, job.NotBefore}, time.Time.Compare)
			}
			for _, job := range live() {
				if untold(job) && (first == nil || due(job).Before(due(first))) {
					first = job
				}
			}
			got, err := q.Claim(t.Context(), bulk.Claim{Lease: lease, Ended: true})
			if first == nil {
				wants(t, err, bulk.ErrNoJob)
				return
			}
			wants(t, err, nil)
			for _, job := range live() {
				if job.ID == got.ID && untold(job) && due(job).Equal(due(first)) {
					claimed(job)
					return
				}
			}
			t.Fatalf("job %s is claimed, want %s or one that was due as early", got.ID, first.ID)
		},
		"claim next": func(t *rapid.T) {
			oldest := make(map[string]*bulk.Job)
			for _, job := range slices.Backward(live()) {
				if free(job) {
					oldest[job.Tenant] = job
				}
			}
			got, err := q.Claim(t.Context(), bulk.Claim{Lease: lease})
			if len(oldest) == 0 {
				wants(t, err, bulk.ErrNoJob)
				clear(passed) // nobody waits
				last = ""
				return
			}
			wants(t, err, nil)
			want := oldest[got.Tenant]
			if want == nil || got.ID != want.ID {
				t.Fatalf("job %s is claimed; the oldest of each tenant are %v", got.ID, oldest)
			}
			if got.Tenant == last && len(oldest) > 1 {
				t.Fatalf("tenant %s is served twice in a row; the oldest of each tenant are %v", last, oldest)
			}
			last = got.Tenant
			claimed(want)
			for _, tenant := range tenants {
				if passed[tenant]++; oldest[tenant] == nil || tenant == got.Tenant {
					passed[tenant] = 0
				}
				if passed[tenant] >= len(tenants) {
					t.Fatalf("tenant %s was passed over %d times", tenant, passed[tenant])
				}
			}
		},
		"save": func(t *rapid.T) {
			job := draw(t)
			token := job.Token - int64(rapid.IntRange(0, 1).Draw(t, "late"))
			change := rapid.SampledFrom([]bulk.JobChange{
				{Lease: lease}, {Lease: long, Progress: &bulk.Progress{Rows: 5, Checkpoint: "1"}},
				{}, {RetryAfter: briefly}, {End: bulk.JobCompleted, Results: "results"},
				{End: bulk.JobFailed, Error: &bulk.JobError{Code: "code"}},
				{End: bulk.JobCompleted, Notify: true}, {Notified: true}, {Notified: true},
			}).Draw(t, "change")
			got, err := q.Save(t.Context(), job.ID, token, change)
			fits := !change.Notified
			if job.Status.Ended() {
				fits = change.End == "" && change.Progress == nil
			}
			if !exists(job) || token != job.Token || job.LeaseUntil.IsZero() || !fits {
				wants(t, err, bulk.ErrLeaseLost)
				return
			}
			wants(t, err, nil)
			now := time.Now().UTC()
			job.UpdatedAt, job.LeaseUntil, job.NotBefore = now, time.Time{}, time.Time{}
			if change.Progress != nil {
				job.Progress, job.Attempts = *change.Progress, 0
			}
			switch {
			case change.End != "":
				job.Status, job.CompletedAt, job.Results, job.Error = change.End, now, change.Results, change.Error
				if job.Notify = change.Notify; change.Notify {
					job.Attempts = 0
				}
			case change.Notified:
				job.Notify = false
			case change.Lease > 0:
				job.LeaseUntil = now.Add(change.Lease)
			case change.RetryAfter > 0:
				job.NotBefore = now.Add(change.RetryAfter)
			}
			if diff := cmp.Diff(*job, got); diff != "" {
				t.Fatalf("Save returns (-want +got):\n%s", diff)
			}
		},
		"cancel": func(t *rapid.T) {
			job := draw(t)
			notify := rapid.Bool().Draw(t, "notify")
			_, err := q.Cancel(t.Context(), job.ID, bulk.Cancellation{Results: "results of the cancelled", Notify: notify})
			switch {
			case !exists(job):
				wants(t, err, bulk.ErrJobNotFound)
				return
			case job.Status.Ended():
				wants(t, err, bulk.ErrJobEnded)
				return
			}
			wants(t, err, nil)
			job.UpdatedAt = time.Now().UTC()
			if job.Status == bulk.JobPending {
				job.Status, job.CompletedAt, job.Results = bulk.JobCancelled, job.UpdatedAt, "results of the cancelled"
				job.Notify = notify
			} else {
				job.CancelRequested = true
			}
		},
		"list": func(t *rapid.T) {
			filter := bulk.JobFilter{
				Tenant: rapid.SampledFrom(tenants).Draw(t, "tenant"),
				Status: rapid.SampledFrom([]bulk.JobStatus{"", bulk.JobPending, bulk.JobProcessing, bulk.JobCompleted, bulk.JobCancelled}).Draw(t, "status"),
				Limit:  rapid.IntRange(1, 4).Draw(t, "limit"),
			}
			var want, got []bulk.Job
			for _, job := range slices.Backward(live()) {
				if job.Tenant == filter.Tenant && (filter.Status == "" || job.Status == filter.Status) {
					want = append(want, *job)
				}
			}
			for {
				jobs, cursor, err := q.List(t.Context(), filter)
				wants(t, err, nil)
				got = append(got, jobs...)
				if filter.Cursor = cursor; cursor == "" {
					break
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("List returns (-want +got):\n%s", diff)
			}
		},
		"": func(t *rapid.T) { // after every step
			waiting := make(map[string]bool)
			for _, job := range live() {
				waiting[job.Tenant] = true
			}
			for _, tenant := range tenants {
				if !waiting[tenant] {
					passed[tenant] = 0 // who has no jobs at all has no place in the line
				}
			}
			for i := range model {
				got, err := q.Get(t.Context(), model[i].ID)
				if !exists(&model[i]) {
					wants(t, err, bulk.ErrJobNotFound)
					continue
				}
				wants(t, err, nil)
				if diff := cmp.Diff(model[i], got); diff != "" {
					t.Fatalf("Get returns (-want +got):\n%s", diff)
				}
			}
		},
	})
}
