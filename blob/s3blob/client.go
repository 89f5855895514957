package s3blob

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/bulkops/bulkops/internal/awsconf"
)

// A Client is what a [Store] calls of *[s3.Client]: what the transfer manager asks
// for, and DeleteObject. The client's retryer and HTTP client are used as they
// are.
type Client interface {
	transfermanager.S3APIClient
	DeleteObject(context.Context, *s3.DeleteObjectInput, ...func(*s3.Options)) (*s3.DeleteObjectOutput, error)
}

// A Presigner is what a [Store] calls of *[s3.PresignClient].
type Presigner interface {
	PresignGetObject(context.Context, *s3.GetObjectInput, ...func(*s3.PresignOptions)) (*v4.PresignedHTTPRequest, error)
}

var (
	_ Client    = (*s3.Client)(nil)
	_ Presigner = (*s3.PresignClient)(nil)
)

// NewClient returns a client for bulk work: one that keeps as many connections as
// there are parallel calls, whose retries are not rationed, and that keeps the
// connection open until the answer has been read, which the SDK alone sometimes
// does not. For an endpoint that is not AWS's own it names the bucket in the path,
// and sends and checks checksums only where S3 requires them, because other servers
// refuse some. It tells [bulk.ReportThrottle] of calls that S3 refused for coming too
// fast. options are applied last.
func NewClient(cfg aws.Config, options ...func(*s3.Options)) *s3.Client {
	options = append([]func(*s3.Options){forEndpoint, s3.WithAPIOptions(awsconf.ReportThrottles)}, options...)
	return s3.NewFromConfig(awsconf.Tune(cfg, awsconf.RetryAll), options...)
}

func forEndpoint(o *s3.Options) {
	if o.BaseEndpoint == nil {
		return
	}
	o.UsePathStyle = true
	o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
	o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
}
