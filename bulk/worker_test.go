package bulk_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/blob/memblob"
	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/test/logtest"
	"github.com/bulkops/bulkops/jobs/memjobs"
	"github.com/bulkops/bulkops/store/memstore"
)

// slowStore takes a while for each call, and counts.
type slowStore struct {
	bulk.Store
	takes   time.Duration
	commits atomic.Int64
	hook    func(ctx context.Context, writes []bulk.Write) []error
	healed  atomic.Bool // hook is not called any more
}

// heal is for the middle of a test, when calls that were given up may still run.
func (s *slowStore) heal() { s.healed.Store(true) }

func (s *slowStore) Lookup(ctx context.Context, tenant string, refs []bulk.Ref) ([]bulk.Found, error) {
	if err := sleep(ctx, s.takes); err != nil {
		return nil, err
	}
	return s.Store.Lookup(ctx, tenant, refs)
}

func (s *slowStore) Commit(ctx context.Context, tenant string, writes []bulk.Write) []error {
	s.commits.Add(1)
	if err := sleep(ctx, s.takes); err != nil {
		return same(err, len(writes))
	}
	if s.hook != nil && !s.healed.Load() {
		if outcomes := s.hook(ctx, writes); outcomes != nil {
			return outcomes
		}
	}
	return s.Store.Commit(ctx, tenant, writes)
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func same(err error, n int) []error {
	outcomes := make([]error, n)
	for i := range outcomes {
		outcomes[i] = err
	}
	return outcomes
}

// post is the outbox of a test.
type post struct {
	mu   sync.Mutex
	sent map[string]int // by key
	hook func(m bulk.Welcome) error
}

func (p *post) SendWelcome(ctx context.Context, messages []bulk.Welcome) []error {
	p.mu.Lock()
	defer p.mu.Unlock()
	outcomes := make([]error, len(messages))
	for i, m := range messages {
		if p.hook != nil {
			outcomes[i] = p.hook(m)
		}
		if outcomes[i] == nil {
			p.sent[m.Key]++
		}
	}
	return outcomes
}

// fixture is a service in memory.
type fixture struct {
	t     *testing.T
	cfg   bulk.Config
	mem   *memstore.Store
	store *slowStore
	blobs *memblob.Store
	jobs  *memjobs.Queue
	post  *post
}

func newFixture(t *testing.T) *fixture {
	f := &fixture{t: t, mem: memstore.New(), blobs: memblob.New(), jobs: memjobs.New(), post: &post{sent: map[string]int{}}}
	f.store = &slowStore{Store: f.mem, takes: 10 * time.Millisecond}
	f.cfg = bulk.Config{
		Store: f.store, Blobs: f.blobs, Jobs: f.jobs, Mailer: f.post,
		Parallel: 4, SegmentRows: 100, Logger: logtest.New(t),
	}
	return f
}

func (f *fixture) importer() *bulk.Importer {
	f.t.Helper()
	im, err := bulk.NewImporter(f.cfg)
	require.NoError(f.t, err)
	return im
}

func (f *fixture) worker() *bulk.Worker {
	f.t.Helper()
	w, err := bulk.NewWorker(f.cfg)
	require.NoError(f.t, err)
	return w
}

// submit makes a job of n new users, the last ten of them without an id.
func (f *fixture) submit(n int, opts bulk.Options) *bulk.Job {
	f.t.Helper()
	job, err := f.importer().Submit(f.t.Context(), bulk.Request{Principal: admin, Rows: bulk.Users(people(n)...), Options: opts})
	require.NoError(f.t, err)
	return job
}

func people(n int) []bulk.User {
	users := make([]bulk.User, n)
	for i := range users {
		users[i] = bulk.User{ID: fmt.Sprintf("u%05d", i), Email: fmt.Sprintf("u%d@example.com", i)}
		if i >= n-10 {
			users[i].ID = ""
		}
	}
	return users
}

func (f *fixture) get(id string) *bulk.Job {
	f.t.Helper()
	job, err := f.importer().Job(f.t.Context(), admin, id)
	require.NoError(f.t, err)
	return job
}

// finish runs the job to its end with undisturbed backends, and returns its
// results after checking that they add up and are true.
func (f *fixture) finish(id string) (*bulk.Job, resultsFile) {
	f.t.Helper()
	job := f.get(id)
	for n := 0; !job.Status.Ended(); n++ {
		require.Less(f.t, n, 20, "the job does not end")
		time.Sleep(10 * time.Minute)
		f.worker().RunJob(f.t.Context(), id)
		job = f.get(id)
	}
	return job, f.results(job)
}

func (f *fixture) results(job *bulk.Job) resultsFile {
	f.t.Helper()
	file, text := readResultsFile(f.t, f.cfg, job)
	assert.Equal(f.t, job.ID, file.JobID)
	assert.Equal(f.t, job.Status, file.Status)
	require.Len(f.t, file.Results, job.TotalRecords, "%s", text)
	assert.Equal(f.t, job.Summary(), file.Summary)
	assert.Equal(f.t, job.TotalRecords, file.Summary.Total())
	counts := map[bulk.Status]int{}
	for i, r := range file.Results {
		require.Equal(f.t, i, r.Index)
		counts[r.Status]++
		// What a row says of a user is so.
		if r.Status == bulk.StatusCreated && !job.Options.DryRun {
			_, ok := f.mem.Get(tenant, r.UserID)
			assert.True(f.t, ok, "row %d: %q is not there", i, r.UserID)
		}
	}
	assert.Equal(f.t, file.Summary, bulk.Summary{
		Created: counts[bulk.StatusCreated], Updated: counts[bulk.StatusUpdated], Unchanged: counts[bulk.StatusUnchanged],
		Skipped: counts[bulk.StatusSkipped], Failed: counts[bulk.StatusFailed], NotProcessed: counts[bulk.StatusNotProcessed],
	})
	return file
}

func TestRunEndsAndLeavesNothingRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		for range 3 {
			running.Go(func() { assert.NoError(t, f.worker().Run(ctx)) })
		}
		var ids []string
		for range 5 {
			ids = append(ids, f.submit(230, bulk.DefaultOptions()).ID)
		}
		time.Sleep(time.Minute)
		for i, id := range ids {
			job := f.get(id)
			assert.Equal(t, bulk.JobCompleted, job.Status)
			want := bulk.Summary{Unchanged: 230}
			if i == 0 {
				continue // all five ran at once, one of them creates each user
			}
			_ = want
			f.results(job)
		}
		assert.Equal(t, 230, f.mem.Len(tenant))
		stop()
		running.Wait()
		// synctest fails the test if a goroutine is left.
	})
}

func TestCancelPendingJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		job := f.submit(150, bulk.DefaultOptions())
		cancelled, err := f.importer().Cancel(t.Context(), admin, job.ID)
		require.NoError(t, err)
		assert.Equal(t, bulk.JobCancelled, cancelled.Status)
		file := f.results(cancelled)
		assert.Equal(t, bulk.Summary{NotProcessed: 150}, file.Summary)
		assert.Equal(t, bulk.RowResult{Index: 7, UserID: "u00007", Email: "u7@example.com", Status: bulk.StatusNotProcessed}, file.Results[7])
		assert.ErrorIs(t, f.worker().RunJob(t.Context(), job.ID), bulk.ErrNoJob)
		assert.Zero(t, f.mem.Len(tenant))
		_, err = f.importer().Cancel(t.Context(), admin, job.ID)
		assert.ErrorIs(t, err, bulk.ErrJobEnded)
	})
}

func TestCancelRunningJob(t *testing.T) {
	for _, after := range []time.Duration{15, 100, 333, 1200, 2500} {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(t)
			f.store.takes = 100 * time.Millisecond
			opts := bulk.DefaultOptions()
			opts.SendWelcomeEmail = true
			job := f.submit(2000, opts)
			var worker sync.WaitGroup
			worker.Go(func() { assert.NoError(t, f.worker().RunJob(t.Context(), job.ID)) })
			time.Sleep(after * time.Millisecond)
			_, err := f.importer().Cancel(t.Context(), admin, job.ID)
			require.NoError(t, err)
			for f.get(job.ID).Status != bulk.JobCancelled {
				time.Sleep(time.Millisecond)
			}
			written := f.mem.Len(tenant)
			worker.Wait()
			assert.Equal(t, written, f.mem.Len(tenant), "a row was written after the job was cancelled")
			file := f.results(f.get(job.ID))
			assert.Equal(t, written, file.Summary.Created)
			assert.NotZero(t, file.Summary.NotProcessed)
			for _, r := range file.Results {
				if r.Status == bulk.StatusCreated {
					assert.Equal(t, bulk.WelcomeSent, r.WelcomeEmail, "row %d", r.Index)
				}
			}
			assert.Len(t, f.post.sent, written)
		})
	}
}

func TestCancelledJobOfDeadWorkerEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		job := f.submit(150, bulk.DefaultOptions())
		_, err := f.jobs.Claim(t.Context(), bulk.Claim{JobID: job.ID, Lease: time.Minute})
		require.NoError(t, err)
		cancelled, err := f.importer().Cancel(t.Context(), admin, job.ID)
		require.NoError(t, err)
		assert.Equal(t, bulk.JobProcessing, cancelled.Status)
		job, file := f.finish(job.ID)
		assert.Equal(t, bulk.JobCancelled, job.Status)
		assert.Equal(t, bulk.Summary{NotProcessed: 150}, file.Summary)
		assert.Zero(t, f.mem.Len(tenant))
	})
}

func TestGracefulStopLosesNothing(t *testing.T) {
	for _, after := range []time.Duration{15, 100, 200, 333, 450} {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(t)
			f.store.takes = 30 * time.Millisecond
			job := f.submit(1030, bulk.DefaultOptions())
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			time.AfterFunc(after*time.Millisecond, stop)
			require.ErrorIs(t, f.worker().RunJob(ctx, job.ID), bulk.ErrJobLeft)
			stopped := f.get(job.ID)
			assert.Equal(t, bulk.JobProcessing, stopped.Status)
			assert.Zero(t, stopped.LeaseUntil, "the lease is given up")
			assert.LessOrEqual(t, stopped.Attempts, 0, "it was progress")
			// Another worker goes on at once, and repeats nothing.
			written := f.mem.Len(tenant)
			commits := f.store.commits.Load()
			require.NoError(t, f.worker().RunJob(t.Context(), job.ID))
			done := f.get(job.ID)
			assert.Equal(t, bulk.JobCompleted, done.Status)
			assert.Equal(t, bulk.Summary{Created: 1030}, f.results(done).Summary)
			assert.LessOrEqual(t, f.store.commits.Load()-commits, int64((1030-written+24)/25))
		})
	}
}

func TestHardStopAfterGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.store.takes = time.Hour
		f.cfg.StopGrace = 3 * time.Second
		job := f.submit(150, bulk.DefaultOptions())
		ctx, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		start := time.Now()
		assert.Error(t, f.worker().RunJob(ctx, job.ID))
		assert.LessOrEqual(t, time.Since(start), 4*time.Second)
		f.store.takes = 0
		job, file := f.finish(job.ID)
		assert.Equal(t, bulk.JobCompleted, job.Status)
		assert.Equal(t, bulk.Summary{Created: 150}, file.Summary)
	})
}

func TestWorkerThatLosesItsLeaseStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.cfg.Lease = 10 * time.Second
		f.store.takes = 200 * time.Millisecond
		job := f.submit(1000, bulk.DefaultOptions())
		cut := f.cfg
		cut.Jobs = &cutQueue{JobQueue: f.jobs, after: time.Now().Add(time.Second)}
		w, err := bulk.NewWorker(cut)
		require.NoError(t, err)
		start := time.Now()
		err = w.RunJob(t.Context(), job.ID)
		assert.Error(t, err)
		assert.Less(t, time.Since(start), 10*time.Second, "it stops before the lease ends")
		_, file := f.finish(job.ID)
		assert.Equal(t, bulk.Summary{Created: 1000}, file.Summary)
	})
}

// cutQueue cannot be reached any more after some time.
type cutQueue struct {
	bulk.JobQueue
	after time.Time
}

func (q *cutQueue) Save(ctx context.Context, id string, token int64, change bulk.JobChange) (bulk.Job, error) {
	if time.Now().After(q.after) {
		return bulk.Job{}, errors.New("connection refused")
	}
	return q.JobQueue.Save(ctx, id, token, change)
}

