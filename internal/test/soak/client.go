//go:build unix

package soak

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/bulkops/bulkops/internal/test/soak/audit"
)

// A sent is a request that a client sends to its importer.
type sent struct {
	im     audit.Import
	key    string // its idempotency key, or ""
	async  bool
	due    time.Time // when it is sent again
	replay bool      // it has been answered

	// patience is how long its answer is awaited. It doubles with every time that
	// it was not enough, so that a slow request is answered some time.
	patience time.Duration
}

// A client sends requests through an importer process of its own, one after the
// other. It repeats those with an idempotency key until they are answered, also
// when the process was killed meanwhile.
type client struct {
	d       *driver
	slot    int
	random  *rand.Rand
	pending []*sent
}

// client sends requests until traffic ends, and goes on with those that are to be
// repeated until patience ends.
func (d *driver) client(traffic, patience context.Context, slot int) {
	c := &client{d: d, slot: slot, random: rand.New(rand.NewPCG(d.seed, uint64(1000+slot)))}
	for patience.Err() == nil {
		s := c.again()
		if s == nil && traffic.Err() == nil {
			s = c.fresh()
		}
		switch {
		case s != nil:
			c.send(patience, s)
		case len(c.pending) == 0:
			return
		default:
			pause(patience, 20*time.Millisecond)
		}
	}
}

// again returns a request that is to be sent again now, or nil.
func (c *client) again() *sent {
	for i, s := range c.pending {
		if time.Now().After(s.due) {
			c.pending = append(c.pending[:i], c.pending[i+1:]...)
			return s
		}
	}
	return nil
}

// fresh returns a new request.
func (c *client) fresh() *sent {
	s := &sent{patience: 2 * requestTimeout}
	k := kindSync
	if s.async = c.random.IntN(12) == 0 && c.d.jobs.active() <= c.d.workers+2; s.async && c.random.IntN(2) == 0 {
		k = kindJob
	}
	s.im, _ = c.d.plan.next(k)
	if c.random.IntN(2) == 0 {
		s.key, s.patience = "key of "+s.im.Name, c.d.reservation+c.d.reservation/8
	}
	c.d.auditor.Begin(s.im, c.d.now())
	return s
}

// repeat sends a request again after a while.
func (c *client) repeat(s *sent, wait time.Duration) {
	s.due = time.Now().Add(wait)
	c.pending = append(c.pending, s)
}

// send sends a request and sees what comes of it.
func (c *client) send(ctx context.Context, s *sent) {
	process := c.d.fleet.importer(ctx, c.slot)
	if process == nil {
		c.repeat(s, 0) // everything is over
		return
	}
	err := process.send(request{
		Principal: principal(s.im.Tenant, s.im.Name), Options: s.im.Options, Rows: jsonOfAll(s.im.Rows), Key: s.key, Async: s.async,
	})
	if err != nil {
		c.d.fail(err)
		return
	}
	a := c.await(ctx, process, s)
	switch {
	case s.replay && (a == nil || a.Report == nil && a.Job == ""):
		c.repeat(s, 300*time.Millisecond)
	case s.key != "" && (a == nil || a.Error != ""):
		if a == nil && process.dead() {
			c.d.counts.add(requestRepeated)
		}
		c.repeat(s, 300*time.Millisecond)
	case a == nil:
		c.d.auditor.Unanswered(s.im.Name)
	default:
		c.d.answered(s.im, *a)
		if s.key != "" && !s.replay && c.random.IntN(6) == 0 {
			s.replay = true
			c.repeat(s, time.Second)
		}
	}
}

// await returns the process's answer, or nil if it has ended before. An answer to a
// request that can be repeated is not awaited for much longer than a reservation
// lasts at first: the process, which may be stopped, is left to itself then, and
// goes on while another one repeats the request.
func (c *client) await(ctx context.Context, process *child, s *sent) *answer {
	timeout := time.NewTimer(s.patience)
	defer timeout.Stop()
	for {
		select {
		case a, ok := <-process.answers:
			if !ok {
				return nil
			}
			return &a
		case <-timeout.C:
			if s.key != "" {
				s.patience *= 2
				c.d.fleet.abandon(c.slot, process)
				return nil
			}
			c.d.auditor.Fault(audit.Stuck, "", fmt.Sprintf("the importer %s has not answered for %v", process.name, s.patience))
			process.kill()
		case <-ctx.Done():
			process.kill()
			return nil
		}
	}
}
