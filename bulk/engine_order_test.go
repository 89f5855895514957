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

func (o *ordered) itemsOf(rows []named) []*item {
	items := make([]*item, len(rows))
	for i, row := range rows {
		items[i] = &item{solo: new(group), plan: plan{index: len(o.items), User: User{ID: row.id, Email: row.email}}, found: row.found}
		o.items = append(o.items, items[i])
	}
	return items
}

// enter admits a batch of rows as if it were looked up at once, and returns the
// indexes of those that may run.
func (o *ordered) enter(rows ...named) []int {
	o.t.Helper()
	now, again := o.enterAt(o.dispatch(), rows...)
	assert.Empty(o.t, again)
	return now
}

// enterAt admits a batch that was looked up in that place.
func (o *ordered) enterAt(p place, rows ...named) (now, again []int) {
	o.t.Helper()
	first, second, err := o.admit(o.t.Context(), p, o.itemsOf(rows))
	assert.NoError(o.t, err)
	return indexes(first), indexes(second)
}

// end ends a row and returns the one whose turn it is then, -1 for none.
func (o *ordered) end(row int) int {
	if next := o.done(o.items[row]); next != nil {
		return next.plan.index
	}
	return -1
}

// followOf takes rows that share the write of that one: those of the given indexes.
func (o *ordered) followOf(row int, shares ...int) []int {
	taken := []int{}
	for {
		next := o.follow(o.items[row], func(p *plan) bool {
			for _, index := range shares {
				if p.index == index {
					return true
				}
			}
			return false
		})
		if next == nil {
			return taken
		}
		taken = append(taken, next.plan.index)
	}
}

func (o *ordered) unfollowOf(row int, rows ...int) {
	var items []*item
	for _, index := range rows {
		items = append(items, o.items[index])
	}
	o.unfollow(o.items[row], items)
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
	assert.Equal(t, -1, o.end(1))
	assert.Equal(t, 2, o.end(0))
	assert.Equal(t, []int{}, o.enter(named{id: "a"}), "also across batches")
	assert.Equal(t, 3, o.end(2))
	assert.Equal(t, 4, o.end(3))
	assert.Equal(t, -1, o.end(4))
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
	assert.Equal(t, 1, o.end(0))
	assert.Equal(t, 2, o.end(1))
	assert.Equal(t, 3, o.end(2))
}

// TestOrderKnowsTheOldAddress has a row that names a user by id, whose address
// another row takes once it is free.
func TestOrderKnowsTheOldAddress(t *testing.T) {
	o := newOrdered(t)
	ana := stored("a", "ana@x.y", "")
	assert.Equal(t, []int{0}, o.enter(
		named{id: "a", email: "new@x.y", found: Found{ByID: ana}},
		named{id: "b", email: "Ana@x.y", found: Found{ByEmail: ana}},
	))
	assert.Equal(t, 1, o.end(0))
}

func TestOrderJoinsGroups(t *testing.T) {
	o := newOrdered(t)
	assert.Equal(t, []int{0, 1}, o.enter(named{id: "a"}, named{email: "z@x.y"}))
	assert.Equal(t, []int{}, o.enter(named{email: "z@x.y"}, named{id: "a"}, named{email: "z@x.y"}))
	assert.Equal(t, []int{}, o.enter(named{id: "a", email: "z@x.y"}), "it is behind both")
	assert.Equal(t, -1, o.end(1), "row 0 of the joined group still runs")
	assert.Equal(t, 2, o.end(0))
	for row := 2; row < 5; row++ {
		assert.Equal(t, row+1, o.end(row), "the queues became one, in the order of the rows")
	}
}

