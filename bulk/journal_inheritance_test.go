package bulk

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func final(row int) entry {
	return entry{Rows: []entryRow{{row, StatusUnchanged, nil}}}
}

func write(nonce string, rows ...int) entry {
	e := entry{Nonce: nonce, Create: &User{ID: nonce}}
	for _, row := range rows {
		e.Rows = append(e.Rows, entryRow{row, StatusUpdated, nil})
	}
	return e
}

// An heir is what an inheritance says about an entry: its first row, and whether
// its rows are done or their entry is replaced.
type heir struct {
	row            int
	nonce          string
	done, replaced bool
}

func inherit(frontier int, chunks ...chunk) (heirs []heir, highest []int) {
	h := &inheritance{frontier: frontier, latest: make(map[int]*inherited)}
	for i := range chunks {
		highest = append(highest, h.add(&chunks[i]))
	}
	for _, e := range h.entries {
		heirs = append(heirs, heir{e.Rows[0].Index, e.Nonce, e.done, e.replaced})
	}
	return heirs, highest
}

func TestInheritance(t *testing.T) {
	for _, test := range []struct {
		name     string
		frontier int
		chunks   []chunk
		want     []heir
		highest  []int
	}{
		{"Nothing", 0, nil, nil, nil},
		{"FinalsAreDoneAndWritesAreNot", 0,
			[]chunk{{Entries: []entry{final(0), write("a", 1)}}},
			[]heir{{0, "", true, false}, {1, "a", false, false}}, []int{1}},
		{"ConfirmedByALaterChunk", 0,
			[]chunk{{Entries: []entry{write("b", 3), write("a", 1, 2)}}, {Done: []int{1}}},
			[]heir{{3, "b", false, false}, {1, "a", true, false}}, []int{3, -1}},
		{"AChunkConfirmsEarlierOnes", 0,
			[]chunk{{Entries: []entry{write("a", 1)}}, {Done: []int{1}, Entries: []entry{write("b", 2)}}},
			[]heir{{1, "a", true, false}, {2, "b", false, false}}, []int{1, 2}},
		// A row is confirmed before its chunk's entries: they are later decisions.
		{"ConfirmationIsNotOfItsOwnChunk", 0,
			[]chunk{{Done: []int{1}, Entries: []entry{write("a", 1)}}},
			[]heir{{1, "a", false, false}}, []int{1}},
		{"TheLatestEntryOfARowCounts", 0,
			[]chunk{{Entries: []entry{write("a", 1)}}, {Entries: []entry{write("b", 1)}}, {Entries: []entry{final(1)}}},
			[]heir{{1, "a", false, true}, {1, "b", false, true}, {1, "", true, false}}, []int{1, 1, 1}},
		{"OneRowReplacesTheEntryOfSeveral", 0,
			[]chunk{{Entries: []entry{write("a", 1, 2, 3)}}, {Entries: []entry{write("b", 1)}}},
			[]heir{{1, "a", false, true}, {1, "b", false, false}}, []int{3, 1}},
		{"ConfirmationOfAReplacedEntryIsForTheNewOne", 0,
			[]chunk{{Entries: []entry{write("a", 1, 2)}}, {Entries: []entry{write("b", 1, 2)}}, {Done: []int{1}}},
			[]heir{{1, "a", false, true}, {1, "b", true, false}}, []int{2, 2, -1}},
		{"RowsBeforeTheFrontierAreDurable", 3,
			[]chunk{{Entries: []entry{write("a", 0, 2), final(1)}}, {Done: []int{0}, Entries: []entry{write("b", 3)}}},
			[]heir{{3, "b", false, false}}, []int{2, 3}},
		{"AnEntryAcrossTheFrontierStays", 3,
			[]chunk{{Entries: []entry{write("a", 2, 5)}}, {Done: []int{2}}},
			[]heir{{2, "a", true, false}}, []int{5, -1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, highest := inherit(test.frontier, test.chunks...)
			assert.Equal(t, test.want, got)
			assert.Equal(t, test.highest, highest)
		})
	}
}

// TestRowsOfAReplacedEntryHaveNone lets a write of three rows be dead and one of
// these be decided afresh: nothing is known of the others.
func TestRowsOfAReplacedEntryHaveNone(t *testing.T) {
	h := &inheritance{latest: make(map[int]*inherited)}
	h.add(&chunk{Entries: []entry{write("a", 1, 2, 3)}})
	h.add(&chunk{Entries: []entry{write("b", 1)}})
	assert.Len(t, h.latest, 1)
	assert.Equal(t, "b", h.latest[1].Nonce)
}
