package bulk

import (
	"context"
	"slices"
	"sync"
)

// calls bounds the calls to the store that are under way. Those of batches that have
// begun and those that begin another take turns, so that batches are looked up no
// further ahead than is of use: what was looked up grows stale while it waits, and is
// lost when the worker has to stop. Among themselves it is first come, first served.
type calls struct {
	mu      sync.Mutex
	free    int
	begun   []chan struct{} // those who wait; closed when their turn has come
	another []chan struct{}
	last    *[]chan struct{} // where the last one came from that had waited
}

// take waits for a call's turn. It is to be given back after the call.
func (c *calls) take(ctx context.Context, begins bool) error {
	queue := &c.begun
	if begins {
		queue = &c.another
	}
	c.mu.Lock()
	if c.free > 0 {
		c.free--
		c.mu.Unlock()
		return nil
	}
	turn := make(chan struct{})
	*queue = append(*queue, turn)
	c.mu.Unlock()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
	}
	c.mu.Lock()
	waiting := len(*queue)
	*queue = slices.DeleteFunc(*queue, func(other chan struct{}) bool { return other == turn })
	had := len(*queue) == waiting
	c.mu.Unlock()
	if had {
		c.give()
	}
	return context.Cause(ctx)
}

func (c *calls) give() {
	c.mu.Lock()
	defer c.mu.Unlock()
	queue := &c.begun
	if len(c.another) > 0 && (len(c.begun) == 0 || c.last == &c.begun) {
		queue = &c.another
	}
	if len(*queue) == 0 {
		c.free++
		return
	}
	close((*queue)[0])
	*queue = (*queue)[1:]
	c.last = queue
}
