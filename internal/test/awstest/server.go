// Package awstest lets tests run against real servers with the protocols of
// DynamoDB, S3 and SQS, and makes the faults that these servers do not make by
// themselves. Only tests import it.
//
// The servers are named by environment variables, which the command
// internal/cmd/testservers sets. A test whose server is not named is skipped, or
// fails if BULKOPS_REQUIRE_BACKENDS is 1.
package awstest

import (
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go/middleware"

	"github.com/bulkops/bulkops/internal/awsconf"
	"github.com/bulkops/bulkops/internal/test/required"
)

// The environment variables that name the servers.
const (
	EnvDynamoDBLocal = "BULKOPS_TEST_DYNAMODB_LOCAL" // URL of AWS's DynamoDB Local
	EnvDynoxide      = "BULKOPS_TEST_DYNOXIDE"       // URL of dynoxide
	EnvS3            = "BULKOPS_TEST_S3"             // URL of an S3 server
	EnvS3AccessKey   = "BULKOPS_TEST_S3_ACCESS_KEY"  // what the S3 server accepts
	EnvS3SecretKey   = "BULKOPS_TEST_S3_SECRET_KEY"
	EnvSQS           = "BULKOPS_TEST_SQS" // URL of ElasticMQ, an SQS server
)

// Region is the region of every [Server].
const Region = "us-east-1"

// The servers of DynamoDB and SQS accept any credentials; DynamoDB Local wants letters and
// digits only.
const anyAccessKey, anySecretKey = "bulkopstest", "bulkopstest"

// A Server is one real server.
type Server struct {
	Name      string // fit for a subtest's name
	Endpoint  string // such as http://127.0.0.1:8000
	AccessKey string
	SecretKey string
}

// DynamoDBLocal returns AWS's own DynamoDB server for tests, the reference for
// what DynamoDB does. It skips or fails the test if the server is not named.
func DynamoDBLocal(tb testing.TB) Server {
	tb.Helper()
	return Server{"DynamoDBLocal", need(tb, EnvDynamoDBLocal), anyAccessKey, anySecretKey}
}

// Dynoxide returns the other DynamoDB server, which is faster. It skips or fails
// the test if the server is not named.
func Dynoxide(tb testing.TB) Server {
	tb.Helper()
	return Server{"dynoxide", need(tb, EnvDynoxide), anyAccessKey, anySecretKey}
}

// S3 returns the S3 server. It skips or fails the test if the server or its
// credentials are not named.
func S3(tb testing.TB) Server {
	tb.Helper()
	return Server{"S3", need(tb, EnvS3), need(tb, EnvS3AccessKey), need(tb, EnvS3SecretKey)}
}

// SQS returns the SQS server. It skips or fails the test if the server is not named.
func SQS(tb testing.TB) Server {
	tb.Helper()
	return Server{"SQS", need(tb, EnvSQS), anyAccessKey, anySecretKey}
}

// EachDynamoDB runs test as a subtest for every DynamoDB server. The subtest of
// a server that is not named is skipped or fails.
func EachDynamoDB(t *testing.T, test func(t *testing.T, server Server)) {
	t.Helper()
	t.Run("DynamoDBLocal", func(t *testing.T) { test(t, DynamoDBLocal(t)) })
	t.Run("dynoxide", func(t *testing.T) { test(t, Dynoxide(t)) })
}

// need returns the value of an environment variable, or ends the test.
func need(tb testing.TB, variable string) string {
	tb.Helper()
	return required.Variable(tb, variable, "a server")
}

// Config returns the configuration of clients of the server that send their
// calls through transport, which is a [Transport] or a [Faults] in front of one.
// It does not depend on the user's own AWS settings.
func (s Server) Config(transport http.RoundTripper) aws.Config {
	return aws.Config{
		Region:       Region,
		BaseEndpoint: aws.String(s.Endpoint),
		Credentials:  credentials.NewStaticCredentialsProvider(s.AccessKey, s.SecretKey, ""),
		HTTPClient:   &http.Client{Transport: transport},
		// Clients that repeat nothing would see answers break off otherwise.
		APIOptions: []func(*middleware.Stack) error{awsconf.KeepAnswer},
	}
}

// DynamoDB returns a client of the server that makes no attempt beyond the first,
// so that the caller sees each fault. A client with another retry policy is made
// from [Server.Config].
func (s Server) DynamoDB(transport http.RoundTripper) *dynamodb.Client {
	return dynamodb.NewFromConfig(s.Config(transport), func(o *dynamodb.Options) { o.Retryer = aws.NopRetryer{} })
}

// S3 returns a client of the server that makes no attempt beyond the first and
// has the bucket's name in the path. Checksums are sent and checked only where
// S3 requires them.
func (s Server) S3(transport http.RoundTripper) *s3.Client {
	return s3.NewFromConfig(s.Config(transport), func(o *s3.Options) {
		o.Retryer = aws.NopRetryer{}
		o.UsePathStyle = true
		o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
		o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
	})
}

// SQS returns a client of the server that makes no attempt beyond the first.
func (s Server) SQS(transport http.RoundTripper) *sqs.Client {
	return sqs.NewFromConfig(s.Config(transport), func(o *sqs.Options) { o.Retryer = aws.NopRetryer{} })
}
