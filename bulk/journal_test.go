package bulk

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// chainBlobs is a store of blobs for journals, with hooks and the calls in order.
type chainBlobs struct {
	mu      sync.Mutex
	blobs   blobMap
	calls   []string
	putting int
	most    int                                           // puts at the same time
	takes   time.Duration                                 // of a put
	put     func(key string, put func() error) error      // may be nil
	get     func(key string, text string) (string, error) // may be nil
}

func newChainBlobs() *chainBlobs { return &chainBlobs{blobs: blobMap{}} }

func (b *chainBlobs) Put(ctx context.Context, key string, r io.Reader, info BlobInfo) error {
	b.mu.Lock()
	b.calls = append(b.calls, "put "+key)
	b.putting++
	b.most = max(b.most, b.putting)
	b.mu.Unlock()
	time.Sleep(b.takes)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.putting--
	if err := ctx.Err(); err != nil {
		return err
	}
	put := func() error { return b.blobs.Put(ctx, key, r, info) }
	if b.put != nil {
		return b.put(key, put)
	}
	return put()
}

func (b *chainBlobs) Get(ctx context.Context, key string) (io.ReadCloser, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls = append(b.calls, "get "+key)
	text, ok := b.blobs[key]
	if b.get != nil {
		var err error
		if text, err = b.get(key, text); err != nil {
			return nil, err
		}
	}
	if !ok {
		return nil, ErrBlobNotFound
	}
	return io.NopCloser(strings.NewReader(text)), nil
}

func (b *chainBlobs) Delete(ctx context.Context, key string) error { return b.blobs.Delete(ctx, key) }

// journal returns a journal of that token. owned may be nil.
func (b *chainBlobs) journal(token int64, owned func() error) *journal {
	return newJournal(guarded(b), "f/", token, syncBackoff, func(context.Context) error {
		b.mu.Lock()
		b.calls = append(b.calls, "owned")
		b.mu.Unlock()
		if owned == nil {
			return nil
		}
		return owned()
	})
}

// entriesOf returns writes of these rows.
func entriesOf(rows ...int) []*entry {
	var list []*entry
	for _, row := range rows {
		e := write(nonceOf(row), row)
		list = append(list, &e)
	}
	return list
}

// chunks returns the rows of the entries of each chunk, with the token in front.
func (b *chainBlobs) chunks(t *testing.T) [][]int {
	t.Helper()
	var list [][]int
	for number := 0; ; number++ {
		text, ok := b.blobs[chunkKey("f/", number)]
		if !ok {
			return list
		}
		var c chunk
		require.NoError(t, json.Unmarshal([]byte(text), &c))
		rows := []int{int(c.Token)}
		for _, e := range c.Entries {
			rows = append(rows, e.Rows[0].Index)
		}
		list = append(list, rows)
	}
}

func (b *chainBlobs) chunk(t *testing.T, number int) chunk {
	t.Helper()
	var c chunk
	require.NoError(t, json.Unmarshal([]byte(b.blobs[chunkKey("f/", number)]), &c))
	return c
}

// TestJournalGroupsWhatWaits adds from many goroutines while a chunk is put: one put
// at a time, and what waits shares the next one, in its order.
func TestJournalGroupsWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newChainBlobs()
		b.takes = time.Second
		j := b.journal(1, nil)
		ended := make([]time.Duration, 10)
		start := time.Now()
		var adding sync.WaitGroup
		for i := range 10 {
			adding.Go(func() {
				time.Sleep(time.Duration(i) * 10 * time.Millisecond)
				assert.NoError(t, j.add(t.Context(), entriesOf(2*i, 2*i+1)))
				ended[i] = time.Since(start)
			})
		}
		adding.Wait()
		assert.Equal(t, 1, b.most, "puts at the same time")
		assert.Equal(t, [][]int{{1, 0, 1}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19}}, b.chunks(t))
		assert.Equal(t, time.Second, ended[0])
		for _, d := range ended[1:] {
			assert.Equal(t, 2*time.Second, d, "it returned before its entries were durable, or later than that")
		}
	})
}

// TestJournalAsksAfterEveryPut asks whether the import is still ours.
func TestJournalAsksAfterEveryPut(t *testing.T) {
	b := newChainBlobs()
	j := b.journal(1, nil)
	require.NoError(t, j.add(t.Context(), entriesOf(0)))
	require.NoError(t, j.add(t.Context(), entriesOf(1)))
	assert.Equal(t, []string{"put f/journal/000000", "owned", "put f/journal/000001", "owned"}, b.calls)

	b.calls = nil
	_, err := b.journal(2, nil).takeOver(t.Context(), 0, 0)
	require.NoError(t, err)
	assert.Equal(t, []string{"put f/journal/000002", "owned"}, b.calls[len(b.calls)-2:], "the seal too")
}

