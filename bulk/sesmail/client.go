package sesmail

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"

	"github.com/bulkops/bulkops/internal/awsconf"
)

// A Client is what a [Mailer] calls of *[sesv2.Client]. The client's HTTP client is
// used as it is, its retryer is not.
type Client interface {
	SendBulkEmail(context.Context, *sesv2.SendBulkEmailInput, ...func(*sesv2.Options)) (*sesv2.SendBulkEmailOutput, error)
}

var _ Client = (*sesv2.Client)(nil)

// once makes one attempt of a call, and leaves it to the mailer to send it again.
// No answer is lost on this side: its emails would count as failed.
func once(o *sesv2.Options) {
	o.Retryer = aws.NopRetryer{}
	o.APIOptions = append(o.APIOptions, awsconf.KeepAnswer)
}
