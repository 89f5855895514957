package bulk_test

import (
	"context"
	"io"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/bulk"
)

// payloadMeter counts what is read of payloads, and notes how much it was when the
// first segment of results is put.
type payloadMeter struct {
	bulk.BlobStore
	read, atFirst atomic.Int64
}

func (b *payloadMeter) Get(ctx context.Context, key string) (io.ReadCloser, error) {
	r, err := b.BlobStore.Get(ctx, key)
	if err != nil || !strings.HasSuffix(key, "/payload") {
		return r, err
	}
	b.read.Store(0)
	return struct {
		io.Reader
		io.Closer
	}{io.TeeReader(r, writerFunc(func(p []byte) (int, error) { b.read.Add(int64(len(p))); return len(p), nil })), r}, nil
}

func (b *payloadMeter) Put(ctx context.Context, key string, r io.Reader, info bulk.BlobInfo) error {
	if strings.Contains(key, "/segments/") {
		b.atFirst.CompareAndSwap(0, b.read.Load())
	}
	return b.BlobStore.Put(ctx, key, r, info)
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// The results of rows that were not reached are made durable as they are made, so that
// a large job that was cancelled at its beginning needs no memory for all its rows.
func TestUnreachedRowsAreNotHeld(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		meter := &payloadMeter{BlobStore: f.blobs}
		f.cfg.Blobs, f.cfg.MaxUsers, f.cfg.Parallel, f.cfg.SegmentRows = meter, 30_000, 2, 100
		f.cfg.Mailer = forgetfulMailer{}
		opts := bulk.DefaultOptions()
		opts.SendWelcomeEmail = true
		job := f.submit(30_000, opts)
		f.cancelAtFirstCommit(job.ID)
		require.NoError(t, f.worker().RunJob(t.Context(), job.ID))
		done := f.get(job.ID)
		require.Equal(t, bulk.JobCancelled, done.Status)
		require.Greater(t, done.Summary().NotProcessed, 25_000)
		require.NotZero(t, meter.atFirst.Load())
		assert.Less(t, meter.atFirst.Load(), meter.read.Load()/4)
	})
}
