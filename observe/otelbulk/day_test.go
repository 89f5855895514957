package otelbulk_test

import (
	"context"
	"errors"
	"maps"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/observe/otelbulk"
)

// TestDay is a day of a service, and what its metrics say in the evening: every series
// there is, with the value that it must have.
func TestDay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		registration, err := w.observer.WatchQueue(w.cfg.Jobs, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		defer registration.Unregister()
		d := &day{world: w, ctx: t.Context(), want: map[string]float64{"bulkops.attempt.active{}": 0}}
		d.morning()
		d.throttled()
		d.outage()
		noon, _ := w.series()
		for _, name := range []string{"bulkops.batch.duration{}", "bulkops.batch.duration{error.type=_OTHER}"} {
			if noon[name] != d.want[name] {
				t.Errorf("at noon %s is %v, want %v", name, noon[name], d.want[name])
			}
		}
		d.crash()
		d.deploy()
		d.evening()

		maps.Copy(d.want, callsOf(w.tally))
		got, sums := w.series()
		d.checkDocument(got)
		// How far a worker was that lost its lease is left to the scheduler.
		for _, all := range []map[string]float64{got, d.want} {
			maps.DeleteFunc(all, func(name string, _ float64) bool {
				return strings.HasPrefix(name, "bulkops.batch.duration") || strings.HasPrefix(name, "bulkops.checkpoint.duration{error.type=")
			})
		}
		const age = "bulkops.queue.oldest_age{}"
		got[age] = math.Round(got[age])
		if diff := cmp.Diff(d.want, got); diff != "" {
			t.Errorf("series (-want +got):\n%s", diff)
		}
		d.checkTimes(sums)
	})
}

// callsOf returns the series of calls by what the backends saw of them.
func callsOf(c *tally) map[string]float64 {
	series := map[string]float64{"bulkops.call.throttles{bulkops.backend=Store,bulkops.operation=Commit}": float64(c.throttles)}
	for name, n := range c.calls {
		series[name] = float64(n)
	}
	return series
}

// A day has what is expected of its metrics so far.
type day struct {
	*world
	ctx  context.Context
	want map[string]float64
	jobs []string // those that have ended
}

func (d *day) add(name string, n float64) { d.want[name] += n }

