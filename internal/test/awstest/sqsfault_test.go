package awstest_test

import (
	"context"
	"errors"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/bulkops/bulkops/internal/test/awstest"
)

// newSQSQueue creates a queue that is removed when the test ends, and returns its URL.
func newSQSQueue(t *testing.T, client *sqs.Client) string {
	t.Helper()
	out, err := client.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String(awstest.Name(t))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := client.DeleteQueue(context.WithoutCancel(t.Context()), &sqs.DeleteQueueInput{QueueUrl: out.QueueUrl}); err != nil {
			t.Error(err)
		}
	})
	return *out.QueueUrl
}

func sendMessage(t *testing.T, client *sqs.Client, url string) error {
	t.Helper()
	_, err := client.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("body")})
	return err
}

// arrived returns how many messages there are, up to ten.
func arrived(t *testing.T, client *sqs.Client, url string) int {
	t.Helper()
	out, err := client.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 10})
	if err != nil {
		t.Fatal(err)
	}
	return len(out.Messages)
}

func TestSQSRefusals(t *testing.T) {
	server := awstest.SQS(t)
	transport := awstest.Transport(t)
	direct := server.SQS(transport)
	url := newSQSQueue(t, direct)
	for kind, code := range map[awstest.Kind]string{awstest.Throttle: "RequestThrottled", awstest.ServerError: "InternalFailure"} {
		t.Run(string(kind), func(t *testing.T) {
			faults := awstest.NewFaults(t, transport, 1, awstest.Rule{Kind: kind, Operations: []string{"SendMessage"}})
			client := server.SQS(faults)
			wantCode(t, sendMessage(t, client, url), code)
			if n := arrived(t, client, url); n != 0 {
				t.Errorf("%d messages of a refused call arrived", n)
			}
			if faults.Injected(kind, "SendMessage") != 1 || faults.Calls("SendMessage", "ReceiveMessage") != 2 {
				t.Errorf("unexpected counts: %v", faults)
			}
		})
	}
}

func TestSQSLostAnswer(t *testing.T) {
	server := awstest.SQS(t)
	transport := awstest.Transport(t)
	direct := server.SQS(transport)
	url := newSQSQueue(t, direct)
	faults := awstest.NewFaults(t, transport, 1, awstest.Rule{Kind: awstest.LostAnswer, Operations: []string{"SendMessage"}})
	if err := sendMessage(t, server.SQS(faults), url); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("SendMessage returned %v, want the error of a broken connection", err)
	}
	if n := arrived(t, direct, url); n != 1 {
		t.Errorf("%d messages arrived, want the one whose answer was lost", n)
	}
}