// TestJournalOfALostImport is told that the import is somebody else's by now.
func TestJournalOfALostImport(t *testing.T) {
	b := newChainBlobs()
	j := b.journal(1, func() error { return ErrLeaseLost })
	assert.ErrorIs(t, j.add(t.Context(), entriesOf(0)), ErrLeaseLost)
	_, err := b.journal(2, func() error { return ErrLeaseLost }).takeOver(t.Context(), 0, 0)
	assert.ErrorIs(t, err, ErrLeaseLost)
}

// TestJournalAsksAgain has a queue that does not answer at first: without an answer
// nothing may go on.
func TestJournalAsksAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newChainBlobs()
		asked := 0
		j := b.journal(1, func() error {
			if asked++; asked < 4 {
				return errors.New("connection reset")
			}
			return nil
		})
		require.NoError(t, j.add(t.Context(), entriesOf(0)))
		assert.Equal(t, 4, asked)

		down := errors.New("connection refused")
		j = newChainBlobs().journal(1, func() error { return down })
		assert.ErrorIs(t, j.add(t.Context(), entriesOf(0)), down)
	})
}

// TestJournalFindsItsOwnChunk loses the answer of a put.
func TestJournalFindsItsOwnChunk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newChainBlobs()
		tries := 0
		b.put = func(_ string, put func() error) error {
			err := put()
			if tries++; tries == 1 {
				return errors.New("connection reset")
			}
			return err
		}
		j := b.journal(1, nil)
		require.NoError(t, j.add(t.Context(), entriesOf(0, 1)))
		assert.Equal(t, 2, tries)
		require.NoError(t, j.add(t.Context(), entriesOf(2)))
		assert.Equal(t, [][]int{{1, 0, 1}, {1, 2}}, b.chunks(t))
		assert.Equal(t, []string{"put f/journal/000000", "put f/journal/000000", "get f/journal/000000", "owned",
			"put f/journal/000001", "owned"}, b.calls)
	})
}

// TestJournalStopsAtAnothersChunk has the number of the next chunk taken, also by a
// claim with the same token, which no queue should give twice.
func TestJournalStopsAtAnothersChunk(t *testing.T) {
	for _, token := range []int64{1, 2} {
		b := newChainBlobs()
		require.NoError(t, b.journal(token, nil).add(t.Context(), entriesOf(0)))
		j := b.journal(1, nil)
		b.calls = nil
		assert.ErrorIs(t, j.add(t.Context(), entriesOf(0)), ErrLeaseLost)
		assert.NotContains(t, b.calls, "owned", "it ends here")
		assert.Len(t, b.chunks(t), 1)
	}
}

// TestJournalFailsForGood adds after a put whose outcome is not known: nothing may
// follow it.
func TestJournalFailsForGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newChainBlobs()
		down := true
		b.put = func(_ string, put func() error) error {
			if down {
				return errors.New("connection refused")
			}
			return put()
		}
		j := b.journal(1, nil)
		err := j.add(t.Context(), entriesOf(0))
		require.Error(t, err)
		down = false
		assert.Equal(t, err, j.add(t.Context(), entriesOf(1)))
		assert.Equal(t, err, j.close(t.Context()))
		assert.Empty(t, b.chunks(t))
	})
}

// TestJournalChunksAreBounded adds more than a chunk takes.
func TestJournalChunksAreBounded(t *testing.T) {
	b := newChainBlobs()
	j := b.journal(1, nil)
	large := fieldsText([]byte(`{"a":"` + strings.Repeat("x", 300<<10) + `"}`))
	var entries []*entry
	for row := range 10 {
		e := write(nonceOf(row), row)
		e.Create.CustomFields = large
		entries = append(entries, &e)
	}
	require.NoError(t, j.add(t.Context(), entries))
	assert.Equal(t, [][]int{{1, 0, 1, 2, 3}, {1, 4, 5, 6, 7}, {1, 8, 9}}, b.chunks(t))
	for _, text := range b.blobs {
		assert.Less(t, len(text), maxChunk+400<<10)
	}
}

