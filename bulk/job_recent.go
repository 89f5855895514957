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

// maxRecent bounds what is kept. A result takes about 100 bytes.
const maxRecent = 4 << 20

func (r *recent) keep(key string, text []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.size+len(text) > maxRecent {
		return
	}
	if r.blobs == nil {
		r.blobs = make(map[string][]byte)
	}
	r.size += len(text)
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
