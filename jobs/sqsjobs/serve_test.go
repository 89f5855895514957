package sqsjobs_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bulkops/bulkops/blob/memblob"
	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/test/awstest"
	"github.com/bulkops/bulkops/internal/test/logtest"
	"github.com/bulkops/bulkops/jobs/memjobs"
	"github.com/bulkops/bulkops/jobs/sqsjobs"
	"github.com/bulkops/bulkops/store/memstore"
)

// A runner claims jobs of a queue and ends them at once, as a worker that has little
// to do. It notes which jobs it ran.
type runner struct {
	queue bulk.JobQueue
	// change is what it does to a job instead of ending it, if it is not nil.
	change func(bulk.Job) (bulk.JobChange, error)

	mu  sync.Mutex
	ran []string
}

func (r *runner) RunNext(ctx context.Context) (string, error) { return r.run(ctx, "") }

func (r *runner) RunJob(ctx context.Context, id string) error {
	_, err := r.run(ctx, id)
	return err
}

func (r *runner) run(ctx context.Context, id string) (string, error) {
	job, err := r.queue.Claim(ctx, bulk.Claim{JobID: id, Lease: time.Minute})
	if err != nil {
		return "", fmt.Errorf("claim: %w", err)
	}
	change, outcome := bulk.JobChange{End: bulk.JobCompleted}, error(nil)
	if r.change != nil {
		change, outcome = r.change(job)
	}
	if _, err := r.queue.Save(ctx, job.ID, job.Token, change); err != nil {
		return job.ID, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ran = append(r.ran, job.ID)
	return job.ID, outcome
}

// done returns the jobs that were run, sorted.
func (r *runner) done() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Sorted(slices.Values(r.ran))
}

// script is a worker with the outcomes of its calls: of RunNext, and of RunJob by id.
type script struct {
	next struct {
		id  string
		err error
	}
	named map[string]error
	asked []string
}

func (s *script) RunNext(context.Context) (string, error) {
	s.asked = append(s.asked, "next")
	return s.next.id, s.next.err
}

func (s *script) RunJob(_ context.Context, id string) error {
	s.asked = append(s.asked, id)
	err, ok := s.named[id]
	if !ok {
		return errors.New("not of the script")
	}
	return err
}

func TestAnswer(t *testing.T) {
	failed := errors.New("failed")
	none := fmt.Errorf("claim: %w", bulk.ErrNoJob)
	for _, test := range []struct {
		name, message string
		next          string // the job whose turn it is, and how it went
		nextErr       error
		named         map[string]error
		asked         []string
		id            string
		err           error
	}{
		{name: "the next job is run", message: "job_1", next: "job_0", asked: []string{"next"}, id: "job_0"},
		{name: "a job that was left has rung", message: "job_1", next: "job_0", nextErr: bulk.ErrJobLeft, asked: []string{"next"}, id: "job_0"},
		{name: "an attempt failed", message: "job_1", next: "job_0", nextErr: failed, asked: []string{"next"}, id: "job_0", err: failed},
		{name: "the queue failed", message: "job_1", nextErr: failed, asked: []string{"next"}, err: failed},
		{
			name: "a job that is not seen", message: "job_1", nextErr: none, named: map[string]error{"job_1": nil},
			asked: []string{"next", "job_1"}, id: "job_1",
		}, {
			name: "a job that is not seen was left", message: "job_1", nextErr: none, named: map[string]error{"job_1": bulk.ErrJobLeft},
			asked: []string{"next", "job_1"}, id: "job_1",
		}, {
			name: "a job that is gone", message: "job_1", nextErr: none, named: map[string]error{"job_1": none},
			asked: []string{"next", "job_1"},
		}, {
			name: "a job that is not seen failed", message: "job_1", nextErr: none, named: map[string]error{"job_1": failed},
			asked: []string{"next", "job_1"}, err: failed,
		},
		{name: "a sweep", nextErr: none, asked: []string{"next"}},
		{name: "a ring for no job in particular", message: "next", nextErr: none, asked: []string{"next"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			worker := &script{named: test.named}
			worker.next.id, worker.next.err = test.next, test.nextErr
			id, err := sqsjobs.Answer(t.Context(), worker, test.message)
			if id != test.id || !errors.Is(err, test.err) || (err != nil) != (test.err != nil) {
				t.Errorf("Answer returned %q, %v; want %q, %v", id, err, test.id, test.err)
			}
			if !slices.Equal(worker.asked, test.asked) {
				t.Errorf("the worker was asked for %q, want %q", worker.asked, test.asked)
			}
		})
	}
}

// serve runs Serve until the returned function is called, which fails the test if it
// does not return nil at once.
func serve(t *testing.T, q *sqsjobs.Queue, worker sqsjobs.Runner) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() { result <- q.Serve(ctx, worker) }()
	return func() {
		t.Helper()
		cancel()
		if err := <-result; err != nil {
			t.Errorf("Serve returned %v", err)
		}
	}
}

