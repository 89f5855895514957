package sqsjobs_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"go.uber.org/goleak"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/test/awstest"
	"github.com/bulkops/bulkops/internal/test/logtest"
	"github.com/bulkops/bulkops/jobs/sqsjobs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newMessages creates an SQS queue, which is removed when the test ends, and returns
// its URL. Its messages come again after the visibility timeout, in seconds.
func newMessages(t *testing.T, client *sqs.Client, visibility int) string {
	t.Helper()
	out, err := client.CreateQueue(t.Context(), &sqs.CreateQueueInput{
		QueueName:  aws.String(awstest.Name(t)),
		Attributes: map[string]string{string(types.QueueAttributeNameVisibilityTimeout): strconv.Itoa(visibility)},
	})
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

// counts returns how many messages can be received, and how many are delayed.
func counts(t *testing.T, client *sqs.Client, url string) (visible, delayed, inFlight int) {
	t.Helper()
	names := []types.QueueAttributeName{
		types.QueueAttributeNameApproximateNumberOfMessages,
		types.QueueAttributeNameApproximateNumberOfMessagesDelayed,
		types.QueueAttributeNameApproximateNumberOfMessagesNotVisible,
	}
	out, err := client.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: names})
	if err != nil {
		t.Fatal(err)
	}
	var n [3]int
	for i, name := range names {
		if n[i], err = strconv.Atoi(out.Attributes[string(name)]); err != nil {
			t.Fatal(err)
		}
	}
	return n[0], n[1], n[2]
}

// ring wraps a queue; what it logs is checked.
func ring(t *testing.T, jobs bulk.JobQueue, client sqsjobs.Client, opts sqsjobs.Options) *sqsjobs.Queue {
	t.Helper()
	if opts.Logger == nil {
		opts.Logger = logtest.New(t)
	}
	queue, err := sqsjobs.New(jobs, client, opts)
	if err != nil {
		t.Fatal(err)
	}
	return queue
}

var jobIDs struct {
	sync.Mutex
	n int
}

// newJob returns a job with an id above those of all jobs before it.
func newJob(tenant string) bulk.JobSpec {
	jobIDs.Lock()
	defer jobIDs.Unlock()
	jobIDs.n++
	now := time.Now().UTC().Truncate(time.Millisecond)
	return bulk.JobSpec{
		ID:           fmt.Sprintf("job_%06d", jobIDs.n),
		Tenant:       tenant,
		Type:         bulk.JobTypeUserImport,
		CreatedBy:    "ana",
		Options:      bulk.DefaultOptions(),
		TotalRecords: 1000,
		CreatedAt:    now,
		ExpiresAt:    now.Add(24 * time.Hour),
		Payload:      "t/job/payload",
		SegmentRows:  500,
	}
}

func create(t *testing.T, queue bulk.JobQueue, tenant string) bulk.JobSpec {
	t.Helper()
	job := newJob(tenant)
	if err := queue.Create(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	return job
}

func claim(t *testing.T, queue bulk.JobQueue, id string) bulk.Job {
	t.Helper()
	job, err := queue.Claim(t.Context(), bulk.Claim{JobID: id, Lease: time.Minute, Worker: "w"})
	if err != nil {
		t.Fatal(err)
	}
	return job
}

// memory is an SQS queue in memory, in the time of a test: a delayed message is
// received after its delay, and one that is not deleted is gone all the same. Its
// hooks, if they are set, fail a call or hold it up.
type memory struct {
	onSend, onReceive, onDelete func(ctx context.Context) error

	mu       sync.Mutex
	sent     []sqs.SendMessageInput
	received int
	deleted  []string
	messages chan types.Message // nil until the first use
}

func (m *memory) queue() chan types.Message {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.messages == nil {
		m.messages = make(chan types.Message, 1000)
	}
	return m.messages
}

func (m *memory) SendMessage(ctx context.Context, in *sqs.SendMessageInput, _ ...func(*sqs.Options)) (*sqs.SendMessageOutput, error) {
	if m.onSend != nil {
		if err := m.onSend(ctx); err != nil {
			return nil, err
		}
	}
	queue := m.queue()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sent = append(m.sent, *in)
	message := types.Message{Body: in.MessageBody, ReceiptHandle: aws.String(fmt.Sprint("receipt of ", *in.MessageBody))}
	time.AfterFunc(time.Duration(in.DelaySeconds)*time.Second, func() { queue <- message })
	return &sqs.SendMessageOutput{}, nil
}

func (m *memory) ReceiveMessage(ctx context.Context, in *sqs.ReceiveMessageInput, _ ...func(*sqs.Options)) (*sqs.ReceiveMessageOutput, error) {
	if in.MaxNumberOfMessages != 1 || in.WaitTimeSeconds != 20 {
		return nil, fmt.Errorf("%d messages within %d seconds are asked for; want 1 within 20", in.MaxNumberOfMessages, in.WaitTimeSeconds)
	}
	queue := m.queue()
	m.mu.Lock()
	m.received++
	m.mu.Unlock()
	if m.onReceive != nil {
		if err := m.onReceive(ctx); err != nil {
			return nil, err
		}
	}
	timer := time.NewTimer(time.Duration(in.WaitTimeSeconds) * time.Second)
	defer timer.Stop()
	select {
	case message := <-queue:
		return &sqs.ReceiveMessageOutput{Messages: []types.Message{message}}, nil
	case <-timer.C:
		return &sqs.ReceiveMessageOutput{}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (m *memory) DeleteMessage(ctx context.Context, in *sqs.DeleteMessageInput, _ ...func(*sqs.Options)) (*sqs.DeleteMessageOutput, error) {
	if m.onDelete != nil {
		if err := m.onDelete(ctx); err != nil {
			return nil, err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.deleted = append(m.deleted, *in.ReceiptHandle)
	return &sqs.DeleteMessageOutput{}, nil
}

// rings returns the messages sent since it was last called.
func (m *memory) rings() []sqs.SendMessageInput {
	m.mu.Lock()
	defer m.mu.Unlock()
	sent := m.sent
	m.sent = nil
	return sent
}

var errDown = errors.New("SQS is down")

// silent never answers.
func silent(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

func down(context.Context) error { return errDown }
