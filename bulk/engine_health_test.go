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
	t.Run("ManyAreStillTried", func(t *testing.T) {
		var h health
		h.met()
		rows := make([]grievance, outageRows)
		for i := range rows[1:] {
			h.failing(&rows[i])
			h.failing(&rows[i])
		}
		assert.False(t, h.failed(1), "each counts once")
		h.met()
		for i := range rows[1:] {
			h.failing(&rows[i])
		}
		assert.False(t, h.failed(1), "it answered in between")
		h.failing(&rows[outageRows-1])
		assert.True(t, h.failed(1))
	})
	t.Run("SecondChance", func(t *testing.T) {
		var h health
		var row, other grievance
		h.failing(&row)
		h.met()
		h.failing(&row)
		assert.False(t, h.secondChance(&row), "it answered in between")
		h.failing(&row)
		h.failing(&other)
		assert.False(t, h.secondChance(&other), "it failed the row but once")
		assert.True(t, h.secondChance(&row))
		assert.False(t, h.secondChance(&row), "once")
		h.failing(&other)
		h.met()
		assert.False(t, h.secondChance(&other), "it answers again")
	})
}