func TestOrderJoinsAgain(t *testing.T) {
	o := newOrdered(t)
	assert.Equal(t, []int{0, 1, 2}, o.enter(named{id: "a"}, named{id: "b"}, named{id: "c"}))
	connect := func(x, y string) named { return named{id: x, found: Found{ByEmail: stored(y, "", "")}} }
	assert.Equal(t, []int{}, o.enter(connect("a", "b"), connect("b", "c"), connect("c", "a")))
	assert.Equal(t, -1, o.end(0))
	assert.Equal(t, -1, o.end(1))
	assert.Equal(t, 3, o.end(2), "once the first row of each has ended")
	assert.Same(t, o.items[0].current(), o.items[2].current())
}

// TestOrderLooksAgainBehindAnEndedRow lets a row end between the lookup of another
// one and its admission.
func TestOrderLooksAgainBehindAnEndedRow(t *testing.T) {
	o := newOrdered(t)
	assert.Equal(t, []int{0}, o.enter(named{id: "a"}))
	p := o.dispatch() // and looked up
	assert.Equal(t, -1, o.end(0))
	now, again := o.enterAt(p, named{id: "a"}, named{id: "b"}, named{id: "a"})
	assert.Equal(t, []int{2}, now)
	assert.Equal(t, []int{1}, again, "what was found is out of date")
	assert.Equal(t, 3, o.end(1), "it holds its place")
}

// TestOrderLooksAgainBehindAJoinedRow has the row that ended in another group than
// the one that is named.
func TestOrderLooksAgainBehindAJoinedRow(t *testing.T) {
	o := newOrdered(t)
	assert.Equal(t, []int{0, 1}, o.enter(named{id: "a"}, named{id: "b", email: "b@x.y"}))
	p := o.dispatch()
	assert.Equal(t, -1, o.end(0))
	assert.Equal(t, -1, o.end(1))
	now, again := o.enterAt(p, named{id: "c", found: Found{ByEmail: stored("b", "b@x.y", "")}})
	assert.Equal(t, []int{}, now)
	assert.Equal(t, []int{2}, again)
}

// TestOrderLooksAgainBehindTheSmallerGroup has a row with more names than the group
// whose row ended after the lookup.
func TestOrderLooksAgainBehindTheSmallerGroup(t *testing.T) {
	o := newOrdered(t)
	assert.Equal(t, []int{0}, o.enter(named{id: "a"}))
	p := o.dispatch()
	assert.Equal(t, -1, o.end(0))
	now, again := o.enterAt(p, named{id: "c", email: "c@x.y", found: Found{ByEmail: stored("a", "", "")}})
	assert.Equal(t, []int{}, now)
	assert.Equal(t, []int{1}, again)
}

func TestOrderAdmitsBatchesInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOrder()
		places := []place{o.dispatch(), o.dispatch(), o.dispatch()}
		admitted := false
		go func() {
			_, _, err := o.admit(t.Context(), places[2], nil)
			assert.NoError(t, err)
			admitted = true
		}()
		for _, p := range places[:2] {
			synctest.Wait()
			assert.False(t, admitted, "batch %d comes first", p.number)
			_, _, err := o.admit(t.Context(), p, nil)
			assert.NoError(t, err)
		}
		synctest.Wait()
		assert.True(t, admitted)
	})
}

func TestOrderAdmitEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOrder()
		o.dispatch()
		p := o.dispatch()
		reason := errors.New("stopped")
		ctx, cancel := context.WithCancelCause(t.Context())
		var got error
		go func() { _, _, got = o.admit(ctx, p, nil) }()
		synctest.Wait()
		assert.NoError(t, got)
		cancel(reason)
		synctest.Wait()
		assert.Equal(t, reason, got)
	})
}

func TestOrderRowsFollow(t *testing.T) {
	o := newOrdered(t)
	a, b := named{id: "a"}, named{id: "b"}
	assert.Equal(t, []int{0, 3}, o.enter(a, a, a, b, a, a))
	assert.Equal(t, []int{1, 2}, o.followOf(0, 1, 2, 5), "row 4 shares nothing, so row 5 is not reached")
	assert.Equal(t, []int{}, o.followOf(3, 4, 5), "it is another group's")
	assert.Equal(t, 4, o.end(0), "the followers end with the row that they follow")
	assert.Equal(t, 5, o.end(4))
	assert.Equal(t, -1, o.end(5))
}

