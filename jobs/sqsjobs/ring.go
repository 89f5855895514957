package sqsjobs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/bulkops/bulkops/internal/redact"
)

const (
	// MaxDelay is how long a message can be delayed. Source: SQS API reference,
	// SendMessage, DelaySeconds.
	MaxDelay = 15 * time.Minute

	// skew is how much later than the job can be claimed a delayed message comes:
	// the clock of who receives it may be behind.
	skew = time.Second

	// lastMoment is how long a ring may go on when the context of the call has
	// ended: long enough for SQS, short enough for a caller that wants to go.
	lastMoment = 250 * time.Millisecond

	// anyJob is the body of a message that is about no job: a body cannot be empty.
	anyJob = "next"
)

// A bell is one message.
type bell struct {
	job    string        // the id of the job that may be claimed
	tenant string        // "" if it is not known
	after  time.Duration // when it may be claimed, from now
}

// Ring sends a message that is about no particular job, for the next one in fair
// turn: a sweep that found a job does so, as there may be more. It takes at most
// [Options.Timeout].
func (q *Queue) Ring(ctx context.Context) error {
	return q.send(ctx, bell{job: anyJob})
}

// ring rings, and logs it if it cannot.
func (q *Queue) ring(ctx context.Context, b bell) {
	if err := q.send(ctx, b); err != nil {
		q.opts.Logger.WarnContext(ctx, "doorbell not rung", "job", b.job, redact.Error(err))
	}
}

func (q *Queue) send(ctx context.Context, b bell) error {
	// The job is there, whatever becomes of the call that made it.
	call, cancel := context.WithTimeout(context.WithoutCancel(ctx), q.opts.Timeout)
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(lastMoment, cancel) })()
	input := &sqs.SendMessageInput{
		QueueUrl:     aws.String(q.opts.QueueURL),
		MessageBody:  aws.String(b.job),
		DelaySeconds: delay(b.after),
	}
	if b.tenant != "" {
		input.MessageGroupId = aws.String(group(b.tenant))
	}
	if _, err := q.client.SendMessage(call, input); err != nil {
		return fmt.Errorf("sqsjobs: ring: %w", err)
	}
	return nil
}

// delay returns the DelaySeconds of a message about a job that can be claimed after
// that time.
func delay(after time.Duration) int32 {
	if after <= 0 {
		return 0
	}
	after = min(after, MaxDelay-skew) + skew
	return int32((after + time.Second - 1) / time.Second)
}

// group returns the MessageGroupId of a tenant: a hash, as a tenant may have
// characters that an id must not have, and its name is nobody's business in a queue.
func group(tenant string) string {
	sum := sha256.Sum256([]byte(tenant))
	return hex.EncodeToString(sum[:16])
}
