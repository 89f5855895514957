package local

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// A Fate is what becomes of a message.
type Fate int

const (
	Delivered Fate = iota
	Dropped        // nobody ever hears of it
	Doubled        // two invocations get it, at the same time
)

// A Source invokes a function for each message of an SQS queue, as an event source
// mapping with a batch size of 1 and partial responses does.
type Source struct {
	Function *Function
	Client   *sqs.Client
	QueueURL string
	// Concurrency is how many invocations there are at once.
	Concurrency int
	// Fate decides about the nth message, from 0 on; nil delivers all.
	Fate func(n int) Fate
	// Report is told how each invocation ended.
	Report func(error)

	mu       sync.Mutex
	received int
}

// Run invokes until ctx ends.
func (s *Source) Run(ctx context.Context) {
	var group sync.WaitGroup
	for range s.Concurrency {
		group.Go(func() {
			for ctx.Err() == nil {
				s.next(ctx)
			}
		})
	}
	group.Wait()
}

func (s *Source) next(ctx context.Context) {
	out, err := s.Client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
		QueueUrl: &s.QueueURL, MaxNumberOfMessages: 1, WaitTimeSeconds: 1,
		// Six times the time-out, as the templates have it.
		VisibilityTimeout: int32(6 * s.Function.Timeout.Seconds()),
	})
	if err != nil || len(out.Messages) == 0 {
		return
	}
	m := out.Messages[0]
	fate := Delivered
	if s.Fate != nil {
		s.mu.Lock()
		fate = s.Fate(s.received)
		s.received++
		s.mu.Unlock()
	}
	var group sync.WaitGroup
	if fate == Doubled {
		group.Go(func() { s.Report(s.invoke(ctx, m)) })
	}
	if fate != Dropped {
		err = s.invoke(ctx, m)
		s.Report(err)
	}
	group.Wait()
	if err == nil { // else it comes again
		_, _ = s.Client.DeleteMessage(context.WithoutCancel(ctx), &sqs.DeleteMessageInput{QueueUrl: &s.QueueURL, ReceiptHandle: m.ReceiptHandle})
	}
}

// invoke runs the function for one message. It is an error too if the function says
// that the message is to come again.
func (s *Source) invoke(ctx context.Context, m types.Message) error {
	id := aws.ToString(m.MessageId)
	event, err := json.Marshal(events.SQSEvent{Records: []events.SQSMessage{{
		MessageId: id, Body: aws.ToString(m.Body), ReceiptHandle: aws.ToString(m.ReceiptHandle), EventSource: "aws:sqs",
	}}})
	if err != nil {
		return err
	}
	answer, err := s.Function.Invoke(ctx, event)
	if err != nil {
		return err
	}
	var response events.SQSEventResponse
	if err := json.Unmarshal(answer, &response); err != nil {
		return fmt.Errorf("local: %q is not the answer to messages: %w", answer, err)
	}
	if slices.Contains(response.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: id}) {
		return fmt.Errorf("local: the function wants message %s again", id)
	}
	return nil
}