// TestJournalFinalsGoWithTheNextWrite notes results that need no write.
func TestJournalFinalsGoWithTheNextWrite(t *testing.T) {
	b := newChainBlobs()
	j := b.journal(1, nil)
	for row := range 3 {
		e := final(row)
		j.note(&e, false)
	}
	require.NoError(t, j.add(t.Context(), nil))
	assert.Empty(t, b.chunks(t), "they cost no put of their own")
	require.NoError(t, j.add(t.Context(), entriesOf(3)))
	assert.Equal(t, [][]int{{1, 0, 1, 2, 3}}, b.chunks(t))
}

// TestJournalConfirms has each confirmation in one chunk.
func TestJournalConfirms(t *testing.T) {
	b := newChainBlobs()
	j := b.journal(1, nil)
	require.NoError(t, j.add(t.Context(), entriesOf(0, 1)))
	j.confirm(0)
	j.confirm(1)
	require.NoError(t, j.add(t.Context(), entriesOf(2)))
	require.NoError(t, j.add(t.Context(), entriesOf(3)))
	assert.Equal(t, []int{0, 1}, b.chunk(t, 1).Done)
	assert.Empty(t, b.chunk(t, 2).Done)
}

// TestJournalClose makes durable what a successor would have to find out.
func TestJournalClose(t *testing.T) {
	b := newChainBlobs()
	j := b.journal(1, nil)
	require.NoError(t, j.close(t.Context()))
	assert.Empty(t, b.chunks(t), "there is nothing to say")
	require.NoError(t, j.add(t.Context(), entriesOf(0)))
	j.confirm(0)
	e := final(1)
	j.note(&e, false)
	require.NoError(t, j.close(t.Context()))
	assert.Equal(t, [][]int{{1, 0}, {1, 1}}, b.chunks(t))
	assert.Equal(t, []int{0}, b.chunk(t, 1).Done)
}

func TestJournalAddEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newChainBlobs()
		b.takes = time.Minute / 2
		j := b.journal(1, nil)
		go j.add(t.Context(), entriesOf(0))
		synctest.Wait()
		reason := errors.New("stopped")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(reason)
		assert.Equal(t, reason, j.add(ctx, entriesOf(1)), "it does not wait for its turn")
		time.Sleep(time.Minute)
	})
}

// TestNoJournal is that of a request without a key.
func TestNoJournal(t *testing.T) {
	var j *journal
	e := final(0)
	j.note(&e, false)
	j.confirm(0)
	assert.NoError(t, j.add(t.Context(), entriesOf(1)))
	assert.NoError(t, j.close(t.Context()))
	assert.Zero(t, j.start(10))
	assert.Empty(t, j.keys())
}

// TestJournalStart says from where on a successor has to read.
func TestJournalStart(t *testing.T) {
	b := newChainBlobs()
	j := b.journal(1, nil)
	for _, rows := range [][]int{{9, 0}, {1, 2}, {3, 4}, {12}} {
		require.NoError(t, j.add(t.Context(), entriesOf(rows...)))
	}
	assert.Equal(t, 0, j.start(0))
	assert.Equal(t, 0, j.start(9), "the first chunk has row 9")
	assert.Equal(t, 3, j.start(10), "those behind it have no later one")
	require.NoError(t, j.add(t.Context(), entriesOf(13)))
	assert.Contains(t, b.blobs, chunkKey("f/", 4))
	assert.Equal(t, 5, j.start(14))
	assert.Equal(t, []string{chunkKey("f/", 0), chunkKey("f/", 1), chunkKey("f/", 2), chunkKey("f/", 3), chunkKey("f/", 4)}, j.keys())

	b.calls = nil
	heir := b.journal(2, nil)
	h, err := heir.takeOver(t.Context(), 3, 10)
	require.NoError(t, err)
	assert.Equal(t, "get f/journal/000003", b.calls[0], "those before are not read")
	assert.Len(t, h.entries, 2)
	assert.Equal(t, 3, heir.start(12))
	assert.Equal(t, 6, heir.start(14), "the seal says nothing about rows")
	assert.Len(t, heir.keys(), 6, "all of them, also those before the checkpoint")
}

func TestTakeOver(t *testing.T) {
	b := newChainBlobs()
	old := b.journal(1, nil)
	require.NoError(t, old.add(t.Context(), entriesOf(0, 1)))
	old.confirm(0)
	require.NoError(t, old.add(t.Context(), entriesOf(2)))

	heir := b.journal(2, nil)
	h, err := heir.takeOver(t.Context(), 0, 1)
	require.NoError(t, err)
	assert.Equal(t, [][]int{{1, 0, 1}, {1, 2}, {2}}, b.chunks(t), "the chain ends with the seal")
	assert.Equal(t, []int{1, 2}, []int{h.entries[0].last(), h.entries[1].last()})
	assert.ErrorIs(t, old.add(t.Context(), entriesOf(3)), ErrLeaseLost, "the seal stops the predecessor")
	require.NoError(t, heir.add(t.Context(), entriesOf(3)))
	assert.Equal(t, [][]int{{1, 0, 1}, {1, 2}, {2}, {2, 3}}, b.chunks(t))
}

