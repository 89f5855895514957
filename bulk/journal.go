package bulk

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
)

// A journal is the log of an import's decisions: each is written down before it is
// carried out, so that whoever goes on with the import after a crash knows what may
// have been done, and to whom.
//
// It is a chain of blobs, its chunks, numbered without gaps and each put only if
// there is none of its number. That makes the chain the fence between workers: one
// that takes an import over puts a chunk of its own at the first free number, its
// seal, before it does anything else. The next put of its predecessor then finds
// the number taken, and nothing is ever sent to the store that is not in the chain
// before the seal. docs/design.md has the whole protocol.
//
// A nil journal is that of an import that nobody can go on with: a synchronous one
// without an idempotency key, or a dry run. It keeps nothing.
type journal struct {
	blobs    guardedBlobs
	folder   string // of the import's blobs
	token    int64  // of the claim
	patience backoff
	// owned returns nil if the import has not ended and is still this claim's. It
	// is asked after each put: the chunks of an import that has ended are removed,
	// which would let a put succeed that comes too late.
	owned func(context.Context) error

	// putting is held while a chunk is put: they go one after the other, and what
	// is added meanwhile shares the next one.
	putting turn

	mu      sync.Mutex
	waiting []*entry // in no chunk yet
	done    []int    // rows whose entries were applied since the last chunk
	dropped []int    // rows whose entries will never be applied
	added   int      // entries that were ever added
	durable int      // of these, how many are in a chunk
	binding int      // of these, how many have to be in a chunk before results are durable
	failed  error    // why no chunk can be put any more

	first   int   // the number of the chunk that highest begins with
	highest []int // the highest row in each chunk
}

// errSealed is why a claim stops that finds the number of its next chunk taken.
var errSealed = fmt.Errorf("bulk: another claim has put the next chunk of the journal: %w", ErrLeaseLost)

// maxChunk is the size in bytes from which on a chunk takes no further entry.
const maxChunk = 1 << 20

// A chunk is a blob of a journal.
type chunk struct {
	Token int64 `json:"token"`
	// ID tells a chunk from any other, that of another try of a put not included.
	ID string `json:"id"`
	// Done has a row of each entry in earlier chunks that is known to be applied.
	// Without it a successor would have to find the entry's nonce on its user,
	// where later writes may have pushed it out.
	Done []int `json:"done,omitempty"`
	// Dropped has a row of each entry in earlier chunks that is known never to be
	// applied: it was refused, lost against another write, or nobody sent it.
	Dropped []int   `json:"dropped,omitempty"`
	Entries []entry `json:"entries,omitempty"`
}

// newJournal returns the journal of an import whose blobs are in that folder.
func newJournal(blobs guardedBlobs, folder string, token int64, patience backoff, owned func(context.Context) error) *journal {
	return &journal{blobs: blobs, folder: folder, token: token, patience: patience, owned: owned, putting: newTurn()}
}

