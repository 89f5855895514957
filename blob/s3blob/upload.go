package s3blob

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/bulkops/bulkops/bulk"
)

// nonceName is the metadata by which a Put knows its object.
const nonceName = "bulkops-put"

// cleanupTimeout bounds what a Put does after its context has ended, or after it
// has failed: to find out what became of it, and to abort the upload.
const cleanupTimeout = 3 * time.Second

func newUploads(client Client, opts Options) *transfermanager.Client {
	return transfermanager.New(client, func(o *transfermanager.Options) {
		o.PartSizeBytes = opts.PartSize
		o.MultipartUploadThreshold = opts.PartSize
		o.Concurrency = opts.Concurrency
		o.RequestChecksumCalculation = opts.Checksums
		o.FailTimeout = cleanupTimeout
	})
}

func (s *Store) put(ctx context.Context, key string, r io.Reader, info bulk.BlobInfo) error {
	nonce := rand.Text()
	src := &source{ctx: ctx, r: r}
	last := &completion{Client: s.client}
	input := &transfermanager.UploadObjectInput{
		Bucket:      aws.String(s.opts.Bucket),
		Key:         s.objectKey(key),
		Body:        src,
		IfNoneMatch: aws.String("*"),
		ContentType: aws.String(cmp.Or(info.ContentType, "application/octet-stream")),
		Metadata:    map[string]string{nonceName: nonce},
	}
	s.encrypt(input)
	_, err := s.uploads.UploadObject(ctx, input, func(o *transfermanager.Options) { o.S3 = last })
	if err == nil {
		err = last.err
	}
	switch {
	case err == nil:
		return nil
	case src.err != nil:
		return src.err // of r or ctx; what else went wrong is its consequence
	case src.ended && mayBeStored(err):
		err = s.settle(ctx, key, nonce, err)
	}
	if err != nil && last.uploadID != nil {
		s.abort(ctx, key, last.uploadID)
	}
	return classify(ctx, err)
}

func (s *Store) encrypt(input *transfermanager.UploadObjectInput) {
	input.ServerSideEncryption = types.ServerSideEncryption(s.opts.SSE)
	if s.opts.KMSKeyID != "" {
		input.ServerSideEncryption = cmp.Or(input.ServerSideEncryption, types.ServerSideEncryptionAwsKms)
		input.SSEKMSKeyID = aws.String(s.opts.KMSKeyID)
		// One call of KMS for many objects instead of one for each.
		input.BucketKeyEnabled = aws.Bool(true)
	}
}

// mayBeStored reports whether there may be an object although the request that
// makes it failed so. The answer 412 says that there is one, maybe since the
// same request was sent before; 409 that another request is making one; and 404
// that the upload is gone, maybe because it was completed before.
func mayBeStored(err error) bool {
	switch status := httpStatus(err); status {
	case http.StatusPreconditionFailed, http.StatusConflict, http.StatusNotFound:
		return true
	default:
		return status < 400 || status >= 500
	}
}

// settle finds out what became of an upload whose last request failed with err,
// and returns nil if the blob is stored, also if ctx has ended: others may have seen
// the blob.
func (s *Store) settle(ctx context.Context, key, nonce string, err error) error {
	fresh, cancel := freshContext(ctx)
	defer cancel()
	head, headErr := s.client.HeadObject(fresh, &s3.HeadObjectInput{
		Bucket: aws.String(s.opts.Bucket),
		Key:    s.objectKey(key),
	})
	switch {
	case isMissing(headErr):
		return err // not stored, or deleted again
	case headErr != nil:
		return fmt.Errorf("whether it is stored is not known: %w, after: %w", headErr, err)
	case head.Metadata[nonceName] != nonce:
		return fmt.Errorf("%w: %w", bulk.ErrBlobExists, err)
	}
	return nil
}

// abort removes the parts of an upload. If that fails the lifecycle rule does it.
func (s *Store) abort(ctx context.Context, key string, uploadID *string) {
	fresh, cancel := freshContext(ctx)
	defer cancel()
	_, _ = s.client.AbortMultipartUpload(fresh, &s3.AbortMultipartUploadInput{
		Bucket:   aws.String(s.opts.Bucket),
		Key:      s.objectKey(key),
		UploadId: uploadID,
	})
}

// freshContext returns a context that outlives ctx for a short time.
func freshContext(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
}

// source is the reader of a Put. It ends with the context, and remembers how it
// ended: the transfer manager hides errors behind those that they cause.
type source struct {
	ctx   context.Context
	r     io.Reader
	ended bool  // by io.EOF
	err   error // by any other error
}

func (s *source) Read(p []byte) (int, error) {
	if s.err = s.ctx.Err(); s.err != nil {
		return 0, s.err
	}
	n, err := s.r.Read(p)
	switch err {
	case nil:
	case io.EOF:
		s.ended = true
	default:
		s.err = err
	}
	return n, err
}

// completion keeps the failure of the last request of an upload in parts from the
// transfer manager, which would abort the upload before it is known whether it was
// completed.
type completion struct {
	Client
	err      error
	uploadID *string
}

func (c *completion) CompleteMultipartUpload(ctx context.Context, in *s3.CompleteMultipartUploadInput, opts ...func(*s3.Options)) (*s3.CompleteMultipartUploadOutput, error) {
	out, err := c.Client.CompleteMultipartUpload(ctx, in, opts...)
	if err != nil {
		c.err, c.uploadID = err, in.UploadId
		return &s3.CompleteMultipartUploadOutput{}, nil
	}
	return out, nil
}
