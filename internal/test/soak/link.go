//go:build unix

package soak

import (
	"context"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/bulkops/bulkops/bulk"
)

// A Link makes the faults of the network between processes and a server, and those
// that hit a process at a certain call. Deliver sends the call to the server and
// returns when it had its effect; it is called once, or not at all. The link reports
// whether the process may see the answer. If not, its connection breaks.
type Link func(ctx context.Context, call Call, deliver func()) bool

// A Call is a call of a process to a server.
type Call struct {
	Process   string
	Operation string // as in a [Point]
	Writes    bool   // it may change something
}

// A link is the [Link] of one server.
type link struct {
	d *driver

	mu    sync.Mutex
	armed bool
}

// arm has the next call delivered late that may change something.
func (l *link) arm() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.armed = true
}

// takeLate reports whether the call is to be late.
func (l *link) takeLate(call Call) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	late := l.armed && call.Writes
	l.armed = l.armed && !late
	return late
}

// deliver is a [Link].
func (l *link) deliver(ctx context.Context, call Call, deliver func()) bool {
	c, stopped := l.d.fleet.named(call.Process)
	if c == nil {
		deliver()
		return true
	}
	if l.takeLate(call) {
		l.late(ctx, c, stopped)
		deliver()
		return true
	}
	f, ok := c.fuses.hit(call.Operation)
	if !ok {
		deliver()
		return true
	}
	return l.blow(ctx, f, c, stopped, deliver)
}

// blow makes the fault of a fuse.
func (l *link) blow(ctx context.Context, f fuse, c *child, stopped fault, deliver func()) bool {
	switch f.Action {
	case actHold:
		l.d.counts.add(callHeld)
		pause(ctx, l.d.lease*3/2)
		deliver()
		return true
	case actLose:
		l.d.counts.add(answerLost)
		deliver()
		return false
	case actStop:
		if f.After {
			deliver()
		}
		l.d.fleet.stop(c, stopped)
		if !f.After {
			deliver()
		}
		return true
	default:
		if f.After {
			deliver()
		}
		c.killAtCall()
		return false
	}
}

// late returns when a call is to be delivered: after its process is no more what it
// was, but killed, or stopped for longer than its lease. The job is taken over
// meanwhile, and cancelled sometimes.
func (l *link) late(ctx context.Context, c *child, stopped fault) {
	d := l.d
	if rand.IntN(3) == 0 {
		d.fleet.running.Go(func() { d.fleet.stop(c, stopped) })
	} else {
		c.kill()
	}
	if job, ok := d.jobs.heldBy(c.name); ok && rand.IntN(2) == 0 {
		if _, err := d.importer.Cancel(ctx, principal(job.Tenant, "driver"), job.ID); err == nil {
			d.counts.add(lateCancelled)
		}
	}
	pause(ctx, d.lease+time.Duration(rand.Int64N(int64(2*d.lease))))
	d.counts.add(callLate)
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