// note adds the result of a row that needs no write. It becomes durable with the
// next write, which is the first thing that could make a repetition come to another
// result. Where it replaces a write that was not done, its result must not become
// durable before it: a successor would carry the write out for what is left of its
// rows.
func (j *journal) note(e *entry, replaces bool) {
	if j == nil {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.waiting = append(j.waiting, e)
	j.added++
	if replaces {
		j.binding = j.added
	}
}

// bind makes the entries durable that have to be before results are.
func (j *journal) bind(ctx context.Context) error {
	if j == nil {
		return nil
	}
	j.mu.Lock()
	until, durable := j.binding, j.durable
	j.mu.Unlock()
	if until <= durable {
		return nil // without waiting for a put under way
	}
	return j.flush(ctx, func() bool { return j.durable >= until })
}

// add adds writes in order and returns once they are durable. An error ends the
// import here: none of them may be sent.
func (j *journal) add(ctx context.Context, entries []*entry) error {
	if j == nil || len(entries) == 0 {
		return nil
	}
	j.mu.Lock()
	j.waiting = append(j.waiting, entries...)
	j.added += len(entries)
	until := j.added
	j.mu.Unlock()
	return j.flush(ctx, func() bool { return j.durable >= until })
}

// close makes durable what can be of use to a successor.
func (j *journal) close(ctx context.Context) error {
	if j == nil {
		return nil
	}
	return j.flush(ctx, func() bool { return len(j.waiting)+len(j.done)+len(j.dropped) == 0 })
}

// flush puts chunks until enough is durable.
func (j *journal) flush(ctx context.Context, enough func() bool) error {
	select {
	case j.putting <- struct{}{}:
		defer j.putting.unlock()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	for {
		j.mu.Lock()
		if j.failed != nil || enough() {
			defer j.mu.Unlock()
			return j.failed
		}
		number := j.next()
		text, taken := j.compose()
		j.mu.Unlock()

		err := j.put(ctx, number, text)
		j.mu.Lock()
		if err != nil {
			// Whether the chunk is there is not known, so that nothing can follow it.
			j.failed = err
		} else {
			j.keep(taken)
		}
		j.mu.Unlock()
	}
}

// confirm notes that the entry of the row was applied.
func (j *journal) confirm(row int) {
	if j == nil {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.done = append(j.done, row)
}

// drop notes that the entry will never be applied.
func (j *journal) drop(e *entry) {
	if j == nil {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.dropped = append(j.dropped, e.Rows[0].Index)
}

// compose makes the text of the next chunk, and says how many of the entries that
// wait are in it. The lock is held.
func (j *journal) compose() (text []byte, taken int) {
	text = fmt.Appendf(nil, `{"token":%d,"id":%q`, j.token, newNonce())
	text = appendRows(text, `,"done":[`, j.done)
	text = appendRows(text, `,"dropped":[`, j.dropped)
	j.done, j.dropped = nil, nil
	for taken < len(j.waiting) && len(text) < maxChunk {
		text = append(text, list(taken, `,"entries":[`)...)
		text = j.waiting[taken].appendJSON(text)
		taken++
	}
	if taken > 0 {
		text = append(text, ']')
	}
	return append(text, "}\n"...), taken
}

// appendRows appends a member with rows, if there are any.
func appendRows(text []byte, open string, rows []int) []byte {
	for i, row := range rows {
		text = append(text, list(i, open)...)
		text = strconv.AppendInt(text, int64(row), 10)
	}
	if len(rows) > 0 {
		text = append(text, ']')
	}
	return text
}

// list returns what stands before element i of a list.
func list(i int, open string) string {
	if i == 0 {
		return open
	}
	return ","
}

// keep notes that a chunk with the first of the entries that waited is durable.
// The lock is held.
func (j *journal) keep(taken int) {
	highest := -1
	for _, e := range j.waiting[:taken] {
		highest = max(highest, e.last())
	}
	j.highest = append(j.highest, highest)
	j.waiting = slices.Delete(j.waiting, 0, taken)
	j.durable += taken
}

// next returns the number of the next chunk. The lock is held.
func (j *journal) next() int { return j.first + len(j.highest) }

// put puts a chunk and makes sure that the import is still ours.
func (j *journal) put(ctx context.Context, number int, text []byte) error {
	key := chunkKey(j.folder, number)
	err := j.patience.retry(ctx, func() error {
		return j.blobs.Put(ctx, key, bytes.NewReader(text), BlobInfo{ContentType: resultsType})
	})
	if errors.Is(err, ErrBlobExists) {
		// By an earlier try of this put, or by a successor.
		var there []byte
		if there, err = j.read(ctx, number); err == nil && !bytes.Equal(there, text) {
			return errSealed
		}
	}
	if err != nil {
		return fmt.Errorf("bulk: put %s: %w", key, err)
	}
	return j.patience.retry(ctx, func() error { return j.owned(ctx) })
}

// read returns the text of a chunk, or an error that is [ErrBlobNotFound].
func (j *journal) read(ctx context.Context, number int) ([]byte, error) {
	return j.blobs.read(ctx, j.patience, chunkKey(j.folder, number))
}

// takeOver goes through the chunks from that number on, ends them with a seal, and
// returns what they say about rows from the frontier on.
func (j *journal) takeOver(ctx context.Context, from, frontier int) (*inheritance, error) {
	h := &inheritance{frontier: frontier, latest: make(map[int]*inherited)}
	j.first = from
	for {
		number := j.next()
		text, err := j.read(ctx, number)
		if errors.Is(err, ErrBlobNotFound) {
			seal, _ := j.compose()
			switch err := j.put(ctx, number, seal); {
			case errors.Is(err, errSealed):
				continue // the predecessor was faster, so this is a chunk to be read
			case err != nil:
				return nil, err
			}
			j.keep(0)
			return h, nil
		}
		var c chunk
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(text, &c); err != nil {
			return nil, Permanent(fmt.Errorf("bulk: read %s: %w", chunkKey(j.folder, number), err))
		}
		if c.Token > j.token {
			return nil, ErrLeaseLost
		}
		j.highest = append(j.highest, h.add(&c))
	}
}

// start returns the number of the first chunk that says anything about rows from
// the frontier on. Nobody needs those before it any more.
func (j *journal) start(frontier int) int {
	if j == nil {
		return 0
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	for len(j.highest) > 0 && j.highest[0] < frontier {
		j.first, j.highest = j.first+1, j.highest[1:]
	}
	return j.first
}

// keys returns the keys of all chunks, to be removed once the import has ended.
func (j *journal) keys() []string {
	if j == nil {
		return nil
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	keys := make([]string, j.next())
	for i := range keys {
		keys[i] = chunkKey(j.folder, i)
	}
	return keys
}
