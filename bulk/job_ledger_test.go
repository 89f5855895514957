package bulk

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

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
	l := newLedger(3, 8, 0, 100)
	enter(l, 5, 4, 2, 0, 1) // in any order
	assert.Equal(t, taken{[][]int{{0, 1, 2}}, 3}, take(t, l))
	l.saved(3)
	enter(l, 3)
	assert.Equal(t, taken{[][]int{{3, 4, 5}}, 6}, take(t, l))
	l.saved(6)
	enter(l, 6)
	assert.False(t, l.complete())
	enter(l, 7)
	assert.True(t, l.complete())
	l.close()
	segments, until := l.next(t.Context())
	assert.Empty(t, segments, "the last rows are left to rest")
	assert.Equal(t, 6, until)
	rest := l.rest()
	require.Len(t, rest, 1)
	assert.Equal(t, 6, rest[2].first)
	assert.Len(t, rest[2].rows, 2, "the last segment is short")
}

func TestLedgerGivesSeveralSegmentsAtOnce(t *testing.T) {
	l := newLedger(2, 9, 0, 100)
	enter(l, 0, 1, 2, 3, 4)
	assert.Equal(t, taken{[][]int{{0, 1}, {2, 3}}, 4}, take(t, l))
}

// TestLedgerGivesNothingTwice asks while segments that were given are not durable.
func TestLedgerGivesNothingTwice(t *testing.T) {
	l := newLedger(2, 9, 0, 100)
	enter(l, 0, 1)
	assert.Equal(t, taken{[][]int{{0, 1}}, 2}, take(t, l))
	enter(l, 2, 3)
	assert.Equal(t, taken{[][]int{{2, 3}}, 4}, take(t, l))
	l.saved(2)
	assert.Len(t, l.rest(), 1)
}

func TestLedgerWaitsForResults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(2, 5, 0, 100)
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

// TestLedgerAfterCloseGivesWhatIsWhole closes a ledger with rows missing.
func TestLedgerAfterCloseGivesWhatIsWhole(t *testing.T) {
	l := newLedger(2, 8, 0, 100)
	enter(l, 0, 1, 2, 5)
	l.close()
	assert.Equal(t, taken{[][]int{{0, 1}}, 2}, take(t, l))
	l.saved(2)
	assert.Equal(t, taken{until: 2}, take(t, l))
	rest := l.rest()
	require.Len(t, rest, 2)
	assert.Equal(t, []Status{StatusCreated, ""}, []Status{rest[1].rows[0].Status, rest[1].rows[1].Status})
	assert.True(t, l.reported(5))
	assert.False(t, l.reported(4))
	assert.False(t, l.reported(7))
}

// TestLedgerStartsBehindDurableRows drops the results that a dry run repeats.
func TestLedgerStartsBehindDurableRows(t *testing.T) {
	l := newLedger(2, 6, 4, 100)
	enter(l, 0, 1, 2, 3)
	assert.Empty(t, l.rest())
	enter(l, 4, 5)
	assert.True(t, l.complete())
	assert.Len(t, l.rest(), 1)
}

// TestLedgerRoom lets rows be read up to the window behind what is durable.
func TestLedgerRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(2, 100, 0, 4)
		read := 0
		stop := make(chan struct{})
		go func() {
			for ; ; read++ {
				l.room(t.Context(), read, stop)
				select {
				case <-stop:
					return
				default:
				}
			}
		}()
		synctest.Wait()
		assert.Equal(t, 4, read)
		enter(l, 0, 1, 2, 3)
		l.next(t.Context())
		synctest.Wait()
		assert.Equal(t, 4, read, "nothing is durable")
		l.saved(2)
		synctest.Wait()
		assert.Equal(t, 6, read)
		close(stop)
		synctest.Wait()
	})
}

// TestLedgerGathers lets results gather for a while, unless reading would wait for that.
func TestLedgerGathers(t *testing.T) {
	for _, test := range []struct {
		name  string
		total int
		then  func(l *ledger)
		takes time.Duration
	}{
		{"nothing happens", 100, func(*ledger) {}, gatherTime},
		{"less than half of the window", 100, func(l *ledger) { enter(l, 0, 1) }, gatherTime},
		{"half of the window", 100, func(l *ledger) { enter(l, 0, 1, 2, 3) }, 0},
		{"half of the window, of which some is durable", 100, func(l *ledger) { l.saved(2); enter(l, 0, 1, 2, 3) }, gatherTime},
		{"all rows have room", 8, func(l *ledger) { enter(l, 0, 1, 2, 3) }, gatherTime},
		{"all but one have room", 9, func(l *ledger) { enter(l, 0, 1, 2, 3) }, 0},
		{"no more results", 8, func(l *ledger) { l.close() }, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLedger(2, test.total, 0, 8)
				begun, took := time.Now(), time.Duration(0)
				go func() {
					l.gather(t.Context())
					took = time.Since(begun)
				}()
				synctest.Wait()
				test.then(l)
				time.Sleep(2 * gatherTime)
				synctest.Wait()
				assert.Equal(t, test.takes, took)
			})
		})
	}
}

// TestLedgerLeavesTheEndToRest hands out nothing of a job that is complete, also before
// the ledger is closed, and holds up nobody behind the last row.
func TestLedgerLeavesTheEndToRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(2, 4, 0, 4)
		returned := false
		go func() {
			segments, _ := l.next(t.Context())
			assert.Empty(t, segments)
			returned = true
		}()
		synctest.Wait()
		enter(l, 1, 2, 3, 0) // whole at once
		l.room(t.Context(), 4, nil)
		synctest.Wait()
		assert.False(t, returned)
		l.close()
		synctest.Wait()
		assert.True(t, returned)
		assert.Len(t, l.rest(), 2)
	})
}

func TestLedgerEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(2, 4, 0, 2)
		ctx, cancel := context.WithCancel(t.Context())
		next, room := false, false
		go func() {
			segments, until := l.next(ctx)
			assert.Nil(t, segments)
			assert.Zero(t, until)
			next = true
		}()
		go func() { l.room(ctx, 3, nil); room = true }()
		synctest.Wait()
		assert.False(t, next)
		assert.False(t, room)
		cancel()
		synctest.Wait()
		assert.True(t, next)
		assert.True(t, room)
	})
}
