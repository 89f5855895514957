package bulk

import "sync"

// A health tells a store that is down from one that is at odds with some rows. Rows
// that the store refuses for good say nothing against it.
type health struct {
	mu       sync.Mutex
	answered bool // it has answered for a row
	unmet    int  // rows that it failed since then
}

// outageRows is how many rows a store fails one after the other if it is down.
const outageRows = 25

// met says that the store answered for a row.
func (h *health) met() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.answered, h.unmet = true, 0
}

// unsure says that nobody can tell whether the store did the write of a row: so it
// may have done something, and may be down nevertheless.
func (h *health) unsure() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.answered = true
}

// failed says that the store failed some rows in spite of all retries, and reports
// whether it is down.
func (h *health) failed(rows int) (down bool) {
	h.mu.Lock()
	h.unmet += rows
	h.mu.Unlock()
	return h.down()
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
