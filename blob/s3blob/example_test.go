package s3blob_test

import (
	"context"
	"fmt"
	"log"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/bulkops/bulkops/blob/s3blob"
	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/jobs/memjobs"
	"github.com/bulkops/bulkops/store/memstore"
)

// In a program the configuration is that of config.LoadDefaultConfig, which takes
// region and credentials from the environment.
func Example() {
	cfg := aws.Config{Region: "eu-central-1", Credentials: credentials.NewStaticCredentialsProvider("key", "secret", "")}

	blobs, err := s3blob.New(s3blob.NewClient(cfg), s3blob.Options{Bucket: "acme-imports", Prefix: "bulk"})
	if err != nil {
		log.Fatal(err)
	}
	_, err = bulk.NewImporter(bulk.Config{Store: memstore.New(), Blobs: blobs, Jobs: memjobs.New()})
	fmt.Println(err)
	// Output:
	// <nil>
}

// A server with the protocol of S3 is named by its endpoint.
func ExampleNewClient() {
	cfg := aws.Config{Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("key", "secret", "")}
	client := s3blob.NewClient(cfg, func(o *s3.Options) { o.BaseEndpoint = aws.String("http://127.0.0.1:9000") })
	blobs, err := s3blob.New(client, s3blob.Options{Bucket: "imports"})
	if err != nil {
		log.Fatal(err)
	}
	signed, _, err := blobs.SignURL(context.Background(), "acme/job_1/results.json", bulk.SignOptions{TTL: time.Hour})
	if err != nil {
		log.Fatal(err)
	}
	u, err := url.Parse(signed)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(u.Host, u.Path)
	// Output:
	// 127.0.0.1:9000 /imports/acme/job_1/results.json
}

// A link is signed without a call to S3, and ends with the credentials that sign it.
func ExampleStore_SignURL() {
	cfg := aws.Config{Region: "eu-central-1", Credentials: credentials.NewStaticCredentialsProvider("key", "secret", "")}
	blobs, err := s3blob.New(s3blob.NewClient(cfg), s3blob.Options{Bucket: "acme-imports", Prefix: "bulk"})
	if err != nil {
		log.Fatal(err)
	}
	signed, _, err := blobs.SignURL(context.Background(), "acme/job_1/results.json", bulk.SignOptions{
		TTL: time.Hour, FileName: "results.json", ContentType: "application/json",
	})
	if err != nil {
		log.Fatal(err)
	}
	u, err := url.Parse(signed)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(u.Host, u.Path)
	fmt.Println(u.Query().Get("X-Amz-Expires"), "seconds")
	// Output:
	// acme-imports.s3.eu-central-1.amazonaws.com /bulk/acme/job_1/results.json
	// 3600 seconds
}

// The rule keeps a bucket from growing. EnsureBucket adds it; so does a template.
func ExampleLifecycleRule() {
	rule, err := s3blob.LifecycleRule(s3blob.Options{Bucket: "acme-imports", Prefix: "bulk", ExpireDays: 90})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(aws.ToString(rule.Filter.Prefix), aws.ToInt32(rule.Expiration.Days), "days")
	// Output:
	// bulk/ 90 days
}
