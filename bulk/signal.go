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

// A turn is a lock that is held during calls to a backend. Unlike a mutex it
// counts as blocking for testing/synctest, so that hosts can test in a bubble
// with backends that take time.
type turn chan struct{}

func newTurn() turn { return make(turn, 1) }

func (t turn) lock()   { t <- struct{}{} }
func (t turn) unlock() { <-t }
