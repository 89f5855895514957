package bulk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// guardedBlobs is a [BlobStore] behind a guard. Puts and reads may take long as a
// whole, so it is their silence that is bounded.
type guardedBlobs struct {
	BlobStore
	guard
}

func (b guardedBlobs) Put(ctx context.Context, key string, r io.Reader, info BlobInfo) error {
	const op = "BlobStore.Put"
	began := time.Now()
	ctx, observed := b.observe(ctx, op, 0)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	in := &putReader{in: r, timeout: b.timeout, silence: time.AfterFunc(b.timeout, func() { cancel(errSilent) })}
	_, err := await(ctx, b.guard, op, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, b.BlobStore.Put(ctx, key, in, info)
	})
	err = silenced(ctx, err)
	observed.endAfter(time.Since(began)-in.close(), nil, err)
	return err
}

// A putReader is what a put reads. The time that the reader behind it takes is not
// the store's.
type putReader struct {
	timeout time.Duration
	silence *time.Timer

	mu    sync.Mutex
	in    io.Reader     // nil once the put is over
	spent time.Duration // by in
}

func (r *putReader) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.in == nil {
		return 0, errPutOver
	}
	r.silence.Stop()
	began := time.Now()
	defer func() {
		r.spent += time.Since(began)
		r.silence.Reset(r.timeout)
	}()
	return r.in.Read(p)
}

var errPutOver = errors.New("bulk: the put is over")

// close ends the put, and returns the time that it spent in the reader behind it.
func (r *putReader) close() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.in = nil
	r.silence.Stop()
	return r.spent
}

func (b guardedBlobs) Get(ctx context.Context, key string) (io.ReadCloser, error) {
	const op = "BlobStore.Get"
	ctx, observed := b.observe(ctx, op, 0)
	ctx, cancel := context.WithCancelCause(ctx)
	silence := time.AfterFunc(b.timeout, func() { cancel(errSilent) })
	r, err := await(ctx, b.guard, op, func(ctx context.Context) (io.ReadCloser, error) {
		r, err := b.BlobStore.Get(ctx, key)
		if err == nil && ctx.Err() != nil { // it could not be read, and nobody may wait for it any more
			_ = r.Close()
			return nil, ctx.Err()
		}
		return r, err
	})
	silence.Stop()
	err = silenced(ctx, err)
	observed.end(nil, err)
	if err != nil {
		cancel(nil)
		return nil, err
	}
	return &blobReader{ctx: ctx, cancel: cancel, guard: b.guard, silence: silence, in: r, buf: make([]byte, readChunk)}, nil
}

// readChunk is how much of a blob is read at a time.
const readChunk = 32 << 10

// A blobReader reads a blob.
type blobReader struct {
	ctx     context.Context
	cancel  context.CancelCauseFunc
	guard   guard
	silence *time.Timer
	in      io.ReadCloser
	buf     []byte // and not the caller's, into which a read that was given up might still write
	unread  []byte
	err     error
}

func (r *blobReader) Read(p []byte) (int, error) {
	if len(r.unread) == 0 && r.err == nil {
		r.silence.Reset(r.guard.timeout)
		n, err := await(r.ctx, r.guard, "reading a blob", func(context.Context) (int, error) { return r.in.Read(r.buf) })
		r.silence.Stop()
		r.unread, r.err = r.buf[:n], silenced(r.ctx, err)
	}
	if len(r.unread) == 0 && r.err != nil {
		return 0, r.err
	}
	n := copy(p, r.unread)
	r.unread = r.unread[n:]
	return n, nil
}

func (r *blobReader) Close() error {
	defer r.cancel(nil)
	return r.guard.do(r.ctx, "closing a blob", func(context.Context) error { return r.in.Close() })
}

func (b guardedBlobs) Delete(ctx context.Context, key string) error {
	return b.do(ctx, "BlobStore.Delete", func(ctx context.Context) error { return b.BlobStore.Delete(ctx, key) })
}

// open opens a blob, with retries.
func (b guardedBlobs) open(ctx context.Context, patience backoff, key string) (r io.ReadCloser, err error) {
	err = patience.retry(ctx, func() error {
		r, err = b.Get(ctx, key)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("bulk: get %s: %w", key, err)
	}
	return r, nil
}

// read returns a blob as a whole, with retries.
func (b guardedBlobs) read(ctx context.Context, patience backoff, key string) (text []byte, err error) {
	err = patience.retry(ctx, func() error {
		r, err := b.Get(ctx, key)
		if err != nil {
			return err
		}
		defer r.Close()
		text, err = io.ReadAll(r)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("bulk: get %s: %w", key, err)
	}
	return text, nil
}

// sign signs a URL if the store can; it returns "" if it cannot.
func (b guardedBlobs) sign(ctx context.Context, key string, opts SignOptions) (url string, expires time.Time, err error) {
	signer, ok := ability[URLSigner](b.BlobStore)
	if !ok {
		return "", time.Time{}, nil
	}
	type link struct {
		url     string
		expires time.Time
	}
	l, err := call(ctx, b.guard, "URLSigner.SignURL", func(ctx context.Context) (l link, err error) {
		l.url, l.expires, err = signer.SignURL(ctx, key, opts)
		return l, err
	})
	return l.url, l.expires, err
}
