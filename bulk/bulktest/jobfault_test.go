package bulktest_test

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/bulk/bulktest"
)

var jobFaults = []fault{
	{sound, ""},
	{"create overwrites", "Create/RefusesIDInUse"},
	{"ids are separate by tenant", "Create/RefusesIDInUse"},
	{"create drops the options", "Create/StoresTheJob"},
	{"create drops the trace context", "Create/StoresTheJob"},
	{"ids are checked outside the lock", "Race/OneCreateOfAnID"},
	{"a missing job is an empty one", "Get/MissingJob"},
	{"leases do not end", "Claim/LeaseEndsByItself"},
	{"leases do not hold", "Claim/RefusesLeasedJob"},
	{"leases end at half their time", "Claim/LeaseEndsByItself"},
	{"ended jobs are claimed", "Claim/RefusesEndedJob"},
	{"token does not rise", "Save/RefusesAfterLaterClaim"},
	{"claim drops the checkpoint", "Claim/LeaseEndsByItself"},
	{"claim sets StartedAt again", "Claim/ReleasedJobAtOnce"},
	{"claim has no worker", "Claim/GivesTheLease"},
	{"claim is checked outside the lock", "Race/OneClaim"},
	{"RetryAfter is ignored", "Claim/WaitsForRetryAfter"},
	{"RetryAfter delays forever", "Claim/WaitsForRetryAfter"},
	{"RetryAfter counts with a lease", "Save/ReleaseWithoutRetryAfterDoesNotDelay"},
	{"attempts are not reset", "Claim/CountsAttempts"},
	{"attempts are reset by heartbeats", "Claim/CountsAttempts"},
	{"attempts are not counted", "Claim/CountsAttempts"},
	{"jobs are claimed in one line", "ClaimNext/TenantsTakeTurns"},
	{"the newest is claimed first", "ClaimNext/TakesTheOldest"},
	{"delayed jobs are claimed next", "ClaimNext/PassesOverOthers"},
	{"expired jobs are claimed next", "ClaimNext/TakesLapsedLeaseButNoExpiredJob"},
	{"lapsed leases are not claimed next", "ClaimNext/TakesLapsedLeaseButNoExpiredJob"},
	{"claim of the next is checked outside the lock", "ClaimNext/EachJobOnce"},
	{"save ignores the token", "Save/RefusesOtherToken"},
	{"heartbeat ignores the token", "Save/RefusesAfterLaterClaim"},
	{"save takes lower tokens", "Save/RefusesOtherToken"},
	{"save serves after a release", "Save/RefusesAfterRelease"},
	{"save serves after the end", "Save/RefusesAfterEnd"},
	{"save serves unclaimed jobs", "Save/RefusesUnclaimedJob"},
	{"a lapsed lease does not serve", "Save/LapsedLeaseStillServes"},
	{"heartbeat does not renew", "Save/HeartbeatKeepsTheLease"},
	{"heartbeat drops the checkpoint", "Save/Checkpoint"},
	{"checkpoint loses a field", "Save/Checkpoint"},
	{"checkpoint is added to the one before", "Save/Checkpoint"},
	{"release makes the job pending", "Save/Release"},
	{"end keeps the lease", "Save/End"},
	{"end drops the error", "Save/End"},
	{"end does not set CompletedAt", "Save/End"},
	{"results are set without end", "Save/ResultsOnlyWithEnd"},
	{"save reads outside the lock", "Race/CancelIsNotLostToSave"},
	{"end is checked outside the lock", "Race/OneEnd"},
	{"cancel of a processing job is checked outside the lock", "Race/CancelOrEnd"},
	{"cancel overwrites ended jobs", "Cancel/RefusesEndedJob"},
	{"cancel of an ended job returns none", "Cancel/RefusesEndedJob"},
	{"cancel ends processing jobs", "Cancel/AsksProcessingJob"},
	{"cancel ends released jobs", "Cancel/AsksReleasedJob"},
	{"cancel drops the results", "Cancel/EndsPendingJob"},
	{"cancel only asks pending jobs", "Cancel/EndsPendingJob"},
	{"cancel takes the lease", "Cancel/AsksProcessingJob"},
	{"delete leaves the job", "Delete/RemovesEndedJob"},
	{"delete leaves the job in lists", "Delete/RemovesEndedJob"},
	{"delete removes any job", "Delete/RefusesJobThatHasNotEnded"},
	{"delete removes released jobs", "Delete/RefusesJobThatHasNotEnded"},
	{"delete of a missing job is fine", "Delete/MissingJob"},
	{"delete ignores expiry", "Expiry/IsObeyedByEveryMethod"},
	{"list is oldest first", "List/NewestFirst"},
	{"list is in order of creation", "List/ByIDAndNotByCreation"},
	{"cursor skips one", "List/Pages"},
	{"cursor repeats one", "List/Pages"},
	{"cursor is an offset", "List/WalkWhileJobsChange"},
	{"list ends at an empty page", "List/ByStatus"},
	{"list returns one too many", "List/Pages"},
	{"list ignores the status", "List/ByStatus"},
	{"list finds tenants by prefix", "List/TenantsAreSeparate"},
	{"list takes any cursor", "List/RefusesBadCursor"},
	{"list takes cursors of other tenants", "List/RefusesBadCursor"},
	{"cancel ignores expiry", "Expiry/IsObeyedByEveryMethod"},
	{"save ignores expiry", "Expiry/IsObeyedByEveryMethod"},
	{"claim ignores expiry", "Expiry/IsObeyedByEveryMethod"},
	{"list ignores expiry", "Expiry/IsObeyedByEveryMethod"},
	{"get ignores expiry", "Expiry/IsObeyedByEveryMethod"},
	{"end does not set Notify", "Ended/SaveSetsNotify"},
	{"heartbeat sets Notify", "Ended/SaveSetsNotify"},
	{"end with Notify keeps the attempts", "Ended/SaveSetsNotify"},
	{"untold jobs are claimed to be run", "Ended/SaveSetsNotify"},
	{"untold jobs are not listed", "Ended/SaveSetsNotify"},
	{"cancel does not set Notify", "Ended/CancelSetsNotify"},
	{"cancel sets Notify on processing jobs", "Ended/CancelSetsNotify"},
	{"claim of an ended job makes it processing", "Ended/ClaimGivesTheLease"},
	{"claim of an ended job sets StartedAt", "Ended/CancelSetsNotify"},
	{"claim of an ended job keeps the token", "Ended/ClaimGivesTheLease"},
	{"leases of ended jobs do not hold", "Ended/ClaimGivesTheLease"},
	{"cancel takes the lease of an ended job", "Ended/ClaimGivesTheLease"},
	{"pending jobs are claimed to be told of", "Ended/ClaimRefusesOthers"},
	{"all ended jobs are claimed to be told of", "Ended/ClaimRefusesOthers"},
	{"leases of ended jobs do not end", "Ended/LeaseEndsByItself"},
	{"RetryAfter of an ended job is ignored", "Ended/SaveRenewsAndGivesBack"},
	{"heartbeat does not renew the lease of an ended job", "Ended/SaveRenewsAndGivesBack"},
	{"giving back an ended job clears Notify", "Ended/SaveRenewsAndGivesBack"},
	{"notified jobs keep Notify", "Ended/SaveNotified"},
	{"notified jobs keep the lease", "Ended/SaveNotified"},
	{"ended jobs take a checkpoint", "Ended/SaveRefusesRunning"},
	{"ended jobs end again", "Ended/SaveRefusesRunning"},
	{"running jobs are notified", "Ended/SaveRefusesRunning"},
	{"untold jobs are not deleted", "Ended/Delete"},
	{"delete leaves untold jobs to be claimed", "Ended/Delete"},
	{"claim of an ended job ignores expiry", "Ended/Expiry"},
	{"claim of an ended job is checked outside the lock", "Ended/RaceOneClaim"},
	{"claim of the next ended job is not sorted out", "EndedNext/TakesEachOnce"},
	{"untold jobs are claimed next to be run", "EndedNext/TakesEachOnce"},
	{"delayed ended jobs hold up others", "EndedNext/TakesGivenBack"},
	{"lapsed leases of ended jobs are not claimed next", "EndedNext/TakesLapsedLeaseButNoExpiredJob"},
	{"untold end tells nobody", "Changed/ClosedByUntoldEnd"},
	{"arguments are kept", "Arguments/AreNotModifiedNorKept"},
	{"results share memory", "Arguments/ResultsAreTheCallers"},
	{"contexts are ignored", "Context/CancelledCallFails"},
	{"create tells nobody", "Changed/ClosedByCreate"},
	{"release tells nobody", "Changed/ClosedByRelease"},
	{"end tells nobody", "Changed/ClosedByEnd"},
	{"cancel tells nobody", "Changed/ClosedByEnd"},
	{"delayed jobs count as ready", "Count/ReadyAndHeld"},
	{"leased jobs are not counted", "Count/ReadyAndHeld"},
	{"ended jobs are counted", "Count/ReadyAndHeld"},
	{"lapsed leases count as held", "Count/ByTime"},
	{"count ignores expiry", "Count/ByTime"},
	{"the oldest may be held", "Count/OldestReady"},
	{"the oldest is the newest", "Count/OldestReady"},
}

