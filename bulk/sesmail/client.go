package sesmail

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
)

// A Client is what a [Mailer] calls of *[sesv2.Client]. The client's HTTP client is
// used as it is, its retryer is not.
type Client interface {
	SendBulkEmail(context.Context, *sesv2.SendBulkEmailInput, ...func(*sesv2.Options)) (*sesv2.SendBulkEmailOutput, error)
}

var _ Client = (*sesv2.Client)(nil)

// withoutRetries leaves it to the mailer to send a call again.
func withoutRetries(o *sesv2.Options) { o.Retryer = aws.NopRetryer{} }
