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
	mu          sync.Mutex
	ids, emails map[string]*group
	dispatched  int           // batches that were given out for lookup
	admitted    int           // batches that were admitted
	last        chan struct{} // closed once the batch given out last is admitted
	idle        []*group      // groups without rows, the earliest first, see retire
}

// A group is the rows that may name the same user.
type group struct {
	ids, emails []string
	active      int     // rows running
	queue       []*item // rows behind them, in order
	// seen is the number of batches that had been given out when the last row of
	// the group ended. Until those are admitted, rows may come that belong here.
	seen   int
	joined *group // the group that took this one over

	// Nearly all groups are one row, and need no more memory than this.
	firstID, firstEmail [1]string
}

// A place is where a batch stands among the batches.
type place struct {
	number   int
	before   <-chan struct{} // closed once the batch before it is admitted
	admitted chan struct{}
}

func newOrder() *order {
	last := make(chan struct{})
	close(last)
	return &order{ids: make(map[string]*group), emails: make(map[string]*group), last: last}
}

// dispatch gives the next batch of rows its place. It is to be called before the
// batch is looked up.
func (o *order) dispatch() place {
	o.mu.Lock()
	defer o.mu.Unlock()
	p := place{number: o.dispatched, before: o.last, admitted: make(chan struct{})}
	o.last = p.admitted
	o.dispatched++
	return p
}

// admit waits for the turn of the batch in that place and enters its rows, which
// were looked up. It returns those that may run now, and those that may once they
// are looked up again. The others come from done in their time.
func (o *order) admit(ctx context.Context, p place, items []*item) (now, again []*item, err error) {
	select {
	case <-p.before:
	case <-ctx.Done():
		return nil, nil, context.Cause(ctx)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	now = items[:0]
	for _, it := range items {
		g := o.groupOf(it)
		it.group = g
		switch {
		case g.active > 0 || len(g.queue) > 0:
			g.queue = append(g.queue, it)
			continue
		case g.seen > p.number:
			// A row of the group ended after this one was looked up.
			again = append(again, it)
		default:
			now = append(now, it)
		}
		g.active++
	}
	o.admitted++
	close(p.admitted)
	o.retire()
	return now, again, nil
}

// groupOf returns the group of a row, joining groups that it connects.
func (o *order) groupOf(it *item) *group {
	p, found := &it.plan, &it.found
	g := it.solo
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
	if len(other.queue) > 0 { // a row that links to a long chain has none
		g.queue = append(g.queue, other.queue...)
		slices.SortFunc(g.queue, byIndex)
	}
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

// follow takes the next row of the item's group out of its queue if it can share
// the item's write.
func (o *order) follow(it *item, shares func(*plan) bool) *item {
	o.mu.Lock()
	defer o.mu.Unlock()
	g := it.current()
	if len(g.queue) == 0 || !shares(&g.queue[0].plan) {
		return nil
	}
	return pop(&g.queue)
}

// pop takes the first element out of a queue, which is not to keep it in memory.
func pop[T any](queue *[]*T) *T {
	first := (*queue)[0]
	(*queue)[0] = nil
	*queue = (*queue)[1:]
	return first
}

// unfollow puts rows back that follow gave for the item: its write was not done.
func (o *order) unfollow(it *item, rows []*item) {
	if len(rows) == 0 {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	g := it.current()
	g.queue = append(slices.Clone(rows), g.queue...)
	slices.SortFunc(g.queue, byIndex)
}

// done ends a row, with those that follow gave for it, and returns the row of its
// group whose turn it is then, to be looked up again; nil if there is none.
func (o *order) done(it *item) *item {
	o.mu.Lock()
	defer o.mu.Unlock()
	g := it.current()
	g.active--
	switch {
	case g.active > 0:
		return nil
	case len(g.queue) == 0:
		g.seen = o.dispatched
		o.idle = append(o.idle, g)
		o.retire()
		return nil
	}
	g.active++
	return pop(&g.queue)
}

// retire forgets groups that no longer matter: no row of theirs is under way, and
// every batch that was looked up before their last row ended has been admitted.
func (o *order) retire() {
	for len(o.idle) > 0 {
		g := o.idle[0]
		if g.active == 0 && len(g.queue) == 0 && g.joined == nil {
			if g.seen > o.admitted {
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
		pop(&o.idle)
	}
}

// byIndex orders items as their rows stand in the request.
func byIndex(a, b *item) int { return a.plan.index - b.plan.index }
