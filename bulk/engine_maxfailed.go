package bulk

import (
	"context"
	"fmt"
	"sync"
)

// A failureLimit stops an import in which more rows have failed than may. It lets a
// batch begin only while the rows under way, should all of them fail, would not
// exceed that. So which rows are reached depends on the rows alone, and not on how
// many batches run at a time. A nil one is no limit.
type failureLimit struct {
	most int
	// first is the first row that is counted: those before it are in failed from the
	// beginning.
	first int

	mu       sync.Mutex
	failed   int
	underWay int           // rows that were read and have no result yet
	changed  chan struct{} // closed when one of these falls or rises
}

func newFailureLimit(opts Options) *failureLimit {
	if opts.MaxFailed == nil {
		return nil
	}
	return &failureLimit{most: *opts.MaxFailed, changed: make(chan struct{})}
}

// resume says how many rows before first have failed.
func (l *failureLimit) resume(first, failed int) {
	if l != nil {
		l.first, l.failed = first, failed
	}
}

// begin counts a row that was read.
func (l *failureLimit) begin() {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.underWay++
}

// end counts the result of a row.
func (l *failureLimit) end(row int, status Status) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.underWay--
	if status == StatusFailed && row >= l.first {
		l.failed++
	}
	close(l.changed)
	l.changed = make(chan struct{})
}

// passed reports whether more rows have failed than may.
func (l *failureLimit) passed() bool {
	if l == nil {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failed > l.most
}

// admits waits until the next batch may begin, and reports whether it may. It
// returns early, with whatever answer, when ctx or stop ends.
func (l *failureLimit) admits(ctx context.Context, stop <-chan struct{}) bool {
	if l == nil {
		return true
	}
	for {
		l.mu.Lock()
		passed, safe, changed := l.failed > l.most, l.failed+l.underWay <= l.most, l.changed
		l.mu.Unlock()
		if passed || safe {
			return !passed
		}
		select {
		case <-changed:
		case <-stop:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

// tooManyFailed is the error of an import that was stopped, and nil of one that
// failed no more rows than it may or reached all of them.
func tooManyFailed(opts Options, s Summary) *JobError {
	if opts.MaxFailed == nil || s.Failed <= *opts.MaxFailed || s.NotProcessed == 0 {
		return nil
	}
	return &JobError{JobErrorTooManyFailed,
		fmt.Sprintf("%d rows failed and maxFailed is %d, so %d rows were not processed", s.Failed, *opts.MaxFailed, s.NotProcessed)}
}
