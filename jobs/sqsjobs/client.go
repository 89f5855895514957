package sqsjobs

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/bulkops/bulkops/internal/awsconf"
)

// A Client is what a [Queue] calls of *[sqs.Client]: SendMessage to ring, and the
// others in [Queue.Serve] alone. The client's retryer and HTTP client are used as
// they are.
type Client interface {
	SendMessage(context.Context, *sqs.SendMessageInput, ...func(*sqs.Options)) (*sqs.SendMessageOutput, error)
	ReceiveMessage(context.Context, *sqs.ReceiveMessageInput, ...func(*sqs.Options)) (*sqs.ReceiveMessageOutput, error)
	DeleteMessage(context.Context, *sqs.DeleteMessageInput, ...func(*sqs.Options)) (*sqs.DeleteMessageOutput, error)
}

var _ Client = (*sqs.Client)(nil)

// NewClient returns a client that suits a [Queue]: it tries again soon, throttled
// calls too, and its retries are not rationed; [Options.Timeout] ends them. It keeps
// the connection open until the answer has been read, which the SDK alone sometimes
// does not. options are applied last.
func NewClient(cfg aws.Config, options ...func(*sqs.Options)) *sqs.Client {
	return sqs.NewFromConfig(awsconf.Tune(cfg, awsconf.RetryAll), options...)
}
