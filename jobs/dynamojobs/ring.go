package dynamojobs

import (
	"slices"
	"strings"
	"sync"
	"time"
)

// A ring is what a Queue remembers of the ring of tenants from one claim to the next.
type ring struct {
	mu     sync.Mutex
	served string // the place of the tenant that was served last
	large  bool   // a page did not have all that can be claimed

	// Where a tenant is alone with many jobs, looking behind it and before it at every
	// claim would cost a query more. So a few of its next jobs are kept for a moment.
	spares []hint
	until  time.Time

	saw time.Time // when a page last had what became due
}

// maxSpares is how many hints are kept. A tenant that comes meanwhile waits for them.
const maxSpares = 2

// Variables for tests that count calls.
var (
	// sparesFor is how long hints are kept.
	sparesFor = time.Second
	// dueEvery is how long claims go without what became due, which stands behind all
	// tenants that have jobs.
	dueEvery = 10 * time.Second
)

func (r *ring) lastServed() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.served
}

// serve notes that the tenant of a place has its turn.
func (r *ring) serve(place string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if place != r.served {
		r.served, r.spares = place, nil
	}
}

// turned returns hints, which are in the order of the index, in the order of turns.
func (r *ring) turned(hints []hint) []hint {
	behind := r.lastServed() + behindTenant
	i, _ := slices.BinarySearchFunc(hints, behind, func(h hint, turn string) int { return strings.Compare(h.turn, turn) })
	return slices.Concat(hints[i:], hints[:i])
}

func (r *ring) isLarge() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.large
}

func (r *ring) setLarge(large bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.large = large
}

// keep keeps the next jobs of the tenant that was served last.
func (r *ring) keep(hints []hint) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.spares = hints[:min(len(hints), maxSpares)]
	r.until = time.Now().Add(sparesFor)
}

// spare takes a hint that was kept.
func (r *ring) spare() (hint, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.spares) == 0 || !time.Now().Before(r.until) {
		return hint{}, false
	}
	h := r.spares[0]
	r.spares = r.spares[1:]
	return h, true
}

// seen notes that a page had what became due.
func (r *ring) seen() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.saw = time.Now()
}

// overdue reports whether no page has had what became due for long.
func (r *ring) overdue() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Since(r.saw) >= dueEvery
}
