package httpapi

import (
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func statusOf(err error) int {
	var p *problem
	if errors.As(err, &p) {
		return p.status
	}
	return http.StatusOK
}

// Sizes in the tests of a budget are steps.
func steps(n int64) int64 { return n * holdStep }

func TestBudgetIsNeverExceeded(t *testing.T) {
	b := newBudget(steps(10), 5*time.Second)
	first, second := b.open("a"), b.open("b")
	require.NoError(t, first.grow(1))
	assert.Equal(t, steps(1), b.used)
	require.NoError(t, first.grow(steps(6)))
	require.NoError(t, first.grow(steps(2)), "rule: what is held already costs nothing")
	assert.Equal(t, steps(6), b.used)
	require.NoError(t, second.grow(steps(4)))
	assert.Equal(t, http.StatusServiceUnavailable, statusOf(second.grow(steps(5))))
	assert.Equal(t, steps(10), b.used)
	first.close()
	assert.Equal(t, steps(4), b.used)
	require.NoError(t, second.grow(steps(10)))
	second.close()
	assert.Zero(t, b.used)
	assert.Error(t, second.grow(1), "rule: what comes late reserves nothing that nobody gives back")
	assert.Zero(t, b.used)
}

func TestBudgetAsksForTheImpossible(t *testing.T) {
	b := newBudget(steps(10), 5*time.Second)
	h := b.open("a")
	require.NoError(t, h.grow(steps(10)))
	assert.Equal(t, http.StatusRequestEntityTooLarge, statusOf(h.grow(steps(10)+1)), "rule: nobody is told to come again in vain")
	h.close()
	assert.Empty(t, b.tenants)
}

// A tenant with many requests does not lock out another one, which gets its share
// when it comes again.
func TestBudgetIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(steps(12), 5*time.Second)
		greedy := make([]*hold, 12)
		for i := range greedy {
			greedy[i] = b.open("greedy")
			require.NoError(t, greedy[i].grow(steps(1)), "rule: who is alone may have it all")
		}
		next := func() error {
			greedy[0].close()
			h := b.open("greedy")
			greedy = append(greedy[1:], h)
			return h.grow(steps(1))
		}
		modest := b.open("modest")
		assert.Equal(t, http.StatusServiceUnavailable, statusOf(modest.grow(steps(2))))
		modest.close()
		for range 6 {
			assert.Equal(t, http.StatusServiceUnavailable, statusOf(next()), "rule: while another waits, no more than a share")
		}
		time.Sleep(5 * time.Second)
		modest = b.open("modest")
		assert.NoError(t, modest.grow(steps(6)))
		modest.close()
	})
}

// Small requests of a tenant do not end the wait of its large one.
func TestBudgetWaitsForTheLargest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(steps(10), 5*time.Second)
		greedy := b.open("greedy")
		require.NoError(t, greedy.grow(steps(6)))
		large := b.open("modest")
		require.Error(t, large.grow(steps(5)))
		large.close()
		small := b.open("modest")
		require.NoError(t, small.grow(steps(1)))
		small.close()
		assert.Error(t, greedy.grow(steps(7)), "rule: the other tenant still waits")
		greedy.close()
		large = b.open("modest")
		require.NoError(t, large.grow(steps(5)))
		large.close()
		assert.Zero(t, b.of("modest").want)
	})
}

// Two tenants whose requests fit one at a time take turns.
func TestBudgetTakesTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(steps(10), 5*time.Second)
		served := map[string]int{}
		try := func(tenant string) *hold {
			h := b.open(tenant)
			if h.grow(steps(8)) != nil {
				h.close()
				return nil
			}
			served[tenant]++
			return h
		}
		var running *hold
		for range 20 {
			// The one that is always first, and the one that is always late.
			if running != nil {
				running.close()
			}
			running = try("first")
			if late := try("late"); late != nil {
				require.Nil(t, running)
				running = late
			}
			time.Sleep(time.Second)
		}
		assert.Greater(t, served["first"], 5)
		assert.Greater(t, served["late"], 5)
		running.close()
	})
}

// Who was refused and does not come again is waited for no longer than it takes.
func TestBudgetForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(steps(10), 5*time.Second)
		full := b.open("a")
		require.NoError(t, full.grow(steps(10)))
		gone := b.open("b")
		require.Error(t, gone.grow(1))
		gone.close()
		full.close()
		half := b.open("a")
		require.Error(t, half.grow(steps(6)))
		require.NoError(t, half.grow(steps(5)))
		time.Sleep(time.Minute)
		require.NoError(t, half.grow(steps(10)))
		half.close()
		assert.Len(t, b.tenants, 0)
	})
}
