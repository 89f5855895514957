package bulk

import (
	"context"
	"slices"
	"sync"
)

// An order decides which rows may run when. Rows that name the same user run one
// after the other as they stand in the request; all others run in parallel.
//
// Two rows may name one user in ways that only the store can tell: A has the
// email z, one row says A and the next says z. So rows are looked up before they
// are ordered: batches of rows are numbered as they are read, and admitted in
// that order once looked up, so that when a row starts, every row before it is
// known with all that it names and all that it was found to name. Rows that are
// connected by any id or email form a group, and a group runs one row at a time.
//
// A row that had to wait is looked up again, as the rows before it may have
// changed what it finds. Only other programs can then connect it to a row outside
// of its group; between a row and what other programs do there is no order to
// keep, and the versions of the store see to it that nothing is lost.
type order struct {
	mu      sync.Mutex
	changed *sync.Cond

	ids, emails map[string]*group

	dispatched int // batches of new rows that were given out for lookup
	admitted   int // batches of new rows that were admitted

	ready   []*item // rows whose turn has come, to be looked up again
	waiting []*item // rows that wait until all rows before them are durable
	running int     // rows between their reading and their result
	durable int     // rows, from the first, whose results are durable

	idle []*group // groups without rows, the earliest first, see retire
}

// A group is the rows that may name the same user.
type group struct {
	ids, emails []string
	active      int     // rows running or ready
	queue       []*item // rows behind them, in order
	past        []markedRow
	// seen is the number of batches that had been given out when the last row of
	// the group ended. Until those are admitted, rows may come that belong here.
	seen   int
	last   int    // the highest row that ended
	joined *group // the group that took this one over

	// Nearly all groups are one row, and need no more memory than this.
	firstID, firstEmail [1]string
	firstPast           [1]markedRow
}

// An item is a row under way.
type item struct {
	plan  plan
	group *group
	solo  group // the group that it begins, if nothing connects it to another
	// ordered is set when nothing before the row is undurable any more.
	ordered bool
}

func newOrder() *order {
	o := &order{ids: make(map[string]*group), emails: make(map[string]*group)}
	o.changed = sync.NewCond(&o.mu)
	return o
}

// admit waits for the turn of the batch of that number and enters its rows. It
// returns the rows that may run now, with what was found for them.
func (o *order) admit(ctx context.Context, number int, items []*item, found []Found) ([]*item, []Found, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.admitted != number {
		if err := context.Cause(ctx); err != nil {
			return nil, nil, err
		}
		o.changed.Wait()
	}
	now := 0
	for i, it := range items {
		g := o.groupOf(it, found[i])
		it.group = g
		switch {
		case g.active > 0 || len(g.queue) > 0:
			g.queue = append(g.queue, it)
		case g.seen > number:
			// A row of the group ended after this one was looked up.
			g.active++
			o.ready = append(o.ready, it)
		default:
			g.active++
			items[now], found[now] = it, found[i]
			now++
		}
	}
	o.admitted++
	o.retire()
	o.changed.Broadcast()
	return items[:now], found[:now], nil
}

// groupOf returns the group of a row, joining groups that it connects.
func (o *order) groupOf(it *item, found Found) *group {
	p := &it.plan
	g := &it.solo
	if p.ID != "" {
		g = o.enter(g, o.ids, p.ID, false)
	}
	if p.Email != "" {
		g = o.enter(g, o.emails, EmailKey(p.Email), true)
	}
	for _, user := range [2]*Stored{found.ByID, found.ByEmail} {
		if user == nil {
			continue
		}
		if user.ID != p.ID {
			g = o.enter(g, o.ids, user.ID, false)
		}
		if user.Email != "" && user.Email != p.Email {
			g = o.enter(g, o.emails, EmailKey(user.Email), true)
		}
	}
	return g
}

// enter puts a name into group g and returns the group that g and the name's
// group now are.
func (o *order) enter(g *group, names map[string]*group, name string, email bool) *group {
	switch other := names[name]; other {
	case nil:
		names[name] = g
		switch {
		case email && g.emails == nil:
			g.firstEmail[0] = name
			g.emails = g.firstEmail[:]
		case email:
			g.emails = append(g.emails, name)
		case g.ids == nil:
			g.firstID[0] = name
			g.ids = g.firstID[:]
		default:
			g.ids = append(g.ids, name)
		}
		return g
	case g:
		return g
	default:
		return o.join(other, g)
	}
}

