package bulk

import (
	"context"
	"slices"
	"sync"
)

// calls bounds the calls to the store that are under way. Those of batches that have
// begun and those that begin another take turns, so that batches are looked up no
// further ahead than is of use: what was looked up grows stale while it waits, and is
// lost when the worker has to stop. Batches begin in their order, as each waits to be
// admitted for those before it, whichever goroutine runs first; those that have begun
// are served first come, first served.
type calls struct {
	mu      sync.Mutex
	free    int
	begun   []waitingCall
	another []waitingCall  // by batch
	last    *[]waitingCall // where the last one came from that had waited
}

// A waitingCall waits for its turn, which is closed when it has come.
type waitingCall struct {
	batch int
	turn  chan struct{}
}

// hasBegun is the batch of calls that begin none.
const hasBegun = -1

// take waits for the turn of a call, which is to be given back after it. begins is the
// number of the batch that it begins, or hasBegun.
func (c *calls) take(ctx context.Context, begins int) error {
	queue := &c.another
	if begins == hasBegun {
		queue = &c.begun
	}
	c.mu.Lock()
	if c.free > 0 {
		c.free--
		c.mu.Unlock()
		return nil
	}
	turn := make(chan struct{})
	at := len(*queue)
	for at > 0 && (*queue)[at-1].batch > begins {
		at--
	}
	*queue = slices.Insert(*queue, at, waitingCall{begins, turn})
	c.mu.Unlock()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
	}
	c.mu.Lock()
	waiting := len(*queue)
	*queue = slices.DeleteFunc(*queue, func(other waitingCall) bool { return other.turn == turn })
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
	close((*queue)[0].turn)
	*queue = (*queue)[1:]
	c.last = queue
}
