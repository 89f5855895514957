package bulktest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/bulkops/bulkops/bulk"
)

// TestJobQueue proves that a job queue keeps the promises of [bulk.JobQueue], and of
// [bulk.JobNotifier] and [bulk.JobCounter] if it implements them. See the package
// documentation for what open may return; on a shared queue no worker may run
// meanwhile.
//
// How much a listing or a claim reads is not checked.
func TestJobQueue(t *testing.T, open func(t *testing.T) bulk.JobQueue) {
	run := func(t *testing.T, c jobCase) {
		sayRule(t, c.rule)
		c.run(&jobTest{T: t, ctx: caseContext(t), queue: open(t), tenant: unique("tenant"), own: new(sync.Map)})
	}
	// Before the others, as they claim and count whatever there is.
	alone := slices.Concat(nextCases, endedNextCases)
	queue := open(t)
	if _, err := bulk.CountJobs(t.Context(), queue); errors.Is(err, errors.ErrUnsupported) {
		t.Log("the queue is no bulk.JobCounter, so there are no cases of Count")
	} else {
		alone = slices.Concat(alone, countCases)
	}
	together := slices.Concat(
		jobCreateCases, claimCases, saveCases, cancelCases, jobDeleteCases, listCases, expiryCases, endedCases, jobArgumentCases, jobRaceCases,
	)
	if _, notifies := queue.(bulk.JobNotifier); notifies {
		together = slices.Concat(together, notifierCases)
	} else {
		t.Log("the queue is no bulk.JobNotifier, so there are no cases of Changed")
	}
	for _, c := range alone {
		t.Run(c.name, func(t *testing.T) { run(t, c) })
	}
	for _, c := range together {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			run(t, c)
		})
	}
}

// A jobCase checks one promise of [bulk.JobQueue], [bulk.JobNotifier] or [bulk.JobCounter].
type jobCase struct {
	name string
	rule string // the promise, said when the case fails
	run  func(t *jobTest)
}

// A jobTest is a case that runs, with a tenant of its own.
type jobTest struct {
	*testing.T
	ctx    context.Context
	queue  bulk.JobQueue
	tenant string
	own    *sync.Map // the ids of the jobs of this case
}

// in returns the same case with another tenant.
func (t *jobTest) in(tenant string) *jobTest {
	other := *t
	other.tenant = tenant
	return &other
}

const (
	// shortLease is the shortest lease that a configuration allows.
	shortLease = time.Second
	longLease  = time.Hour
	// shortDelay is for what has no shortest time.
	shortDelay = 300 * time.Millisecond
	// skew is how far the clock of a database may be off.
	skew = 2 * time.Second
)

// patience is how long a queue may take to see what time has changed, and what
// Claim without an id and List may see a little late. It is a variable for the
// tests of the suite, whose broken queues exhaust it in every run.
var patience = 5 * time.Second

// now returns the time as jobs have it.
func now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }

// job returns a job of the case's tenant, with ids that rise, and sees to it
// that it ends with the case.
func (t *jobTest) job() bulk.JobSpec {
	created := now()
	job := bulk.JobSpec{
		ID:           jobID(created),
		Tenant:       t.tenant,
		Type:         bulk.JobTypeUserImport,
		CreatedBy:    "bulktest",
		Options:      bulk.Options{Upsert: true, SendWelcomeEmail: true},
		TotalRecords: 1234,
		CreatedAt:    created,
		ExpiresAt:    created.Add(time.Hour),
		Payload:      "bulktest/payload",
		SegmentRows:  500,
		Fingerprint:  "fingerprint of the request",
		TraceContext: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01 vendor=\"<&>\"",
	}
	t.own.Store(job.ID, true)
	t.Cleanup(func() { t.end(job.ID) })
	return job
}

var lastID struct {
	sync.Mutex
	millis int64
}

// jobID returns an id as an importer makes it: "job_" and a UUIDv7. Ids of this
// process rise.
func jobID(at time.Time) string {
	lastID.Lock()
	defer lastID.Unlock()
	// A millisecond for each, ahead of the clock if need be.
	lastID.millis = max(at.UnixMilli(), lastID.millis+1)
	ms := uint64(lastID.millis)
	return fmt.Sprintf("job_%08x-%04x-7%03x-%04x-%012x", ms>>16, ms&0xffff, rand.Uint32N(1<<12), 0x8000|rand.Uint32N(1<<14), rand.Uint64N(1<<48))
}

