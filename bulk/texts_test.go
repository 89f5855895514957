package bulk

import (
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"
)

func TestTexts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var made texts
		var got, want []string
		for _, n := range rapid.SliceOfN(rapid.IntRange(0, 2*maxSharing), 1, 100).Draw(t, "lengths") {
			text := []byte(strings.Repeat(string(rune('a'+len(want)%26)), n))
			want = append(want, string(text))
			got = append(got, made.add(text))
			clear(text) // it is the caller's
		}
		assert.Equal(t, want, got)
	})
}

// TestTextsShare looks at where strings are: short ones one behind the other, up to the
// end of a piece, and long ones apart.
func TestTextsShare(t *testing.T) {
	var made texts
	behind := func(a, b string) bool {
		return unsafe.Pointer(unsafe.StringData(b)) == unsafe.Add(unsafe.Pointer(unsafe.StringData(a)), len(a))
	}
	text := func(n int) []byte { return []byte(strings.Repeat("x", n)) }
	first := made.add(text(maxSharing))
	second := made.add(text(maxSharing))
	assert.True(t, behind(first, second))
	long := made.add(text(maxSharing + 1))
	third := made.add(text(maxSharing))
	assert.True(t, behind(second, third), "a long string has memory of its own")
	assert.False(t, behind(third, long))
	short := text(64)
	allocations := testing.AllocsPerRun(10, func() {
		var made texts
		for range 4 * textPiece / len(short) {
			made.add(short)
		}
	})
	assert.Equal(t, 4.0, allocations, "a piece has %d bytes", textPiece)
}
