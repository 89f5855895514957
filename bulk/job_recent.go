package bulk

import (
	"bytes"
	"context"
	"io"
	"sync"
)

// recent is the results that an attempt has written, as far as they fit: most
// jobs are composed without reading a single segment back.
type recent struct {
	mu    sync.Mutex
	blobs map[string][]byte
	size  int
}

// maxRecent bounds the memory for what is kept. A result takes about 110 bytes, so a
// request of [DefaultMaxUsers] fits.
const maxRecent = 2 << 20

// keep keeps a copy of text, which may have much more room than it needs.
func (r *recent) keep(key string, text []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.size+len(text) > maxRecent {
		return
	}
	text = bytes.Clone(text)
	if r.blobs == nil {
		r.blobs = make(map[string][]byte)
	}
	r.size += cap(text)
	r.blobs[key] = text
}

// open opens a blob that was kept, or else the one in the store. A nil recent has
// kept nothing.
func (r *recent) open(ctx context.Context, patience backoff, blobs guardedBlobs, key string) (io.ReadCloser, error) {
	if r != nil {
		r.mu.Lock()
		text, ok := r.blobs[key]
		r.mu.Unlock()
		if ok {
			return io.NopCloser(bytes.NewReader(text)), nil
		}
	}
	return blobs.open(ctx, patience, key)
}
