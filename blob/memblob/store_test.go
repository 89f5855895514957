package memblob_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/blob/memblob"
	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/bulk/bulktest"
)

func TestConformance(t *testing.T) {
	bulktest.TestBlobStore(t, func(*testing.T) bulk.BlobStore { return memblob.New() })
}

func BenchmarkConformance(b *testing.B) {
	bulktest.BenchmarkBlobStore(b, func(*testing.B) bulk.BlobStore { return memblob.New() })
}

func TestBlobsAreDroppedAfterRetention(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memblob.New()
		put := func(key string) {
			require.NoError(t, s.Put(t.Context(), key, strings.NewReader("content"), bulk.BlobInfo{}))
		}
		put("a")
		time.Sleep(time.Hour)
		put("b")
		require.NoError(t, s.Delete(t.Context(), "b"))
		put("b")
		open, err := s.Get(t.Context(), "a")
		require.NoError(t, err)

		time.Sleep(memblob.Retention - time.Hour - time.Nanosecond)
		assert.Equal(t, []string{"a", "b"}, s.Keys())
		time.Sleep(time.Nanosecond)
		_, err = s.Get(t.Context(), "a")
		require.ErrorIs(t, err, bulk.ErrBlobNotFound)
		assert.Equal(t, []string{"b"}, s.Keys())
		assert.EqualValues(t, len("content"), s.Size())
		content, err := io.ReadAll(open)
		require.NoError(t, err, "a blob that is being read can be read to its end")
		assert.Equal(t, "content", string(content))
		put("a") // the key can be used again

		time.Sleep(memblob.Retention)
		assert.Zero(t, s.Size(), "what nobody asks for again is dropped too")
	})
}

func TestNoURLs(t *testing.T) {
	var store bulk.BlobStore = memblob.New()
	_, signs := store.(bulk.URLSigner)
	assert.False(t, signs, "package httpapi signs links to blobs in memory")
}

func TestReaderAfterClose(t *testing.T) {
	s := memblob.New()
	require.NoError(t, s.Put(t.Context(), "a", strings.NewReader("content"), bulk.BlobInfo{}))
	r, err := s.Get(t.Context(), "a")
	require.NoError(t, err)
	require.NoError(t, r.Close())
	_, err = r.Read(make([]byte, 1))
	require.ErrorIs(t, err, fs.ErrClosed)
	_, err = io.Copy(io.Discard, r)
	require.ErrorIs(t, err, fs.ErrClosed)
}

var errFull = errors.New("full")

// shortWriter takes a few bytes and fails.
type shortWriter struct{ left int }

func (w *shortWriter) Write(p []byte) (int, error) {
	n := min(w.left, len(p))
	w.left -= n
	if n < len(p) {
		return n, errFull
	}
	return n, nil
}

func TestWriteToGoesOnWhereItStopped(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789abcdef"), 100_000)
	s := memblob.New()
	require.NoError(t, s.Put(t.Context(), "a", bytes.NewReader(content), bulk.BlobInfo{}))
	r, err := s.Get(t.Context(), "a")
	require.NoError(t, err)
	const taken = 5000
	n, err := io.Copy(&shortWriter{left: taken}, r)
	require.ErrorIs(t, err, errFull)
	assert.EqualValues(t, taken, n)
	rest, err := io.ReadAll(r)
	require.NoError(t, err)
	assert.True(t, bytes.Equal(content[taken:], rest))
}
