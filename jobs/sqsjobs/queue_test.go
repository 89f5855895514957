package sqsjobs_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/bulkops/bulkops/blob/memblob"
	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/bulk/bulktest"
	"github.com/bulkops/bulkops/internal/test/awstest"
	"github.com/bulkops/bulkops/internal/test/logtest"
	"github.com/bulkops/bulkops/jobs/dynamojobs"
	"github.com/bulkops/bulkops/jobs/memjobs"
	"github.com/bulkops/bulkops/jobs/sqsjobs"
	"github.com/bulkops/bulkops/store/memstore"
)

func TestConformance(t *testing.T) {
	t.Run("memjobs", func(t *testing.T) {
		client := awstest.SQS(t).SQS(awstest.Transport(t))
		url := newMessages(t, client, 30)
		bulktest.TestJobQueue(t, func(t *testing.T) bulk.JobQueue {
			return ring(t, memjobs.New(), client, sqsjobs.Options{QueueURL: url})
		})
	})
	t.Run("dynamojobs", func(t *testing.T) {
		client := awstest.SQS(t).SQS(awstest.Transport(t))
		dynamo := awstest.DynamoDBLocal(t).DynamoDB(awstest.Transport(t))
		options := dynamojobs.Options{Table: awstest.Name(t)}
		if err := dynamojobs.CreateTable(t.Context(), dynamo, options); err != nil {
			t.Fatal(err)
		}
		jobs, err := dynamojobs.New(dynamo, options)
		if err != nil {
			t.Fatal(err)
		}
		queue := ring(t, jobs, client, sqsjobs.Options{QueueURL: newMessages(t, client, 30)})
		bulktest.TestJobQueue(t, func(*testing.T) bulk.JobQueue { return queue })
	})
}

// The rules hold while rings are throttled, fail, lose their answers, and time out.
func TestConformanceUnderFaults(t *testing.T) {
	server := awstest.SQS(t)
	const timeout = 200 * time.Millisecond
	faults := awstest.NewFaults(t, awstest.Transport(t), 1,
		awstest.Rule{Kind: awstest.SlowAnswer, Probability: 0.05, Delay: time.Hour},
		awstest.Rule{Kind: awstest.LostAnswer, Probability: 0.2},
		awstest.Rule{Kind: awstest.Throttle, Probability: 0.2},
		awstest.Rule{Kind: awstest.ServerError, Probability: 0.2},
	)
	options := server.SQS(faults).Options()
	options.Retryer = retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = 2
		o.RateLimiter = ratelimit.None
		o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return time.Millisecond, nil })
	})
	client := sqs.New(options)
	url := newMessages(t, server.SQS(awstest.Transport(t)), 30)
	t.Run("suite", func(t *testing.T) { // returns when its parallel cases have ended
		bulktest.TestJobQueue(t, func(t *testing.T) bulk.JobQueue {
			return ring(t, memjobs.New(), client, sqsjobs.Options{QueueURL: url, Timeout: timeout})
		})
	})
	for _, kind := range []awstest.Kind{awstest.SlowAnswer, awstest.LostAnswer, awstest.Throttle, awstest.ServerError} {
		if faults.Injected(kind, "SendMessage") == 0 {
			t.Errorf("no %s was injected", kind)
		}
	}
	t.Log(faults)
}

const someURL = "https://sqs.example/1/bulkops"

// rung is the message that a job of a tenant has to send, delayed by seconds.
func rung(job bulk.JobSpec, group string, seconds int32) sqs.SendMessageInput {
	m := sqs.SendMessageInput{QueueUrl: aws.String(someURL), MessageBody: aws.String(job.ID), DelaySeconds: seconds}
	if group != "" {
		m.MessageGroupId = aws.String(group)
	}
	return m
}

// The groups of two tenants: the first half of the SHA-256 of their names.
const (
	groupOfA = "ca978112ca1bbdcafac231b39a23dc4d"
	groupOfB = "3e23e8160039594a33894f6564e1b134"
)

