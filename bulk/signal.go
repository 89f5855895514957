package bulk

import (
	"context"
	"sync"
)

// A signal tells one goroutine that something changed. Several changes may be
// told as one.
type signal struct {
	once sync.Once
	c    chan struct{}
	end  chan struct{}
}

func newSignal() *signal {
	return &signal{c: make(chan struct{}, 1), end: make(chan struct{})}
}

// set tells that something changed.
func (s *signal) set() {
	select {
	case s.c <- struct{}{}:
	default:
	}
}

// close tells that nothing will change any more.
func (s *signal) close() { s.once.Do(func() { close(s.end) }) }

// wait waits for a change. It reports false if there will be none.
func (s *signal) wait(ctx context.Context) bool {
	select {
	case <-s.c:
		return true
	default:
	}
	select {
	case <-s.c:
		return true
	case <-s.end:
		return false
	case <-ctx.Done():
		return false
	}
}
