package bulk

import "sync"

// taints remember the users and emails of rows whose outcome is unknown. A row behind
// such a row that depends on one of them fails untried, as its result could turn out
// untrue. They are safe for concurrent use.
type taints struct {
	mu    sync.Mutex
	first map[meaning]int // the first of those rows
}

// add says that the outcome of a row is unknown that would have written the user, with
// that email if it is not "".
func (t *taints) add(row int, id, email string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.first == nil {
		t.first = make(map[meaning]int)
	}
	for _, m := range [2]meaning{{name: id}, {EmailKey(email), true}} {
		if first, ok := t.first[m]; m.name != "" && (!ok || row < first) {
			t.first[m] = row
		}
	}
}

// reach reports whether a row stands behind one of unknown outcome that its decision
// depends on: one of the user that it names, of its email, or of owner, the user that
// has that email, nil for none. The email of the user that it names does not count unless
// the row names it too.
func (t *taints) reach(p *plan, owner *Stored) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.first) == 0 {
		return false
	}
	names := [3]meaning{{name: p.ID}, {EmailKey(p.Email), true}}
	if owner != nil {
		names[2].name = owner.ID
	}
	for _, m := range names {
		if first, ok := t.first[m]; ok && first < p.index {
			return true
		}
	}
	return false
}
