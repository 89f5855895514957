package bulk

import (
	"context"
	"maps"
	"slices"
	"sync"
)

// A ledger collects the results of a job's rows, which end in any order, and says
// which of them, from the first on, can be made durable: whole segments as they
// fill, and less than that where a row waits for it.
type ledger struct {
	size  int // rows of a segment
	total int

	mu       sync.Mutex
	changed  *sync.Cond
	segments map[int]*segment
	frontier int // every row before it has a result
	flushed  int // every row before it was taken
	wanted   int // rows before it are wanted soon
	closed   bool
	// keepLast leaves the last rows to rest, once all rows have results: they go
	// straight into the results file.
	keepLast bool
}

// A segment is the results of some rows that follow each other.
type segment struct {
	first   int // index of the first row
	rows    []RowResult
	present int // results that are there; those that are not have no status
}

func newLedger(size, total, from int) *ledger {
	l := &ledger{size: size, total: total, segments: make(map[int]*segment), frontier: from, flushed: from}
	l.changed = sync.NewCond(&l.mu)
	return l
}

func (l *ledger) result(r RowResult) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r.Index < l.flushed {
		return // durable since an earlier attempt; a dry run repeats it
	}
	l.put(r)
	before := l.frontier
	for l.frontier < l.total && l.has(l.frontier) {
		l.frontier++
	}
	if l.frontier != before {
		l.changed.Broadcast()
	}
}

func (l *ledger) put(r RowResult) {
	n := r.Index / l.size
	s := l.segments[n]
	if s == nil {
		first := n * l.size
		s = &segment{first: first, rows: make([]RowResult, min(l.size, l.total-first))}
		l.segments[n] = s
	}
	s.rows[r.Index-s.first] = r
	s.present++
}

func (l *ledger) has(row int) bool {
	s := l.segments[row/l.size]
	return s != nil && s.rows[row-s.first].Status != ""
}

func (l *ledger) need(row int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wanted = max(l.wanted, row)
	l.changed.Broadcast()
}

// restore puts back results that an earlier attempt made durable in part of a
// segment.
func (l *ledger) restore(r RowResult) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.put(r)
}

// complete reports whether all rows have results.
func (l *ledger) complete() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.frontier == l.total
}

// close makes next return everything that there is, and then nothing.
func (l *ledger) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.changed.Broadcast()
}

// next waits until more rows can be made durable and returns the segments that
// they are in and the row that they end before: the end of the last segment, or
// less. It returns nil after close or when ctx ends.
func (l *ledger) next(ctx context.Context) (segments []*segment, until int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for ctx.Err() == nil {
		if l.closed && l.keepLast && l.frontier == l.total {
			return nil, 0
		}
		until := l.frontier
		if !l.closed && until < l.total && l.wanted <= l.flushed {
			until -= until % l.size
		}
		if until > l.flushed {
			return l.take(until), until
		}
		if l.closed {
			return nil, 0
		}
		l.changed.Wait()
	}
	return nil, 0
}

// take returns the segments with the rows from flushed to until.
func (l *ledger) take(until int) []*segment {
	var taken []*segment
	for n := l.flushed / l.size; n*l.size < until; n++ {
		s := l.segments[n]
		if end := s.first + len(s.rows); end <= until {
			taken = append(taken, s)
		} else {
			// Its other rows may still come, so the caller gets what is there.
			taken = append(taken, &segment{first: s.first, rows: s.rows[:until-s.first], present: until - s.first})
		}
	}
	l.flushed = until
	return taken
}

// saved forgets the whole segments before that row: they are durable.
func (l *ledger) saved(until int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for n, s := range l.segments {
		if s.first+len(s.rows) <= until {
			delete(l.segments, n)
		}
	}
}

// rest returns the segments that are not durable as a whole, by number. No result
// may come any more.
func (l *ledger) rest() map[int]*segment {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.segments
}

// last returns the segments of rest in order.
func (l *ledger) last() []*segment {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.SortedFunc(maps.Values(l.segments), func(a, b *segment) int { return a.first - b.first })
}

// wake makes next look at its context.
func (l *ledger) wake() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.changed.Broadcast()
}

// appendResults appends the results as lines.
func appendResults(dst []byte, rows []RowResult) []byte {
	for i := range rows {
		dst = rows[i].AppendJSON(dst)
		dst = append(dst, '\n')
	}
	return dst
}
