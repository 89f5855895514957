package main

import (
	"context"
	"errors"
	"flag"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"

	"github.com/bulkops/bulkops/blob/s3blob"
	"github.com/bulkops/bulkops/bulk/sesmail"
	"github.com/bulkops/bulkops/jobs/dynamojobs"
	"github.com/bulkops/bulkops/jobs/sqsjobs"
	"github.com/bulkops/bulkops/store/dynamostore"
)

// localBucket is the default of -bucket for a server of one's own. Buckets of S3
// are named by the whole world, so there whoever starts this has to say which is
// theirs.
const localBucket = "bulkops"

// awsOptions are the flags of the aws backend. Region and credentials come from
// where all AWS programs have them: the environment, shared files, the role of the
// machine.
type awsOptions struct {
	dynamoDBEndpoint, s3Endpoint       string
	usersTable, claimsTable, jobsTable string
	bucket                             string
	create                             bool
	doorbell                           string
	sesFrom, sesTemplate               string
}

// flagSet returns the flags that set o. The names of tables are those that the
// templates in docs/infra give.
func (o *awsOptions) flagSet() *flag.FlagSet {
	flags := flag.NewFlagSet("aws", flag.ContinueOnError)
	flags.StringVar(&o.dynamoDBEndpoint, "dynamodb-endpoint", "", "aws: `URL` of a DynamoDB server other than AWS's; tables that are missing there are created")
	flags.StringVar(&o.s3Endpoint, "s3-endpoint", "", "aws: `URL` of an S3 server other than AWS's; the bucket is created there if it is missing")
	flags.StringVar(&o.usersTable, "users-table", "bulkops-users", "aws: `name` of the table with the users")
	flags.StringVar(&o.claimsTable, "claims-table", "bulkops-claims", "aws: `name` of the table with the emails")
	flags.StringVar(&o.jobsTable, "jobs-table", "bulkops-jobs", "aws: `name` of the table with the jobs")
	flags.StringVar(&o.bucket, "bucket", "", "aws: `name` of the bucket with payloads and results; with -s3-endpoint the default is "+localBucket)
	flags.BoolVar(&o.create, "create", false, "aws: create the tables and the bucket that are missing, as those of a server that a flag names always are")
	flags.StringVar(&o.doorbell, "doorbell", "", "aws: `URL` of the SQS queue to ring for each job, for workers elsewhere")
	flags.StringVar(&o.sesFrom, "ses-from", "", "aws: `address` that welcome emails are sent from by SES; without it they are printed")
	flags.StringVar(&o.sesTemplate, "ses-template", "", "aws: `name` of the SES template of welcome emails")
	return flags
}

// openAWS opens the backend in DynamoDB and S3.
func openAWS(ctx context.Context, o awsOptions) (*backend, error) {
	if o.bucket == "" {
		if o.s3Endpoint == "" {
			return nil, errors.New("-bucket is missing: name a bucket of yours")
		}
		o.bucket = localBucket
	}
	if (o.sesFrom == "") != (o.sesTemplate == "") {
		return nil, errors.New("-ses-from and -ses-template need each other")
	}
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, err
	}
	if cfg.Region == "" {
		return nil, errors.New("no AWS region: set AWS_REGION")
	}
	// Better now than with the first request.
	if _, err := cfg.Credentials.Retrieve(ctx); err != nil {
		return nil, fmt.Errorf("no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE: %w", err)
	}
	b := &backend{}
	if err := o.openDynamoDB(ctx, at(cfg, o.dynamoDBEndpoint), b); err != nil {
		return nil, err
	}
	if err := o.openS3(ctx, at(cfg, o.s3Endpoint), b); err != nil {
		return nil, err
	}
	if o.doorbell != "" {
		if b.jobs, err = sqsjobs.New(b.jobs, sqsjobs.NewClient(cfg), sqsjobs.Options{QueueURL: o.doorbell}); err != nil {
			return nil, err
		}
		b.says("rings the SQS queue %s for each job", o.doorbell)
	}
	if o.sesFrom == "" {
		return b, nil
	}
	client := sesv2.NewFromConfig(cfg)
	b.mailer, err = sesmail.New(client, sesmail.Options{From: o.sesFrom, Template: o.sesTemplate})
	b.says("welcome emails by SES (%s) from %s, template %s", place(cfg, client.Options().BaseEndpoint), o.sesFrom, o.sesTemplate)
	return b, err
}

func (o *awsOptions) openDynamoDB(ctx context.Context, cfg aws.Config, b *backend) (err error) {
	users := dynamostore.Options{UsersTable: o.usersTable, ClaimsTable: o.claimsTable}
	jobs := dynamojobs.Options{Table: o.jobsTable}
	client := dynamostore.NewClient(cfg)
	if b.store, err = dynamostore.New(client, users); err != nil {
		return err
	}
	jobsClient := dynamojobs.NewClient(cfg)
	if b.jobs, err = dynamojobs.New(jobsClient, jobs); err != nil {
		return err
	}
	b.says("users in the DynamoDB tables %s and %s, jobs in %s (%s)",
		o.usersTable, o.claimsTable, o.jobsTable, place(cfg, client.Options().BaseEndpoint))
	if !o.create && o.dynamoDBEndpoint == "" {
		return nil
	}
	return errors.Join(dynamostore.CreateTables(ctx, client, users), dynamojobs.CreateTable(ctx, jobsClient, jobs))
}

func (o *awsOptions) openS3(ctx context.Context, cfg aws.Config, b *backend) (err error) {
	opts := s3blob.Options{Bucket: o.bucket}
	client := s3blob.NewClient(cfg)
	if b.blobs, err = s3blob.New(client, opts); err != nil {
		return err
	}
	b.says("payloads and results in the S3 bucket %s (%s)", o.bucket, place(cfg, client.Options().BaseEndpoint))
	if !o.create && o.s3Endpoint == "" {
		return nil
	}
	return s3blob.EnsureBucket(ctx, client, opts)
}

// at returns cfg for the endpoint, which is AWS's own if it is "".
func at(cfg aws.Config, endpoint string) aws.Config {
	if endpoint != "" {
		cfg.BaseEndpoint = aws.String(endpoint)
	}
	return cfg
}

// place is where a service is, for people: its endpoint, which a variable of the SDK
// can have set too, or the region of AWS.
func place(cfg aws.Config, endpoint *string) string {
	if endpoint != nil {
		return *endpoint
	}
	return cfg.Region
}