// A worker that waits is woken by a message at once, and deletes it.
func TestServeWakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var messages memory
		q := ring(t, memjobs.New(), &messages, sqsjobs.Options{QueueURL: someURL})
		r := &runner{queue: q}
		stop := serve(t, q, r)
		synctest.Wait()
		job := create(t, q, "a")
		start := time.Now()
		synctest.Wait()
		if got := r.done(); !slices.Equal(got, []string{job.ID}) || time.Since(start) != 0 {
			t.Errorf("after %v these jobs were run: %q", time.Since(start), got)
		}
		if want := []string{"receipt of " + job.ID}; !slices.Equal(messages.deleted, want) {
			t.Errorf("deleted %q, want %q", messages.deleted, want)
		}
		stop()
	})
}

// A job that is to be tried again is claimed as soon as it can be, by the message that
// was delayed.
func TestServeWakesForRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := ring(t, memjobs.New(), &memory{}, sqsjobs.Options{QueueURL: someURL})
		r := &runner{queue: q, change: func(job bulk.Job) (bulk.JobChange, error) {
			if job.Token == 1 {
				return bulk.JobChange{RetryAfter: 5 * time.Second}, bulk.ErrJobLeft
			}
			return bulk.JobChange{End: bulk.JobCompleted}, nil
		}}
		job := create(t, q, "a")
		start := time.Now()
		stop := serve(t, q, r)
		for len(r.done()) < 2 {
			time.Sleep(100 * time.Millisecond)
		}
		if took := time.Since(start); took > 7*time.Second {
			t.Errorf("job %s was claimed again after %v", job.ID, took)
		}
		stop()
	})
}

// Lost messages delay jobs by one wait at most, doubled ones do nothing.
func TestServeWithoutAndWithTooManyMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var messages memory
		q := ring(t, memjobs.New(), &messages, sqsjobs.Options{QueueURL: someURL})
		r := &runner{queue: q}
		stop := serve(t, q, r)
		synctest.Wait()

		lost := create(t, q.Unwrap(), "a") // nobody rings
		time.Sleep(sqsjobs.MaxWait)
		synctest.Wait()
		if got := r.done(); !slices.Equal(got, []string{lost.ID}) {
			t.Fatalf("these jobs were run: %q", got)
		}

		job := create(t, q, "a")
		for range 5 {
			if err := q.Ring(t.Context()); err != nil {
				t.Error(err)
			}
		}
		synctest.Wait()
		if got := r.done(); !slices.Equal(got, []string{lost.ID, job.ID}) {
			t.Errorf("these jobs were run: %q", got)
		}
		if len(messages.deleted) != 6 {
			t.Errorf("%d messages were deleted, want 6", len(messages.deleted))
		}
		stop()
	})
}

// A busy worker leaves messages to others, and needs none to go on to the next job.
func TestServeReceivesOnlyWhenIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var messages memory
		q := ring(t, memjobs.New(), &messages, sqsjobs.Options{QueueURL: someURL})
		busy := make(chan struct{})
		r := &runner{queue: q, change: func(bulk.Job) (bulk.JobChange, error) {
			<-busy
			return bulk.JobChange{End: bulk.JobCompleted}, nil
		}}
		create(t, q.Unwrap(), "a")
		stop := serve(t, q, r)
		create(t, q.Unwrap(), "b")
		time.Sleep(time.Minute / 2)
		synctest.Wait()
		if messages.received != 0 {
			t.Errorf("a busy worker received %d times", messages.received)
		}
		close(busy)
		synctest.Wait()
		if len(r.done()) != 2 {
			t.Errorf("%d jobs were run, want 2", len(r.done()))
		}
		stop()
	})
}

// lateJobs is a queue whose index does not show jobs: only a claim by id finds one.
type lateJobs struct{ bulk.JobQueue }

func (q lateJobs) Claim(ctx context.Context, c bulk.Claim) (bulk.Job, error) {
	if c.JobID == "" {
		return bulk.Job{}, bulk.ErrNoJob
	}
	return q.JobQueue.Claim(ctx, c)
}

// A ring that comes before the index of the queue shows the job leads to it.
func TestServeWithLateIndex(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := ring(t, lateJobs{memjobs.New()}, &memory{}, sqsjobs.Options{QueueURL: someURL})
		r := &runner{queue: q}
		job := create(t, q, "a")
		stop := serve(t, q, r)
		synctest.Wait()
		if got := r.done(); !slices.Equal(got, []string{job.ID}) {
			t.Errorf("these jobs were run: %q", got)
		}
		stop()
	})
}

