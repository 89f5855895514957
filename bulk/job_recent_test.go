package bulk

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What is kept takes no more memory than the bound, and texts with room to spare do not
// take it up.
func TestRecentIsBoundedInMemory(t *testing.T) {
	const size = 60_001 // of no class of the allocator
	r := newRecent(maxRecentRows)
	for i := range 3 * maxRecent / size {
		text := append(make([]byte, 0, 10*size), bytes.Repeat([]byte{'x'}, size)...)
		r.keep(fmt.Sprint(i), text)
		clear(text) // it is the caller's
	}
	held := 0
	for _, text := range r.blobs {
		held += cap(text)
		require.Equal(t, bytes.Repeat([]byte{'x'}, size), text)
	}
	assert.Equal(t, maxRecent-r.room, held, "rule: room counts too")
	assert.LessOrEqual(t, held, maxRecent+size, "rule: one text may exceed the bound by its room")
	assert.Greater(t, len(r.blobs), maxRecent/size*8/10, "rule: no text is kept with more room than it needs")
}

// Part of the results of a large job would take memory, and save next to nothing.
func TestRecentKeepsNothingOfALargeJob(t *testing.T) {
	for _, test := range []struct{ rows, kept int }{{DefaultMaxUsers, 1}, {maxRecentRows, 1}, {maxRecentRows + 1, 0}} {
		r := newRecent(test.rows)
		r.keep("a", []byte("text"))
		assert.Len(t, r.blobs, test.kept, "%d rows", test.rows)
	}
}
