package bulk

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
)

// ordered is an order with the rows that were entered, by index.
type ordered struct {
	*order
	t     *testing.T
	items []*item
}

func newOrdered(t *testing.T) *ordered { return &ordered{order: newOrder(), t: t} }

// A named row names a user, and was found to name others.
type named struct {
	id, email string
	found     Found
}

// enter admits a batch of rows, as if each batch were looked up at once, and
// returns the indexes of those that may run.
func (o *ordered) enter(rows ...named) []int {
	o.t.Helper()
	items := make([]*item, len(rows))
	found := make([]Found, len(rows))
	for i, row := range rows {
		items[i] = &item{plan: plan{index: len(o.items), User: User{ID: row.id, Email: row.email}}}
		found[i] = row.found
		o.items = append(o.items, items[i])
	}
	o.mu.Lock()
	number := o.dispatched
	o.dispatched++
	o.running += len(rows)
	o.mu.Unlock()
	now, foundNow, err := o.admit(o.t.Context(), number, items, found)
	assert.NoError(o.t, err)
	assert.Len(o.t, foundNow, len(now))
	return indexes(now)
}

// end ends a row and returns the rows that are ready then.
func (o *ordered) end(row int) []int {
	o.done(o.items[row], markUpdated)
	return o.turn()
}

// turn takes the rows that are ready.
func (o *ordered) turn() []int {
	o.mu.Lock()
	defer o.mu.Unlock()
	ready := o.ready
	o.ready = nil
	return indexes(ready)
}

func indexes(items []*item) []int {
	list := []int{}
	for _, it := range items {
		list = append(list, it.plan.index)
	}
	return list
}

func TestOrderRunsRowsOfOneUserInTurn(t *testing.T) {
	o := newOrdered(t)
	assert.Equal(t, []int{0, 1}, o.enter(named{id: "a"}, named{id: "b"}, named{id: "a"}, named{id: "a"}))
	assert.Equal(t, []int{}, o.end(1))
	assert.Equal(t, []int{2}, o.end(0))
	assert.Equal(t, []int{}, o.enter(named{id: "a"}), "also across batches")
	assert.Equal(t, []int{3}, o.end(2))
	assert.Equal(t, []int{4}, o.end(3))
	assert.Equal(t, []int{}, o.end(4))
	assert.Zero(t, o.running)
}

func TestOrderComparesEmailsByKey(t *testing.T) {
	o := newOrdered(t)
	assert.Equal(t, []int{0, 2}, o.enter(named{email: "A@x.y"}, named{email: "a@X.Y"}, named{email: "\u212a@x.y"}))
	assert.Equal(t, []int{3}, o.enter(named{email: "k@x.y"}))
}

func TestOrderIDsAndEmailsAreDifferentNames(t *testing.T) {
	o := newOrdered(t)
	assert.Equal(t, []int{0, 1}, o.enter(named{id: "a@x.y"}, named{email: "a@x.y"}))
}

// TestOrderKnowsWhatTheStoreFound lets rows name one user in different words.
func TestOrderKnowsWhatTheStoreFound(t *testing.T) {
	o := newOrdered(t)
	ana := stored("a", "ana@x.y", "")
	assert.Equal(t, []int{0}, o.enter(
		named{id: "a", found: Found{ByID: ana}},
		named{email: "Ana@x.y", found: Found{ByEmail: ana}},
		named{id: "b", email: "ana@x.y", found: Found{ByEmail: ana}},
		named{id: "b"},
	))
	assert.Equal(t, []int{1}, o.end(0))
	assert.Equal(t, []int{2}, o.end(1))
	assert.Equal(t, []int{3}, o.end(2))
}

func TestOrderJoinsGroups(t *testing.T) {
	o := newOrdered(t)
	assert.Equal(t, []int{0, 1}, o.enter(named{id: "a"}, named{email: "z@x.y"}))
	assert.Equal(t, []int{}, o.enter(named{id: "a"}, named{email: "z@x.y"}))
	assert.Equal(t, []int{}, o.enter(named{id: "a", email: "z@x.y"}), "it is behind both")
	assert.Equal(t, []int{}, o.end(1), "row 0 of the joined group still runs")
	assert.Equal(t, []int{2}, o.end(0))
	assert.Equal(t, []int{3}, o.end(2), "the queues became one, in the order of the rows")
	assert.Equal(t, []int{4}, o.end(3))
	assert.ElementsMatch(t, []markedRow{{0, markUpdated}, {1, markUpdated}, {2, markUpdated}, {3, markUpdated}}, o.past(o.items[4]))
}