// TestTwoWorkersThatBothBelieveToHoldTheJob lets a worker go on that was cut off,
// while its successor works: no user is written twice and every result is true.
func TestTwoWorkersThatBothBelieveToHoldTheJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.cfg.Lease = time.Second
		job := f.submit(1000, bulk.DefaultOptions())
		frozen := f.cfg
		hold := make(chan struct{})
		frozen.Jobs = &cutQueue{JobQueue: f.jobs, after: time.Now()}
		frozen.Store = &slowStore{Store: f.mem, takes: time.Millisecond, hook: func(context.Context, []bulk.Write) []error {
			<-hold // it does not even notice that its context ends
			return nil
		}}
		old, err := bulk.NewWorker(frozen)
		require.NoError(t, err)
		var both sync.WaitGroup
		both.Go(func() { assert.Error(t, old.RunJob(t.Context(), job.ID)) })
		time.Sleep(2 * time.Second)
		both.Go(func() { assert.NoError(t, f.worker().RunJob(t.Context(), job.ID)) })
		time.Sleep(15 * time.Millisecond)
		close(hold)
		both.Wait()
		done := f.get(job.ID)
		assert.Equal(t, bulk.Summary{Created: 1000}, f.results(done).Summary)
		assert.Equal(t, 1000, f.mem.Len(tenant))
	})
}

func TestWelcomeEmails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		require.NoError(t, f.mem.Put(tenant, bulk.User{ID: "u00003"}))
		f.post.hook = func(m bulk.Welcome) error {
			assert.NotEmpty(t, m.User.ID)
			if m.User.Email == "u5@example.com" {
				return errors.New("mailbox unavailable")
			}
			return nil
		}
		opts := bulk.DefaultOptions()
		opts.SendWelcomeEmail = true
		job := f.submit(450, opts)
		_, file := f.finish(job.ID)
		assert.Equal(t, bulk.Summary{Created: 449, Updated: 1}, file.Summary)
		for i, r := range file.Results {
			want := bulk.WelcomeSent
			switch i {
			case 3:
				want = ""
			case 5:
				want = bulk.WelcomeFailed
			}
			assert.Equal(t, want, r.WelcomeEmail, "row %d", i)
		}
		assert.Len(t, f.post.sent, 448)
	})
}

// TestWelcomeEmailsAfterEveryCrash kills the worker at every call and checks that
// every created user got its email, at most one batch of them twice.
func TestWelcomeEmailsAfterEveryCrash(t *testing.T) {
	calls := 1
	for die := 1; die <= calls; die++ {
		for _, applied := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				f.post.hook = func(m bulk.Welcome) error {
					if strings.HasSuffix(m.Key, "7") {
						return errors.New("refused")
					}
					return nil
				}
				opts := bulk.DefaultOptions()
				opts.SendWelcomeEmail = true
				job := f.submit(250, opts)
				c := &chaos{rand: rand.New(rand.NewPCG(1, 2)), dieAt: die, applied: applied}
				cfg := f.cfg
				cfg.Store, cfg.Blobs, cfg.Jobs = chaosStore{f.mem, c}, chaosBlobs{f.blobs, c}, chaosJobs{f.jobs, c}
				w, err := bulk.NewWorker(cfg)
				require.NoError(t, err)
				w.RunJob(t.Context(), job.ID)
				calls = max(calls, c.calls)
				_, file := f.finish(job.ID)
				assert.Equal(t, bulk.Summary{Created: 250}, file.Summary)
				twice := 0
				for i, r := range file.Results {
					want, sent := bulk.WelcomeSent, 1
					if i%10 == 7 {
						want, sent = bulk.WelcomeFailed, 0
					}
					assert.Equal(t, want, r.WelcomeEmail, "killed at %d, row %d", die, i)
					n := f.post.sent[fmt.Sprintf("%s/%d", job.ID, i)]
					assert.GreaterOrEqual(t, n, sent, "killed at %d, row %d", die, i)
					twice += n - sent
				}
				assert.LessOrEqual(t, twice, bulk.MaxWelcomeBatch, "killed at %d", die)
			})
		}
	}
}

func TestStoreOutageFailsTheJobOnlyInTheEnd(t *testing.T) {
	down := errors.New("connection refused to db-7.internal")
	t.Run("Passing", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(t)
			until := time.Now().Add(90 * time.Second)
			f.store.hook = func(_ context.Context, writes []bulk.Write) []error {
				if time.Now().Before(until) {
					return same(down, len(writes))
				}
				return nil
			}
			job := f.submit(500, bulk.DefaultOptions())
			ctx, stop := context.WithTimeout(t.Context(), 10*time.Minute)
			defer stop()
			assert.NoError(t, f.worker().Run(ctx))
			done := f.get(job.ID)
			assert.Equal(t, bulk.JobCompleted, done.Status)
			assert.Equal(t, bulk.Summary{Created: 500}, f.results(done).Summary)
		})
	})
	t.Run("Lasting", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(t)
			f.store.hook = func(_ context.Context, writes []bulk.Write) []error {
				if writes[0].User.ID >= "u00200" {
					return same(down, len(writes))
				}
				return nil
			}
			job := f.submit(500, bulk.DefaultOptions())
			ctx, stop := context.WithTimeout(t.Context(), time.Hour)
			defer stop()
			assert.NoError(t, f.worker().Run(ctx))
			done := f.get(job.ID)
			assert.Equal(t, bulk.JobFailed, done.Status)
			require.NotNil(t, done.Error)
			assert.Equal(t, bulk.JobErrorUnavailable, done.Error.Code)
			assert.NotContains(t, done.Error.Message, "db-7")
			file := f.results(done)
			assert.Equal(t, 200, file.Summary.Created, "what was done before is in the results")
		})
	})
}

func TestSomeRowsThatTheStoreRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.store.hook = func(ctx context.Context, writes []bulk.Write) []error {
			outcomes := f.mem.Commit(ctx, tenant, writes)
			for i, w := range writes {
				switch {
				case w.User.ID == "u00010":
					outcomes[i] = bulk.Permanent(errors.New("secret detail"))
				case w.User.ID == "u00020":
					outcomes[i] = bulk.ErrUserTooLarge
				}
			}
			return outcomes
		}
		job := f.submit(150, bulk.DefaultOptions())
		done, file := f.finish(job.ID)
		assert.Equal(t, bulk.JobCompleted, done.Status)
		assert.Equal(t, bulk.Summary{Created: 148, Failed: 2}, file.Summary)
		require.Len(t, file.Results[10].Errors, 1)
		assert.Equal(t, bulk.CodeStoreError, file.Results[10].Errors[0].Code)
		assert.NotContains(t, file.Results[10].Errors[0].Message, "secret")
		assert.Equal(t, bulk.CodeUserTooLarge, file.Results[20].Errors[0].Code)
	})
}

func TestPanicsFailTheJobAndNotTheProcess(t *testing.T) {
	for name, breakIt := range map[string]func(f *fixture){
		"Lookup": func(f *fixture) { f.cfg.Store = panicStore{f.mem, true} },
		"Commit": func(f *fixture) { f.cfg.Store = panicStore{f.mem, false} },
		"WrongNumberOfOutcomes": func(f *fixture) {
			f.store.hook = func(context.Context, []bulk.Write) []error { return []error{} }
		},
		"Put": func(f *fixture) { f.cfg.Blobs = panicBlobs{f.blobs, "Put"} },
		"Get": func(f *fixture) { f.cfg.Blobs = panicBlobs{f.blobs, "Get"} },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				job := f.submit(150, bulk.DefaultOptions())
				breakIt(f)
				f.worker().RunJob(t.Context(), job.ID)
				done, err := f.jobs.Get(t.Context(), job.ID)
				require.NoError(t, err)
				assert.Equal(t, bulk.JobFailed, done.Status)
				require.NotNil(t, done.Error)
				assert.Equal(t, bulk.JobErrorInternal, done.Error.Code)
				assert.NotContains(t, done.Error.Message, "boom")
			})
		})
	}
	t.Run("Mailer", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(t)
			f.post.hook = func(bulk.Welcome) error { panic("boom") }
			opts := bulk.DefaultOptions()
			opts.SendWelcomeEmail = true
			_, file := f.finish(f.submit(150, opts).ID)
			assert.Equal(t, bulk.Summary{Created: 150}, file.Summary)
			assert.Equal(t, bulk.WelcomeFailed, file.Results[0].WelcomeEmail)
		})
	})
}

type panicStore struct {
	bulk.Store
	lookup bool
}

func (s panicStore) Lookup(ctx context.Context, tenant string, refs []bulk.Ref) ([]bulk.Found, error) {
	if s.lookup {
		panic("boom")
	}
	return s.Store.Lookup(ctx, tenant, refs)
}

func (panicStore) Commit(context.Context, string, []bulk.Write) []error { panic("boom") }

type panicBlobs struct {
	bulk.BlobStore
	op string
}

func (b panicBlobs) Put(ctx context.Context, key string, r io.Reader, info bulk.BlobInfo) error {
	if b.op == "Put" {
		panic("boom")
	}
	return b.BlobStore.Put(ctx, key, r, info)
}

