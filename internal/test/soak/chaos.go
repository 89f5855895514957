//go:build unix

package soak

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/bulkops/bulkops/bulk"
)

// A disturbance makes one fault. It reports whether it could.
type disturbance struct {
	goal
	weight int
	make   func(ctx context.Context) (bool, error)
}

// chaos makes faults until there were enough of each, or the time is over.
func (d *driver) chaos(ctx context.Context) error {
	random := rand.New(rand.NewPCG(d.seed, 5))
	all := d.disturbances(random)
	deadline := d.start.Add(d.duration)
	for time.Now().Before(deadline) {
		if !pause(ctx, 50*time.Millisecond+time.Duration(random.IntN(250))*time.Millisecond) {
			return context.Cause(ctx)
		}
		var open []disturbance
		for _, one := range all {
			if one.missing(d.counts) > 0 {
				for range one.weight {
					open = append(open, one)
				}
			}
		}
		if len(open) == 0 {
			if d.now() > d.least {
				return nil
			}
			continue
		}
		if _, err := open[random.IntN(len(open))].make(ctx); err != nil {
			return err
		}
	}
	var missing []string
	for _, one := range all {
		if n := one.missing(d.counts); n > 0 {
			missing = append(missing, fmt.Sprintf("%d more of: %s", n, one.what))
		}
	}
	return fmt.Errorf("%w of %v: %s", errMissed, d.duration, strings.Join(missing, "; "))
}

func (d *driver) disturbances(random *rand.Rand) []disturbance {
	kill := goal{"SIGKILL of a worker or importer", kills, d.kills}
	stop := goal{"SIGSTOP of a worker or importer", stops, d.stops}
	all := []disturbance{
		{kill, 4, func(context.Context) (bool, error) { return d.killWorker(random), nil }},
		{kill, 2, func(context.Context) (bool, error) { return d.killImporter(random), nil }},
		{stop, 4, func(context.Context) (bool, error) { return d.stopWorker(random), nil }},
		{stop, 1, func(context.Context) (bool, error) { return d.stopImporter(random), nil }},
		{goal{"late call", []fault{callLate}, d.lateCalls}, 4, func(context.Context) (bool, error) {
			d.links[max(0, random.IntN(3+len(d.links))-3)].arm() // mostly the database's
			return true, nil
		}},
		{goal{"cancel", cancels, d.cancels}, 1, func(ctx context.Context) (bool, error) { return d.cancel(ctx, random, false), nil }},
		{goal{"cancel of an orphan", []fault{orphanCancelled}, d.cancels / 3}, 1, func(ctx context.Context) (bool, error) {
			return d.cancel(ctx, random, true), nil
		}},
		{goal{"payload removed", []fault{payloadRemoved}, d.payloads}, 1, func(ctx context.Context) (bool, error) {
			return d.removePayload(ctx, random), nil
		}},
	}
	for _, s := range d.servers {
		crash := s.restarted(s.Crash) // every third is a stop, and does not count
		all = append(all, disturbance{goal{string(crash), []fault{crash}, d.restarts}, 1, func(ctx context.Context) (bool, error) {
			return true, d.restart(ctx, random, s)
		}})
	}
	return all
}

// killWorker kills a worker that runs a job, if there is one.
func (d *driver) killWorker(random *rand.Rand) bool {
	job, _ := d.jobs.pick(random, bulk.JobProcessing)
	c := d.fleet.worker(job.Worker, random)
	if c == nil {
		return false
	}
	c.kill()
	return true
}

func (d *driver) killImporter(random *rand.Rand) bool {
	c := d.fleet.get(d.fleet.importers, random.IntN(d.clients))
	if c == nil {
		return false
	}
	c.kill()
	return true
}

// stopWorker stops a worker that runs a job, if there is one, and goes on.
func (d *driver) stopWorker(random *rand.Rand) bool {
	job, _ := d.jobs.pick(random, bulk.JobProcessing)
	c := d.fleet.worker(job.Worker, random)
	if c == nil {
		return false
	}
	d.fleet.running.Go(func() { d.fleet.stop(c, workerStopped) })
	return true
}

func (d *driver) stopImporter(random *rand.Rand) bool {
	c := d.fleet.get(d.fleet.importers, random.IntN(d.clients))
	if c == nil {
		return false
	}
	d.fleet.running.Go(func() { d.fleet.stop(c, importerStopped) })
	return true
}

// longestDown is the longest time for which a server is away.
const longestDown = 6 * time.Second

// restart crashes or stops a server and starts it again.
func (d *driver) restart(ctx context.Context, random *rand.Rand, s *Server) error {
	by := s.Crash
	if random.IntN(3) == 0 {
		by = s.Stop
	}
	down := time.Second
	if random.IntN(3) == 0 {
		down = longestDown // longer than a request is repeated by itself
	}
	if err := s.restart(ctx, by, time.Duration(random.Int64N(int64(down)))); err != nil {
		return err
	}
	d.counts.add(s.restarted(by))
	return nil
}

// cancel cancels a job: any, or one whose worker it kills just before.
func (d *driver) cancel(ctx context.Context, random *rand.Rand, orphan bool) bool {
	statuses, kind := []bulk.JobStatus{bulk.JobProcessing, bulk.JobProcessing, bulk.JobPending}, jobCancelled
	if orphan {
		statuses, kind = statuses[:1], orphanCancelled
	}
	job, ok := d.jobs.pick(random, statuses...)
	if !ok {
		return false
	}
	if orphan && !d.killHolder(job) {
		return false
	}
	if _, err := d.importer.Cancel(ctx, principal(job.Tenant, "driver"), job.ID); err != nil {
		return false // it has ended, or a server is down
	}
	d.counts.add(kind)
	return true
}

// killHolder kills the worker that holds a job.
func (d *driver) killHolder(job bulk.Job) bool {
	c := d.fleet.worker(job.Worker, rand.New(rand.NewPCG(0, 0)))
	if c == nil || c.name != job.Worker {
		return false
	}
	c.kill()
	return true
}

// removePayload takes the rows away from a job that was begun, so that it must
// fail.
func (d *driver) removePayload(ctx context.Context, random *rand.Rand) bool {
	job, ok := d.jobs.pick(random, bulk.JobProcessing)
	if !ok || !d.killHolder(job) || d.opened.Blobs.Delete(ctx, job.Payload) != nil {
		return false
	}
	d.counts.add(payloadRemoved)
	return true
}