func TestOrderJoinsAgain(t *testing.T) {
	o := newOrdered(t)
	assert.Equal(t, []int{0, 1, 2}, o.enter(named{id: "a"}, named{id: "b"}, named{id: "c"}))
	connect := func(x, y string) named { return named{id: x, found: Found{ByEmail: stored(y, "", "")}} }
	assert.Equal(t, []int{}, o.enter(connect("a", "b"), connect("b", "c"), connect("c", "a")))
	for _, row := range []int{0, 1} {
		assert.Equal(t, []int{}, o.end(row))
	}
	assert.Equal(t, []int{3}, o.end(2), "once the first row of each has ended")
	assert.Same(t, o.items[0].current(), o.items[2].current())
}

// TestOrderLooksAgainBehindAnEndedRow lets a row end between the lookup of another
// one and its admission.
func TestOrderLooksAgainBehindAnEndedRow(t *testing.T) {
	o := newOrdered(t)
	assert.Equal(t, []int{0}, o.enter(named{id: "a"}))
	o.mu.Lock()
	o.dispatched++ // the batch of row 1 is being looked up
	o.mu.Unlock()
	assert.Equal(t, []int{}, o.end(0))
	late := &item{plan: plan{index: 1, User: User{ID: "a"}}}
	o.items = append(o.items, late)
	now, _, err := o.admit(t.Context(), 1, []*item{late}, make([]Found, 1))
	assert.NoError(t, err)
	assert.Empty(t, now, "what was found is out of date")
	assert.Equal(t, []int{1}, o.turn(), "so it is looked up again")
}

func TestOrderAdmitsBatchesInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOrder()
		admitted := false
		go func() {
			_, _, err := o.admit(t.Context(), 2, nil, nil)
			assert.NoError(t, err)
			admitted = true
		}()
		for number := range 2 {
			synctest.Wait()
			assert.False(t, admitted, "batch %d comes first", number)
			_, _, err := o.admit(t.Context(), number, nil, nil)
			assert.NoError(t, err)
		}
		synctest.Wait()
		assert.True(t, admitted)
	})
}

func TestOrderAdmitEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOrder()
		reason := errors.New("stopped")
		ctx, cancel := context.WithCancelCause(t.Context())
		defer context.AfterFunc(ctx, o.wake)()
		var got error
		go func() { _, _, got = o.admit(ctx, 1, nil, nil) }()
		synctest.Wait()
		assert.NoError(t, got)
		cancel(reason)
		synctest.Wait()
		assert.Equal(t, reason, got)
	})
}

// TestOrderLetsRowsWaitForDurability checks rows that may run only when all rows
// before them are durable.
func TestOrderLetsRowsWaitForDurability(t *testing.T) {
	o := newOrdered(t)
	assert.Equal(t, []int{0, 1}, o.enter(named{id: "a"}, named{id: "b"}, named{id: "a"}, named{id: "a"}))
	assert.Equal(t, []int{2}, o.end(0))
	assert.Equal(t, []markedRow{{0, markUpdated}}, o.past(o.items[2]))
	o.await(o.items[2])
	assert.Equal(t, []int{}, o.turn())
	o.setDurable(1)
	assert.Equal(t, []int{}, o.turn(), "row 1 is not durable")
	o.end(1)
	o.setDurable(2)
	assert.Equal(t, []int{2}, o.turn(), "it keeps its place before row 3")
	assert.True(t, o.items[2].ordered)
	assert.Empty(t, o.past(o.items[2]), "nothing is left that a crash would repeat")
	assert.Equal(t, []int{3}, o.end(2))
}

func TestOrderForgetsGroups(t *testing.T) {
	o := newOrdered(t)
	o.enter(named{id: "a", email: "a@x.y"}, named{id: "b"})
	o.end(0)
	assert.Len(t, o.ids, 2, "row 0 is not durable")
	o.setDurable(1)
	assert.Equal(t, 1, len(o.ids))
	assert.Empty(t, o.emails)
	o.end(1)
	o.setDurable(2)
	assert.Empty(t, o.ids)
	assert.Empty(t, o.idle)
	assert.Equal(t, []int{2}, o.enter(named{id: "a"}), "the name is new again")
}

func TestOrderKeepsGroupsThatComeBack(t *testing.T) {
	o := newOrdered(t)
	o.enter(named{id: "a"})
	o.end(0)
	assert.Equal(t, []int{1}, o.enter(named{id: "a"}), "idle, and active again")
	o.setDurable(1)
	assert.Len(t, o.ids, 1)
	o.end(1)
	o.setDurable(2)
	assert.Empty(t, o.ids)
}