// end makes an end of a job, so that it is not left to be claimed, in any way.
func (t *jobTest) end(id string) {
	ctx := context.WithoutCancel(t.ctx)
	job, err := t.queue.Cancel(ctx, id, bulk.Cancellation{})
	if errors.Is(err, bulk.ErrJobEnded) && job.Notify {
		if err := t.queue.Delete(ctx, id); err != nil {
			t.Logf("job %s is not deleted: %v", id, err)
		}
	}
	if err != nil || job.Status.Ended() {
		return
	}
	if job.LeaseUntil.IsZero() {
		if job, err = t.queue.Claim(ctx, bulk.Claim{JobID: id, Lease: longLease}); err != nil {
			return
		}
	}
	if _, err := t.queue.Save(ctx, id, job.Token, bulk.JobChange{End: bulk.JobCancelled}); err != nil {
		t.Logf("job %s does not end: %v", id, err)
	}
}

// create adds a job and returns it as the queue has it.
func (t *jobTest) create() bulk.Job {
	t.Helper()
	job := t.job()
	t.add(job)
	return t.get(job.ID)
}

func (t *jobTest) add(job bulk.JobSpec) {
	t.Helper()
	if err := t.queue.Create(t.ctx, job); err != nil {
		t.Fatalf("Create: %v", err)
	}
}

// expiring returns a job that expires in a moment, once prepare has made of it what it is
// to be by then. Where that takes longer than the moment, a new job gets a longer one.
func (t *jobTest) expiring(prepare func(bulk.JobSpec) (bulk.Job, error)) bulk.Job {
	t.Helper()
	for moment := shortLease / 2; ; moment *= 2 {
		spec := t.job()
		spec.ExpiresAt = now().Add(moment)
		t.add(spec)
		job, err := prepare(spec)
		switch {
		case err == nil:
			return job
		case time.Now().Before(spec.ExpiresAt) || moment > patience:
			t.Fatalf("a job that expires in %v is refused before: %v", moment, err)
		}
	}
}

func (t *jobTest) get(id string) bulk.Job {
	t.Helper()
	job, err := t.queue.Get(t.ctx, id)
	if err != nil {
		t.Fatalf("Get: %v", err)
	}
	return job
}

// claim claims a job by its id.
func (t *jobTest) claim(id string, lease time.Duration) bulk.Job {
	t.Helper()
	job, err := t.tryClaim(id, lease)
	if err != nil {
		t.Fatalf("Claim of job %s: %v", id, err)
	}
	return job
}

func (t *jobTest) tryClaim(id string, lease time.Duration) (bulk.Job, error) {
	return t.queue.Claim(t.ctx, bulk.Claim{JobID: id, Lease: lease, Worker: "worker of " + id})
}

// claimAndSave claims a job and saves a change to it.
func (t *jobTest) claimAndSave(id string, change bulk.JobChange) (bulk.Job, error) {
	job, err := t.tryClaim(id, longLease)
	if err != nil {
		return bulk.Job{}, err
	}
	return t.queue.Save(t.ctx, id, job.Token, change)
}

// notClaimed fails if a job can be claimed.
func (t *jobTest) notClaimed(id, why string) {
	t.Helper()
	if job, err := t.tryClaim(id, longLease); !errors.Is(err, bulk.ErrNoJob) {
		t.Fatalf("Claim of a job that %s: error is %v, want %q; job %+v", why, errText(err), bulk.ErrNoJob, job)
	}
}

// processing creates and claims a job.
func (t *jobTest) processing(lease time.Duration) bulk.Job {
	t.Helper()
	return t.claim(t.create().ID, lease)
}

func (t *jobTest) save(job bulk.Job, change bulk.JobChange) bulk.Job {
	t.Helper()
	saved, err := t.queue.Save(t.ctx, job.ID, job.Token, change)
	if err != nil {
		t.Fatalf("Save of %s: %v", describeChange(change), err)
	}
	return saved
}