func (d *day) ok(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

const (
	accepted = "bulkops.request.duration{bulkops.operation=Accept,bulkops.outcome=ok}"
	ended    = "bulkops.attempt.duration{bulkops.outcome=ok}"
)

// ended expects a job to have ended after a successful attempt.
func (d *day) ended(job *bulk.Job) {
	d.add(ended, 1)
	d.add("bulkops.job.duration{bulkops.job.status=completed}", 1)
	d.jobs = append(d.jobs, job.ID)
}

// morning has requests of all kinds.
func (d *day) morning() {
	for range 2 {
		_, err := d.accept(d.ctx, 0, 20, nil)
		d.ok(err)
	}
	d.add(accepted, 2)
	d.add("bulkops.rows{bulkops.import.mode=sync,bulkops.row.status=created}", 20)
	d.add("bulkops.rows{bulkops.import.mode=sync,bulkops.row.status=unchanged}", 20)
	d.add("bulkops.batch.duration{}", 2)

	for range 3 { // the last two are answered with what the first one did
		_, err := d.accept(d.ctx, 20, 30, func(r *bulk.Request) { r.IdempotencyKey = "again" })
		d.ok(err)
	}
	d.add(accepted, 3)
	d.add("bulkops.rows{bulkops.import.mode=sync,bulkops.row.status=created}", 10)
	d.add("bulkops.batch.duration{}", 1)

	if _, err := d.accept(d.ctx, 0, 0, nil); !errors.As(err, new(*bulk.RequestError)) {
		d.t.Fatal(err)
	}
	d.add("bulkops.request.duration{bulkops.operation=Accept,bulkops.outcome=refused,error.type=EMPTY_USERS}", 1)
	if _, err := d.accept(d.ctx, 0, 1, func(r *bulk.Request) { r.Principal.Role = "user" }); !errors.Is(err, bulk.ErrForbidden) {
		d.t.Fatal(err)
	}
	d.add("bulkops.request.duration{bulkops.operation=Accept,bulkops.outcome=refused,error.type=FORBIDDEN}", 1)

	// What a dry run says would be created is nothing that was.
	_, err := d.accept(d.ctx, 500, 550, func(r *bulk.Request) { r.Options.DryRun = true })
	d.ok(err)
	d.add(accepted, 1)
	d.add("bulkops.batch.duration{}", 2)
}

// throttled has a job with welcome emails whose store is asked too fast.
func (d *day) throttled() {
	d.store.set(func() { d.store.throttle = 3 })
	a, err := d.accept(d.ctx, 1000, 1250, func(r *bulk.Request) { r.Options.SendWelcomeEmail = true })
	d.ok(err)
	time.Sleep(5 * time.Second)
	d.run(d.ctx, a.Job.ID, nil)
	d.add(accepted, 1)
	d.add("bulkops.job.wait_time{}", 1)
	d.ended(a.Job)
	d.add("bulkops.rows{bulkops.import.mode=job,bulkops.row.status=created}", 250)
	d.add("bulkops.batch.duration{}", 10)
	if d.tally.throttles != 75 {
		d.t.Errorf("%d writes were throttled, want 75", d.tally.throttles)
	}
}

// outage has a store that is down for an hour.
func (d *day) outage() {
	d.store.set(func() { d.store.down = true })
	if _, err := d.accept(d.ctx, 0, 20, nil); !errors.Is(err, bulk.ErrUnavailable) {
		d.t.Fatal(err)
	}
	d.add("bulkops.request.duration{bulkops.operation=Accept,bulkops.outcome=failed,error.type=UNAVAILABLE}", 1)
	d.add("bulkops.batch.duration{}", 1)

	job := d.job(d.ctx, 2000, 2200)
	d.add(accepted, 1)
	d.run(d.ctx, job.ID, errDown)
	d.add("bulkops.job.wait_time{}", 1)
	d.add("bulkops.attempt.duration{bulkops.outcome=failed,error.type=_OTHER}", 1)
	d.add("bulkops.batch.duration{error.type=_OTHER}", 8) // all that were under way

	d.store.set(func() { d.store.down = false })
	time.Sleep(time.Hour)
	d.run(d.ctx, job.ID, nil)
	d.ended(job)
	d.add("bulkops.rows{bulkops.import.mode=job,bulkops.row.status=created}", 200)
	d.add("bulkops.batch.duration{}", 8)
}

// crash has a worker that is cut off from the queue in the middle of a job, and
// another one that goes on.
func (d *day) crash() {
	job := d.job(d.ctx, 3000, 3500)
	d.add(accepted, 1)
	cut := sync.OnceFunc(func() {
		_, err := d.world.jobs.Save(d.ctx, job.ID, 1, bulk.JobChange{})
		d.ok(err)
		_, err = d.world.jobs.Claim(d.ctx, bulk.Claim{JobID: job.ID, Lease: time.Second})
		d.ok(err)
	})
	d.store.set(func() { d.store.onCommit = cut })
	d.run(d.ctx, job.ID, bulk.ErrLeaseLost)
	d.store.set(func() { d.store.onCommit = nil })
	d.add("bulkops.job.wait_time{}", 1)
	d.add("bulkops.attempt.duration{bulkops.outcome=lost}", 1)

	time.Sleep(time.Minute)
	d.run(d.ctx, job.ID, nil)
	d.ended(job)
	d.add("bulkops.rows{bulkops.import.mode=job,bulkops.row.status=created}", 500) // each once
}

// deploy has a worker that is told to stop.
func (d *day) deploy() {
	job := d.job(d.ctx, 4000, 5000)
	d.add(accepted, 1)
	ctx, stop := context.WithCancel(d.ctx)
	d.store.set(func() { d.store.onCommit = stop })
	d.run(ctx, job.ID, bulk.ErrJobLeft)
	d.store.set(func() { d.store.onCommit = nil })
	d.add("bulkops.job.wait_time{}", 1)
	d.add("bulkops.attempt.duration{bulkops.outcome=left}", 1)
	d.run(d.ctx, job.ID, nil)
	d.ended(job)
	d.add("bulkops.rows{bulkops.import.mode=job,bulkops.row.status=created}", 1000)
}

// evening has a job that is cancelled before it begins, and jobs that nobody runs.
func (d *day) evening() {
	job := d.job(d.ctx, 6000, 6100)
	_, err := d.importer().Cancel(d.ctx, boss, job.ID)
	d.ok(err)
	_, err = d.importer().Cancel(d.ctx, boss, job.ID)
	if !errors.Is(err, bulk.ErrJobEnded) {
		d.t.Fatal(err)
	}
	d.add(accepted, 1)
	d.add("bulkops.request.duration{bulkops.operation=Cancel,bulkops.outcome=ok}", 1)
	d.add("bulkops.request.duration{bulkops.operation=Cancel,bulkops.outcome=refused,error.type=JOB_ENDED}", 1)
	d.add("bulkops.job.duration{bulkops.job.status=cancelled}", 1)
	d.add("bulkops.rows{bulkops.import.mode=job,bulkops.row.status=notProcessed}", 100)
	d.jobs = append(d.jobs, job.ID)

	held := d.job(d.ctx, 6000, 6100)
	_, err = d.world.jobs.Claim(d.ctx, bulk.Claim{JobID: held.ID, Lease: time.Hour})
	d.ok(err)
	d.job(d.ctx, 6000, 6100)
	time.Sleep(90 * time.Second)
	d.job(d.ctx, 6000, 6100)
	d.add(accepted, 3)
	d.add("bulkops.queue.jobs{bulkops.queue.state=ready}", 2)
	d.add("bulkops.queue.jobs{bulkops.queue.state=held}", 1)
	d.add("bulkops.queue.oldest_age{}", 90)
}

// checkTimes checks what the histograms of jobs measured.
func (d *day) checkTimes(sums map[string]float64) {
	lasted, waited := map[string]float64{}, 0.0
	for _, id := range d.jobs {
		job, err := d.world.jobs.Get(d.ctx, id)
		d.ok(err)
		lasted["bulkops.job.duration{bulkops.job.status="+string(job.Status)+"}"] += job.CompletedAt.Sub(job.CreatedAt).Seconds()
		if !job.StartedAt.IsZero() {
			waited += job.StartedAt.Sub(job.CreatedAt).Seconds()
		}
	}
	lasted["bulkops.job.wait_time{}"] = waited
	for name, want := range lasted {
		if got := sums[name]; got < want-0.001 || got > want+0.001 {
			d.t.Errorf("%s adds up to %v s, want %v", name, got, want)
		}
	}
	if waited < 5 || lasted["bulkops.job.duration{bulkops.job.status=completed}"] < 3600 {
		d.t.Errorf("a day without waiting: %v", lasted)
	}
	for name, sum := range sums {
		if strings.HasPrefix(name, "bulkops.call.duration") && strings.Contains(name, "=Store,") && sum < 0.01 {
			d.t.Errorf("%s adds up to %v s, less than one call of the store takes", name, sum)
		}
	}
}

// checkDocument checks that all metrics and spans of the day, with their attributes, are
// documented, and that the day had all metrics that are.
func (d *day) checkDocument(series map[string]float64) {
	seen := map[string]bool{}
	for s := range series {
		name, attributes, _ := strings.Cut(strings.TrimSuffix(s, "}"), "{")
		seen[name] = true
		var keys []string
		for attribute := range strings.SplitSeq(attributes, ",") {
			if key, _, ok := strings.Cut(attribute, "="); ok {
				keys = append(keys, key)
			}
		}
		if !otelbulk.HasSeries(name, keys) {
			d.t.Errorf("the series %s is not documented", s)
		}
	}
	for _, name := range otelbulk.Names() {
		if !seen[name] {
			d.t.Errorf("the metric %s is documented, and the day had none", name)
		}
	}
	text := operations(d.t)
	for _, span := range d.spans.GetSpans() {
		name := span.Name
		switch first, _, dotted := strings.Cut(name, "."); {
		case first == "Importer":
			name = "Importer.OPERATION"
		case dotted:
			name = "BACKEND.OPERATION"
		}
		row := ""
		for line := range strings.Lines(text) {
			if strings.HasPrefix(line, "| `"+name+"` |") {
				row = line + "`bulkops.outcome` `error.type`"
			}
		}
		for _, a := range span.Attributes {
			if !strings.Contains(row, "`"+string(a.Key)+"`") {
				d.t.Errorf("the attribute %s of the span %s is not documented", a.Key, span.Name)
			}
		}
	}
}
