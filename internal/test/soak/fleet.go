//go:build unix

package soak

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

// A fleet is the processes that are killed and stopped. In the place of one that
// has ended it starts another.
type fleet struct {
	d       *driver
	random  *rand.Rand // guarded by mu
	quiet   atomic.Bool
	ctx     context.Context
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu        sync.Mutex
	started   int
	workers   []*child
	importers []*child
}

func newFleet(d *driver) *fleet {
	f := &fleet{
		d: d, random: rand.New(rand.NewPCG(d.seed, 2)),
		workers: make([]*child, d.workers), importers: make([]*child, d.clients),
	}
	f.ctx, f.cancel = context.WithCancel(context.Background())
	for slot := range f.workers {
		f.running.Go(func() { f.work(slot) })
	}
	return f
}

// spawn starts a process, with a fuse perhaps.
func (f *fleet) spawn(role string) *child {
	f.mu.Lock()
	f.started++
	s, fuses := f.d.settings, newFuses()
	s.Name = fmt.Sprintf("%s-%d", role, f.started)
	if !f.quiet.Load() && f.d.kills > 0 {
		fuses = drawFuses(f.random, f.d.backend.Points())
	}
	f.mu.Unlock()
	c, err := startChild(role, s, fuses, filepath.Join(f.d.dir, role+".log"))
	if err != nil {
		f.d.fail(err)
		return nil
	}
	return c
}

// work keeps a worker running in a place.
func (f *fleet) work(slot int) {
	for f.ctx.Err() == nil {
		c := f.spawn(roleWorker)
		if c == nil {
			return
		}
		f.set(f.workers, slot, c)
		stop := context.AfterFunc(f.ctx, c.end)
		<-c.done
		stop()
		f.buried(c, workerKilled, workerKilledAt)
	}
}

// importer returns the importer process of a client, a new one if it has none or
// it was killed; nil when all is over.
func (f *fleet) importer(ctx context.Context, slot int) *child {
	c := f.get(f.importers, slot)
	if c != nil {
		select {
		case <-c.done:
		default:
			return c
		}
	}
	if ctx.Err() != nil || f.ctx.Err() != nil {
		return nil
	}
	c = f.spawn(roleImporter)
	if c == nil {
		return nil
	}
	f.set(f.importers, slot, c)
	f.running.Go(func() {
		stop := context.AfterFunc(f.ctx, c.end)
		<-c.done
		stop()
		f.buried(c, importerKilled, importerKilledAt)
	})
	return c
}

// abandon leaves an importer process to itself: it ends when it has answered. The
// client gets another one.
func (f *fleet) abandon(slot int, c *child) {
	f.d.counts.add(importerAbandoned)
	f.set(f.importers, slot, nil)
	_ = c.stdin.Close()
}

// stop stops a process for longer than its lease.
func (f *fleet) stop(c *child, stopped fault) {
	longest := f.d.lease
	if stopped == importerStopped {
		longest = max(longest, f.d.reservation)
	}
	if c.pause(longest + longest/4 + time.Duration(rand.Int64N(int64(longest/2)))) {
		f.d.counts.add(stopped)
	}
}

// buried counts a process that was killed. One that has failed by itself ends the run.
func (f *fleet) buried(c *child, anywhere, atCall fault) {
	if f.ctx.Err() != nil {
		return // it was to end
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.failed:
		f.d.fail(fmt.Errorf("%s has failed; its log is in %s", c.name, f.d.dir))
	case c.killed && c.atCall:
		f.d.counts.add(atCall)
	case c.killed:
		f.d.counts.add(anywhere)
	}
}

func (f *fleet) set(all []*child, slot int, c *child) {
	f.mu.Lock()
	defer f.mu.Unlock()
	all[slot] = c
}

func (f *fleet) get(all []*child, slot int) *child {
	f.mu.Lock()
	defer f.mu.Unlock()
	return all[slot]
}

// worker returns the worker of that name, or one at random.
func (f *fleet) worker(name string, random *rand.Rand) *child {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.workers {
		if c != nil && c.name == name {
			return c
		}
	}
	return f.workers[random.IntN(len(f.workers))]
}

// unharmed gives no fuses to new processes any more.
func (f *fleet) unharmed() { f.quiet.Store(true) }

// end ends all processes and returns when they have ended.
func (f *fleet) end() {
	f.quiet.Store(true)
	f.cancel()
	f.running.Wait()
}
