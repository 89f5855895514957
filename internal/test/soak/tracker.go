//go:build unix

package soak

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/test/soak/audit"
)

// A tracker follows jobs to their end and tells the auditor of their results.
type tracker struct {
	d    *driver
	mu   sync.Mutex
	jobs map[string]*tracked // all that were ever known
	open int                 // of these, how many are without results
}

// A tracked is a job.
type tracked struct {
	im   audit.Import
	job  bulk.Job // as it was read last
	done bool
}

func newTracker(d *driver) *tracker { return &tracker{d: d, jobs: make(map[string]*tracked)} }

// track follows the job of an import. It may be told of one twice.
func (t *tracker) track(im audit.Import, id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.jobs[id] == nil {
		t.jobs[id] = &tracked{im: im, job: bulk.Job{JobSpec: bulk.JobSpec{ID: id}}}
		t.open++
	}
}

func (t *tracker) active() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.open
}

// await returns when all jobs have ended, or ctx has.
func (t *tracker) await(ctx context.Context) {
	for t.active() > 0 && pause(ctx, 50*time.Millisecond) {
	}
}

// pick returns an active job of one of the statuses, as it was read last.
func (t *tracker) pick(random *rand.Rand, statuses ...bulk.JobStatus) (bulk.Job, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var fitting []bulk.Job
	for _, one := range t.jobs {
		if !one.done && slices.Contains(statuses, one.job.Status) {
			fitting = append(fitting, one.job)
		}
	}
	if len(fitting) == 0 {
		return bulk.Job{}, false
	}
	return fitting[random.IntN(len(fitting))], true
}

// follow reads the jobs again and again until ctx ends.
func (t *tracker) follow(ctx context.Context) {
	for {
		for _, one := range t.undone() {
			if ctx.Err() != nil {
				return
			}
			t.look(ctx, one)
		}
		if !pause(ctx, 50*time.Millisecond) {
			return
		}
	}
}

func (t *tracker) undone() (all []*tracked) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, one := range t.jobs {
		if !one.done {
			all = append(all, one)
		}
	}
	return all
}

// look reads a job, and its results if it has ended.
func (t *tracker) look(ctx context.Context, one *tracked) {
	d := t.d
	job, err := d.importer.Job(ctx, principal(one.im.Tenant, "driver"), one.job.ID)
	switch {
	case errors.Is(err, bulk.ErrJobNotFound):
		d.auditor.Fault(audit.Lost, one.im.Name, fmt.Sprintf("its job %s does not exist, although the request was answered", one.job.ID))
		t.done(one)
		return
	case err != nil:
		return // the database is down
	}
	if before, now := one.job.Summary().Processed(), job.Summary().Processed(); now < before {
		d.auditor.Fault(audit.Misreported, one.im.Name, fmt.Sprintf("its job %s had processed %d rows and has processed %d now", job.ID, before, now))
	}
	t.mu.Lock()
	one.job = *job
	t.mu.Unlock()
	if !job.Status.Ended() {
		return
	}
	d.auditor.Ended(one.im.Name, d.now())
	answer, err := d.resultsOf(ctx, job)
	switch {
	case errors.Is(err, bulk.ErrNoResults):
		d.auditor.Fault(audit.Misreported, one.im.Name, fmt.Sprintf("its job %s is %s and has no results file: %+v", job.ID, job.Status, job.Error))
		d.auditor.Unanswered(one.im.Name)
	case errors.Is(err, bulk.ErrBlobNotFound):
		d.auditor.Fault(audit.Lost, one.im.Name, fmt.Sprintf("the results file of its job %s is not there", job.ID))
		d.auditor.Unanswered(one.im.Name)
	case err != nil:
		return // the blob server is down
	default:
		d.auditor.Answered(one.im.Name, answer, d.now())
	}
	t.done(one)
}

// lookAgain reads all jobs that have ended once more: they must not have changed.
func (t *tracker) lookAgain(ctx context.Context) {
	for _, one := range t.ofEnded() {
		if one.job.Results == "" || ctx.Err() != nil {
			continue
		}
		job, err := t.d.importer.Job(ctx, principal(one.im.Tenant, "driver"), one.job.ID)
		if err != nil {
			t.d.auditor.Fault(audit.Lost, one.im.Name, fmt.Sprintf("its job %s had ended and cannot be read any more: %v", one.job.ID, err))
			continue
		}
		answer, err := t.d.resultsOf(ctx, job)
		if err != nil {
			t.d.auditor.Fault(audit.Lost, one.im.Name, fmt.Sprintf("the results of its job %s were there and cannot be read any more: %v", job.ID, err))
			continue
		}
		t.d.auditor.Answered(one.im.Name, answer, t.d.now())
	}
}

// ofEnded returns the jobs that have ended, as they were read then.
func (t *tracker) ofEnded() (all []tracked) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, one := range t.jobs {
		if one.done {
			all = append(all, *one)
		}
	}
	return all
}

func (t *tracker) done(one *tracked) {
	t.mu.Lock()
	defer t.mu.Unlock()
	one.done = true
	t.open--
}

// ended returns how many jobs ended with each status.
func (t *tracker) ended() map[bulk.JobStatus]int {
	t.mu.Lock()
	defer t.mu.Unlock()
	counts := make(map[bulk.JobStatus]int)
	for _, one := range t.jobs {
		if one.done {
			counts[one.job.Status]++
		}
	}
	return counts
}

// takeovers returns how often jobs that have ended were claimed after the first
// time.
func (t *tracker) takeovers() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := 0
	for _, one := range t.jobs {
		if one.done && one.job.Token > 1 {
			n += int(one.job.Token) - 1
		}
	}
	return n
}

// resultsOf reads the results file of a job.
func (d *driver) resultsOf(ctx context.Context, job *bulk.Job) (audit.Answer, error) {
	r, err := d.importer.Results(ctx, job)
	if err != nil {
		return audit.Answer{}, err
	}
	defer r.Close()
	var file struct {
		JobID        string
		Status       bulk.JobStatus
		TotalRecords int
		Summary      bulk.Summary
		Results      []bulk.RowResult
	}
	if err := json.NewDecoder(r).Decode(&file); err != nil {
		return audit.Answer{}, err
	}
	if file.JobID != job.ID || file.Status != job.Status || file.TotalRecords != job.TotalRecords {
		d.auditor.Fault(audit.Misreported, job.CreatedBy, fmt.Sprintf("its results file is of %s, %s, %d records; its job is %s, %s, %d records",
			file.JobID, file.Status, file.TotalRecords, job.ID, job.Status, job.TotalRecords))
	}
	return audit.Answer{Status: job.Status, Results: file.Results, Summaries: []bulk.Summary{file.Summary, job.Summary()}}, nil
}

// discover follows the jobs of requests whose process was killed before it could
// say that it had made one.
func (d *driver) discover(ctx context.Context) {
	for _, tenant := range tenants {
		cursor := ""
		for {
			jobs, next, err := d.importer.Jobs(ctx, principal(tenant, "driver"), "", 100, cursor)
			if err != nil {
				if !pause(ctx, 100*time.Millisecond) {
					return
				}
				continue
			}
			for _, job := range jobs {
				im, ok := d.auditor.Import(job.CreatedBy)
				if !ok {
					d.auditor.Fault(audit.Misreported, job.CreatedBy, fmt.Sprintf("nobody sent the job %s", job.ID))
					continue
				}
				d.jobs.track(im, job.ID)
			}
			if cursor = next; cursor == "" {
				break
			}
		}
	}
}
