package bulk

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// nonceOf is the nonce of write number n in tests.
func nonceOf(n int) string { return fmt.Sprintf("nonce%03d", n%1000) }

// trailOf is a trail with n writes.
func trailOf(n int) trail {
	t := trail{}
	for i := 1; i <= n; i++ {
		t = parseTrail(t.push(nonceOf(i)))
	}
	return t
}

func TestNonces(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		n := newNonce()
		require.Len(t, n, nonceLength)
		require.NotContains(t, n, ":")
		require.False(t, seen[n], "twice")
		seen[n] = true
	}
}

func TestTrailFormat(t *testing.T) {
	assert.Equal(t, "1:nonce001", trail{}.push(nonceOf(1)))
	assert.Equal(t, "2:nonce001nonce002", trailOf(1).push(nonceOf(2)))
}

// TestTrailKeepsTheLast pushes more writes than a trail keeps.
func TestTrailKeepsTheLast(t *testing.T) {
	mark := ""
	for n := 1; n <= 200; n++ {
		mark = parseTrail(mark).push(nonceOf(n))
		require.LessOrEqual(t, len(mark), MaxMark)
		trail := parseTrail(mark)
		require.Equal(t, int64(n), trail.count)
		for i := 0; i <= n+1; i++ {
			nonce, ok := trail.at(int64(i))
			if i < 1 || i > n || i <= n-65 {
				require.False(t, ok, "write %d of %d", i, n)
				continue
			}
			require.True(t, ok, "write %d of %d", i, n)
			require.Equal(t, nonceOf(i), nonce, "write %d of %d", i, n)
		}
	}
}

// TestTrailNeverOutgrowsAMark has the longest number of writes.
func TestTrailNeverOutgrowsAMark(t *testing.T) {
	full := fmt.Sprint(int64(math.MaxInt64-1)) + ":" + strings.Repeat("nonce000", 65)
	trail := parseTrail(full)
	require.Equal(t, int64(math.MaxInt64-1), trail.count)
	assert.LessOrEqual(t, len(trail.push(nonceOf(1))), MaxMark)
}

// TestMarksThatAreNoTrail has what other programs may have left there.
func TestMarksThatAreNoTrail(t *testing.T) {
	for _, mark := range []string{
		"", ":", "1", "1:", "x", "0:", "-1:nonce001", "1:short", "1:nonce001x", "2:nonce001",
		"x:nonce001", "1:nonce001nonce002", "66:" + strings.Repeat("nonce000", 66), "64:" + strings.Repeat("nonce000", 65),
		"99999999999999999999:nonce001", "9223372036854775807:nonce001", `{"v":1}`, strings.Repeat("y", MaxMark),
	} {
		got := parseTrail(mark)
		assert.Zero(t, got, "%q", mark)
		_, ok := got.at(1)
		assert.False(t, ok, "%q", mark)
	}
}

func FuzzParseTrail(f *testing.F) {
	f.Add("", int64(1))
	f.Add("1:nonce001", int64(1))
	f.Add("70:"+strings.Repeat("nonce000", 65), int64(5))
	f.Fuzz(func(t *testing.T, mark string, at int64) {
		trail := parseTrail(mark)
		nonce, ok := trail.at(at)
		if ok && len(nonce) != nonceLength {
			t.Fatalf("nonce %q", nonce)
		}
		if trail.count > 0 && trail.count < math.MaxInt64 {
			next := parseTrail(trail.push(nonceOf(1)))
			if next.count != trail.count+1 {
				t.Fatalf("count %d after %d", next.count, trail.count)
			}
		}
	})
}