// lost fails unless each kind of change is refused with ErrLeaseLost and changes
// nothing.
func (t *jobTest) lost(id string, token int64, why string) {
	t.Helper()
	before, getErr := t.queue.Get(t.ctx, id)
	for _, change := range kindsOfChange() {
		if job, err := t.queue.Save(t.ctx, id, token, change); !errors.Is(err, bulk.ErrLeaseLost) {
			t.Fatalf("Save of %s by a worker whose %s: error is %v, want %q; job %+v", describeChange(change), why, errText(err), bulk.ErrLeaseLost, job)
		}
		if getErr == nil {
			t.same(before, t.get(id), "a Save that was refused changed the job")
		}
	}
}

// kindsOfChange has one change of each kind.
func kindsOfChange() []bulk.JobChange {
	return []bulk.JobChange{
		{Lease: longLease},
		{Lease: longLease, Progress: fullProgress()},
		{},
		{RetryAfter: longLease},
		{Progress: fullProgress()},
		{End: bulk.JobCompleted, Results: "refused/results"},
		{End: bulk.JobFailed, Error: &bulk.JobError{Code: bulk.JobErrorInternal, Message: "refused"}, Progress: fullProgress()},
		{End: bulk.JobCancelled},
		{Notified: true},
	}
}

func describeChange(c bulk.JobChange) string {
	switch {
	case c.Notified:
		return "Notified"
	case c.End != "":
		return fmt.Sprintf("the end as %q", c.End)
	case c.Progress != nil && c.Lease > 0:
		return "a checkpoint"
	case c.Lease > 0:
		return "a heartbeat"
	case c.RetryAfter > 0:
		return "a release with RetryAfter"
	default:
		return "a release"
	}
}

// fullProgress returns a checkpoint with every field set.
func fullProgress() *bulk.Progress {
	return &bulk.Progress{
		Rows:       1100,
		Summary:    bulk.Summary{Created: 1, Updated: 22, Unchanged: 333, Skipped: 44, Failed: 700},
		Checkpoint: `{"opaque": "text, \"quoted\", <é> 🙂"}` + "\n",
	}
}

// same fails unless two jobs are equal. That nil and empty slices are not told
// apart is as it is with JSON.
func (t *jobTest) same(want, got bulk.Job, what string) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("%s (-want +got):\n%s", what, diff)
	}
}

// within fails unless a time is between two others, give or take what a clock
// may be off.
func (t *jobTest) within(got time.Time, what string, from, to time.Time) {
	t.Helper()
	if got.Before(from.Add(-skew)) || got.After(to.Add(skew)) {
		t.Fatalf("%s is %v, want it from %v to %v", what, got, from, to)
	}
}

// soon polls until a condition holds, at most for as long as a queue may take.
func (t *jobTest) soon(what string, holds func() bool) {
	t.Helper()
	t.soonOr(func() string { return what }, holds)
}

// soonOr is soon with a message of what was seen last.
func (t *jobTest) soonOr(what func() string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("after %v %s", patience, what())
		}
	}
}

// elapsed fails if a job was given to another before its time. It measures a
// duration, which no clock that is off can change.
func (t *jobTest) elapsed(begin time.Time, least time.Duration, what string) {
	t.Helper()
	const rounding = 50 * time.Millisecond
	if d := time.Since(begin); d < least-rounding {
		t.Errorf("%s of %v was over after %v", what, least, d)
	}
}

// lapsed waits until the leases of jobs have run out by every clock.
func (t *jobTest) lapsed(jobs ...bulk.Job) {
	t.Helper()
	for _, job := range jobs {
		time.Sleep(time.Until(job.LeaseUntil.Add(20 * time.Millisecond)))
	}
}

// reclaim claims a job whose lease runs out.
func (t *jobTest) reclaim(id string, lease time.Duration) (job bulk.Job) {
	t.Helper()
	t.soon("a job whose lease has run out cannot be claimed", func() bool {
		var err error
		if job, err = t.tryClaim(id, lease); err != nil && !errors.Is(err, bulk.ErrNoJob) {
			t.Fatalf("Claim of job %s: %v", id, err)
		}
		return err == nil
	})
	return job
}
