package bulk

import "sync"

// A health tells a store that is down from one that is at odds with some rows. Rows
// that the store refuses for good say nothing against it.
type health struct {
	mu       sync.Mutex
	answered bool // it has answered for a row
	unmet    int  // rows that it failed since then
	trouble  int  // rows that it failed since then, or is failing: some are still tried
	answers  int
}

// A grievance is what a row has against the store.
type grievance struct {
	last  int  // the answers that the store had given when it failed the row last, and 1
	again bool // it had failed the row before, and answered for nobody since
	heard bool // the row was given a second chance
}

// outageRows is how many rows a store fails one after the other if it is down.
const outageRows = 25

// met says that the store answered for a row.
func (h *health) met() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.answered, h.unmet, h.trouble = true, 0, 0
	h.answers++
}

// failing says that a call for a row has failed. So it is known that a store is down
// before the first of many rows has been tried often enough to be given up.
func (h *health) failing(row *grievance) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.answers + 1
	if row.again = row.last == now; !row.again {
		row.last = now
		h.trouble++
	}
}

// secondChance reports, once, whether a row that was tried often enough is to be
// tried as often again: the store has answered for nobody between its last two
// failures, or since. It may be down, and the rows that would show it wait for this
// one.
func (h *health) secondChance(row *grievance) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if row.heard || !row.again || row.last != h.answers+1 {
		return false
	}
	row.heard = true
	return true
}

// unsure says that nobody can tell whether the store did the write of a row: so it
// may have done something, and may be down nevertheless.
func (h *health) unsure() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.answered = true
}

// failed says that the store failed some rows in spite of all retries, and reports
// whether it is down, as far as rows show that are still tried.
func (h *health) failed(rows int) (down bool) {
	h.mu.Lock()
	h.unmet += rows
	down = rows > 0 && h.trouble >= outageRows
	h.mu.Unlock()
	return down || h.down()
}

// down reports whether the store is down: it failed many rows one after the other,
// or every row that it was asked about.
func (h *health) down() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.unmet >= outageRows || h.unmet > 0 && !h.answered
}

// silent reports whether the store failed all rows that it was asked about.
func (h *health) silent() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.unmet > 0 && !h.answered
}