func testBrokenJobs(t *testing.T, fault string) {
	bulktest.TestJobQueue(t, func(*testing.T) bulk.JobQueue {
		return &naiveJobs{fault: fault, changed: make(chan struct{}), served: make(map[string]int)}
	})
}

// naiveJobs is a job queue as simple as can be, with one fault.
type naiveJobs struct {
	fault string

	mu      sync.Mutex
	jobs    []*bulk.Job // in order of creation
	served  map[string]int
	turn    int
	changed chan struct{}
}

func (q *naiveJobs) has(fault string) bool { return q.fault == fault }

// copy returns a job that shares no memory.
func (q *naiveJobs) copy(job bulk.Job) bulk.Job {
	if q.has("results share memory") {
		return job
	}
	return deepCopy(job)
}

func deepCopy(job bulk.Job) (c bulk.Job) {
	text, err := json.Marshal(job)
	must(err)
	must(json.Unmarshal(text, &c))
	return c
}

// outside gives others the time to do what a lock should prevent.
func (q *naiveJobs) outside() {
	q.mu.Unlock()
	time.Sleep(time.Millisecond)
	q.mu.Lock()
}

func (q *naiveJobs) enter(ctx context.Context) error {
	if ctx.Err() != nil && !q.has("contexts are ignored") {
		return ctx.Err()
	}
	return nil
}