// Each event rings exactly as often as a job may be claimed because of it.
func TestRings(t *testing.T) {
	for _, test := range []struct {
		name string
		do   func(t *testing.T, q *sqsjobs.Queue, job bulk.Job) error
		// rings are the delays, in seconds, of what is sent about the job.
		rings []int32
		err   error
	}{{
		name: "claim by id, heartbeat and checkpoint",
		do: func(t *testing.T, q *sqsjobs.Queue, job bulk.Job) error {
			_, err1 := q.Save(t.Context(), job.ID, job.Token, bulk.JobChange{Lease: time.Minute})
			_, err2 := q.Save(t.Context(), job.ID, job.Token, bulk.JobChange{Lease: time.Minute, Progress: &bulk.Progress{Rows: 1}})
			return errors.Join(err1, err2)
		},
	}, {
		name: "release", rings: []int32{0},
		do: save(bulk.JobChange{Progress: &bulk.Progress{Rows: 1}}),
	}, {
		name: "release for half a second", rings: []int32{2}, // and a second for clocks
		do: save(bulk.JobChange{RetryAfter: time.Second / 2}),
	}, {
		name: "release for 30 seconds", rings: []int32{31},
		do: save(bulk.JobChange{RetryAfter: 30 * time.Second}),
	}, {
		name: "release for longer than a message can wait", rings: []int32{900},
		do: save(bulk.JobChange{RetryAfter: 1000 * time.Hour}),
	}, {
		name: "end",
		do:   save(bulk.JobChange{End: bulk.JobCompleted}),
	}, {
		name: "end with a RetryAfter that means nothing",
		do:   save(bulk.JobChange{End: bulk.JobFailed, RetryAfter: time.Minute}),
	}, {
		name: "release of a lease that is lost", err: bulk.ErrLeaseLost,
		do: func(t *testing.T, q *sqsjobs.Queue, job bulk.Job) error {
			job.Token--
			return save(bulk.JobChange{})(t, q, job)
		},
	}, {
		name: "create under an id that is in use", err: bulk.ErrJobExists,
		do: func(t *testing.T, q *sqsjobs.Queue, job bulk.Job) error { return q.Create(t.Context(), job.JobSpec) },
	}, {
		name: "cancel",
		do: func(t *testing.T, q *sqsjobs.Queue, job bulk.Job) error {
			_, err := q.Cancel(t.Context(), job.ID, bulk.Cancellation{})
			return err
		},
	}, {
		name: "telling of an end",
		do: func(t *testing.T, q *sqsjobs.Queue, job bulk.Job) error {
			err1 := save(bulk.JobChange{End: bulk.JobCompleted, Notify: true})(t, q, job)
			job, err2 := q.Claim(t.Context(), bulk.Claim{JobID: job.ID, Lease: time.Minute, Ended: true})
			err3 := save(bulk.JobChange{})(t, q, job)
			job, err4 := q.Claim(t.Context(), bulk.Claim{JobID: job.ID, Lease: time.Minute, Ended: true})
			return errors.Join(err1, err2, err3, err4, save(bulk.JobChange{Notified: true})(t, q, job))
		},
	}, {
		name: "get, list and delete", err: bulk.ErrJobNotEnded,
		do: func(t *testing.T, q *sqsjobs.Queue, job bulk.Job) error {
			_, err1 := q.Get(t.Context(), job.ID)
			_, _, err2 := q.List(t.Context(), bulk.JobFilter{Tenant: job.Tenant, Limit: 1})
			return errors.Join(err1, err2, q.Delete(t.Context(), job.ID))
		},
	}} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var messages memory
				q := ring(t, memjobs.New(), &messages, sqsjobs.Options{QueueURL: someURL})
				spec := create(t, q, "a")
				compare(t, []sqs.SendMessageInput{rung(spec, groupOfA, 0)}, messages.rings())
				job := claim(t, q, spec.ID)
				if err := test.do(t, q, job); !errors.Is(err, test.err) {
					t.Errorf("error is %v, want %v", err, test.err)
				}
				var want []sqs.SendMessageInput
				for _, delay := range test.rings {
					want = append(want, rung(spec, groupOfA, delay))
				}
				compare(t, want, messages.rings())
				time.Sleep(sqsjobs.MaxDelay) // until no delayed message is left
			})
		})
	}
}

// save returns a call of Save.
func save(change bulk.JobChange) func(*testing.T, *sqsjobs.Queue, bulk.Job) error {
	return func(t *testing.T, q *sqsjobs.Queue, job bulk.Job) error {
		saved, err := q.Save(t.Context(), job.ID, job.Token, change)
		if err == nil && saved.ID != job.ID {
			t.Errorf("Save returned the job %+v", saved)
		}
		return err
	}
}

func compare(t *testing.T, want, got []sqs.SendMessageInput) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(sqs.SendMessageInput{}), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
}

// brokenJobs is a queue whose calls have their effect and fail.
type brokenJobs struct {
	bulk.JobQueue
	err error
}

func (q *brokenJobs) Create(ctx context.Context, spec bulk.JobSpec) error {
	if err := q.JobQueue.Create(ctx, spec); err != nil {
		return err
	}
	return q.err
}

