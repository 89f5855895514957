package dynamostore

import (
	"context"
	"sync"
)

// heldKeys are the items that somebody in this process works on. Whoever wants some
// of them waits until none is held, and then holds all at once, so nobody waits for
// one while holding another.
type heldKeys struct {
	mu    sync.Mutex
	held  map[any]bool
	freed chan struct{} // closed, and replaced, when keys are given back
}

func newHeldKeys() *heldKeys {
	return &heldKeys{held: make(map[any]bool), freed: make(chan struct{})}
}

// hold waits for keys and holds them until release is called. It returns ctx's
// error if that ends before.
func (h *heldKeys) hold(ctx context.Context, keys []any) (release func(), err error) {
	for {
		h.mu.Lock()
		if !h.holds(keys) {
			for _, key := range keys {
				h.held[key] = true
			}
			h.mu.Unlock()
			return func() { h.release(keys) }, nil
		}
		freed := h.freed
		h.mu.Unlock()
		select {
		case <-freed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (h *heldKeys) holds(keys []any) bool {
	for _, key := range keys {
		if h.held[key] {
			return true
		}
	}
	return false
}

func (h *heldKeys) release(keys []any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, key := range keys {
		delete(h.held, key)
	}
	close(h.freed)
	h.freed = make(chan struct{})
}
