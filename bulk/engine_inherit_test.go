package bulk

import (
	"testing"

	"github.com/stretchr/testify/assert"
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
