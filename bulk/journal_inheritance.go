package bulk

// An inheritance is what the journal of an import says about rows that have no
// durable result yet: the last entry of each, and which of these are known to be
// done.
type inheritance struct {
	frontier int          // rows before it have their results elsewhere
	entries  []*inherited // as they stand in the journal
	latest   map[int]*inherited
}

// An inherited entry is one that an earlier claim of the import has written down.
type inherited struct {
	*entry
	done bool
	// replaced is set when a row of the entry has a later entry, which only the
	// rows of entries get that cannot be applied any more.
	replaced bool
}

// add takes the next chunk of the journal, and returns the highest row in it.
func (h *inheritance) add(c *chunk) (highest int) {
	for _, row := range c.Done { // of earlier chunks
		if e := h.latest[row]; e != nil {
			e.done = true
		}
	}
	for _, row := range c.Dropped {
		if e := h.latest[row]; e != nil && e.writes() {
			h.replace(e)
		}
	}
	highest = -1
	for i := range c.Entries {
		e := &inherited{entry: &c.Entries[i]}
		highest = max(highest, e.last())
		for _, row := range e.Rows {
			if old := h.latest[row.Index]; old != nil {
				h.replace(old)
			}
		}
		if e.last() < h.frontier {
			continue
		}
		e.done = !e.writes()
		for _, row := range e.Rows {
			h.latest[row.Index] = e
		}
		h.entries = append(h.entries, e)
	}
	return highest
}

// replace forgets an entry: its rows are without one until they get another.
func (h *inheritance) replace(e *inherited) {
	e.replaced = true
	for _, row := range e.Rows {
		if h.latest[row.Index] == e {
			delete(h.latest, row.Index)
		}
	}
}