func (q *brokenJobs) Save(ctx context.Context, id string, token int64, change bulk.JobChange) (bulk.Job, error) {
	job, err := q.JobQueue.Save(ctx, id, token, change)
	if q.err != nil {
		return bulk.Job{}, q.err
	}
	return job, err
}

// A call that may have had its effect rings, and its error stays; one that certainly
// had none does not.
func TestRingsInDoubt(t *testing.T) {
	lost := errors.New("the answer is lost")
	for name, test := range map[string]struct {
		err   error
		rings bool
	}{
		"lost answer": {lost, true},
		"silence":     {context.DeadlineExceeded, true},
		"cancelled":   {context.Canceled, true},
		"permanent":   {bulk.Permanent(lost), false},
	} {
		t.Run(name, func(t *testing.T) {
			var messages memory
			jobs := &brokenJobs{JobQueue: memjobs.New()}
			q := ring(t, jobs, &messages, sqsjobs.Options{QueueURL: someURL})
			job := claim(t, q, create(t, q, "a").ID)
			messages.rings()
			jobs.err = test.err

			var want []sqs.SendMessageInput
			second := newJob("b")
			if err := q.Create(t.Context(), second); !errors.Is(err, test.err) {
				t.Errorf("Create returned %v", err)
			}
			if test.rings {
				want = append(want, rung(second, groupOfB, 0))
			}
			compare(t, want, messages.rings())

			if _, err := q.Save(t.Context(), job.ID, job.Token, bulk.JobChange{}); !errors.Is(err, test.err) {
				t.Errorf("Save returned %v", err)
			}
			if want = nil; test.rings {
				want = append(want, rung(job.JobSpec, "", 0)) // the job's tenant is not known
			}
			compare(t, want, messages.rings())
		})
	}
}

// Messages have the sizes and names that SQS takes, from tenants of any kind, and are
// delayed by it.
func TestRingsOnServer(t *testing.T) {
	client := awstest.SQS(t).SQS(awstest.Transport(t))
	url := newMessages(t, client, 30)
	q := ring(t, memjobs.New(), client, sqsjobs.Options{QueueURL: url})
	for _, tenant := range []string{"a", "ünïcode 🙂 / with spaces", strings.Repeat("long", 60)} {
		create(t, q, tenant)
	}
	if err := q.Ring(t.Context()); err != nil {
		t.Error(err)
	}
	waiting := create(t, q, "b")
	job := claim(t, q, waiting.ID)
	if _, err := q.Save(t.Context(), job.ID, job.Token, bulk.JobChange{RetryAfter: sqsjobs.MaxDelay}); err != nil {
		t.Error(err)
	}
	if visible, delayed, _ := counts(t, client, url); visible != 5 || delayed != 1 {
		t.Errorf("%d messages can be received and %d are delayed, want 5 and 1", visible, delayed)
	}
}

// A job is created whatever becomes of its ring, and soon.
func TestRingFails(t *testing.T) {
	for name, test := range map[string]struct {
		fail func(context.Context) error
		took time.Duration
	}{
		"down":   {down, 0},
		"silent": {silent, sqsjobs.DefaultTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				q := ring(t, memjobs.New(), &memory{onSend: test.fail}, sqsjobs.Options{QueueURL: someURL, Logger: logtest.Tee(t, &log)})
				start := time.Now()
				job := create(t, q, "a")
				if took := time.Since(start); took != test.took {
					t.Errorf("Create took %v, want %v", took, test.took)
				}
				if got, err := q.Get(t.Context(), job.ID); err != nil || got.Status != bulk.JobPending {
					t.Errorf("the job is %+v, %v", got, err)
				}
				if line := log.String(); !strings.Contains(line, job.ID) || strings.Count(line, "\n") != 1 {
					t.Errorf("the log does not have one line about the job: %s", line)
				}
				if err := q.Ring(t.Context()); err == nil {
					t.Error("Ring does not say that it failed")
				}
			})
		})
	}
}

// While no answer of SQS comes through the network either, a job is made in time.
func TestRingMeetsSilentServer(t *testing.T) {
	server := awstest.SQS(t)
	faults := awstest.NewFaults(t, awstest.Transport(t), 1, awstest.Rule{Kind: awstest.SlowAnswer, Delay: time.Hour})
	url := newMessages(t, server.SQS(awstest.Transport(t)), 30)
	client := sqsjobs.NewClient(server.Config(faults))
	q := ring(t, memjobs.New(), client, sqsjobs.Options{QueueURL: url, Timeout: 50 * time.Millisecond})
	create(t, q, "a")
	if faults.Injected(awstest.SlowAnswer, "SendMessage") == 0 {
		t.Error("no answer was slow")
	}
}

