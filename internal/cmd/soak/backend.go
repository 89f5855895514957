//go:build unix

package main

import (
	"context"
	"errors"
	"flag"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/bulkops/bulkops/blob/s3blob"
	"github.com/bulkops/bulkops/internal/test/soak"
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
)

var (
	usersOptions = dynamostore.Options{UsersTable: usersTable, ClaimsTable: claimsTable}
	jobsOptions  = dynamojobs.Options{Table: jobsTable}
	blobsOptions = s3blob.Options{Bucket: bucket}
)

// A cloud is a [soak.Backend] on DynamoDB and S3. Its URLs are those two, each with the
// credentials that its server takes.
type cloud struct{ dynoxide, versitygw string }

// The environment variables that name the servers' programs. The command
// internal/cmd/testservers sets them.
const (
	envDynoxide  = "BULKOPS_TEST_DYNOXIDE_PROGRAM"
	envVersitygw = "BULKOPS_TEST_S3_PROGRAM"
)

// Flags implements [soak.Backend].
func (c *cloud) Flags(flags *flag.FlagSet) {
	flags.StringVar(&c.dynoxide, "dynoxide", os.Getenv(envDynoxide), "`file` of the program; the default is $"+envDynoxide)
	flags.StringVar(&c.versitygw, "versitygw", os.Getenv(envVersitygw), "`file` of the program; the default is $"+envVersitygw)
}

// Check implements [soak.Backend].
func (c *cloud) Check() error {
	if c.dynoxide == "" || c.versitygw == "" {
		return errors.New("-dynoxide and -versitygw name the programs; go run ./internal/cmd/testservers -only dynoxide,versitygw -- COMMAND sets their defaults")
	}
	return nil
}

// Points implements [soak.Backend].
func (c *cloud) Points() []soak.Point {
	return []soak.Point{
		{Operation: "UpdateItem", Calls: 20}, {Operation: "GetItem", Calls: 10}, {Operation: "BatchGetItem", Calls: 40},
		{Operation: "BatchExecuteStatement", Calls: 30}, {Operation: "TransactWriteItems", Calls: 60},
		{Operation: http.MethodPut, Calls: 12}, {Operation: http.MethodGet, Calls: 6},
	}
}

// transport returns a transport for the many connections of parallel calls.
func transport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.Proxy = nil
	t.MaxIdleConns, t.MaxIdleConnsPerHost = 0, 256
	t.ResponseHeaderTimeout = 10 * time.Second
	return t
}

// at returns the configuration of a client of the server with that URL.
func at(address, name string) (aws.Config, error) {
	u, err := url.Parse(address)
	if err != nil {
		return aws.Config{}, err
	}
	secret, _ := u.User.Password()
	keys := credentials.NewStaticCredentialsProvider(u.User.Username(), secret, "")
	u.User = nil
	return aws.Config{
		Region:       region,
		AppID:        name, // which the proxy reads
		BaseEndpoint: aws.String(u.String()),
		Credentials:  keys,
		HTTPClient:   &http.Client{Transport: transport()},
	}, nil
}

// clients returns the configurations of clients of both servers.
func clients(name string, urls []string) (database, objects aws.Config, err error) {
	database, err1 := at(urls[0], name)
	objects, err2 := at(urls[1], name)
	return database, objects, errors.Join(err1, err2)
}

// Open implements [soak.Backend].
func (c *cloud) Open(_ context.Context, name string, urls []string) (*soak.Opened, error) {
	database, objects, err := clients(name, urls)
	if err != nil {
		return nil, err
	}
	store, err1 := dynamostore.New(dynamostore.NewClient(database), usersOptions)
	jobs, err2 := dynamojobs.New(dynamojobs.NewClient(database), jobsOptions)
	blobs, err3 := s3blob.New(s3blob.NewClient(objects), blobsOptions)
	once := dynamodb.NewFromConfig(database, func(o *dynamodb.Options) { o.Retryer = aws.NopRetryer{} })
	return &soak.Opened{Store: store, Blobs: blobs, Jobs: jobs, Keys: jobs, Host: &host{once}}, errors.Join(err1, err2, err3)
}

// Create implements [soak.Backend].
func (c *cloud) Create(ctx context.Context, urls []string) error {
	database, objects, err := clients("create", urls)
	if err != nil {
		return err
	}
	return errors.Join(
		dynamostore.CreateTables(ctx, dynamostore.NewClient(database), usersOptions),
		dynamojobs.CreateTable(ctx, dynamojobs.NewClient(database), jobsOptions),
		s3blob.EnsureBucket(ctx, s3blob.NewClient(objects), blobsOptions),
	)
}
