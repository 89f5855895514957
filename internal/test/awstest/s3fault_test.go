package awstest_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/bulkops/bulkops/internal/test/awstest"
)

// newBucket creates a bucket that is removed with its objects when the test ends.
func newBucket(t *testing.T, client *s3.Client) string {
	t.Helper()
	bucket := awstest.Name(t)
	if _, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &bucket}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		out, err := client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &bucket})
		if err != nil {
			t.Error(err)
			return
		}
		for _, object := range out.Contents {
			if _, err := client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &bucket, Key: object.Key}); err != nil {
				t.Error(err)
			}
		}
		if _, err := client.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: &bucket}); err != nil {
			t.Error(err)
		}
	})
	return bucket
}

func put(ctx context.Context, client *s3.Client, bucket, key string) error {
	_, err := client.PutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: strings.NewReader("content")})
	return err
}

func exists(t *testing.T, client *s3.Client, bucket, key string) bool {
	t.Helper()
	_, err := client.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &bucket, Key: &key})
	var missing *types.NotFound
	if err != nil && !errors.As(err, &missing) {
		t.Fatal(err)
	}
	return err == nil
}

func TestS3Refusals(t *testing.T) {
	server := awstest.S3(t)
	transport := awstest.Transport(t)
	direct := server.S3(transport)
	bucket := newBucket(t, direct)
	for kind, code := range map[awstest.Kind]string{awstest.Throttle: "SlowDown", awstest.ServerError: "InternalError"} {
		t.Run(string(kind), func(t *testing.T) {
			faults := awstest.NewFaults(t, transport, 1, awstest.Rule{Kind: kind, Operations: []string{"PutObject", "HEAD"}})
			client := server.S3(faults)
			wantCode(t, put(t.Context(), client, bucket, "refused"), code)
			if exists(t, direct, bucket, "refused") {
				t.Error("a refused call stored an object")
			}
			if _, err := client.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &bucket, Key: aws.String("refused")}); err == nil {
				t.Error("HeadObject was not refused")
			}
			if _, err := client.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &bucket}); err != nil {
				t.Errorf("an operation that the rule does not name failed: %v", err)
			}
			if faults.Injected(kind, "PutObject") != 1 || faults.Injected(kind, "HEAD") != 1 || faults.Calls() != 3 {
				t.Errorf("unexpected counts: %v", faults)
			}
		})
	}
}

func TestS3LostAnswer(t *testing.T) {
	server := awstest.S3(t)
	transport := awstest.Transport(t)
	direct := server.S3(transport)
	bucket := newBucket(t, direct)
	faults := awstest.NewFaults(t, transport, 1, awstest.Rule{
		Kind:       awstest.LostAnswer,
		Operations: []string{"PutObject", "CompleteMultipartUpload"},
	})
	client := server.S3(faults)

	if err := put(t.Context(), client, bucket, "whole"); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("PutObject returned %v, want the error of a broken connection", err)
	}
	if !exists(t, direct, bucket, "whole") {
		t.Error("PutObject stored nothing: only the answer is lost")
	}

	key := aws.String("parts")
	upload, err := client.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: &bucket, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	content := bytes.Repeat([]byte("x"), 1<<10)
	part, err := client.UploadPart(t.Context(), &s3.UploadPartInput{
		Bucket: &bucket, Key: key, UploadId: upload.UploadId, PartNumber: aws.Int32(1), Body: bytes.NewReader(content),
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.CompleteMultipartUpload(t.Context(), &s3.CompleteMultipartUploadInput{
		Bucket: &bucket, Key: key, UploadId: upload.UploadId,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: []types.CompletedPart{{ETag: part.ETag, PartNumber: aws.Int32(1)}}},
	})
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("CompleteMultipartUpload returned %v, want the error of a broken connection", err)
	}
	out, err := direct.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &bucket, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	defer out.Body.Close()
	if got, err := io.ReadAll(out.Body); err != nil || !bytes.Equal(got, content) {
		t.Errorf("read %d bytes, %v; want the %d uploaded", len(got), err, len(content))
	}
}
