package dynamojobs

import (
	"context"
	"sync"
	"time"
)

// The version before spread the index of claims over more partitions, which claims now
// do without. While processes of that version still create jobs, some are there, and
// are moved. Delete this when no table has any.
var formerPartitions = [...]string{"001", "002", "003"}

// formerEvery is how often they are looked through while they are empty.
const formerEvery = 10 * time.Minute

// A former knows when to look again.
type former struct {
	mu   sync.Mutex
	next time.Time
}

// due reports whether to look now, and puts off the next look.
func (f *former) due(now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now.Before(f.next) {
		return false
	}
	f.next = now.Add(formerEvery)
	return true
}

// soon makes the next claim look again.
func (f *former) soon() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next = time.Time{}
}

// moveFormer moves what can be claimed in the former partitions.
func (t *tour) moveFormer(ctx context.Context) error {
	now := time.Now()
	if !t.q.former.due(now) {
		return nil
	}
	for _, partition := range formerPartitions {
		before := len(t.moved)
		for from := item(nil); ; {
			tried := t.tried
			_, last, err := t.page(ctx, claimable(partition, now), from, maxHints)
			if err != nil {
				t.q.former.soon()
				return err
			}
			if t.tried > tried { // there may be more, which this page did not try
				t.q.former.soon()
			}
			if len(t.moved)-before >= minHints || !t.more {
				break
			}
			from = last
		}
	}
	return nil
}