func (b panicBlobs) Get(ctx context.Context, key string) (io.ReadCloser, error) {
	if b.op == "Get" {
		panic("boom")
	}
	return b.BlobStore.Get(ctx, key)
}

func TestTooManyAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		job := f.submit(150, bulk.DefaultOptions())
		for range 5 { // by workers that die at once
			_, err := f.jobs.Claim(t.Context(), bulk.Claim{JobID: job.ID, Lease: time.Second})
			require.NoError(t, err)
			time.Sleep(2 * time.Second)
		}
		require.NoError(t, f.worker().RunJob(t.Context(), job.ID))
		done := f.get(job.ID)
		assert.Equal(t, bulk.JobFailed, done.Status)
		assert.Equal(t, bulk.JobErrorAttempts, done.Error.Code)
		assert.Equal(t, bulk.Summary{NotProcessed: 150}, f.results(done).Summary)
	})
}

func TestPayloadThatIsGoneOrBrokenFailsTheJob(t *testing.T) {
	for name, text := range map[string]string{
		"Gone":   "",
		"Cut":    "0\t{\"userId\":\"a\"}\n0\t{\"us",
		"Short":  "0\t{\"userId\":\"a\"}\n",
		"Broken": strings.Repeat("what is this?\n", 150),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				job := f.submit(150, bulk.DefaultOptions())
				require.NoError(t, f.blobs.Delete(t.Context(), job.Payload))
				if text != "" {
					require.NoError(t, f.blobs.Put(t.Context(), job.Payload, strings.NewReader(text), bulk.BlobInfo{}))
				}
				f.worker().RunJob(t.Context(), job.ID)
				done := f.get(job.ID)
				assert.Equal(t, bulk.JobFailed, done.Status)
				assert.Equal(t, bulk.JobErrorInternal, done.Error.Code)
			})
		})
	}
}

// TestDryRunMatchesModel compares what dry runs say with rows applied one after
// the other, and that nothing is written.
func TestDryRunMatchesModel(t *testing.T) {
	for seed := range uint64(scenarios(t, 100)) {
		synctest.Test(t, func(t *testing.T) {
			s := newScenario(seed)
			s.opts.DryRun = true
			w := newWorld(t, s)
			before := w.store.Users(tenant)
			w.run(t, func(n int) *chaos {
				c := newChaos(seed)
				if n < 3 {
					c.dieAt = 3 + c.rand.IntN(30)
				}
				return c
			})
			assert.Equal(t, before, w.store.Users(tenant))
			got, want := w.end(t).Outcomes, s.expected(w.job.ID).Outcomes
			for i := range want {
				if s.rows[i].ID == "" && !stored(before, want[i].UserID) {
					want[i].UserID = "" // of a user that would be made
				}
			}
			assert.Equal(t, want, got, "seed %d", seed)
		})
	}
}

func stored(users []bulk.User, id string) bool {
	for _, u := range users {
		if u.ID == id {
			return true
		}
	}
	return false
}

// A running job shows how fast it is, also one that another worker has taken over,
// and one that has ended does not.
func TestRateOfAJob(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.cfg.Parallel = 1 // 25 rows in 20 ms and what the journal takes, which is nothing
		job := f.submit(10_000, bulk.Options{Upsert: true})
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { _ = f.worker().Run(ctx) })
		_, ok := f.get(job.ID).Rate(time.Now())
		assert.False(t, ok, "rule: there is no rate before the first checkpoint")
		time.Sleep(4 * time.Second)
		now := f.get(job.ID)
		rate, ok := now.Rate(time.Now())
		require.True(t, ok)
		assert.InDelta(t, float64(now.Progress.Rows)/4, rate, 0.1*rate)
		left, ok := now.TimeLeft(time.Now())
		require.True(t, ok)
		assert.InDelta(t, float64(10_000-now.Progress.Rows)/rate, left.Seconds(), 1)

		stop()
		running.Wait()
		time.Sleep(time.Hour)
		running.Go(func() { _ = f.worker().Run(t.Context()) })
		time.Sleep(time.Second)
		again, ok := f.get(job.ID).Rate(time.Now())
		require.True(t, ok)
		assert.InDelta(t, rate, again, 0.2*rate, "rule: the time without a worker does not count once there is one")
		time.Sleep(time.Minute)
		ended := f.get(job.ID)
		assert.Equal(t, bulk.JobCompleted, ended.Status)
		_, ok = ended.Rate(time.Now())
		assert.False(t, ok)
	})
}
