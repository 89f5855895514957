package bulk

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestCallsTakeTurns has calls of both kinds wait for one place.
func TestCallsTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &calls{free: 1}
		require.NoError(t, c.take(t.Context(), true))
		var order []string
		wait := func(name string, begins bool) {
			go func() {
				if assert.NoError(t, c.take(t.Context(), begins)) {
					order = append(order, name)
					c.give()
				}
			}()
			synctest.Wait()
		}
		for _, name := range []string{"another 1", "another 2", "another 3"} {
			wait(name, true)
		}
		wait("begun 1", false)
		wait("begun 2", false)
		c.give()
		synctest.Wait()
		assert.Equal(t, []string{"begun 1", "another 1", "begun 2", "another 2", "another 3"}, order)
		assert.Equal(t, 1, c.free)
	})
}

// TestCallsThatAreGivenUp lets a call end while it waits, and one just as its turn
// has come: its place is not lost.
func TestCallsThatAreGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &calls{free: 1}
		for _, turnCame := range []bool{false, true} {
			require.NoError(t, c.take(t.Context(), false))
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- c.take(ctx, true) }()
			synctest.Wait()
			if turnCame {
				c.mu.Lock() // so that both come before the call sees either
				cancel()
				close(c.another[0])
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
