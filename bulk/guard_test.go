package bulk

import (
	"context"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	waits "github.com/bulkops/bulkops/internal/backoff"
)

var testGuard = guard{timeout: 30 * time.Second, grace: time.Second}

func TestGuardEndsCallsThatTakeTooLong(t *testing.T) {
	for name, test := range map[string]struct {
		minds bool
		takes time.Duration
	}{"Minds": {true, 30 * time.Second}, "DoesNot": {false, 31 * time.Second}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				release := make(chan struct{})
				defer close(release)
				start := time.Now()
				_, err := call(t.Context(), testGuard, "Store.Lookup", func(ctx context.Context) (int, error) {
					if test.minds {
						<-ctx.Done()
						return 0, ctx.Err()
					}
					<-release
					return 0, nil
				})
				assert.Equal(t, test.takes, time.Since(start))
				var abandoned *abandonedError
				if test.minds {
					assert.ErrorIs(t, err, context.DeadlineExceeded)
					assert.True(t, Retryable(err))
				} else if assert.ErrorAs(t, err, &abandoned) {
					assert.ErrorContains(t, err, "Store.Lookup")
					assert.False(t, Retryable(err))
				}
			})
		})
	}
}

// TestGuardTakesAnAnswerThatIsJustInTime comes after the deadline, but before the
// call is given up.
func TestGuardTakesAnAnswerThatIsJustInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got, err := call(t.Context(), testGuard, "op", func(context.Context) (int, error) {
			time.Sleep(30*time.Second + 500*time.Millisecond)
			return 7, nil
		})
		assert.NoError(t, err)
		assert.Equal(t, 7, got)
	})
}

func TestGuardEndsWithItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		release := make(chan struct{})
		defer close(release)
		start := time.Now()
		_, err := call(ctx, testGuard, "op", func(context.Context) (int, error) { <-release; return 0, nil })
		assert.Error(t, err)
		assert.Equal(t, 2*time.Second, time.Since(start))
	})
}

func TestGuardCatches(t *testing.T) {
	var (
		panicked *panicError
		broken   *contractError
	)
	_, err := call(t.Context(), testGuard, "op", func(context.Context) (int, error) { panic("boom") })
	if assert.ErrorAs(t, err, &panicked) {
		assert.Equal(t, "boom", panicked.value)
		assert.Contains(t, string(panicked.stack), "guard_test.go")
	}
	_, err = call(t.Context(), testGuard, "op", func(context.Context) (int, error) { runtime.Goexit(); return 0, nil })
	assert.ErrorAs(t, err, &broken)
}

// A slowBlob is a store whose calls and streams take their time for each part.
type slowBlob struct {
	blobMap
	part time.Duration
}

func (b slowBlob) Put(ctx context.Context, key string, r io.Reader, info BlobInfo) error {
	for {
		if err := pauseFor(ctx, b.part); err != nil {
			return err
		}
		var buf [1]byte
		if _, err := r.Read(buf[:]); err == io.EOF {
			return b.blobMap.Put(ctx, key, strings.NewReader("all of it"), info)
		} else if err != nil {
			return err
		}
	}
}

func (b slowBlob) Get(ctx context.Context, key string) (io.ReadCloser, error) {
	r, err := b.blobMap.Get(ctx, key)
	return &slowStream{r, ctx, b.part}, err
}

type slowStream struct {
	io.ReadCloser
	ctx  context.Context
	part time.Duration
}

func (s *slowStream) Read(p []byte) (int, error) {
	if err := pauseFor(s.ctx, s.part); err != nil {
		return 0, err
	}
	return s.ReadCloser.Read(p[:1])
}

func pauseFor(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// TestStreamsMayTakeLong lets a put and a read take many times the timeout: it is
// their silence that is bounded.
func TestStreamsMayTakeLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		blobs := guardedBlobs{slowBlob{blobMap{}, 29 * time.Second}, testGuard}
		require.NoError(t, blobs.Put(t.Context(), "k", strings.NewReader("twelve bytes"), BlobInfo{}))
		r, err := blobs.Get(t.Context(), "k")
		require.NoError(t, err)
		text, err := io.ReadAll(r)
		assert.NoError(t, err)
		assert.Equal(t, "all of it", string(text))
		assert.NoError(t, r.Close())
	})
}

func TestStreamsMayNotBeSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		blobs := guardedBlobs{slowBlob{blobMap{"k": "text"}, 31 * time.Second}, testGuard}
		start := time.Now()
		err := blobs.Put(t.Context(), "new", strings.NewReader("text"), BlobInfo{})
		assert.Equal(t, errSilent, err)
		assert.True(t, Retryable(err))
		assert.Equal(t, 30*time.Second, time.Since(start))

		r, err := blobs.Get(t.Context(), "k")
		require.NoError(t, err)
		time.Sleep(time.Hour) // of the reader's own
		start = time.Now()
		_, err = r.Read(make([]byte, 10))
		assert.Equal(t, errSilent, err)
		assert.Equal(t, 30*time.Second, time.Since(start))
		_, again := r.Read(make([]byte, 10))
		assert.Equal(t, err, again)
	})
}

// TestReaderThatNobodyWaitsFor has a store that opens a blob long after the call was
// given up.
func TestReaderThatNobodyWaitsFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		late := lateGets{blobMap{"k": "text"}, make(chan struct{})}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		_, err := guardedBlobs{late, testGuard}.Get(ctx, "k")
		assert.Error(t, err)
		<-late.closed
	})
}

// lateGets minds no context.
type lateGets struct {
	BlobStore
	closed chan struct{}
}

func (b lateGets) Get(ctx context.Context, key string) (io.ReadCloser, error) {
	time.Sleep(time.Hour)
	r, err := b.BlobStore.Get(ctx, key)
	return late{r, b.closed}, err
}

type late struct {
	io.Reader
	closed chan struct{}
}

func (r late) Close() error {
	close(r.closed)
	return nil
}

// TestPutDoesNotCountTheTimeOfItsReader has a reader that is slower than the timeout.
func TestPutDoesNotCountTheTimeOfItsReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		blobs := guarded(blobMap{})
		in := &slowStream{io.NopCloser(strings.NewReader("abc")), t.Context(), 2 * time.Minute}
		assert.NoError(t, blobs.Put(t.Context(), "k", in, BlobInfo{}))
	})
}

// TestPutThatIsOverReadsNoMore has a store that keeps the reader.
func TestPutThatIsOverReadsNoMore(t *testing.T) {
	b := &keeper{}
	require.NoError(t, guarded(b).Put(t.Context(), "k", strings.NewReader("abc"), BlobInfo{}))
	_, err := b.kept.Read(make([]byte, 1))
	assert.ErrorIs(t, err, errPutOver)
}

type keeper struct {
	blobMap
	kept io.Reader
}

func (b *keeper) Put(_ context.Context, _ string, r io.Reader, _ BlobInfo) error {
	b.kept = r
	return nil
}

// TestMailerBehindAGuard has an outcome for each message, whatever happens.
func TestMailerBehindAGuard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		send := func(f mailFunc) ([]error, error) {
			return guardedMailer{f, testGuard}.send(t.Context(), make([]Welcome, 2))
		}
		refused := errors.New("mailbox full")
		outcomes, err := send(func(context.Context) []error { return []error{nil, refused} })
		assert.NoError(t, err)
		assert.Equal(t, []error{nil, refused}, outcomes)

		outcomes, err = send(func(context.Context) []error { return []error{nil} })
		assert.NoError(t, err)
		require.Len(t, outcomes, 2)
		assert.Error(t, outcomes[0])
		assert.Error(t, outcomes[1])

		release := make(chan struct{})
		defer close(release)
		outcomes, err = send(func(context.Context) []error { <-release; return nil })
		assert.Error(t, err)
		assert.Len(t, outcomes, 2)
	})
}

type mailFunc func(ctx context.Context) []error

func (f mailFunc) SendWelcome(ctx context.Context, _ []Welcome) []error { return f(ctx) }

func TestSilenceIsNotRepeatedWithoutTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		halted := make(chan struct{})
		patience := backoff{waits.Backoff{Base: time.Second, Cap: time.Second}, 3, halted}
		calls := 0
		try := func(err error) int {
			calls = 0
			assert.Error(t, patience.retry(t.Context(), func() error { calls++; return err }))
			return calls
		}
		assert.Equal(t, 3, try(errSilent))
		close(halted)
		assert.Equal(t, 1, try(errSilent))
		assert.Equal(t, 3, try(errors.New("connection reset")), "what failed at once is")
	})
}
