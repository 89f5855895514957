package bulk

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
)

func TestSignal(t *testing.T) {
	s := newSignal()
	s.set()
	s.set()
	assert.True(t, s.wait(t.Context()), "several changes are told as one")
	s.set()
	s.close()
	s.close()
	assert.True(t, s.wait(t.Context()), "a change before the end is told")
	assert.False(t, s.wait(t.Context()))
	assert.False(t, s.wait(t.Context()))
}

func TestSignalWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSignal()
		ctx, cancel := context.WithCancel(t.Context())
		var told []bool
		go func() {
			for range 2 {
				told = append(told, s.wait(ctx))
			}
		}()
		synctest.Wait()
		assert.Empty(t, told)
		s.set()
		synctest.Wait()
		assert.Equal(t, []bool{true}, told)
		cancel()
		synctest.Wait()
		assert.Equal(t, []bool{true, false}, told)
	})
}
