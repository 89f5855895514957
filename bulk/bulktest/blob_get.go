package bulktest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"

	"github.com/bulkops/bulkops/bulk"
)

var getCases = []blobCase{{
	name: "Get/MissingBlob",
	rule: "Get of a key that is not in use is ErrBlobNotFound",
	run: func(t *blobTest) {
		t.absent(t.prefix + "nothing")
		t.put(t.key("a"), []byte("a"))
		for _, name := range []string{"A", "a1", "a-", "b/a"} {
			t.absent(t.prefix + name)
		}
	},
}, {
	name: "Get/ReadersAreIndependent",
	rule: "a blob can be read any number of times, also at once, and not to its end",
	run: func(t *blobTest) {
		key, content := t.key("blob"), noise(300_000)
		t.put(key, content)
		race(racers, func(i int) {
			r, err := t.store.Get(t.ctx, key)
			if err != nil {
				t.Errorf("Get: %v", err)
				return
			}
			defer closing(t.T, r)
			want := content[:i*len(content)/(racers-1)]
			got := make([]byte, len(want))
			if _, err := io.ReadFull(r, got); err != nil || !bytes.Equal(got, want) {
				t.Errorf("reader %d does not get the first %d bytes of the blob: %v", i, len(want), err)
			}
			for j := range got {
				got[j] = 0 // what a reader got is the caller's
			}
		})
		t.holds(key, content)
	},
}, {
	name: "Get/ContentIsNotTheCallers",
	rule: "a blob is immutable: neither what was put nor what was got changes it",
	run: func(t *blobTest) {
		key, content := t.key("blob"), noise(10_000)
		source := bytes.Clone(content)
		if err := t.tryPut(key, bytes.NewReader(source)); err != nil {
			t.Fatalf("Put: %v", err)
		}
		clear(source)
		t.holds(key, content)
		r, err := t.store.Get(t.ctx, key)
		if err != nil {
			t.Fatalf("Get: %v", err)
		}
		got, err := io.ReadAll(r)
		if err != nil {
			t.Fatalf("reading the blob: %v", err)
		}
		closing(t.T, r)
		clear(got)
		t.holds(key, content)
	},
}, {
	name: "Get/CancelledReadsFail",
	rule: "cancelling ctx makes reads fail, with an error for which errors.Is(err, ctx.Err()) holds",
	run: func(t *blobTest) {
		key, content := t.key("blob"), noise(bigBlob)
		t.put(key, content)
		ctx, cancel := context.WithCancel(t.ctx)
		defer cancel()
		r, err := t.store.Get(ctx, key)
		if err != nil {
			t.Fatalf("Get: %v", err)
		}
		defer func() { _ = r.Close() }() // may report the cancellation
		got := make([]byte, 1000)
		if _, err := io.ReadFull(r, got); err != nil || !bytes.Equal(got, content[:len(got)]) {
			t.Fatalf("the first %d bytes do not come back: %v", len(got), err)
		}
		cancel()
		// What is in buffers may still come, the rest not.
		if n, err := io.Copy(io.Discard, r); !errors.Is(err, context.Canceled) {
			t.Errorf("%d more bytes were read with error %v, want %q", n, errText(err), context.Canceled)
		}
		if _, err := t.store.Get(ctx, key); !errors.Is(err, context.Canceled) {
			t.Errorf("Get: error is %v, want %q", errText(err), context.Canceled)
		}
	},
}}

var deleteCases = []blobCase{{
	name: "Delete/RemovesTheBlob",
	rule: "Delete removes a blob and no other, and its key can be used again",
	run: func(t *blobTest) {
		key, other := t.key("blob"), t.key("blob-2")
		t.put(key, []byte("first"))
		t.put(other, []byte("other"))
		if err := t.store.Delete(t.ctx, key); err != nil {
			t.Fatalf("Delete: %v", err)
		}
		t.absent(key)
		t.holds(other, []byte("other"))
		t.put(key, []byte("second"))
		t.holds(key, []byte("second"))
	},
}, {
	name: "Delete/MissingBlobIsNoError",
	rule: "deleting a blob that is not there is not an error",
	run: func(t *blobTest) {
		key := t.key("blob")
		if err := t.store.Delete(t.ctx, key); err != nil {
			t.Errorf("Delete of a blob that never was: %v", err)
		}
		t.put(key, []byte("x"))
		for range 2 {
			if err := t.store.Delete(t.ctx, key); err != nil {
				t.Errorf("Delete: %v", err)
			}
		}
		t.absent(key)
	},
}, {
	name: "Delete/CancelledFails",
	rule: "a cancelled context ends a call soon, with an error for which errors.Is(err, ctx.Err()) holds",
	run: func(t *blobTest) {
		ctx := cancelled()
		if err := t.store.Delete(ctx, t.prefix+"blob"); !errors.Is(err, ctx.Err()) {
			t.Errorf("Delete: error is %v, want %q", errText(err), ctx.Err())
		}
	},
}}

var blobKeyCases = []blobCase{{
	name: "Keys/AllowedOnesWork",
	rule: "keys are up to 900 bytes of ASCII letters, digits and - _ . / without a segment that is empty or starts with a dot",
	run: func(t *blobTest) {
		for _, name := range []string{
			"a", "A", "0", "-", "_", "a.json", "a..b", "a.", "b/c/d/e/f/g", "-_.0aZ",
			"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.",
			strings.TrimPrefix(longKey(t.prefix, maxKey), t.prefix),
		} {
			key := t.key(name)
			if err := t.tryPut(key, strings.NewReader("content of "+key)); err != nil {
				t.Errorf("Put of the key %q of %d bytes: %v", key, len(key), err)
				continue
			}
			t.holds(key, []byte("content of "+key))
		}
	},
}, {
	name: "Keys/OthersAreRefused",
	rule: "a store refuses a key that is not allowed with ErrBadBlobKey",
	run: func(t *blobTest) {
		for _, key := range badKeys(t.prefix) {
			if err := t.tryPut(key, strings.NewReader("x")); !errors.Is(err, bulk.ErrBadBlobKey) {
				t.Errorf("Put of the key %q: error is %v, want %q", key, errText(err), bulk.ErrBadBlobKey)
			}
			if err := t.tryGet(key); !errors.Is(err, bulk.ErrBadBlobKey) {
				t.Errorf("Get of the key %q: error is %v, want %q", key, errText(err), bulk.ErrBadBlobKey)
			}
			if err := t.store.Delete(t.ctx, key); !errors.Is(err, bulk.ErrBadBlobKey) {
				t.Errorf("Delete of the key %q: error is %v, want %q", key, errText(err), bulk.ErrBadBlobKey)
			}
		}
	},
}}