func TestOrderTakesFollowersBack(t *testing.T) {
	o := newOrdered(t)
	a := named{id: "a"}
	assert.Equal(t, []int{0}, o.enter(a, a, a, a))
	assert.Equal(t, []int{1, 2}, o.followOf(0, 1, 2))
	o.unfollowOf(0)
	assert.Equal(t, []int{}, o.enter(named{id: "b", found: Found{ByEmail: stored("a", "", "")}}), "it joins meanwhile")
	o.unfollowOf(0, 1, 2)
	assert.Equal(t, []int{1}, o.followOf(0, 1, 4), "in their order before all others")
	o.unfollowOf(0, 1)
	for row := range 4 {
		assert.Equal(t, row+1, o.end(row))
	}
	assert.Equal(t, -1, o.end(4))
}

// TestOrderTakesFollowersBackIntoAJoinedGroup has rows of another group that stand
// before the followers.
func TestOrderTakesFollowersBackIntoAJoinedGroup(t *testing.T) {
	o := newOrdered(t)
	a, b := named{id: "a"}, named{id: "b"}
	assert.Equal(t, []int{0, 1}, o.enter(a, b, b, a))
	assert.Equal(t, []int{3}, o.followOf(0, 3))
	assert.Equal(t, []int{}, o.enter(named{id: "a", found: Found{ByEmail: stored("b", "", "")}}))
	o.unfollowOf(0, 3)
	assert.Equal(t, -1, o.end(0), "row 1 of the joined group runs")
	assert.Equal(t, 2, o.end(1))
	assert.Equal(t, 3, o.end(2))
	assert.Equal(t, 4, o.end(3))
}

// TestOrderKnowsTheAddressOfAUser has a row give a user another address, and the row
// behind it name the one that is free then.
func TestOrderKnowsTheAddressOfAUser(t *testing.T) {
	o := newOrdered(t)
	ana := stored("a", "ana@x.y", "")
	assert.Equal(t, []int{0}, o.enter(named{id: "a", email: "new@x.y", found: Found{ByID: ana}}, named{email: "Ana@x.y"}))
	assert.Equal(t, 1, o.end(0))
}

func TestOrderForgetsGroups(t *testing.T) {
	o := newOrdered(t)
	o.enter(named{id: "a", email: "a@x.y"}, named{id: "b"})
	p := o.dispatch()
	o.end(0)
	assert.Len(t, o.ids, 2, "the batch under way may name it")
	o.enterAt(p)
	assert.Len(t, o.ids, 1)
	assert.Empty(t, o.emails)
	o.end(1)
	assert.Empty(t, o.ids)
	assert.Empty(t, o.idle)
	assert.Equal(t, []int{2}, o.enter(named{id: "a"}), "the name is new again")
}

func TestOrderKeepsGroupsThatComeBack(t *testing.T) {
	o := newOrdered(t)
	o.enter(named{id: "a"})
	p := o.dispatch()
	o.end(0)
	now, again := o.enterAt(p, named{id: "a"})
	assert.Equal(t, []int{}, now)
	assert.Equal(t, []int{1}, again, "idle, and active again")
	assert.Len(t, o.ids, 1)
	assert.Empty(t, o.idle)
	o.end(1)
	assert.Empty(t, o.ids)
}

// A queue does not keep what was taken out of it.
func TestPopForgets(t *testing.T) {
	all := []*item{{number: 1}, {number: 2}}
	queue := all
	assert.Equal(t, 1, pop(&queue).number)
	assert.Nil(t, all[0])
	assert.Same(t, all[1], queue[0])
	assert.Len(t, queue, 1)
}
