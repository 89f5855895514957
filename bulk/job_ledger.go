package bulk

import (
	"context"
	"sync"
	"time"
)

// A ledger collects the results of a job's rows, which end in any order, and hands
// out the segments that they fill, from the first on, to be made durable. It also
// keeps the reading of rows from running too far ahead of that.
type ledger struct {
	size   int // rows of a segment
	total  int
	window int // rows that may be between their reading and their durability

	mu       sync.Mutex
	segments map[int]*segment // by number
	frontier int              // every row before it has a result
	taken    int              // every row before it was handed out
	durable  int              // every row before it has a durable result
	changed  chan struct{}    // closed when one of the above changes, or closed
	closed   bool
}

// A segment is the results of some rows that follow each other.
type segment struct {
	first int         // index of the first row
	rows  []RowResult // those that have no status are not there yet
}

func newLedger(size, total, from, window int) *ledger {
	return &ledger{
		size: size, total: total, window: window, segments: make(map[int]*segment),
		frontier: from, taken: from, durable: from, changed: make(chan struct{}),
	}
}

// result takes the result of a row. Those of rows that have durable ones, which a
// dry run repeats, are dropped.
func (l *ledger) result(r RowResult) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r.Index < l.taken {
		return
	}
	n := r.Index / l.size
	s := l.segments[n]
	if s == nil {
		first := n * l.size
		s = &segment{first: first, rows: make([]RowResult, min(l.size, l.total-first))}
		l.segments[n] = s
	}
	s.rows[r.Index-s.first] = r
	before := l.frontier
	for l.frontier < l.total && l.has(l.frontier) {
		l.frontier++
	}
	if before/l.size != l.frontier/l.size {
		l.change()
	}
}

func (l *ledger) has(row int) bool {
	s := l.segments[row/l.size]
	return s != nil && s.rows[row-s.first].Status != ""
}

// reported reports whether the row has a result that is not durable yet.
func (l *ledger) reported(row int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.has(row)
}

// change wakes those who wait. The lock is held.
func (l *ledger) change() {
	close(l.changed)
	l.changed = make(chan struct{})
}

// room waits until a row may be read. It returns early when ctx or stop ends. Behind the
// last row there is nothing to wait for.
func (l *ledger) room(ctx context.Context, row int, stop <-chan struct{}) {
	l.wait(ctx, stop, func() bool { return row < l.durable+l.window || row >= l.total })
}

// wait waits until ready, which is called with the lock held.
func (l *ledger) wait(ctx context.Context, stop <-chan struct{}, ready func() bool) {
	for {
		l.mu.Lock()
		ok, changed := ready(), l.changed
		l.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-stop:
			return
		case <-ctx.Done():
			return
		}
	}
}

// complete reports whether all rows have results.
func (l *ledger) complete() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.frontier == l.total
}

// close says that no result will come any more.
func (l *ledger) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.change()
}

// gatherTime is how long results gather before they are made durable. The journal has
// them before that: what is saved shows how far the job is, and makes room.
const gatherTime = time.Second

// gather lets results gather for gatherTime, or until reading would soon have to wait
// for room, or no result will come any more. It returns early when ctx ends.
func (l *ledger) gather(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, gatherTime)
	defer cancel()
	l.wait(ctx, nil, func() bool {
		return l.closed || l.durable+l.window < l.total && l.frontier-l.durable >= l.window/2
	})
}

// next waits for whole segments to be made durable and returns them with the row
// that they end before. It returns nil after close, or when ctx ends. The last
// segments of a job that is complete are left to rest.
func (l *ledger) next(ctx context.Context) (segments []*segment, until int) {
	l.wait(ctx, nil, func() bool {
		until = l.frontier - l.frontier%l.size
		if l.frontier == l.total {
			until = l.taken
		}
		return until > l.taken || l.closed
	})
	if ctx.Err() != nil {
		return nil, 0
	}
	return l.take(until), until
}

// take returns the segments from taken on that end by until.
func (l *ledger) take(until int) []*segment {
	l.mu.Lock()
	defer l.mu.Unlock()
	var taken []*segment
	for ; l.taken < until; l.taken = min(l.taken+l.size, l.total) {
		taken = append(taken, l.segments[l.taken/l.size])
	}
	return taken
}

// saved forgets the segments before that row: they are durable.
func (l *ledger) saved(until int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for n, s := range l.segments {
		if s.first+len(s.rows) <= until {
			delete(l.segments, n)
		}
	}
	l.durable = until
	l.change()
}

// rest returns the segments that are not durable, by number. No result may come
// any more.
func (l *ledger) rest() map[int]*segment {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.segments
}

// appendResults appends the results as lines.
func appendResults(dst []byte, rows []RowResult) []byte {
	for i := range rows {
		dst = rows[i].appendJSON(dst)
		dst = append(dst, '\n')
	}
	return dst
}