func (q *naiveJobs) find(id, method string) *bulk.Job {
	for _, job := range q.jobs {
		if job.ID == id && (time.Now().Before(job.ExpiresAt) || q.has(method+" ignores expiry")) {
			return job
		}
	}
	return nil
}

func (q *naiveJobs) tell() {
	close(q.changed)
	q.changed = make(chan struct{})
}

func (q *naiveJobs) Changed() <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.changed
}

func (q *naiveJobs) CountJobs(ctx context.Context) (counts bulk.JobCounts, err error) {
	if err := q.enter(ctx); err != nil {
		return counts, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	oldest := func(job *bulk.Job) {
		older := job.CreatedAt.Before(counts.OldestReady) != q.has("the oldest is the newest")
		if counts.OldestReady.IsZero() || older {
			counts.OldestReady = job.CreatedAt
		}
	}
	for _, job := range q.jobs {
		switch {
		case job.Status.Ended() && !q.has("ended jobs are counted"), !now.Before(job.ExpiresAt) && !q.has("count ignores expiry"):
		case now.Before(job.LeaseUntil), !job.LeaseUntil.IsZero() && q.has("lapsed leases count as held"):
			if q.has("the oldest may be held") {
				oldest(job)
			}
			if !q.has("leased jobs are not counted") {
				counts.Held++
			}
		case now.Before(job.NotBefore) && !q.has("delayed jobs count as ready"):
			counts.Held++
		default:
			counts.Ready++
			oldest(job)
		}
	}
	return counts, nil
}

func (q *naiveJobs) Create(ctx context.Context, spec bulk.JobSpec) error {
	if err := q.enter(ctx); err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	held := q.find(spec.ID, "create")
	if q.has("ids are checked outside the lock") {
		q.outside()
	}
	switch {
	case held == nil, q.has("ids are separate by tenant") && held.Tenant != spec.Tenant:
	case q.has("create overwrites"):
		q.jobs = slices.DeleteFunc(q.jobs, func(other *bulk.Job) bool { return other.ID == spec.ID })
	default:
		return bulk.ErrJobExists
	}
	job := bulk.Job{JobSpec: spec, Status: bulk.JobPending, UpdatedAt: spec.CreatedAt}
	if q.has("create drops the options") {
		job.Options = bulk.Options{}
	}
	if q.has("create drops the trace context") {
		job.TraceContext = ""
	}
	job = deepCopy(job)
	q.jobs = append(q.jobs, &job)
	if !q.has("create tells nobody") {
		q.tell()
	}
	return nil
}

func (q *naiveJobs) Get(ctx context.Context, id string) (bulk.Job, error) {
	if err := q.enter(ctx); err != nil {
		return bulk.Job{}, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	job := q.find(id, "get")
	switch {
	case job != nil:
		return q.copy(*job), nil
	case q.has("a missing job is an empty one"):
		return bulk.Job{}, nil
	}
	return bulk.Job{}, bulk.ErrJobNotFound
}

func (q *naiveJobs) List(ctx context.Context, filter bulk.JobFilter) ([]bulk.Job, string, error) {
	if err := q.enter(ctx); err != nil {
		return nil, "", err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	var all []*bulk.Job
	for _, job := range q.jobs {
		if (job.Tenant == filter.Tenant || q.has("list finds tenants by prefix") && strings.HasPrefix(job.Tenant, filter.Tenant)) &&
			(time.Now().Before(job.ExpiresAt) || q.has("list ignores expiry")) {
			all = append(all, job)
		}
	}
	if !q.has("list is in order of creation") {
		slices.SortFunc(all, func(a, b *bulk.Job) int { return strings.Compare(a.ID, b.ID) })
	}
	if !q.has("list is oldest first") {
		slices.Reverse(all)
	}
	start := 0
	if filter.Cursor != "" {
		tenant, after, ok := strings.Cut(filter.Cursor, "|")
		switch {
		case (!ok || !strings.HasPrefix(after, "job_") && !q.has("cursor is an offset")) && !q.has("list takes any cursor"):
			return nil, "", bulk.ErrBadCursor
		case tenant != filter.Tenant && !q.has("list takes cursors of other tenants") && !q.has("list takes any cursor"):
			return nil, "", bulk.ErrBadCursor
		case q.has("cursor is an offset"):
			start, _ = strconv.Atoi(after)
		default:
			for start < len(all) && all[start].ID >= after {
				start++
			}
		}
		switch q.fault {
		case "cursor skips one":
			start++
		case "cursor repeats one":
			start--
		case "list is oldest first":
			start = len(all) // enough to be wrong, and to end
		}
	}
	limit := filter.Limit
	if q.has("list returns one too many") {
		limit++
	}
	var jobs []bulk.Job
	end := start
	for ; end < len(all) && len(jobs) < limit; end++ {
		matches := filter.Status == "" || all[end].Status == filter.Status || q.has("list ignores the status")
		matches = matches && !(all[end].Notify && q.has("untold jobs are not listed"))
		if matches {
			jobs = append(jobs, q.copy(*all[end]))
		}
		if q.has("list ends at an empty page") && end-start+1 >= limit {
			end++
			break
		}
	}
	if end >= len(all) || end == 0 || q.has("list ends at an empty page") && len(jobs) == 0 {
		return jobs, "", nil
	}
	if q.has("cursor is an offset") {
		return jobs, filter.Tenant + "|" + strconv.Itoa(end), nil
	}
	return jobs, filter.Tenant + "|" + all[end-1].ID, nil
}

func (q *naiveJobs) claimable(job *bulk.Job, claim bulk.Claim) bool {
	next := claim.JobID == ""
	if claim.Ended {
		return q.tellable(job, next)
	}
	now := time.Now()
	lease := job.LeaseUntil
	if q.has("leases end at half their time") && !lease.IsZero() {
		lease = lease.Add(-lease.Sub(job.UpdatedAt) * 3 / 4)
	}
	switch {
	case !now.Before(job.ExpiresAt) && !(q.has("claim ignores expiry") || next && q.has("expired jobs are claimed next")):
		return false
	case job.Status.Ended() && !q.has("ended jobs are claimed") &&
		!(job.Notify && (q.has("untold jobs are claimed to be run") || next && q.has("untold jobs are claimed next to be run"))):
		return false
	case now.Before(lease) && !q.has("leases do not hold"):
		return false
	case !lease.IsZero() && (q.has("leases do not end") || next && q.has("lapsed leases are not claimed next")):
		return false
	case now.Before(job.NotBefore) && !(q.has("RetryAfter is ignored") || next && q.has("delayed jobs are claimed next")):
		return false
	case !job.NotBefore.IsZero() && q.has("RetryAfter delays forever"):
		return false
	}
	return true
}

// tellable is claimable of jobs that have ended.
func (q *naiveJobs) tellable(job *bulk.Job, next bool) bool {
	now := time.Now()
	switch {
	case !now.Before(job.ExpiresAt) && !q.has("claim of an ended job ignores expiry"):
		return false
	case !job.Status.Ended():
		return q.has("pending jobs are claimed to be told of") || next && q.has("claim of the next ended job is not sorted out")
	case !job.Notify && !q.has("all ended jobs are claimed to be told of"):
		return false
	case now.Before(job.LeaseUntil) && !q.has("leases of ended jobs do not hold"):
		return false
	case !job.LeaseUntil.IsZero() && (q.has("leases of ended jobs do not end") || next && q.has("lapsed leases of ended jobs are not claimed next")):
		return false
	case now.Before(job.NotBefore) && !q.has("RetryAfter of an ended job is ignored"):
		return false
	}
	return true
}

// holdsUp reports whether a job that has ended and must wait keeps all others from being
// claimed.
func (q *naiveJobs) holdsUp(job *bulk.Job) bool {
	return job.Notify && time.Now().Before(job.NotBefore) && q.has("delayed ended jobs hold up others")
}

func (q *naiveJobs) Claim(ctx context.Context, claim bulk.Claim) (bulk.Job, error) {
	if err := q.enter(ctx); err != nil {
		return bulk.Job{}, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	next := claim.JobID == ""
	var candidates []*bulk.Job
	for _, job := range q.jobs {
		if claim.Ended && next && q.holdsUp(job) {
			return bulk.Job{}, bulk.ErrNoJob
		}
		if (next || job.ID == claim.JobID) && q.claimable(job, claim) {
			candidates = append(candidates, job)
		}
	}
	if len(candidates) == 0 {
		return bulk.Job{}, bulk.ErrNoJob
	}
	job := slices.MinFunc(candidates, func(a, b *bulk.Job) int {
		turns := cmp.Compare(q.served[a.Tenant], q.served[b.Tenant])
		if q.has("jobs are claimed in one line") {
			turns = 0
		}
		age := strings.Compare(a.ID, b.ID)
		if q.has("the newest is claimed first") {
			age = -age
		}
		return cmp.Or(turns, age)
	})
	q.turn++
	q.served[job.Tenant] = q.turn
	if claim.Ended {
		return q.claimEnded(job, claim), nil
	}
	if q.has("claim is checked outside the lock") || next && q.has("claim of the next is checked outside the lock") {
		q.outside()
	}
	now := stamp()
	job.Status, job.Worker, job.UpdatedAt, job.LeaseUntil = bulk.JobProcessing, claim.Worker, now, now.Add(claim.Lease)
	if job.StartedAt.IsZero() || q.has("claim sets StartedAt again") {
		job.StartedAt = now.Add(time.Duration(job.Token) * time.Millisecond)
	}
	if !q.has("token does not rise") || job.Token == 0 {
		job.Token++
	}
	if !q.has("attempts are not counted") || job.Token == 1 {
		job.Attempts++
	}
	switch q.fault {
	case "claim drops the checkpoint":
		job.Progress = bulk.Progress{}
	case "claim has no worker":
		job.Worker = ""
	}
	return q.copy(*job), nil
}

func (q *naiveJobs) claimEnded(job *bulk.Job, claim bulk.Claim) bulk.Job {
	if q.has("claim of an ended job is checked outside the lock") {
		q.outside()
	}
	now := stamp()
	job.Worker, job.UpdatedAt, job.LeaseUntil = claim.Worker, now, now.Add(claim.Lease)
	job.Attempts++
	if !q.has("claim of an ended job keeps the token") {
		job.Token++
	}
	if q.has("claim of an ended job makes it processing") {
		job.Status = bulk.JobProcessing
	}
	if job.StartedAt.IsZero() && q.has("claim of an ended job sets StartedAt") {
		job.StartedAt = now
	}
	return q.copy(*job)
}

func stamp() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }

func (q *naiveJobs) Save(ctx context.Context, id string, token int64, change bulk.JobChange) (bulk.Job, error) {
	if err := q.enter(ctx); err != nil {
		return bulk.Job{}, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	job := q.find(id, "save")
	if job == nil {
		return bulk.Job{}, bulk.ErrLeaseLost
	}
	heartbeat := change.Lease > 0 && change.Progress == nil && change.End == ""
	var lost bool
	switch q.fault {
	case "save ignores the token":
	case "heartbeat ignores the token":
		lost = token != job.Token && !heartbeat
	case "save takes lower tokens":
		lost = token > job.Token
	default:
		lost = token != job.Token
	}
	switch {
	case job.Status == bulk.JobPending:
		lost = lost || !q.has("save serves unclaimed jobs")
	case job.Status.Ended() && job.LeaseUntil.IsZero():
		lost = lost || !q.has("save serves after the end")
	case job.Status.Ended():
		lost = lost || change.End != "" && !q.has("ended jobs end again") ||
			change.End == "" && change.Progress != nil && !q.has("ended jobs take a checkpoint")
	case change.Notified && !q.has("running jobs are notified"):
		lost = true
	case job.LeaseUntil.IsZero():
		lost = lost || !q.has("save serves after a release")
	default:
		lost = lost || q.has("a lapsed lease does not serve") && time.Now().After(job.LeaseUntil)
	}
	if lost {
		return bulk.Job{}, bulk.ErrLeaseLost
	}
	next := *job
	if q.has("save reads outside the lock") || change.End != "" && q.has("end is checked outside the lock") {
		q.outside()
	}
	now := stamp()
	next.UpdatedAt = now
	if change.Progress != nil {
		next.Progress = *change.Progress
		switch q.fault {
		case "checkpoint loses a field":
			next.Progress.Checkpoint = ""
		case "checkpoint is added to the one before":
			next.Progress.Checkpoint = job.Progress.Checkpoint + next.Progress.Checkpoint
		}
		if !q.has("attempts are not reset") {
			next.Attempts = 0
		}
	} else if q.has("heartbeat drops the checkpoint") {
		next.Progress = bulk.Progress{}
	}
	if heartbeat && q.has("attempts are reset by heartbeats") {
		next.Attempts = 0
	}
	next.LeaseUntil, next.NotBefore = time.Time{}, time.Time{}
	next.Notify = q.notifies(job, change)
	if change.End != "" && change.Notify && !q.has("end with Notify keeps the attempts") {
		next.Attempts = 0
	}
	if change.End != "" || q.has("results are set without end") {
		next.Results, next.Error = change.Results, change.Error
		if !q.has("arguments are kept") {
			next.Error = deepCopy(bulk.Job{Error: change.Error}).Error
		}
	}
	if change.RetryAfter > 0 && (change.Lease == 0 && change.End == "" || q.has("RetryAfter counts with a lease")) {
		next.NotBefore = now.Add(change.RetryAfter)
	}
	switch {
	case change.End != "":
		next.Status, next.CompletedAt = change.End, now
		switch q.fault {
		case "end keeps the lease":
			next.LeaseUntil = job.LeaseUntil
		case "end drops the error":
			next.Error = nil
		case "end does not set CompletedAt":
			next.CompletedAt = time.Time{}
		}
	case change.Lease > 0:
		next.LeaseUntil = now.Add(change.Lease)
		if heartbeat && (q.has("heartbeat does not renew") || job.Notify && q.has("heartbeat does not renew the lease of an ended job")) {
			next.LeaseUntil = job.LeaseUntil
		}
	default:
		if q.has("release makes the job pending") {
			next.Status = bulk.JobPending
		}
	}
	if change.Notified && q.has("notified jobs keep the lease") {
		next.LeaseUntil = job.LeaseUntil
	}
	*job = next
	if next.LeaseUntil.IsZero() && !(next.Notify && q.has("untold end tells nobody")) && !q.has(map[bool]string{true: "end tells nobody", false: "release tells nobody"}[next.Status.Ended()]) {
		q.tell()
	}
	return q.copy(*job), nil
}

// notifies returns the Notify of a job after a change.
func (q *naiveJobs) notifies(job *bulk.Job, change bulk.JobChange) bool {
	switch {
	case change.End != "":
		return change.Notify && !q.has("end does not set Notify")
	case change.Notified:
		return q.has("notified jobs keep Notify")
	case change.Lease == 0 && q.has("giving back an ended job clears Notify"):
		return false
	case !job.Status.Ended() && change.Notify:
		return q.has("heartbeat sets Notify")
	default:
		return job.Notify
	}
}

func (q *naiveJobs) Delete(ctx context.Context, id string) error {
	if err := q.enter(ctx); err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	job := q.find(id, "delete")
	switch {
	case job == nil && q.has("delete of a missing job is fine"):
		return nil
	case job == nil:
		return bulk.ErrJobNotFound
	case job.Notify && q.has("untold jobs are not deleted"):
		return bulk.ErrJobNotEnded
	case job.Status.Ended(), q.has("delete removes any job"):
	case q.has("delete removes released jobs") && job.Status == bulk.JobProcessing && job.LeaseUntil.IsZero():
	default:
		return bulk.ErrJobNotEnded
	}
	switch q.fault {
	case "delete leaves the job":
	case "delete leaves untold jobs to be claimed":
		if !job.Notify {
			q.jobs = slices.DeleteFunc(q.jobs, func(other *bulk.Job) bool { return other == job })
		}
	case "delete leaves the job in lists":
		job.ID += " (deleted)"
	default:
		q.jobs = slices.DeleteFunc(q.jobs, func(other *bulk.Job) bool { return other == job })
	}
	return nil
}

func (q *naiveJobs) Cancel(ctx context.Context, id string, cancellation bulk.Cancellation) (bulk.Job, error) {
	if err := q.enter(ctx); err != nil {
		return bulk.Job{}, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	job := q.find(id, "cancel")
	if job == nil {
		return bulk.Job{}, bulk.ErrJobNotFound
	}
	ends := job.Status == bulk.JobPending
	switch q.fault {
	case "cancel overwrites ended jobs":
		ends = ends || job.Status.Ended()
	case "cancel ends processing jobs":
		ends = ends || job.Status == bulk.JobProcessing
	case "cancel ends released jobs":
		ends = ends || job.Status == bulk.JobProcessing && job.LeaseUntil.IsZero()
	case "cancel only asks pending jobs":
		ends = false
	}
	if job.Status.Ended() && !ends {
		if q.has("cancel of an ended job returns none") {
			return bulk.Job{}, bulk.ErrJobEnded
		}
		if q.has("cancel takes the lease of an ended job") {
			job.LeaseUntil = time.Time{}
		}
		return q.copy(*job), bulk.ErrJobEnded
	}
	if !ends && q.has("cancel of a processing job is checked outside the lock") {
		q.outside()
	}
	now := stamp()
	job.UpdatedAt = now
	if !ends {
		job.CancelRequested = true
		job.Notify = cancellation.Notify && q.has("cancel sets Notify on processing jobs")
		if q.has("cancel takes the lease") {
			job.LeaseUntil = time.Time{}
		}
		return q.copy(*job), nil
	}
	job.Status, job.CompletedAt = bulk.JobCancelled, now
	job.Notify = cancellation.Notify && !q.has("cancel does not set Notify")
	if !q.has("cancel drops the results") {
		job.Results = cancellation.Results
	}
	if !q.has("cancel tells nobody") {
		q.tell()
	}
	return q.copy(*job), nil
}
