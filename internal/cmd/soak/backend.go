//go:build unix

package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/bulkops/bulkops/blob/s3blob"
	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/jobs/dynamojobs"
	"github.com/bulkops/bulkops/store/dynamostore"
)

// Where everything is kept.
const (
	usersTable  = "users"
	claimsTable = "claims"
	jobsTable   = "jobs"
	bucket      = "soak"

	region = "us-east-1"
	// dynoxide takes any credentials.
	anyKey = "soak"
)

// syncThreshold is the number of rows from which on a request becomes a job.
const syncThreshold = 50

// settings are what each process of a run has to know.
type settings struct {
	DynamoDB, S3         string // URLs
	AccessKey, SecretKey string // of S3
	Name                 string
	Lease                time.Duration
	Reservation          time.Duration // see shortKeys
	Fuses                []fuse
}

// A backend is the servers, as one process sees them.
type backend struct {
	settings
	cfg      bulk.Config
	jobs     *dynamojobs.Queue
	blobs    *s3blob.Store
	dynamoDB *dynamodb.Client // makes one attempt a call
}

// transport returns a transport for the many connections of parallel calls.
func transport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.Proxy = nil
	t.MaxIdleConns, t.MaxIdleConnsPerHost = 0, 256
	t.ResponseHeaderTimeout = 10 * time.Second
	return t
}

func (s settings) at(endpoint, accessKey, secretKey string, calls http.RoundTripper) aws.Config {
	return aws.Config{
		Region:       region,
		AppID:        s.Name, // which the proxy reads
		BaseEndpoint: aws.String(endpoint),
		Credentials:  credentials.NewStaticCredentialsProvider(accessKey, secretKey, ""),
		HTTPClient:   &http.Client{Transport: calls},
	}
}

// open returns the backend through calls.
func (s settings) open(calls http.RoundTripper, logger *slog.Logger) (*backend, error) {
	database := s.at(s.DynamoDB, anyKey, anyKey, calls)
	b := &backend{settings: s}
	store, err := dynamostore.New(dynamostore.NewClient(database), usersOptions)
	if err != nil {
		return nil, err
	}
	if b.jobs, err = dynamojobs.New(dynamojobs.NewClient(database), jobsOptions); err != nil {
		return nil, err
	}
	objects := s3blob.NewClient(s.at(s.S3, s.AccessKey, s.SecretKey, calls))
	if b.blobs, err = s3blob.New(objects, blobsOptions); err != nil {
		return nil, err
	}
	b.dynamoDB = dynamodb.NewFromConfig(database, func(o *dynamodb.Options) { o.Retryer = aws.NopRetryer{} })
	b.cfg = bulk.Config{
		Store: store, Blobs: b.blobs, Jobs: b.jobs, IdempotencyKeys: shortKeys{b.jobs, s.Reservation},
		Logger:        logger,
		WorkerName:    s.Name,
		SyncThreshold: syncThreshold,
		SegmentRows:   40,
		Parallel:      4,
		Lease:         s.Lease,
		Poll:          50 * time.Millisecond,
		StopGrace:     time.Second,
		MaxAttempts:   12,
	}
	return b, nil
}

var (
	usersOptions = dynamostore.Options{UsersTable: usersTable, ClaimsTable: claimsTable}
	jobsOptions  = dynamojobs.Options{Table: jobsTable}
	blobsOptions = s3blob.Options{Bucket: bucket}
)

// create makes the tables and the bucket.
func (s settings) create(ctx context.Context) error {
	calls := transport()
	defer calls.CloseIdleConnections()
	database := s.at(s.DynamoDB, anyKey, anyKey, calls)
	return errors.Join(
		dynamostore.CreateTables(ctx, dynamostore.NewClient(database), usersOptions),
		dynamojobs.CreateTable(ctx, dynamojobs.NewClient(database), jobsOptions),
		s3blob.EnsureBucket(ctx, s3blob.NewClient(s.at(s.S3, s.AccessKey, s.SecretKey, calls)), blobsOptions),
	)
}
