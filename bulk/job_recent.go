package bulk

import (
	"bytes"
	"context"
	"sync"
)

// recent is the results that an attempt has written, as far as they fit: most
// jobs are composed without reading a single segment back.
type recent struct {
	mu    sync.Mutex
	blobs map[string][]byte
	room  int // bytes that may still be kept
}

const (
	// maxRecent bounds the memory for what is kept.
	maxRecent = 2 << 20
	// maxRecentRows is how many rows have results, of about 110 bytes each, that fit:
	// more than a request of [DefaultMaxUsers].
	maxRecentRows = maxRecent / 110
)

// newRecent returns what keeps the results of a job of so many rows. It keeps none if
// most of them would have to be read back anyway.
func newRecent(rows int) *recent {
	if rows > maxRecentRows {
		return &recent{}
	}
	return &recent{blobs: make(map[string][]byte), room: maxRecent}
}

// keep keeps a copy of text, which may have much more room than it needs.
func (r *recent) keep(key string, text []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(text) > r.room {
		return
	}
	text = bytes.Clone(text)
	r.room -= cap(text)
	r.blobs[key] = text
}

// read returns a blob that was kept, or else the one in the store. A nil recent has
// kept nothing.
func (r *recent) read(ctx context.Context, patience backoff, blobs guardedBlobs, key string) ([]byte, error) {
	if r != nil {
		r.mu.Lock()
		text, ok := r.blobs[key]
		r.mu.Unlock()
		if ok {
			return text, nil
		}
	}
	return blobs.read(ctx, patience, key)
}
