package bulk

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestNoObserverCostsNothing: what is done for an observer on the way of a call and of
// a batch allocates nothing where there is none.
func TestNoObserverCostsNothing(t *testing.T) {
	ctx := t.Context()
	e := new(BatchEvent)
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		ctx, observed := testGuard.observe(ctx, "Store.Lookup", 25)
		observed.end(nil, ctx.Err())
		_, end := observe(ctx, nil, e)
		end(nil)
		ReportThrottle(ctx, 1)
	}))
}

// TestOnlyMethodsAreCalls: what a guard does beside, as reading on in a blob, is no
// call of its own.
func TestOnlyMethodsAreCalls(t *testing.T) {
	g := testGuard
	g.observer = &guardedObserver{Observer: nobody{}}
	_, observed := g.observe(t.Context(), "reading a blob", 0)
	assert.Nil(t, observed)
	_, observed = g.observe(t.Context(), "BlobStore.Get", 0)
	if assert.NotNil(t, observed) {
		assert.Equal(t, "BlobStore", observed.event.Backend)
		assert.Equal(t, "Get", observed.event.Operation)
	}
}

type nobody struct{}

func (nobody) Begin(ctx context.Context, _ Event) context.Context { return ctx }
func (nobody) End(context.Context, Event)                         {}