// join makes one group of two.
func (o *order) join(g, other *group) *group {
	if len(g.ids)+len(g.emails)+len(g.queue) < len(other.ids)+len(other.emails)+len(other.queue) {
		g, other = other, g
	}
	for _, id := range other.ids {
		o.ids[id] = g
	}
	for _, email := range other.emails {
		o.emails[email] = g
	}
	g.ids = append(g.ids, other.ids...)
	g.emails = append(g.emails, other.emails...)
	g.active += other.active
	g.seen = max(g.seen, other.seen)
	g.last = max(g.last, other.last)
	g.queue = append(g.queue, other.queue...)
	slices.SortFunc(g.queue, byIndex)
	g.past = append(g.past, other.past...)
	slices.SortFunc(g.past, func(a, b markedRow) int { return a.row - b.row })
	other.joined = g
	return g
}

// current returns the group that the item belongs to by now.
func (it *item) current() *group {
	for it.group.joined != nil {
		it.group = it.group.joined
	}
	return it.group
}

// past returns the outcomes of the rows before it in its group that a crash would
// repeat.
func (o *order) past(it *item) []markedRow {
	o.mu.Lock()
	defer o.mu.Unlock()
	g := it.current()
	g.past = slices.DeleteFunc(g.past, func(r markedRow) bool { return r.row < o.durable })
	return slices.Clone(g.past)
}

// done ends a row.
func (o *order) done(it *item, outcome byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.running--
	g := it.current()
	g.last = max(g.last, it.plan.index)
	if it.plan.index >= o.durable {
		if g.past == nil {
			g.past = g.firstPast[:0]
		}
		g.past = append(g.past, markedRow{it.plan.index, outcome})
	}
	g.active--
	o.next(g)
	o.changed.Broadcast()
}

// next starts the next row of a group in which none runs.
func (o *order) next(g *group) {
	if g.active > 0 {
		return
	}
	if len(g.queue) == 0 {
		g.seen = o.dispatched
		o.idle = append(o.idle, g)
		o.retire()
		return
	}
	it := g.queue[0]
	if it.ordered && it.plan.index > o.durable {
		return // until setDurable
	}
	g.queue = g.queue[1:]
	g.active++
	o.ready = append(o.ready, it)
}

// retire forgets groups that no longer matter: no row of theirs is under way,
// every batch that was looked up before their last row ended has been admitted,
// and their rows are durable, so that a crash will not repeat them.
func (o *order) retire() {
	for len(o.idle) > 0 {
		g := o.idle[0]
		if g.active == 0 && len(g.queue) == 0 && g.joined == nil {
			if g.seen > o.admitted || g.last >= o.durable {
				return
			}
			for _, id := range g.ids {
				delete(o.ids, id)
			}
			for _, email := range g.emails {
				delete(o.emails, email)
			}
			g.ids, g.emails = nil, nil
		}
		// One that is active comes back when it is idle again.
		o.idle = o.idle[1:]
	}
}

// await makes the row run again once all rows before it are durable. Until then
// it stands in the queue of its group again, and not before the others there: if
// the group was two when the row started, earlier rows may be among them.
func (o *order) await(it *item) {
	o.mu.Lock()
	defer o.mu.Unlock()
	it.ordered = true
	g := it.current()
	g.active--
	at, _ := slices.BinarySearchFunc(g.queue, it, byIndex)
	g.queue = slices.Insert(g.queue, at, it)
	o.waiting = append(o.waiting, it)
	o.next(g)
	o.changed.Broadcast()
}

// setDurable says that the results of the first rows are durable.
func (o *order) setDurable(rows int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.durable = rows
	o.waiting = slices.DeleteFunc(o.waiting, func(it *item) bool {
		if it.plan.index > rows {
			return false
		}
		o.next(it.current())
		return true
	})
	o.retire()
	o.changed.Broadcast()
}

// byIndex orders items as their rows stand in the request.
func byIndex(a, b *item) int { return a.plan.index - b.plan.index }

// wake makes everything that waits look around.
func (o *order) wake() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.changed.Broadcast()
}
