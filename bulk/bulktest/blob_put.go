package bulktest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing/iotest"
	"time"

	"github.com/bulkops/bulkops/bulk"
)

// errReader is what a reader fails with.
var errReader = errors.New("bulktest: the reader failed")

var putCases = []blobCase{{
	name: "Put/StoresWhatTheReaderYields",
	rule: "Put stores what r yields until io.EOF, whatever pieces it yields",
	run: func(t *blobTest) {
		content := noise(100_000)
		for name, r := range map[string]io.Reader{
			"whole":           bytes.NewReader(content),
			"unknown length":  io.MultiReader(bytes.NewReader(content[:1]), bytes.NewReader(content[1:])),
			"odd pieces":      &stream{content: content, err: io.EOF, chunk: 4097},
			"data with EOF":   iotest.DataErrReader(bytes.NewReader(content)),
			"half reads":      iotest.HalfReader(bytes.NewReader(content)),
			"nothing at last": io.MultiReader(bytes.NewReader(content), strings.NewReader("")),
		} {
			key := t.key(strings.ReplaceAll(name, " ", "-"))
			if err := t.tryPut(key, r); err != nil {
				t.Errorf("Put of a reader with %s: %v", name, err)
				continue
			}
			t.holds(key, content)
		}
		key := t.key("bytes")
		if err := t.tryPut(key, iotest.OneByteReader(bytes.NewReader(content[:1000]))); err != nil {
			t.Fatalf("Put of a reader that yields single bytes: %v", err)
		}
		t.holds(key, content[:1000])
	},
}, {
	name: "Put/EmptyBlob",
	rule: "a blob may be empty, and then exists",
	run: func(t *blobTest) {
		key := t.key("empty")
		t.put(key, nil)
		t.holds(key, nil)
		if err := t.tryPut(key, strings.NewReader("x")); !errors.Is(err, bulk.ErrBlobExists) {
			t.Errorf("Put where an empty blob is: error is %v, want %q", errText(err), bulk.ErrBlobExists)
		}
	},
}, {
	name: "Put/BigBlob",
	rule: "the length of r is not known: a blob of many megabytes is stored like a small one",
	run: func(t *blobTest) {
		key, content := t.key("big"), noise(bigBlob)
		t.put(key, content)
		t.holds(key, content)
	},
}, {
	name: "Put/RefusesKeyInUse",
	rule: "a Put where the key is in use is ErrBlobExists, and the blob there stays, whatever the new content is",
	run: func(t *blobTest) {
		first := noise(1000)
		key := t.key("blob")
		t.put(key, first)
		for name, content := range map[string][]byte{
			"other": []byte("other"), "the same": first, "no": nil, "longer": noise(2000), "much": noise(bigBlob),
		} {
			if err := t.tryPut(key, io.MultiReader(bytes.NewReader(content))); !errors.Is(err, bulk.ErrBlobExists) {
				t.Errorf("Put of %s content where a blob is: error is %v, want %q", name, errText(err), bulk.ErrBlobExists)
			}
			t.holds(key, first)
		}
	},
}, {
	name: "Put/FailingReaderLeavesNothing",
	rule: "if r fails nothing is stored, and the error of r is in the chain of the one returned",
	run: func(t *blobTest) {
		for name, failure := range map[string]error{
			"error":           errReader,
			"unexpected-end":  io.ErrUnexpectedEOF, // not the end: the stream was cut off
			"wrapped-end":     fmt.Errorf("a source that failed: %w", io.EOF),
			"cancelled-by-r":  context.Canceled,
			"deadline-of-r":   context.DeadlineExceeded,
			"closed-pipe":     io.ErrClosedPipe,
			"wrapped-by-type": &readerError{errReader},
		} {
			for _, size := range []int{0, 1000, bigBlob - 1} {
				if size > 1000 && name != "error" && name != "unexpected-end" {
					continue // what is special of big blobs, two errors tell
				}
				key := t.key(fmt.Sprintf("%s-%d", name, size))
				err := t.tryPut(key, &stream{content: noise(size), err: failure})
				if !errors.Is(err, failure) {
					t.Errorf("r fails with %q after %d bytes: error of Put is %v", failure, size, errText(err))
				}
				t.absent(key)
			}
			// What failed does not stand in the way of what follows.
			key := t.key(name + "-again")
			_ = t.tryPut(key, &stream{content: noise(10), err: failure}) // checked above
			t.put(key, []byte("again"))
			t.holds(key, []byte("again"))
		}
	},
}, {
	name: "Put/FailingReaderWithDataLeavesNothing",
	rule: "if r fails nothing is stored, also if the read that fails yields data",
	run: func(t *blobTest) {
		key := t.key("blob")
		r := iotest.DataErrReader(&stream{content: noise(1000), err: errReader})
		if err := t.tryPut(key, r); !errors.Is(err, errReader) {
			t.Errorf("error is %v, want %q in its chain", errText(err), errReader)
		}
		t.absent(key)
	},
}, {
	name: "Put/NotVisibleUntilComplete",
	rule: "a blob is seen in full or not at all",
	run: func(t *blobTest) {
		for _, size := range []int{1000, bigBlob} {
			key, content := t.key(fmt.Sprint("blob-", size)), noise(size)
			look := func() {
				// In a goroutine, so that a store which cannot do both at once fails
				// and does not hang.
				seen := make(chan error, 1)
				go func() { seen <- t.tryGet(key) }()
				select {
				case err := <-seen:
					if !errors.Is(err, bulk.ErrBlobNotFound) {
						t.Errorf("Get while Put reads: error is %v, want %q", errText(err), bulk.ErrBlobNotFound)
					}
				case <-time.After(10 * time.Second):
					t.Errorf("Get does not return while Put reads")
				}
			}
			if err := t.tryPut(key, &stream{content: content, err: io.EOF, chunk: 64 << 10, pause: size * 9 / 10, at: look}); err != nil {
				t.Fatalf("Put: %v", err)
			}
			t.holds(key, content)
		}
	},
}, {
	name: "Put/CancelledLeavesNothing",
	rule: "if ctx is cancelled before r has ended Put ends soon with its error, and nothing is stored",
	run: func(t *blobTest) {
		for _, size := range []int{2000, bigBlob} {
			ctx, cancel := context.WithCancel(t.ctx)
			key := t.key(fmt.Sprint("blob-", size))
			r := &stream{content: noise(size), err: io.EOF, chunk: max(1000, size/20), pause: size / 2, at: cancel}
			if err := t.store.Put(ctx, key, r, bulk.BlobInfo{}); !errors.Is(err, context.Canceled) {
				t.Errorf("Put of %d bytes, cancelled at half of them: error is %v, want %q", size, errText(err), context.Canceled)
			}
			t.absent(key)
			t.put(key, []byte("again"))
		}
		key := t.key("before")
		ctx := cancelled()
		if err := t.store.Put(ctx, key, strings.NewReader("x"), bulk.BlobInfo{}); !errors.Is(err, ctx.Err()) {
			t.Errorf("Put with a cancelled context: error is %v, want %q", errText(err), ctx.Err())
		}
		t.absent(key)
	},
}, {
	name: "Put/WhatWasSeenStays",
	rule: "a blob that was seen stays, also if the Put that made it is cancelled then or fails",
	run: func(t *blobTest) {
		for name, size := range map[string]int{"seen": 2000, "big": bigBlob} {
			key, content := t.key(name), noise(size)
			ctx, cancel := context.WithCancel(t.ctx)
			var failure error
			over := make(chan struct{})
			go func() {
				defer close(over)
				failure = t.store.Put(ctx, key, io.MultiReader(bytes.NewReader(content)), bulk.BlobInfo{})
			}()
			for seen := false; !seen; {
				select {
				case <-over:
					if seen = true; failure != nil {
						t.Fatalf("Put: %v", failure)
					}
				case <-time.After(time.Millisecond):
					seen = t.tryGet(key) == nil
				}
			}
			cancel()
			<-over // be it with an error or not
			t.holds(key, content)
		}
	},
}, {
	name: "Put/OneOfManyWins",
	rule: "of many puts of one key at once exactly one is done; the others are ErrBlobExists and its content stays",
	run: func(t *blobTest) {
		for round := range raceRounds {
			size := []int{100, 300_000}[round%2]
			key := t.key(fmt.Sprint("blob-", round))
			contents, outcomes := make([][]byte, racers), make([]error, racers)
			for i := range contents {
				contents[i] = append(fmt.Appendf(nil, "by %d: ", i), noise(size)...)
			}
			race(racers, func(i int) { outcomes[i] = t.tryPut(key, io.MultiReader(bytes.NewReader(contents[i]))) })
			winner, won := -1, 0
			for i, err := range outcomes {
				switch {
				case err == nil:
					winner, won = i, won+1
				case !errors.Is(err, bulk.ErrBlobExists) && !bulk.Retryable(err):
					t.Errorf("put %d lost the race with %v, want %q", i, err, bulk.ErrBlobExists)
				}
			}
			if won != 1 {
				t.Fatalf("%d of %d puts of one key were done, want exactly 1; outcomes: %v", won, racers, outcomes)
			}
			t.holds(key, contents[winner])
		}
	},
}, {
	name: "Put/AnyContentType",
	rule: "BlobInfo is optional, and says nothing of whether a blob can be read",
	run: func(t *blobTest) {
		for i, contentType := range []string{"", "application/json", "text/csv; charset=utf-8"} {
			key := t.key(fmt.Sprint("blob-", i))
			if err := t.store.Put(t.ctx, key, strings.NewReader("content"), bulk.BlobInfo{ContentType: contentType}); err != nil {
				t.Errorf("Put with content type %q: %v", contentType, err)
				continue
			}
			t.holds(key, []byte("content"))
		}
	},
}}

// A readerError is an error of a type of its own.
type readerError struct{ err error }

func (e *readerError) Error() string { return e.err.Error() }
func (e *readerError) Unwrap() error { return e.err }
