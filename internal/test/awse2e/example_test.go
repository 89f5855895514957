package awse2e_test

import (
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/bulkops/bulkops/blob/memblob"
	"github.com/bulkops/bulkops/blob/s3blob"
	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/jobs/dynamojobs"
	"github.com/bulkops/bulkops/jobs/memjobs"
	"github.com/bulkops/bulkops/store/dynamostore"
	"github.com/bulkops/bulkops/store/memstore"
)

func inMemory() bulk.Config {
	return bulk.Config{Store: memstore.New(), Blobs: memblob.New(), Jobs: memjobs.New()}
}

func inAWS(cfg aws.Config) (bulk.Config, error) {
	users, err1 := dynamostore.New(dynamostore.NewClient(cfg), dynamostore.Options{UsersTable: "bulkops-users", ClaimsTable: "bulkops-claims"})
	blobs, err2 := s3blob.New(s3blob.NewClient(cfg), s3blob.Options{Bucket: "my-bulkops-blobs"})
	jobs, err3 := dynamojobs.New(dynamojobs.NewClient(cfg), dynamojobs.Options{Table: "bulkops-jobs"})
	return bulk.Config{Store: users, Blobs: blobs, Jobs: jobs}, errors.Join(err1, err2, err3)
}

// Three constructors are the whole difference between memory and AWS.
func Example() {
	cfg := inMemory()
	fmt.Printf("%T %T %T\n", cfg.Store, cfg.Blobs, cfg.Jobs)

	cfg, err := inAWS(aws.Config{
		Region:      "eu-central-1",
		Credentials: credentials.NewStaticCredentialsProvider("key", "secret", ""),
	})
	if err != nil {
		panic(err)
	}
	fmt.Printf("%T %T %T\n", cfg.Store, cfg.Blobs, cfg.Jobs)
	_, err = bulk.NewImporter(cfg)
	fmt.Println(err)
	// Output:
	// *memstore.Store *memblob.Store *memjobs.Queue
	// *dynamostore.Store *s3blob.Store *dynamojobs.Queue
	// <nil>
}
