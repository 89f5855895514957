//go:build unix

package main

import (
	"context"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/bulkops/bulkops/bulk"
)

// lateCall has a call delivered after its process is no more what it was: killed,
// or stopped for longer than its lease. The job is taken over meanwhile, and
// cancelled sometimes.
func (d *driver) lateCall(ctx context.Context) func(process, operation string) {
	return func(process, _ string) {
		c, stopped := d.fleet.named(process)
		if c == nil {
			return
		}
		if rand.IntN(3) == 0 {
			d.fleet.running.Go(func() { d.fleet.stop(c, stopped) })
		} else {
			c.kill()
		}
		if job, ok := d.jobs.heldBy(process); ok && rand.IntN(2) == 0 {
			if _, err := d.importer.Cancel(ctx, principal(job.Tenant, "driver"), job.ID); err == nil {
				d.counts.add(lateCancelled)
			}
		}
		pause(ctx, d.lease+time.Duration(rand.Int64N(int64(2*d.lease))))
		d.counts.add(callLate)
	}
}

// named returns the process of that name, and what a stop of it counts as; nil if
// it is not one of those that run.
func (f *fleet) named(name string) (*child, fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	all, stopped := f.workers, workerStopped
	if strings.HasPrefix(name, roleImporter) {
		all, stopped = f.importers, importerStopped
	}
	for _, c := range all {
		if c != nil && c.name == name {
			return c, stopped
		}
	}
	return nil, stopped
}

// heldBy returns the job that a worker runs.
func (t *tracker) heldBy(worker string) (bulk.Job, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, one := range t.jobs {
		if !one.done && one.job.Status == bulk.JobProcessing && one.job.Worker == worker {
			return one.job, true
		}
	}
	return bulk.Job{}, false
}
