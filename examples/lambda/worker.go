package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/aws/aws-lambda-go/events"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/jobs/sqsjobs"
)

// A worker runs one job for each event, and tells of the ends of jobs. It stops in
// good order before its deadline, and the job then rings for the next invocation.
type worker struct {
	jobs     runner
	doorbell doorbell
}

// A runner is what it takes of [bulk.Worker].
type runner interface {
	sqsjobs.Runner
	Notify(ctx context.Context, ended ...string) error
}

// A doorbell rings for the next job, as [sqsjobs.Queue] does.
type doorbell interface {
	Ring(ctx context.Context) error
}

func newWorker(cfg bulk.Config, doorbell *sqsjobs.Queue) (*worker, error) {
	jobs, err := bulk.NewWorker(cfg)
	return &worker{jobs, doorbell}, err
}

// handle answers messages of the doorbell, and takes anything else for the schedule.
func (w *worker) handle(ctx context.Context, event json.RawMessage) (any, error) {
	var messages events.SQSEvent
	if err := json.Unmarshal(event, &messages); err != nil {
		return nil, fmt.Errorf("the event is no object: %w", err)
	}
	if messages.Records == nil {
		return nil, w.sweep(ctx)
	}
	return w.answer(ctx, messages.Records), nil
}

// answer runs a job for each message, and says which messages are to come again.
// Batches are to have a size of 1, but with a larger one no message is lost either.
func (w *worker) answer(ctx context.Context, messages []events.SQSMessage) events.SQSEventResponse {
	response := events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{}}
	for _, m := range messages {
		id, err := sqsjobs.Answer(ctx, w.jobs, m.Body)
		if err == nil && id != "" {
			err = w.jobs.Notify(ctx, id)
		}
		if err != nil {
			response.BatchItemFailures = append(response.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: m.MessageId})
		}
	}
	return response
}

// sweep runs a job that never rang, or whose worker was killed, and if there was one
// rings for the next: there may be more. Then it tells of all ends that nobody has
// told.
func (w *worker) sweep(ctx context.Context) error {
	id, err := sqsjobs.Answer(ctx, w.jobs, "")
	if id != "" {
		err = w.doorbell.Ring(ctx)
	}
	var ended []string
	if id != "" {
		ended = []string{id} // which the queue may show a little late otherwise
	}
	return errors.Join(err, w.jobs.Notify(ctx, ended...))
}
