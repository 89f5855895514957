package s3blob

import (
	"context"
	"fmt"
	"io"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/bulkops/bulkops/bulk"
)

// A Store is a [bulk.BlobStore] and [bulk.URLSigner] in an S3 bucket. It is safe
// for concurrent use and has no goroutines beyond those of a Put that runs. Make
// one with [New].
type Store struct {
	client  Client
	uploads *transfermanager.Client
	opts    Options
}

var (
	_ bulk.BlobStore   = (*Store)(nil)
	_ bulk.URLSigner   = (*Store)(nil)
	_ bulk.PutBufferer = (*Store)(nil)
)

// New returns a store, or a [*bulk.ConfigError] that names the option at fault. It
// calls nothing.
func New(client Client, opts Options) (*Store, error) {
	if client == nil {
		return nil, &bulk.ConfigError{Field: "client", Problem: "is required"}
	}
	if sdk, ok := client.(*s3.Client); ok {
		opts.fillFrom(sdk)
	}
	if err := opts.fill(); err != nil {
		return nil, err
	}
	switch {
	case opts.Presigner == nil:
		return nil, &bulk.ConfigError{Field: "Options.Presigner", Problem: "is required with a client that is not an *s3.Client"}
	case opts.Credentials == nil:
		return nil, &bulk.ConfigError{Field: "Options.Credentials", Problem: "are required to sign URLs"}
	}
	return &Store{client: client, uploads: newUploads(client, opts), opts: opts}, nil
}

// PutMemory implements [bulk.PutBufferer].
func (s *Store) PutMemory() int64 {
	return int64(s.opts.Concurrency+bufferedParts) * s.opts.PartSize
}

// Put implements [bulk.BlobStore].
func (s *Store) Put(ctx context.Context, key string, r io.Reader, info bulk.BlobInfo) error {
	err := bulk.CheckBlobKey(key)
	if err == nil {
		err = s.put(ctx, key, r, info)
	}
	if err != nil {
		return fmt.Errorf("s3blob: put %q: %w", key, err)
	}
	return nil
}

// Get implements [bulk.BlobStore]. A connection that breaks while the blob is read
// is opened again where it broke.
func (s *Store) Get(ctx context.Context, key string) (io.ReadCloser, error) {
	if err := bulk.CheckBlobKey(key); err != nil {
		return nil, fmt.Errorf("s3blob: get %q: %w", key, err)
	}
	out, err := s.client.GetObject(ctx, &s3.GetObjectInput{
		Bucket: aws.String(s.opts.Bucket),
		Key:    s.objectKey(key),
	})
	switch {
	case err == nil:
		return newReader(ctx, s, key, out), nil
	case isMissing(err):
		return nil, fmt.Errorf("s3blob: get %q: %w: %w", key, bulk.ErrBlobNotFound, err)
	default:
		return nil, fmt.Errorf("s3blob: get %q: %w", key, classify(ctx, err))
	}
}

// Delete implements [bulk.BlobStore].
func (s *Store) Delete(ctx context.Context, key string) error {
	if err := bulk.CheckBlobKey(key); err != nil {
		return fmt.Errorf("s3blob: delete %q: %w", key, err)
	}
	_, err := s.client.DeleteObject(ctx, &s3.DeleteObjectInput{
		Bucket: aws.String(s.opts.Bucket),
		Key:    s.objectKey(key),
	})
	if err != nil && !isMissing(err) { // S3 does not tell, others do
		return fmt.Errorf("s3blob: delete %q: %w", key, classify(ctx, err))
	}
	return nil
}

func (s *Store) objectKey(key string) *string { return aws.String(s.opts.Prefix + key) }
