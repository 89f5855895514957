package bulk

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// taken is what next returned, as indexes of rows.
type taken struct {
	segments [][]int
	until    int
}

func take(t *testing.T, l *ledger) taken {
	t.Helper()
	segments, until := l.next(t.Context())
	got := taken{until: until}
	for _, s := range segments {
		var rows []int
		for i, r := range s.rows {
			require.Equal(t, s.first+i, r.Index)
			require.NotEmpty(t, r.Status)
			rows = append(rows, r.Index)
		}
		got.segments = append(got.segments, rows)
	}
	return got
}

func enter(l *ledger, rows ...int) {
	for _, row := range rows {
		l.result(RowResult{Index: row, Status: StatusCreated})
	}
}

func TestLedgerGivesWholeSegments(t *testing.T) {
	l := newLedger(3, 8, 0)
	enter(l, 5, 4, 2, 0, 1) // in any order
	assert.Equal(t, taken{[][]int{{0, 1, 2}}, 3}, take(t, l))
	l.saved(3)
	enter(l, 3)
	assert.Equal(t, taken{[][]int{{3, 4, 5}}, 6}, take(t, l))
	l.saved(6)
	enter(l, 7, 6)
	assert.Equal(t, taken{[][]int{{6, 7}}, 8}, take(t, l), "the last segment is short")
	l.saved(8)
	assert.Empty(t, l.rest())
}

func TestLedgerGivesSeveralSegmentsAtOnce(t *testing.T) {
	l := newLedger(2, 9, 0)
	enter(l, 0, 1, 2, 3, 4)
	assert.Equal(t, taken{[][]int{{0, 1}, {2, 3}}, 4}, take(t, l))
}

func TestLedgerWaitsForResults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(2, 4, 0)
		var got []taken
		go func() {
			for {
				next := take(t, l)
				if next.segments == nil {
					return
				}
				got = append(got, next)
				l.saved(next.until)
			}
		}()
		enter(l, 1, 3, 2)
		synctest.Wait()
		assert.Empty(t, got, "the first row has no result")
		enter(l, 0)
		synctest.Wait()
		assert.Equal(t, []taken{{[][]int{{0, 1}, {2, 3}}, 4}}, got)
		l.close()
	})
}

func TestLedgerGivesPartsThatAreNeeded(t *testing.T) {
	l := newLedger(4, 8, 0)
	enter(l, 0, 1, 3)
	l.need(2)
	assert.Equal(t, taken{[][]int{{0, 1}}, 2}, take(t, l))
	l.saved(2)
	enter(l, 2, 4, 5)
	assert.Equal(t, taken{[][]int{{0, 1, 2, 3}}, 4}, take(t, l), "a whole segment has its rows again")
	l.saved(4)
	l.need(1) // long done
	enter(l, 6)
	l.close()
	assert.Equal(t, taken{[][]int{{4, 5, 6}}, 7}, take(t, l), "after close whatever there is")
	l.saved(7)
	assert.Equal(t, taken{}, take(t, l))
	rest := l.rest()
	require.Len(t, rest, 1)
	assert.Equal(t, 3, rest[1].present)
	assert.Empty(t, rest[1].rows[3].Status)
}

func TestLedgerNeedComesBeforeTheResults(t *testing.T) {
	l := newLedger(4, 8, 0)
	l.need(3)
	enter(l, 0)
	assert.Equal(t, taken{[][]int{{0}}, 1}, take(t, l), "all there is, as soon as there is something")
	enter(l, 2, 1)
	assert.Equal(t, taken{[][]int{{0, 1, 2}}, 3}, take(t, l))
}

func TestLedgerRestores(t *testing.T) {
	l := newLedger(4, 8, 6)
	for _, row := range []int{4, 5} {
		l.restore(RowResult{Index: row, Status: StatusUpdated})
	}
	enter(l, 0, 5) // a dry run repeats what is durable
	enter(l, 6, 7)
	segments, until := l.next(t.Context())
	assert.Equal(t, 8, until)
	require.Len(t, segments, 1)
	assert.Equal(t, []Status{StatusUpdated, StatusUpdated, StatusCreated, StatusCreated},
		[]Status{segments[0].rows[0].Status, segments[0].rows[1].Status, segments[0].rows[2].Status, segments[0].rows[3].Status})
}

func TestLedgerEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(2, 4, 0)
		ctx, cancel := context.WithCancel(t.Context())
		defer context.AfterFunc(ctx, l.wake)()
		ended := false
		go func() {
			segments, until := l.next(ctx)
			assert.Nil(t, segments)
			assert.Zero(t, until)
			ended = true
		}()
		synctest.Wait()
		assert.False(t, ended)
		cancel()
		synctest.Wait()
		assert.True(t, ended)
	})
}