// While SQS is down, silent, or refuses to delete, jobs are run all the same, and
// what fails is logged now and then.
func TestServeWhileSQSFails(t *testing.T) {
	for name, fail := range map[string]func(*memory){
		"receive is refused": func(m *memory) { m.onReceive = down },
		"receive is silent":  func(m *memory) { m.onReceive = silent },
		"all is silent":      func(m *memory) { m.onSend, m.onReceive, m.onDelete = silent, silent, silent },
		"delete is silent":   func(m *memory) { m.onDelete = silent },
		"delete is refused":  func(m *memory) { m.onDelete = down },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var messages memory
				fail(&messages)
				var log bytes.Buffer
				q := ring(t, memjobs.New(), &messages, sqsjobs.Options{QueueURL: someURL, Logger: logtest.Tee(t, &log)})
				r := &runner{queue: q}
				stop := serve(t, q, r)
				const hours = 2
				var want []string
				for range hours {
					time.Sleep(time.Hour)
					want = append(want, create(t, q, "a").ID)
					time.Sleep(time.Minute)
					if got := r.done(); !slices.Equal(got, want) {
						t.Errorf("these jobs were run: %q, want %q", got, want)
					}
				}
				stop()
				// An attempt takes no less than half of the longest pause.
				if n := strings.Count(log.String(), "\n"); n == 0 || n > hours*int(time.Hour/(sqsjobs.MaxWait/2))+10 {
					t.Errorf("%d lines were logged in %d hours", n, hours)
				}
			})
		})
	}
}

// outage is a worker whose queue is down for claims by id.
type outage struct {
	*runner
	over atomic.Bool
}

func (o *outage) RunJob(ctx context.Context, id string) error {
	if !o.over.Load() {
		return errors.New("the queue is down")
	}
	return o.runner.RunJob(ctx, id)
}

// While the queue of jobs is down, Serve goes on, and the message that it has is not
// forgotten.
func TestServeWhileQueueFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		q := ring(t, lateJobs{memjobs.New()}, &memory{}, sqsjobs.Options{QueueURL: someURL, Logger: logtest.Tee(t, &log)})
		worker := &outage{runner: &runner{queue: q}}
		job := create(t, q, "a")
		stop := serve(t, q, worker)
		time.Sleep(time.Hour)
		synctest.Wait()
		if len(worker.done()) > 0 || !strings.Contains(log.String(), "the queue is down") {
			t.Errorf("ran %q; the log is %s", worker.done(), log.String())
		}
		worker.over.Store(true)
		time.Sleep(sqsjobs.MaxWait)
		if got := worker.done(); !slices.Equal(got, []string{job.ID}) {
			t.Errorf("these jobs were run: %q", got)
		}
		stop()
	})
}

// An attempt that fails keeps no other job waiting.
func TestServeAfterFailedAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := ring(t, memjobs.New(), &memory{}, sqsjobs.Options{QueueURL: someURL})
		first, second := create(t, q, "a"), create(t, q, "a")
		r := &runner{queue: q, change: func(job bulk.Job) (bulk.JobChange, error) {
			if job.ID == first.ID {
				return bulk.JobChange{RetryAfter: time.Hour}, errors.New("the store is down")
			}
			return bulk.JobChange{End: bulk.JobCompleted}, nil
		}}
		stop := serve(t, q, r)
		synctest.Wait()
		if got := r.done(); !slices.Equal(got, []string{first.ID, second.ID}) {
			t.Errorf("at once these jobs were run: %q", got)
		}
		stop()
		time.Sleep(sqsjobs.MaxDelay) // until no delayed message is left
	})
}

// Several processes on one queue run all jobs of an importer, and leave no message.
func TestServeOnServer(t *testing.T) {
	server := awstest.SQS(t)
	direct := server.SQS(awstest.Transport(t))
	url := newMessages(t, direct, 1)
	faults := awstest.NewFaults(t, awstest.Transport(t), 1,
		awstest.Rule{Kind: awstest.LostAnswer, Probability: 0.2, MaxConsecutive: 2, Operations: []string{"SendMessage", "DeleteMessage"}},
		awstest.Rule{Kind: awstest.Throttle, Probability: 0.2, MaxConsecutive: 2})
	jobs, store, blobs := memjobs.New(), memstore.New(), memblob.New()
	process := func() (*sqsjobs.Queue, bulk.Config) {
		q := ring(t, jobs, sqsjobs.NewClient(server.Config(faults)), sqsjobs.Options{QueueURL: url, Timeout: time.Minute})
		return q, bulk.Config{Store: store, Blobs: blobs, Jobs: q, Logger: logtest.New(t)}
	}
	for range 2 {
		q, cfg := process()
		worker, err := bulk.NewWorker(cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer serve(t, q, worker)()
	}
	_, cfg := process()
	importer, err := bulk.NewImporter(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		request := bulk.Request{Principal: ana, Options: bulk.DefaultOptions(), Rows: bulk.Users(bulk.User{ID: fmt.Sprint("u-", i)})}
		job, err := importer.Submit(t.Context(), request)
		if err != nil {
			t.Fatal(err)
		}
		ended, err := importer.Wait(t.Context(), ana, job.ID, time.Minute)
		if err != nil || ended.Status != bulk.JobCompleted {
			t.Fatalf("job %d is %+v, %v", i, ended, err)
		}
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		visible, delayed, inFlight := counts(t, direct, url)
		if visible+delayed+inFlight == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d messages can be received, %d are delayed and %d in flight; want none to stay", visible, delayed, inFlight)
		}
	}
	if faults.Injected(awstest.LostAnswer, "SendMessage") == 0 || faults.Injected(awstest.Throttle, "ReceiveMessage") == 0 {
		t.Errorf("too few faults: %v", faults)
	}
}
