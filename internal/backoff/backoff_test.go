package backoff

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestDelay(t *testing.T) {
	b := Backoff{Base: 50 * time.Millisecond, Cap: time.Second}
	for failures, most := range map[int]time.Duration{
		1: 50 * time.Millisecond, 2: 100 * time.Millisecond, 5: 800 * time.Millisecond, 6: time.Second, 7: time.Second, 1000: time.Second,
	} {
		different := map[time.Duration]bool{}
		for range 100 {
			d := b.Delay(failures)
			assert.GreaterOrEqual(t, d, most/2, "after %d failures", failures)
			assert.LessOrEqual(t, d, most, "after %d failures", failures)
			different[d] = true
		}
		assert.Greater(t, len(different), 10, "those who failed together do not come back together")
	}
	assert.Zero(t, Backoff{}.Delay(1))
}

func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := Backoff{Base: time.Second, Cap: time.Minute}
		start := time.Now()
		assert.NoError(t, b.Wait(t.Context(), 3))
		assert.GreaterOrEqual(t, time.Since(start), 2*time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start = time.Now()
		assert.ErrorIs(t, b.Wait(ctx, 10), context.DeadlineExceeded)
		assert.Equal(t, time.Second, time.Since(start))
	})
}