// TestTakeOverOfNothing seals a chain that has not begun.
func TestTakeOverOfNothing(t *testing.T) {
	b := newChainBlobs()
	h, err := b.journal(2, nil).takeOver(t.Context(), 0, 0)
	require.NoError(t, err)
	assert.Empty(t, h.entries)
	assert.Equal(t, [][]int{{2}}, b.chunks(t))
	assert.ErrorIs(t, b.journal(1, nil).add(t.Context(), entriesOf(0)), ErrLeaseLost)
}

// TestTakeOverFromOneThatGoesOn has the predecessor put a chunk each time before the
// seal: all of it is read.
func TestTakeOverFromOneThatGoesOn(t *testing.T) {
	b := newChainBlobs()
	old := b.journal(1, nil)
	require.NoError(t, old.add(t.Context(), entriesOf(0)))
	row := 0
	b.put = func(key string, put func() error) error {
		if row++; row <= 5 {
			b.blobs[key] = fmt.Sprintf(`{"token":1,"id":"x%d","entries":[{"rows":[{"index":%d,"status":"created"}],"nonce":"n%d","create":{"userId":"u"}}]}`, row, row, row)
		}
		return put()
	}
	h, err := b.journal(2, nil).takeOver(t.Context(), 0, 0)
	require.NoError(t, err)
	assert.Len(t, h.entries, 6)
	chunks := b.chunks(t)
	assert.Equal(t, []int{2}, chunks[len(chunks)-1])
	assert.Len(t, chunks, 7)
}

// TestTakeOverFindsItsOwnSeal loses the answer of the seal's put.
func TestTakeOverFindsItsOwnSeal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newChainBlobs()
		lost := false
		b.put = func(_ string, put func() error) error {
			err := put()
			if !lost {
				lost = true
				return errors.New("connection reset")
			}
			return err
		}
		heir := b.journal(2, nil)
		_, err := heir.takeOver(t.Context(), 0, 0)
		require.NoError(t, err)
		require.NoError(t, heir.add(t.Context(), entriesOf(0)))
		assert.Equal(t, [][]int{{2}, {2, 0}}, b.chunks(t))
	})
}

// TestTakeOverMeetsAHigherToken is late itself.
func TestTakeOverMeetsAHigherToken(t *testing.T) {
	b := newChainBlobs()
	_, err := b.journal(3, nil).takeOver(t.Context(), 0, 0)
	require.NoError(t, err)
	_, err = b.journal(2, nil).takeOver(t.Context(), 0, 0)
	assert.ErrorIs(t, err, ErrLeaseLost)
	assert.Equal(t, [][]int{{3}}, b.chunks(t), "it puts nothing")
}

// TestTakeOverThatCannotRead must not take what it cannot read for the chain's end.
func TestTakeOverThatCannotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, get := range map[string]func(key, text string) (string, error){
			"Error":  func(string, string) (string, error) { return "", errors.New("connection refused") },
			"Broken": func(_, text string) (string, error) { return text[:len(text)/2], nil },
		} {
			b := newChainBlobs()
			require.NoError(t, b.journal(1, nil).add(t.Context(), entriesOf(0)))
			b.get = get
			_, err := b.journal(2, nil).takeOver(t.Context(), 0, 0)
			assert.Error(t, err, name)
			assert.Len(t, b.chunks(t), 1, name)
		}
	})
}

// TestChunksHaveIDs tells two chunks apart that say the same.
func TestChunksHaveIDs(t *testing.T) {
	j := newChainBlobs().journal(1, nil)
	one, _ := j.compose()
	two, _ := j.compose()
	assert.False(t, bytes.Equal(one, two))
}

// What is in a chunk is not kept: a job has any number of entries.
func TestJournalForgetsWhatIsDurable(t *testing.T) {
	last := &entry{Rows: []entryRow{{Index: 2}}}
	waiting := []*entry{{Rows: []entryRow{{Index: 0}}}, {Rows: []entryRow{{Index: 1}}}, last}
	j := &journal{waiting: waiting}
	j.keep(2)
	assert.Equal(t, []*entry{last}, j.waiting)
	assert.Equal(t, []*entry{last, nil, nil}, waiting)
}
