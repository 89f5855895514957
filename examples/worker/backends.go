package main

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/config"

	"github.com/bulkops/bulkops/blob/s3blob"
	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/jobs/dynamojobs"
	"github.com/bulkops/bulkops/jobs/sqsjobs"
	"github.com/bulkops/bulkops/store/dynamostore"
)

// open opens users and jobs in DynamoDB, blobs in S3, and the doorbell, nil if there is
// none.
func open(ctx context.Context, opts options) (bulk.Config, *sqsjobs.Queue, error) {
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return bulk.Config{}, nil, err
	}
	store, err := dynamostore.New(dynamostore.NewClient(cfg), dynamostore.Options{UsersTable: opts.usersTable, ClaimsTable: opts.claimsTable})
	if err != nil {
		return bulk.Config{}, nil, err
	}
	blobs, err := s3blob.New(s3blob.NewClient(cfg), s3blob.Options{Bucket: opts.bucket})
	if err != nil {
		return bulk.Config{}, nil, err
	}
	jobs, err := dynamojobs.New(dynamojobs.NewClient(cfg), dynamojobs.Options{Table: opts.jobsTable})
	if err != nil {
		return bulk.Config{}, nil, err
	}
	all := bulk.Config{Store: store, Blobs: blobs, Jobs: jobs, StopGrace: opts.grace}
	if opts.doorbell == "" {
		return all, nil, nil
	}
	doorbell, err := sqsjobs.New(jobs, sqsjobs.NewClient(cfg), sqsjobs.Options{QueueURL: opts.doorbell})
	if err != nil {
		return bulk.Config{}, nil, err
	}
	all.Jobs = doorbell
	return all, doorbell, nil
}
