package cloudblob

import (
	"context"
	"fmt"
	"io"
	"io/fs"

	"gocloud.dev/blob"

	"github.com/bulkops/bulkops/bulk"
)

// A Store is a [bulk.BlobStore] in a bucket of gocloud.dev/blob. It is safe for
// concurrent use and has no goroutines of its own. Make one with [New].
type Store struct {
	bucket *blob.Bucket
	opts   Options
	// ending is held while a Put makes its blob visible, nil if puts may do so at once.
	ending chan struct{}
}

var (
	_ bulk.BlobStore   = (*Store)(nil)
	_ bulk.PutBufferer = (*Store)(nil)
)

// New returns a store in the bucket, which stays the caller's to close, or a
// [*bulk.ConfigError]. It calls no service.
func New(bucket *blob.Bucket, opts Options) (*Store, error) {
	if bucket == nil {
		return nil, &bulk.ConfigError{Field: "bucket", Problem: "is required"}
	}
	if err := opts.fill(); err != nil {
		return nil, err
	}
	if !opts.OneProcess && inFiles(bucket) {
		return nil, &bulk.ConfigError{Field: "Options.OneProcess", Problem: "is required with fileblob, which looks before it writes"}
	}
	s := &Store{bucket: bucket, opts: opts}
	if opts.OneProcess {
		s.ending = make(chan struct{}, 1)
	}
	return s, nil
}

// inFiles reports whether the driver is fileblob: it is what can say of its folder
// what the file system does.
func inFiles(bucket *blob.Bucket) bool {
	var folder fs.FileInfo
	return bucket.As(&folder)
}

// PutMemory implements [bulk.PutBufferer].
func (s *Store) PutMemory() int64 {
	return int64(s.opts.Concurrency+bufferedParts)*int64(s.opts.PartSize) + bufferedStart
}

// Put implements [bulk.BlobStore].
func (s *Store) Put(ctx context.Context, key string, r io.Reader, info bulk.BlobInfo) error {
	err := bulk.CheckBlobKey(key)
	if err == nil {
		err = s.put(ctx, key, r, info)
	}
	if err != nil {
		return fmt.Errorf("cloudblob: put %q: %w", key, err)
	}
	return nil
}

// Get implements [bulk.BlobStore]. A connection that breaks while the blob is read
// is opened again where it broke.
func (s *Store) Get(ctx context.Context, key string) (io.ReadCloser, error) {
	err := bulk.CheckBlobKey(key)
	if err == nil {
		err = ctx.Err()
	}
	var body *blob.Reader
	if err == nil {
		body, err = s.bucket.NewReader(ctx, key, nil)
		if isMissing(err) {
			err = s.missing(ctx, key)
		} else {
			err = classify(ctx, err)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("cloudblob: get %q: %w", key, err)
	}
	return &reader{ctx: ctx, store: s, key: key, body: body}, nil
}

// Delete implements [bulk.BlobStore].
func (s *Store) Delete(ctx context.Context, key string) error {
	err := bulk.CheckBlobKey(key)
	if err == nil {
		err = ctx.Err()
	}
	if err == nil {
		err = s.remove(ctx, key)
	}
	if err != nil {
		return fmt.Errorf("cloudblob: delete %q: %w", key, err)
	}
	return nil
}

func (s *Store) remove(ctx context.Context, key string) error {
	err := s.bucket.Delete(ctx, key)
	if !isMissing(err) {
		return classify(ctx, err)
	}
	if err := s.missing(ctx, key); err != errMissing { //nolint:errorlint // as it is returned
		return err
	}
	return nil
}
