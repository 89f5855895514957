package bulk

import "sync"

// taints are the users and emails of rows of which nobody can tell what became. The
// result of a row behind such a one that means the same user or email could not be
// relied on, so it fails untried. They are safe for concurrent use.
type taints struct {
	mu    sync.Mutex
	first map[meaning]int // the row from which on it is tainted
}

// add says that nobody can tell whether a row wrote the user, with that email if it is
// not "".
func (t *taints) add(row int, id, email string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.first == nil {
		t.first = make(map[meaning]int)
	}
	for _, m := range [2]meaning{{name: id}, {EmailKey(email), true}} {
		if before, ok := t.first[m]; m.name != "" && (!ok || row < before) {
			t.first[m] = row
		}
	}
}

// reach reports whether a row cannot be relied on that means the user target, nil for
// none. The email that other programs gave to the user does not count: the row does
// not ask for it.
func (t *taints) reach(p *plan, target *Stored) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.first) == 0 {
		return false
	}
	names := [3]meaning{{name: p.ID}, {EmailKey(p.Email), true}}
	if target != nil {
		names[2].name = target.ID
	}
	for _, m := range names {
		if first, ok := t.first[m]; ok && first < p.index {
			return true
		}
	}
	return false
}
