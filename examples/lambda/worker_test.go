package main

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/bulk"
)

// jobs has the outcomes of the next jobs, and then no more.
type jobs struct {
	next   []error
	byName map[string]error
	told   []string // the ids that it was to tell of, "" for all
}

func (j *jobs) Notify(_ context.Context, ended ...string) error {
	if len(ended) == 0 {
		ended = []string{""}
	}
	j.told = append(j.told, ended...)
	return nil
}

func (j *jobs) RunNext(context.Context) (string, error) {
	if len(j.next) == 0 {
		return "", bulk.ErrNoJob
	}
	err := j.next[0]
	j.next = j.next[1:]
	if errors.Is(err, errUnreachable) {
		return "", err
	}
	return "job", err
}

func (j *jobs) RunJob(_ context.Context, id string) error {
	if err, ok := j.byName[id]; ok {
		return err
	}
	return bulk.ErrNoJob
}

type bell struct{ rings int }

func (b *bell) Ring(context.Context) error { b.rings++; return nil }

var errUnreachable = errors.New("no queue")

// TestMessages: a message whose job could not be claimed comes again, and no other.
func TestMessages(t *testing.T) {
	j := &jobs{next: []error{nil, bulk.ErrJobLeft, errUnreachable}}
	w := &worker{jobs: j, doorbell: new(bell)}
	event, err := json.Marshal(events.SQSEvent{Records: []events.SQSMessage{
		{MessageId: "1", Body: "a"}, {MessageId: "2", Body: "b"}, {MessageId: "3", Body: "c"}, {MessageId: "4", Body: "d"},
	}})
	require.NoError(t, err)
	answer, err := w.handle(t.Context(), event)
	require.NoError(t, err)
	text, err := json.Marshal(answer)
	require.NoError(t, err)
	assert.JSONEq(t, `{"batchItemFailures":[{"itemIdentifier":"3"}]}`, string(text))
	assert.Equal(t, []string{"job", "job"}, j.told)
}

// TestSweep rings for more only where there was a job.
func TestSweep(t *testing.T) {
	for name, test := range map[string]struct {
		next  []error
		rings int
		err   error
	}{
		"no job":      {nil, 0, nil},
		"a job":       {[]error{nil}, 1, nil},
		"a job left":  {[]error{bulk.ErrJobLeft}, 1, nil},
		"unreachable": {[]error{errUnreachable}, 0, errUnreachable},
	} {
		t.Run(name, func(t *testing.T) {
			b := new(bell)
			j := &jobs{next: test.next}
			w := &worker{jobs: j, doorbell: b}
			_, err := w.handle(t.Context(), json.RawMessage(`{"source":"aws.events"}`))
			assert.ErrorIs(t, err, test.err)
			assert.Equal(t, test.rings, b.rings)
			want := ""
			if test.rings > 0 {
				want = "job"
			}
			assert.Equal(t, []string{want}, j.told, "the job that it ran, and all ends that are due")
		})
	}
}

func TestWrongSettings(t *testing.T) {
	for want, env := range map[string]map[string]string{
		"BULKOPS_ROLE":       {"BULKOPS_ROLE": "both", "BULKOPS_BUCKET": "b", "BULKOPS_QUEUE_URL": "https://q"},
		"BULKOPS_LEASE":      {"BULKOPS_LEASE": "60"},
		"BULKOPS_PARALLEL":   {"BULKOPS_PARALLEL": "many"},
		"BULKOPS_TOKENS":     {"BULKOPS_TOKENS": "t0ken"},
		"BULKOPS_STOP_GRACE": {"BULKOPS_STOP_GRACE": "soon"},
	} {
		t.Setenv("AWS_REGION", "eu-central-1")
		_, err := open(t.Context(), func(name string) string { return env[name] })
		assert.ErrorContains(t, err, want)
	}
}