// The client of this package sends a ring again that was throttled or failed.
func TestRingIsRepeated(t *testing.T) {
	server := awstest.SQS(t)
	faults := awstest.NewFaults(t, awstest.Transport(t), 1,
		awstest.Rule{Kind: awstest.Throttle, Times: 1}, awstest.Rule{Kind: awstest.ServerError, Times: 1})
	direct := server.SQS(awstest.Transport(t))
	url := newMessages(t, direct, 30)
	q := ring(t, memjobs.New(), sqsjobs.NewClient(server.Config(faults)), sqsjobs.Options{QueueURL: url, Timeout: time.Minute})
	create(t, q, "a")
	if visible, _, _ := counts(t, direct, url); visible != 1 || faults.Calls("SendMessage") != 3 {
		t.Errorf("%d messages arrived: %v", visible, faults)
	}
}

// A call whose context ends rings all the same, but does not wait for long.
func TestRingOutlivesItsCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var messages memory
		messages.onSend = func(ctx context.Context) error {
			cancel()
			time.Sleep(100 * time.Millisecond)
			return ctx.Err()
		}
		q := ring(t, memjobs.New(), &messages, sqsjobs.Options{QueueURL: someURL})
		job := newJob("a")
		if err := q.Create(ctx, job); err != nil {
			t.Errorf("Create returned %v for a job that is there", err)
		}
		compare(t, []sqs.SendMessageInput{rung(job, groupOfA, 0)}, messages.rings())

		messages.onSend = silent
		start := time.Now()
		if err := q.Create(ctx, newJob("a")); !errors.Is(err, context.Canceled) {
			t.Errorf("Create returned %v", err)
		}
		if took := time.Since(start); took >= time.Second {
			t.Errorf("Create with a cancelled context took %v", took)
		}
	})
}

// What the wrapped queue can do besides stays: importers find that it keeps
// idempotency keys, and workers that it tells of new jobs.
func TestUnwrapKeepsAbilities(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := ring(t, memjobs.New(), &memory{}, sqsjobs.Options{QueueURL: someURL})
		cfg := bulk.Config{Store: memstore.New(), Blobs: memblob.New(), Jobs: q, SyncThreshold: 1, Poll: time.Hour, Logger: logtest.New(t)}
		importer, err := bulk.NewImporter(cfg)
		if err != nil {
			t.Fatal(err)
		}
		worker, err := bulk.NewWorker(cfg)
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go worker.Run(ctx)
		synctest.Wait() // it has found no job

		accept := func() *bulk.Accepted {
			accepted, err := importer.Accept(t.Context(), bulk.Request{
				Principal: ana, Options: bulk.DefaultOptions(), Rows: bulk.Users(bulk.User{ID: "u-1"}), IdempotencyKey: "key",
			})
			if err != nil {
				t.Fatal(err)
			}
			return accepted
		}
		id := accept().Job.ID
		synctest.Wait()
		if job, err := importer.Job(t.Context(), ana, id); err != nil || job.Status != bulk.JobCompleted {
			t.Errorf("the job is %+v, %v; the worker was not told of it", job, err)
		}
		if again := accept(); !again.Replayed || again.Job.ID != id {
			t.Errorf("the key leads to %+v, want the job %s again", again, id)
		}
		stop()
		synctest.Wait()
	})
}

func TestNewRefuses(t *testing.T) {
	good := sqsjobs.Options{QueueURL: someURL}
	for field, change := range map[string]func(*sqsjobs.Options){
		"Options.QueueURL": func(o *sqsjobs.Options) { o.QueueURL = "" },
		"Options.Timeout":  func(o *sqsjobs.Options) { o.Timeout = -1 },
	} {
		opts := good
		change(&opts)
		refuses(t, field, memjobs.New(), &memory{}, opts)
	}
	good.QueueURL += ".fifo"
	refuses(t, "Options.QueueURL", memjobs.New(), &memory{}, good)
	refuses(t, "jobs", nil, &memory{}, good)
	refuses(t, "client", memjobs.New(), nil, good)
}

func refuses(t *testing.T, field string, jobs bulk.JobQueue, client sqsjobs.Client, opts sqsjobs.Options) {
	t.Helper()
	_, err := sqsjobs.New(jobs, client, opts)
	var bad *bulk.ConfigError
	if !errors.As(err, &bad) || bad.Field != field {
		t.Errorf("%+v: error is %v, want one of %s", opts, err, field)
	}
}
