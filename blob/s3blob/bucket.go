package s3blob

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// A BucketClient is what [EnsureBucket] calls of *[s3.Client].
type BucketClient interface {
	CreateBucket(context.Context, *s3.CreateBucketInput, ...func(*s3.Options)) (*s3.CreateBucketOutput, error)
	PutBucketEncryption(context.Context, *s3.PutBucketEncryptionInput, ...func(*s3.Options)) (*s3.PutBucketEncryptionOutput, error)
	GetBucketLifecycleConfiguration(context.Context, *s3.GetBucketLifecycleConfigurationInput, ...func(*s3.Options)) (*s3.GetBucketLifecycleConfigurationOutput, error)
	PutBucketLifecycleConfiguration(context.Context, *s3.PutBucketLifecycleConfigurationInput, ...func(*s3.Options)) (*s3.PutBucketLifecycleConfigurationOutput, error)
}

// EnsureBucket creates the bucket unless it is there, and adds the rule of
// [LifecycleRule] to those it has. It may be called any number of times. A new
// bucket of S3 is private and encrypted by itself. A server that has no lifecycle
// rules is left without: blobs stay there until they are deleted.
//
// It is for tests and small installations; others have a template, see docs/infra.
func EnsureBucket(ctx context.Context, client BucketClient, opts Options) error {
	if sdk, ok := client.(*s3.Client); ok {
		opts.fillFrom(sdk)
	}
	rule, err := LifecycleRule(opts)
	if err != nil {
		return err
	}
	if err := ensureBucket(ctx, client, opts, rule); err != nil {
		return fmt.Errorf("s3blob: ensure bucket %q: %w", opts.Bucket, classify(ctx, err))
	}
	return nil
}

func ensureBucket(ctx context.Context, client BucketClient, opts Options, rule types.LifecycleRule) error {
	create := &s3.CreateBucketInput{Bucket: aws.String(opts.Bucket)}
	if opts.Region != "" && opts.Region != "us-east-1" { // which S3 refuses to be told
		create.CreateBucketConfiguration = &types.CreateBucketConfiguration{
			LocationConstraint: types.BucketLocationConstraint(opts.Region),
		}
	}
	_, err := client.CreateBucket(ctx, create)
	var owned *types.BucketAlreadyOwnedByYou
	switch {
	case err == nil:
		if err := encryptBucket(ctx, client, opts); err != nil {
			return err
		}
	case !errors.As(err, &owned):
		return err
	}
	return addRule(ctx, client, opts.Bucket, rule)
}

func encryptBucket(ctx context.Context, client BucketClient, opts Options) error {
	if opts.KMSKeyID == "" {
		return nil
	}
	_, err := client.PutBucketEncryption(ctx, &s3.PutBucketEncryptionInput{
		Bucket: aws.String(opts.Bucket),
		ServerSideEncryptionConfiguration: &types.ServerSideEncryptionConfiguration{
			Rules: []types.ServerSideEncryptionRule{{
				BucketKeyEnabled: aws.Bool(true),
				ApplyServerSideEncryptionByDefault: &types.ServerSideEncryptionByDefault{
					SSEAlgorithm:   types.ServerSideEncryptionAwsKms,
					KMSMasterKeyID: aws.String(opts.KMSKeyID),
				},
			}},
		},
	})
	return err
}

// addRule adds a rule to those of the bucket, or replaces the one of that id.
func addRule(ctx context.Context, client BucketClient, bucket string, rule types.LifecycleRule) error {
	var rules []types.LifecycleRule
	out, err := client.GetBucketLifecycleConfiguration(ctx, &s3.GetBucketLifecycleConfigurationInput{Bucket: aws.String(bucket)})
	switch {
	case err == nil:
		rules = slices.DeleteFunc(slices.Clone(out.Rules), func(r types.LifecycleRule) bool {
			return aws.ToString(r.ID) == aws.ToString(rule.ID)
		})
	case errorCode(err) == "NotImplemented":
		return nil
	case errorCode(err) != "NoSuchLifecycleConfiguration":
		return err
	}
	_, err = client.PutBucketLifecycleConfiguration(ctx, &s3.PutBucketLifecycleConfigurationInput{
		Bucket:                 aws.String(bucket),
		LifecycleConfiguration: &types.BucketLifecycleConfiguration{Rules: append(rules, rule)},
	})
	if errorCode(err) == "NotImplemented" {
		return nil
	}
	return err
}

// LifecycleRule returns the rule for the bucket of a [Store] with these options: it
// removes blobs after [Options.ExpireDays], and old versions and the parts of
// uploads that were not completed after one day.
func LifecycleRule(opts Options) (types.LifecycleRule, error) {
	if err := opts.fill(); err != nil {
		return types.LifecycleRule{}, err
	}
	return types.LifecycleRule{
		ID:                             aws.String("bulkops-blobs:" + opts.Prefix),
		Status:                         types.ExpirationStatusEnabled,
		Filter:                         &types.LifecycleRuleFilter{Prefix: aws.String(opts.Prefix)},
		Expiration:                     &types.LifecycleExpiration{Days: aws.Int32(int32(opts.ExpireDays))},
		NoncurrentVersionExpiration:    &types.NoncurrentVersionExpiration{NoncurrentDays: aws.Int32(1)},
		AbortIncompleteMultipartUpload: &types.AbortIncompleteMultipartUpload{DaysAfterInitiation: aws.Int32(1)},
	}, nil
}
