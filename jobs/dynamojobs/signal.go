package dynamojobs

import "sync"

// Changed implements [bulk.JobNotifier] for what this Queue does, and not for what
// others do to the table. The channel is closed when a job is created, when one is
// given up for others to claim at once, to be run or to be told of, and when one ends.
func (q *Queue) Changed() <-chan struct{} { return q.changed.wait() }

// A signal wakes all who wait for it.
type signal struct {
	mu sync.Mutex
	c  chan struct{} // what wait returned since the last send, nil if nothing
}

// wait returns a channel that the next send closes.
func (s *signal) wait() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.c == nil {
		s.c = make(chan struct{})
	}
	return s.c
}

func (s *signal) send() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.c != nil {
		close(s.c)
		s.c = nil
	}
}
