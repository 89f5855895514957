package bulk

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestCallsTakeTurns has calls of both kinds wait for one place.
func TestCallsTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &calls{free: 1}
		require.NoError(t, c.take(t.Context(), 0))
		var order []string
		wait := func(name string, begins int) {
			go func() {
				if assert.NoError(t, c.take(t.Context(), begins)) {
					order = append(order, name)
					c.give()
				}
			}()
			synctest.Wait()
		}
		for _, batch := range []int{3, 1, 4, 2} { // as goroutines happen to run
			wait(fmt.Sprint("another ", batch), batch)
		}
		wait("begun 1", hasBegun)
		wait("begun 2", hasBegun)
		c.give()
		synctest.Wait()
		assert.Equal(t, []string{"begun 1", "another 1", "begun 2", "another 2", "another 3", "another 4"}, order)
		assert.Equal(t, 1, c.free)
	})
}

// TestCallsThatAreGivenUp lets a call end while it waits, and one just as its turn
// has come: its place is not lost.
func TestCallsThatAreGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &calls{free: 1}
		for _, turnCame := range []bool{false, true} {
			require.NoError(t, c.take(t.Context(), hasBegun))
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- c.take(ctx, 1) }()
			synctest.Wait()
			if turnCame {
				c.mu.Lock() // so that both come before the call sees either
				cancel()
				close(c.another[0].turn)
				c.another = nil
				c.mu.Unlock()
			} else {
				cancel()
				require.ErrorIs(t, <-ended, context.Canceled)
				c.give()
				assert.Equal(t, 1, c.free)
				continue
			}
			if <-ended == nil {
				c.give()
			}
			assert.Equal(t, 1, c.free)
		}
	})
}
