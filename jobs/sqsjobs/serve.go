package sqsjobs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/backoff"
	"github.com/bulkops/bulkops/internal/redact"
)

// MaxWait is how long SQS waits for a message before it answers that there is none.
// Source: SQS API reference, ReceiveMessage, WaitTimeSeconds.
const MaxWait = 20 * time.Second

// pause is the wait after jobs could not be had, or messages.
var pause = backoff.Backoff{Base: time.Second, Cap: MaxWait}

// A Runner runs jobs, as a [*bulk.Worker] does.
type Runner interface {
	RunNext(ctx context.Context) (id string, err error)
	RunJob(ctx context.Context, id string) error
}

var _ Runner = (*bulk.Worker)(nil)

// Answer does what a message asks for: it runs the next job in fair turn. If there
// seems to be none, it runs the job that rang, since a queue may see a new job a
// little late unless it is named. message is the body of the message, "" if there is
// none, as in a sweep.
//
// It returns the id of the job that it ran, "" for none. It is no error that there is
// none, or that the job was left ([bulk.ErrJobLeft]), which has rung again. After any
// other error of worker the message should come again, as the partial response to a
// batch makes it do.
func Answer(ctx context.Context, worker Runner, message string) (id string, err error) {
	id, err = worker.RunNext(ctx)
	if id == "" && errors.Is(err, bulk.ErrNoJob) && message != "" && message != anyJob {
		if err = worker.RunJob(ctx, message); err == nil || errors.Is(err, bulk.ErrJobLeft) {
			id = message
		}
	}
	if errors.Is(err, bulk.ErrNoJob) || errors.Is(err, bulk.ErrJobLeft) {
		err = nil
	}
	return id, err
}

// Serve runs jobs, one at a time, until ctx ends, and then returns nil: as
// [bulk.Worker.Run] does, but it waits for a message where that asks the queue every
// second. Call it in as many goroutines as there are to be jobs at once.
//
// A message is received only when there is no job, so a busy process takes none
// from an idle one, and is deleted before the job is run. At least every [MaxWait] of
// waiting the queue is asked without one, so a message that was lost delays a job by
// no more. While SQS or the queue of jobs fail, it pauses for up to that time and
// logs it.
func (q *Queue) Serve(ctx context.Context, worker Runner) error {
	message, failures := "", 0
	for ctx.Err() == nil {
		id, err := Answer(ctx, worker, message)
		switch {
		case id != "":
			message, err = "", nil // a worker logs how its attempts fail
		case err == nil:
			message, err = q.receive(ctx)
		}
		if err == nil {
			failures = 0
			continue
		}
		if ctx.Err() == nil {
			failures++
			q.opts.Logger.WarnContext(ctx, "no job was run", redact.Error(err))
			_ = pause.Wait(ctx, failures) // its error is that of ctx
		}
	}
	return nil
}

// receive waits for a message and returns its body, or "" if none came.
func (q *Queue) receive(ctx context.Context) (string, error) {
	wait, cancel := context.WithTimeout(ctx, MaxWait+q.opts.Timeout)
	defer cancel()
	out, err := q.client.ReceiveMessage(wait, &sqs.ReceiveMessageInput{
		QueueUrl:            aws.String(q.opts.QueueURL),
		MaxNumberOfMessages: 1,
		WaitTimeSeconds:     int32(MaxWait / time.Second),
	})
	if err != nil {
		return "", fmt.Errorf("sqsjobs: receive: %w", err)
	}
	if len(out.Messages) == 0 {
		return "", nil
	}
	message := out.Messages[0]
	q.remove(ctx, message.ReceiptHandle)
	return aws.ToString(message.Body), nil
}

// remove deletes a message. One that stays comes again, and finds no job.
func (q *Queue) remove(ctx context.Context, receipt *string) {
	call, cancel := context.WithTimeout(ctx, q.opts.Timeout)
	defer cancel()
	_, err := q.client.DeleteMessage(call, &sqs.DeleteMessageInput{QueueUrl: aws.String(q.opts.QueueURL), ReceiptHandle: receipt})
	if err != nil && ctx.Err() == nil {
		q.opts.Logger.WarnContext(ctx, "message not deleted", redact.Error(err))
	}
}
