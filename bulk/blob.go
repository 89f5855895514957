package bulk

import (
	"context"
	"io"
	"strings"
	"time"
)

// A BlobStore keeps the payloads and results of jobs: blobs that are written
// once and read as streams.
//
// Rules for every implementation, which [bulktest.TestBlobStore] checks:
//
//   - Methods are safe for concurrent use, by any number of processes.
//   - A blob is immutable: it is seen in full or not at all, and never replaced.
//   - Keys are made by this package: up to 900 bytes of ASCII letters, digits
//     and the characters - _ . / where no segment between slashes is empty or
//     starts with a dot. A store refuses another key: see [CheckBlobKey]. No key is the folder of
//     another, so a store may keep blobs as files.
//   - Blobs are kept for at least 30 days. A store may drop older ones.
//   - A cancelled context ends a call soon, with an error for which
//     errors.Is(err, ctx.Err()) holds.
//
// A store whose blobs can be fetched by a URL of their own also implements
// [URLSigner]. For one that does not, package httpapi serves downloads itself.
//
// [bulktest.TestBlobStore]: https://pkg.go.dev/github.com/bulkops/bulkops/bulk/bulktest#TestBlobStore
type BlobStore interface {
	// Put stores what r yields until io.EOF as the blob of that key. If the key
	// is in use it returns [ErrBlobExists] and the blob there stays. If r fails,
	// or ctx is cancelled before r has ended, nothing is stored, and the error of r
	// is in the chain of the one returned. After any other error, that of a ctx that
	// was cancelled later too, the blob may be there. Put does not take it back then:
	// others may have seen it, and what was seen stays until Delete. r is read by
	// this call alone and not after its return, so a cancelled Put may have to wait
	// for a read of r to end. The length of r is not known.
	Put(ctx context.Context, key string, r io.Reader, info BlobInfo) error

	// Get opens a blob for reading, or returns [ErrBlobNotFound]. The caller
	// closes it. Cancelling ctx makes reads fail.
	Get(ctx context.Context, key string) (io.ReadCloser, error)

	// Delete removes a blob. A blob that is not there is not an error.
	Delete(ctx context.Context, key string) error
}

// MaxBlobKey is the length of a blob's key in bytes. It leaves stores that allow
// 1,024, as Amazon S3 does, room for a prefix.
const MaxBlobKey = 900

// CheckBlobKey returns [ErrBadBlobKey] for a key that [BlobStore] does not allow.
// It is for the implementers of stores.
func CheckBlobKey(key string) error {
	if len(key) > MaxBlobKey {
		return ErrBadBlobKey
	}
	for segment := range strings.SplitSeq(key, "/") {
		if segment == "" || segment[0] == '.' {
			return ErrBadBlobKey
		}
		for _, c := range []byte(segment) {
			switch {
			case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
			case c == '-', c == '_', c == '.':
			default:
				return ErrBadBlobKey
			}
		}
	}
	return nil
}

// BlobInfo describes a blob to those who download it.
type BlobInfo struct {
	// ContentType is a media type. Defaults to application/octet-stream.
	ContentType string
}

// A PutBufferer is a [BlobStore] that holds more than a little of what it puts.
type PutBufferer interface {
	// PutMemory returns the most bytes of memory that a Put holds, of a blob of any
	// length. A store that keeps its blobs in memory does not count these.
	PutMemory() int64
}

// defaultPutMemory is for stores that stream.
const defaultPutMemory = 1 << 20

// PutMemory returns how much memory a Put of the store holds at most, 1 MiB if
// neither the store nor what it wraps is a [PutBufferer].
func PutMemory(blobs BlobStore) int64 {
	if store, ok := ability[PutBufferer](blobs); ok {
		return store.PutMemory()
	}
	return defaultPutMemory
}

// A URLSigner is a [BlobStore] whose blobs can be downloaded by anyone who has
// the URL, with a bare GET and no credentials.
type URLSigner interface {
	// SignURL returns a URL that serves the blob of that key as an attachment
	// with the given file name and content type, and the time at which it stops
	// working: at most ttl from now, earlier where the store cannot sign for so
	// long. It does not check that the blob exists. An altered or expired URL is
	// refused by the server.
	SignURL(ctx context.Context, key string, opts SignOptions) (url string, expires time.Time, err error)
}

// SignOptions say what a signed URL serves.
type SignOptions struct {
	TTL         time.Duration
	FileName    string
	ContentType string
}
