package bulktest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/bulkops/bulkops/bulk"
)

// TestBlobStore proves that a blob store keeps the promises of [bulk.BlobStore],
// and of [bulk.URLSigner] if it implements that. See the package documentation
// for what open may return.
//
// Signed URLs are fetched with net/http: the server that they name must be
// reached from the test. That blobs are kept for 30 days is not checked.
func TestBlobStore(t *testing.T, open func(t *testing.T) bulk.BlobStore) {
	cases := slices.Concat(putCases, getCases, deleteCases, blobKeyCases)
	if _, signs := open(t).(bulk.URLSigner); signs {
		cases = slices.Concat(cases, urlCases)
	} else {
		t.Log("the store is no bulk.URLSigner, so there are no cases of SignURL")
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			sayRule(t, c.rule)
			c.run(&blobTest{T: t, ctx: caseContext(t), store: open(t), prefix: unique("blob") + "/"})
		})
	}
}

// A blobCase checks one promise of [bulk.BlobStore] or [bulk.URLSigner].
type blobCase struct {
	name string
	rule string // the promise, said when the case fails
	run  func(t *blobTest)
}

// A blobTest is a case that runs, with a prefix of keys of its own.
type blobTest struct {
	*testing.T
	ctx    context.Context
	store  bulk.BlobStore
	prefix string
}

// key returns a key of this case, whose blob is removed at its end.
func (t *blobTest) key(name string) string {
	key := t.prefix + name
	t.Cleanup(func() {
		if err := t.store.Delete(context.WithoutCancel(t.ctx), key); err != nil {
			t.Logf("Delete %q after the case: %v", clip(key), err)
		}
	})
	return key
}

// tryPut stores a blob.
func (t *blobTest) tryPut(key string, r io.Reader) error {
	return t.store.Put(t.ctx, key, r, bulk.BlobInfo{ContentType: "application/json"})
}

// put stores a blob, which must succeed.
func (t *blobTest) put(key string, content []byte) {
	t.Helper()
	// Not a *bytes.Reader: the length must not be found out.
	if err := t.tryPut(key, io.MultiReader(bytes.NewReader(content))); err != nil {
		t.Fatalf("Put of %d bytes: %v", len(content), err)
	}
}

// holds fails unless the blob of that key has exactly this content.
func (t *blobTest) holds(key string, want []byte) {
	t.Helper()
	r, err := t.store.Get(t.ctx, key)
	if err != nil {
		t.Fatalf("Get: %v", err)
	}
	defer closing(t.T, r)
	// Piece by piece: the blob may be large, and a wrong one still larger.
	piece := make([]byte, 64<<10)
	for at := 0; ; {
		n, err := r.Read(piece)
		if rest := want[at:]; n > len(rest) || !bytes.Equal(piece[:n], rest[:n]) {
			t.Fatalf("the blob differs from the %d bytes that it should have between byte %d and %d: it has %q, want %q",
				len(want), at, at+n, head(piece[:n]), head(rest))
		}
		at += n
		switch {
		case err == io.EOF && at == len(want): // not wrapped, as readers have it
			return
		case err == io.EOF:
			t.Fatalf("the blob has %d bytes, want %d", at, len(want))
		case err != nil:
			t.Fatalf("reading the blob: %v after %d bytes", err, at)
		}
	}
}

// absent fails if there is a blob of that key.
func (t *blobTest) absent(key string) {
	t.Helper()
	if err := t.tryGet(key); !errors.Is(err, bulk.ErrBlobNotFound) {
		t.Fatalf("Get: error is %v, want %q", errText(err), bulk.ErrBlobNotFound)
	}
}

// tryGet opens and closes the blob of a key.
func (t *blobTest) tryGet(key string) error {
	r, err := t.store.Get(t.ctx, key)
	if err != nil {
		return err
	}
	return r.Close()
}

func closing(t *testing.T, c io.Closer) {
	t.Helper()
	if err := c.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

// head returns the start of a content for a message.
func head(content []byte) []byte { return content[:min(len(content), 40)] }

// noise returns content in which every part differs from every other. It is
// shared and not to be changed.
func noise(size int) []byte { return allNoise()[:size:size] }

var allNoise = sync.OnceValue(func() []byte {
	content := make([]byte, bigBlob)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(content) // never fails
	return content
})

// bigBlob is beyond the part size of any multipart upload (S3: 5 MiB at least,
// 8 MiB by default), and no multiple of it.
const bigBlob = 12<<20 + 1

// A stream yields content and then an error. Each read yields at most chunk
// bytes, and before a read that begins at pause or behind it, once, at is called.
type stream struct {
	content []byte
	err     error
	chunk   int
	pause   int
	at      func()
	read    int
}

func (s *stream) Read(p []byte) (int, error) {
	if s.at != nil && s.read >= s.pause {
		s.at()
		s.at = nil
	}
	if s.read == len(s.content) {
		return 0, s.err
	}
	n := min(len(p), len(s.content)-s.read)
	if s.chunk > 0 {
		n = min(n, s.chunk)
	}
	copy(p, s.content[s.read:s.read+n])
	s.read += n
	return n, nil
}

// badKeys are keys that [bulk.BlobStore] does not allow.
func badKeys(prefix string) []string {
	return []string{
		"", "/", ".", "..", "/" + prefix + "a", prefix, prefix + "/a", prefix + "a/", prefix + "a//b",
		prefix + ".a", prefix + "../a", prefix + "a/./b", prefix + "a/../b", prefix + "a/.b", "." + prefix + "a",
		prefix + "a b", prefix + "a\\b", prefix + "a%2Fb", prefix + "a+b", prefix + "a:b", prefix + "a?b", prefix + "a#b", prefix + "a&b",
		prefix + "a\x00b", prefix + "a\nb", prefix + "é", prefix + "😀", prefix + "a\xff", prefix + "a*", prefix + "a~", prefix + "a@b",
		longKey(prefix, maxKey+1),
	}
}

// maxKey is the length of a key in bytes, see [bulk.BlobStore].
const maxKey = 900

// longKey returns a key of that length, in segments that a file system takes.
func longKey(prefix string, length int) string {
	key := prefix + strings.Repeat(strings.Repeat("k", 99)+"/", 9)
	return key[:length-1] + "k"
}
