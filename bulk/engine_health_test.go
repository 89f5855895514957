package bulk

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestHealth(t *testing.T) {
	t.Run("NothingWasAsked", func(t *testing.T) {
		var h health
		assert.False(t, h.silent())
		assert.False(t, h.failed(0), "rows refused for good say nothing against the store")
		assert.False(t, h.silent())
	})
	t.Run("AllFailed", func(t *testing.T) {
		var h health
		assert.True(t, h.failed(1), "it has answered for nobody")
		assert.True(t, h.silent())
		h.met()
		assert.False(t, h.silent())
	})
	t.Run("SomeFailed", func(t *testing.T) {
		var h health
		h.met()
		assert.False(t, h.failed(MaxBatch-1))
		h.met()
		assert.False(t, h.failed(MaxBatch-1), "it answered in between")
		assert.True(t, h.failed(1), "a batch in a row")
		assert.False(t, h.silent(), "it has answered before")
	})
}
