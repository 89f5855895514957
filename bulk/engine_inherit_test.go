package bulk

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestInheritedWritesAreSettledInTheirOrder passes over those whose rows have later
// entries, and those that are known to be done.
func TestInheritedWritesAreSettledInTheirOrder(t *testing.T) {
	h := &inheritance{latest: make(map[int]*inherited)}
	h.add(&chunk{Entries: []entry{write("e", 9), write("a", 1), write("b", 2), write("c", 5, 6), final(7)}})
	h.add(&chunk{Done: []int{2}, Entries: []entry{write("d", 1)}})
	e := newEngine(&Config{Parallel: 1}, "acme", "job_1", Options{}, make(reportSink, 10), nil)
	e.inherit(h)
	var nonces []string
	for _, it := range e.unsettled() {
		nonces = append(nonces, it.entry.Nonce)
		assert.True(t, it.doubt, "a call may be under way")
		assert.True(t, it.look)
	}
	assert.Equal(t, []string{"e", "c", "d"}, nonces)
	assert.Contains(t, e.inherited, 2)
	assert.Contains(t, e.inherited, 7)
	assert.Len(t, e.inherited, 2)
}

// TestUnsettled sends writes of items, some more than once, and settles them in any
// order.
func TestUnsettled(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var (
			e    engine
			want []*item // in the order in which they were sent
		)
		items := make([]item, 8)
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			it := &items[rapid.IntRange(0, len(items)-1).Draw(t, "item")]
			if at := slices.Index(want, it); rapid.Bool().Draw(t, "sent") {
				e.track([]*item{it})
				if at < 0 {
					want = append(want, it)
				}
			} else {
				e.untrack(it)
				if at >= 0 {
					want = slices.Delete(want, at, at+1)
				}
			}
			got := e.unsettled()
			require.Len(t, got, len(want))
			for i := range want {
				require.Same(t, want[i], got[i])
			}
		}
	})
}
