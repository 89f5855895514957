package dynamojobs_test

import (
	"fmt"
	"log"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/bulkops/bulkops/blob/memblob"
	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/jobs/dynamojobs"
	"github.com/bulkops/bulkops/store/memstore"
)

// In a program the configuration is that of config.LoadDefaultConfig, which takes
// region and credentials from the environment. The table is made by a template, see
// docs/infra, or by [dynamojobs.CreateTable].
func Example() {
	cfg := aws.Config{Region: "eu-central-1", Credentials: credentials.NewStaticCredentialsProvider("key", "secret", "")}

	jobs, err := dynamojobs.New(dynamojobs.NewClient(cfg), dynamojobs.Options{Table: "jobs"})
	if err != nil {
		log.Fatal(err)
	}
	// Where importers and workers are several processes, the store and the blobs have
	// to be shared by them, too. Idempotency keys are kept by the queue.
	_, err = bulk.NewWorker(bulk.Config{Store: memstore.New(), Blobs: memblob.New(), Jobs: jobs})
	fmt.Println(err)
	// Output:
	// <nil>
}

// All queues of a table have the same options.
func ExampleOptions() {
	cfg := aws.Config{Region: "eu-central-1", Credentials: credentials.NewStaticCredentialsProvider("key", "secret", "")}
	_, err := dynamojobs.New(dynamojobs.NewClient(cfg), dynamojobs.Options{Table: "jobs", TenantIndex: "by-tenant"})
	fmt.Println(err)
	_, err = dynamojobs.New(dynamojobs.NewClient(cfg), dynamojobs.Options{TenantIndex: "by-tenant"})
	fmt.Println(err)
	// Output:
	// <nil>
	// bulk: Options.Table is required
}
