package dynamostore_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

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

// The claims of a table's own users, with the keys that its items have. A problem with
// one user does not stop it; a program that keeps the checkpoint can go on from there.
func ExampleStore_BackfillClaims() {
	cfg := aws.Config{Region: "eu-central-1", Credentials: credentials.NewStaticCredentialsProvider("key", "secret", "")}
	client := dynamostore.NewClient(cfg)
	store, err := dynamostore.New(client, dynamostore.Options{
		UsersTable:  "members",
		ClaimsTable: "member-emails",
		Attributes:  dynamostore.Attributes{Key: "memberId", Email: "mail"},
		UserKey:     func(_, userID string) dynamostore.Key { return dynamostore.Key{Partition: userID} },
	})
	if err != nil {
		log.Fatal(err)
	}
	backfill := func(ctx context.Context, checkpoint string, save func(string) error) error {
		_, err := store.BackfillClaims(ctx, client, dynamostore.Backfill{
			Owner: func(item map[string]types.AttributeValue) (tenant, userID string, ok bool) {
				id, ok := item["memberId"].(*types.AttributeValueMemberS)
				if !ok {
					return "", "", false
				}
				return "acme", id.Value, true
			},
			After:    checkpoint,
			Progress: func(p dynamostore.BackfillProgress) error { return save(p.Checkpoint) },
			Problem: func(p dynamostore.BackfillProblem) {
				fmt.Printf("user %s has the email of %s: %v\n", p.UserID, p.Other, p.Err)
			},
		})
		return err
	}

	ended, cancel := context.WithCancel(context.Background())
	cancel() // there is no table here
	err = backfill(ended, "", func(string) error { return nil })
	fmt.Println(err)
	// Output:
	// dynamostore: backfill claims: context canceled
}
