package bulk

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// inherit takes over what the journal says: the results of rows, and the writes
// that may have been sent.
func (e *engine) inherit(h *inheritance) {
	for _, old := range h.entries {
		switch {
		case old.replaced:
		case old.done:
			for _, row := range old.Rows {
				e.inherited[row.Index] = inheritedRow{row, old.UserID}
			}
			if old.writes() {
				e.health.met()
			}
		default:
			e.track([]*item{{entry: old.entry, look: true, sent: true, doubt: true, late: true}})
		}
	}
}

// track notes that writes of the items were sent.
func (e *engine) track(items []*item) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, it := range items {
		if it.number == 0 {
			e.tracked++
			it.number, it.place = e.tracked, len(e.sent)
			e.sent = append(e.sent, it)
		}
	}
}

// untrack notes that the fate of the item's write is known.
func (e *engine) untrack(it *item) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if it.number == 0 {
		return
	}
	// The last one takes its place.
	last := e.sent[len(e.sent)-1]
	e.sent[it.place], last.place = last, it.place
	e.sent = slices.Delete(e.sent, len(e.sent)-1, len(e.sent))
	it.number = 0
}

// unsettled returns the items whose writes were sent and whose fate is not known,
// in the order in which they were sent.
func (e *engine) unsettled() []*item {
	e.mu.Lock()
	defer e.mu.Unlock()
	items := slices.Clone(e.sent)
	slices.SortFunc(items, func(a, b *item) int { return cmp.Compare(a.number, b.number) })
	return items
}

// settleSent settles the writes whose fate is not known, one batch after the other
// in their order. Nothing new is decided before that: it could be upon a write that
// is still to come.
func (e *engine) settleSent(ctx context.Context) error {
	for items := range slices.Chunk(e.unsettled(), e.batch) {
		if e.patient && e.isHalted() {
			break // as giveUp does
		}
		if _, err := e.settle(ctx, slices.Clone(items), false); err != nil {
			return err
		}
	}
	return nil
}

// settleLast is settleSent for an import that is about to end: what cannot be found
// out within that time remains unknown.
func (e *engine) settleLast(ctx context.Context, limit time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	e.patient = false
	err := e.settleSent(ctx)
	s := &settlement{engine: e}
	for _, it := range e.unsettled() {
		it.err = err
		s.finishUnknown(it)
	}
}
