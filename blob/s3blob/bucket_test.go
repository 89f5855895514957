package s3blob_test

import (
	"context"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"github.com/bulkops/bulkops/blob/s3blob"
	"github.com/bulkops/bulkops/internal/test/awstest"
)

func TestEnsureBucketIsIdempotent(t *testing.T) {
	server := awstest.S3(t)
	client := server.S3(awstest.Transport(t))
	opts := s3blob.Options{Bucket: awstest.Name(t)}
	for range 3 {
		if err := s3blob.EnsureBucket(t.Context(), client, opts); err != nil {
			t.Fatal(err)
		}
	}
}

// bucketAPI is an S3 that has one bucket.
type bucketAPI struct {
	s3blob.BucketClient
	location   types.BucketLocationConstraint
	exists     bool
	encryption *types.ServerSideEncryptionByDefault
	rules      []types.LifecycleRule
	lifecycle  string // the error code of calls for lifecycle rules
}

func (b *bucketAPI) CreateBucket(_ context.Context, in *s3.CreateBucketInput, _ ...func(*s3.Options)) (*s3.CreateBucketOutput, error) {
	if b.exists {
		return nil, &types.BucketAlreadyOwnedByYou{}
	}
	b.exists = true
	if in.CreateBucketConfiguration != nil {
		b.location = in.CreateBucketConfiguration.LocationConstraint
	}
	return &s3.CreateBucketOutput{}, nil
}

func (b *bucketAPI) PutBucketEncryption(_ context.Context, in *s3.PutBucketEncryptionInput, _ ...func(*s3.Options)) (*s3.PutBucketEncryptionOutput, error) {
	b.encryption = in.ServerSideEncryptionConfiguration.Rules[0].ApplyServerSideEncryptionByDefault
	return &s3.PutBucketEncryptionOutput{}, nil
}

func (b *bucketAPI) GetBucketLifecycleConfiguration(context.Context, *s3.GetBucketLifecycleConfigurationInput, ...func(*s3.Options)) (*s3.GetBucketLifecycleConfigurationOutput, error) {
	switch {
	case b.lifecycle != "":
		return nil, &smithy.GenericAPIError{Code: b.lifecycle}
	case len(b.rules) == 0:
		return nil, &smithy.GenericAPIError{Code: "NoSuchLifecycleConfiguration"}
	}
	return &s3.GetBucketLifecycleConfigurationOutput{Rules: b.rules}, nil
}

func (b *bucketAPI) PutBucketLifecycleConfiguration(_ context.Context, in *s3.PutBucketLifecycleConfigurationInput, _ ...func(*s3.Options)) (*s3.PutBucketLifecycleConfigurationOutput, error) {
	b.rules = in.LifecycleConfiguration.Rules
	return &s3.PutBucketLifecycleConfigurationOutput{}, nil
}

// The rules that a bucket has stay, and there is one of ours for each prefix.
func TestEnsureBucketAddsRule(t *testing.T) {
	api := &bucketAPI{exists: true, rules: []types.LifecycleRule{{ID: aws.String("theirs")}}}
	for _, opts := range []s3blob.Options{
		{Bucket: "b", Prefix: "a"},
		{Bucket: "b", Prefix: "a/", ExpireDays: 90},
		{Bucket: "b", Prefix: "c"},
	} {
		if err := s3blob.EnsureBucket(t.Context(), api, opts); err != nil {
			t.Fatal(err)
		}
	}
	type rule struct {
		id, prefix string
		days       int32
	}
	var got []rule
	for _, r := range api.rules {
		var one rule
		one.id = aws.ToString(r.ID)
		if r.Filter != nil {
			one.prefix, one.days = aws.ToString(r.Filter.Prefix), aws.ToInt32(r.Expiration.Days)
		}
		got = append(got, one)
	}
	want := []rule{{id: "theirs"}, {"bulkops-blobs:a/", "a/", 90}, {"bulkops-blobs:c/", "c/", 30}}
	if !slices.Equal(got, want) {
		t.Errorf("rules are %v, want %v", got, want)
	}
	if api.encryption != nil {
		t.Error("the encryption of a bucket that was there was changed")
	}
}

func TestEnsureBucketCreates(t *testing.T) {
	api := &bucketAPI{lifecycle: "NotImplemented"}
	opts := s3blob.Options{Bucket: "b", Region: "eu-central-1", KMSKeyID: "key"}
	if err := s3blob.EnsureBucket(t.Context(), api, opts); err != nil {
		t.Fatal(err)
	}
	if api.location != "eu-central-1" || aws.ToString(api.encryption.KMSMasterKeyID) != "key" {
		t.Errorf("location is %q, encryption is %+v", api.location, api.encryption)
	}
	api = &bucketAPI{}
	if err := s3blob.EnsureBucket(t.Context(), api, s3blob.Options{Bucket: "b", Region: "us-east-1"}); err != nil {
		t.Fatal(err)
	}
	if api.location != "" {
		t.Errorf("location is %q, which S3 refuses", api.location)
	}
	api = &bucketAPI{lifecycle: "AccessDenied"}
	if err := s3blob.EnsureBucket(t.Context(), api, s3blob.Options{Bucket: "b"}); err == nil {
		t.Error("no error without the permission for lifecycle rules")
	}
}
