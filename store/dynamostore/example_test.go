package dynamostore_test

import (
	"errors"
	"fmt"
	"log"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/bulkops/bulkops/blob/memblob"
	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/jobs/memjobs"
	"github.com/bulkops/bulkops/store/dynamostore"
)

// In a program the configuration is that of config.LoadDefaultConfig, which takes
// region and credentials from the environment.
func Example() {
	cfg := aws.Config{Region: "eu-central-1", Credentials: credentials.NewStaticCredentialsProvider("key", "secret", "")}

	users, err := dynamostore.New(dynamostore.NewClient(cfg), dynamostore.Options{
		UsersTable:  "users",
		ClaimsTable: "user-emails",
	})
	if err != nil {
		log.Fatal(err)
	}
	// Each backend is chosen by itself: here jobs and blobs are in memory.
	_, err = bulk.NewImporter(bulk.Config{Store: users, Blobs: memblob.New(), Jobs: memjobs.New()})
	fmt.Println(err)
	// Output:
	// <nil>
}

// A table that the host has already, of one tenant and with keys and attributes of
// the host's own.
func ExampleOptions() {
	cfg := aws.Config{Region: "eu-central-1", Credentials: credentials.NewStaticCredentialsProvider("key", "secret", "")}
	opts := dynamostore.Options{
		UsersTable:  "members",
		ClaimsTable: "member-emails",
		Attributes:  dynamostore.Attributes{Key: "memberId", Email: "mail", CustomFields: "profile"},
		UserKey:     func(_, userID string) dynamostore.Key { return dynamostore.Key{Partition: userID} },
	}
	_, err := dynamostore.New(dynamostore.NewClient(cfg), opts)
	fmt.Println(err)

	opts.ClaimsTable = opts.UsersTable
	_, err = dynamostore.New(dynamostore.NewClient(cfg), opts)
	var wrong *bulk.ConfigError
	if errors.As(err, &wrong) {
		fmt.Println(wrong.Field, wrong.Problem)
	}
	// Output:
	// <nil>
	// Options.ClaimsTable must not be the users table
}

// The emails of users that the table has already need claims before the first
// import: for each an item with this key and the id of its user.
func ExampleClaimKey() {
	fmt.Println(dynamostore.ClaimKey("acme", "Ana@Example.com"))
	fmt.Println(dynamostore.ClaimKey("acme#eu", "ana@example.com"))
	// Output:
	// acme#ana@example.com
	// acme%23eu#ana@example.com
}
