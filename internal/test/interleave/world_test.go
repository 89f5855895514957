package interleave

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bulkops/bulkops/blob/memblob"
	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/jobs/memjobs"
	"github.com/bulkops/bulkops/store/memstore"
)

const tenant = "acme"

var admin = bulk.Principal{ID: "root", Tenant: tenant, Role: bulk.RoleAdmin}

// A setting is what a run has beside its scenario.
type setting struct {
	segment, parallel int
	// batch is how many rows the store takes in a call, 0 for [bulk.MaxBatch].
	batch int
	// keyed makes a synchronous request under an idempotency key of the scenario,
	// in place of a job.
	keyed bool
	// attempts is the job's MaxAttempts, 0 for more than any run makes.
	attempts int
	// work is what a worker does with the job; nil is a [bulk.Worker]'s RunJob.
	// With it, other programs leave on users what it leaves.
	work func(ctx context.Context, r *run, a *actor) error
}

// A world is backends, a job or request on them, and the truth about every write.
type world struct {
	scenario *scenario
	setting  setting

	store *memstore.Store
	blobs *memblob.Store
	jobs  *memjobs.Queue
	other *bulk.Importer // other programs, and the setting up
	jobID string
	done  []int // of each op, how often it was done

	reservedBy *actor // who last wrote the idempotency key

	mu      sync.Mutex
	arrived []*call
	over    chan struct{} // closed when the run is over

	// The truth.
	before    users // at the start
	now       users
	writes    []write
	endedAs   string // what the job ended as, "" while it has not
	cancelled bool   // the cancel request was made
	broken    string // a rule that was seen broken on the way
}

// A write is a write that the store has done.
type write struct {
	by     *actor // nil for another program
	create bool
	id     string
	before users // all users before it
	user   user  // the user after it
	late   bool  // the job had ended
}

func (w *write) changes() bool { return w.create || !w.before[w.id].equal(w.user) }

func (w *write) String() string {
	by, verb := "another program", "changes"
	if w.by != nil {
		by = w.by.name
	}
	if w.create {
		verb = "creates"
	}
	s := fmt.Sprintf("%s %s user %s: %v", by, verb, w.id, w.user)
	if !w.create {
		s += fmt.Sprintf(" (was %v)", w.before[w.id])
	}
	if w.late {
		s += " (after the end)"
	}
	return s
}

func newWorld(s *scenario, set setting) *world {
	w := &world{
		scenario: s, setting: set,
		store: memstore.New(), blobs: memblob.New(), jobs: memjobs.New(),
		done: make([]int, len(s.ops)), over: make(chan struct{}), now: users{},
	}
	for _, u := range s.users {
		fields, err := bulk.NewFields(map[string]any{"val": u.val})
		must(err)
		must(w.store.Put(tenant, bulk.User{ID: u.id, Email: u.email, CustomFields: fields}))
		w.now = w.now.with(u.id, w.read(u.id))
	}
	w.before = w.now
	var err error
	w.other, err = bulk.NewImporter(w.config(nil))
	must(err)
	if !set.keyed {
		w.submit(s.reader())
	}
	return w
}

// submit makes the job.
func (w *world) submit(rows bulk.RowReader) {
	job, err := w.other.Submit(context.Background(), bulk.Request{Principal: admin, Rows: rows, Options: w.scenario.opts})
	must(err)
	w.jobID = job.ID
}

// forEver is longer than any run takes.
const forEver = 1000 * time.Hour

// config is that of an actor, or of other programs.
func (w *world) config(a *actor) bulk.Config {
	cfg := bulk.Config{
		Store: truth{w}, Blobs: w.blobs, Jobs: w.jobs,
		Parallel: w.setting.parallel, SegmentRows: w.setting.segment,
		Lease: forEver, Poll: forEver, CallTimeout: 5 * quantum, StopGrace: 2 * quantum, MaxAttempts: cmp.Or(w.setting.attempts, 1000),
		Logger: slog.New(slog.DiscardHandler), WorkerName: "other",
	}
	if a != nil {
		cfg.Store, cfg.Blobs, cfg.Jobs, cfg.IdempotencyKeys = gatedStore{a}, gatedBlobs{a}, gatedJobs{w.jobs, a}, gatedKeys{a}
		cfg.WorkerName = a.name
	}
	return cfg
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// truth is the store as other programs see it.
type truth struct{ w *world }

func (s truth) Lookup(ctx context.Context, tenant string, refs []bulk.Ref) ([]bulk.Found, error) {
	return s.w.store.Lookup(ctx, tenant, refs)
}

func (s truth) Commit(_ context.Context, tenant string, writes []bulk.Write) []error {
	if s.w.setting.work != nil {
		writes = slices.Clone(writes)
		for i := range writes {
			writes[i].Mark = readTrail(writes[i].Base).with(fmt.Sprintf("other-%d", len(s.w.writes)+i))
		}
	}
	return s.w.commit(nil, tenant, writes)
}

// commit performs writes and notes what was done.
func (w *world) commit(by *actor, tenant string, writes []bulk.Write) []error {
	outcomes := w.store.Commit(context.Background(), tenant, writes)
	for i := range writes {
		if outcomes[i] != nil {
			continue
		}
		id := writes[i].User.ID
		after := w.read(id)
		_, existed := w.now[id]
		w.writes = append(w.writes, write{
			by: by, create: !existed, id: id, before: w.now, user: after, late: w.endedAs != "",
		})
		w.now = w.now.with(id, after)
	}
	return outcomes
}

// read returns a user that exists as the store holds it.
func (w *world) read(id string) user {
	held, ok := w.store.Get(tenant, id)
	if !ok {
		panic("interleave: no user " + id)
	}
	u := user{email: held.Email, fields: map[string]string{}}
	for name, value := range held.CustomFields.All() {
		u.fields[name] = string(value)
	}
	return u
}

// end notes that the job has ended.
func (w *world) end(as string) {
	if w.endedAs == "" {
		w.endedAs = as
	}
}

func (w *world) breaks(format string, args ...any) {
	if w.broken == "" {
		w.broken = fmt.Sprintf(format, args...)
	}
}

// deleting checks what a worker deletes.
func (w *world) deleting(a *actor, key string) {
	if w.endedAs == "" && strings.Contains(key, "/journal/") {
		w.breaks("%s deletes the journal before the job has ended: %s", a.name, w.shortKey(key))
	}
}

// act lets another program do an op.
func (w *world) act(i int) {
	o, n := w.scenario.ops[i], w.done[i]
	w.done[i]++
	if o.kind == host {
		w.hostSets(o.id, o.val+n)
		return
	}
	text := map[string]any{"userId": o.id}
	if o.email != "" {
		text["email"] = o.email
	}
	if o.kind != move {
		text["customFields"] = map[string]int{"val": o.val + n}
	}
	w.imports(text)
}

// imports imports one row as another program does it.
func (w *world) imports(row map[string]any) *bulk.Report {
	text, err := json.Marshal(row)
	must(err)
	report, err := w.other.Import(context.Background(), bulk.Request{
		Principal: admin, Rows: &rowList{[][]byte{text}}, Options: upsert,
	})
	must(err)
	return report
}

// hostSets changes a user as a host does that knows nothing of marks.
func (w *world) hostSets(id string, val int) {
	found, err := w.store.Lookup(context.Background(), tenant, []bulk.Ref{{ID: id}})
	must(err)
	base := found[0].ByID
	if base == nil {
		return
	}
	patch, err := bulk.NewFields(map[string]any{"val": val})
	must(err)
	next := base.User
	next.CustomFields = next.CustomFields.Merge(patch)
	must(w.commit(nil, tenant, []bulk.Write{{User: next, Mark: base.Mark, Base: base, Patch: bulk.Patch{CustomFields: patch}}})[0])
}

// cancel asks for the job to be cancelled.
func (w *world) cancel() {
	w.cancelled = true
	job, err := w.other.Cancel(context.Background(), admin, w.jobID)
	must(err)
	if job.Status.Ended() {
		w.end(string(job.Status))
	}
}

func (w *world) job() bulk.Job {
	job, err := w.jobs.Get(context.Background(), w.jobID)
	must(err)
	return job
}

// resultsFile is what a results file has.
type resultsFile struct {
	JobID        string           `json:"jobId"`
	Status       bulk.JobStatus   `json:"status"`
	TotalRecords int              `json:"totalRecords"`
	Summary      bulk.Summary     `json:"summary"`
	Results      []bulk.RowResult `json:"results"`
}

// results reads the results file of the ended job, and returns what is wrong with
// it.
func (w *world) results() (results []bulk.RowResult, fault string) {
	job := w.job()
	r, err := w.other.Results(context.Background(), &job)
	if err != nil {
		return nil, fmt.Sprintf("every ended job has a results file: the job is %s: %v", job.Status, err)
	}
	defer r.Close()
	text, err := io.ReadAll(r)
	must(err)
	var f resultsFile
	if err := json.Unmarshal(text, &f); err != nil {
		return nil, fmt.Sprintf("the results file is not JSON: %v", err)
	}
	switch {
	case f.JobID != job.ID, f.Status != job.Status, f.TotalRecords != job.TotalRecords:
		return nil, fmt.Sprintf("the results file is of another job or state: %s %s %d", f.JobID, f.Status, f.TotalRecords)
	case f.Summary != job.Summary():
		return nil, fmt.Sprintf("sums that add up: the file counts %+v, the job %+v", f.Summary, job.Summary())
	}
	return f.Results, countFault(f.Results, f.Summary, job.TotalRecords)
}

// countFault returns what is wrong with the number or the summary of results.
func countFault(results []bulk.RowResult, want bulk.Summary, rows int) string {
	if len(results) != rows {
		return fmt.Sprintf("one result a row: %d results for %d rows", len(results), rows)
	}
	var sum bulk.Summary
	for i, r := range results {
		if r.Index != i {
			return fmt.Sprintf("results in order: result %d has the index %d", i, r.Index)
		}
		count(&sum, r.Status)
	}
	if sum != want {
		return fmt.Sprintf("sums that add up: the summary is %+v, the results count %+v", want, sum)
	}
	return ""
}

// count adds a row to a summary.
func count(sum *bulk.Summary, status bulk.Status) {
	switch status {
	case bulk.StatusCreated:
		sum.Created++
	case bulk.StatusUpdated:
		sum.Updated++
	case bulk.StatusUnchanged:
		sum.Unchanged++
	case bulk.StatusSkipped:
		sum.Skipped++
	case bulk.StatusFailed:
		sum.Failed++
	case bulk.StatusNotProcessed:
		sum.NotProcessed++
	}
}

// alias returns an id as schedules show it: generated ones differ from run to run.
func (w *world) alias(id string) string {
	if len(id) > 3 {
		return "new"
	}
	return id
}

// shortKey returns what a blob's key has behind the job.
func (w *world) shortKey(key string) string {
	if _, rest, ok := strings.Cut(key, "/"); ok {
		if _, rest, ok := strings.Cut(rest, "/"); ok {
			return rest
		}
	}
	return key
}

// describe says what a write is, without what differs from run to run.
func (w *world) describe(wr *bulk.Write) string {
	if wr.Base == nil {
		return fmt.Sprintf("create %s %s %s", w.alias(wr.User.ID), wr.User.Email, wr.User.CustomFields)
	}
	return strings.TrimSuffix(fmt.Sprintf("update %s %s%s", w.alias(wr.User.ID), wr.Patch.CustomFields, " "+wr.Patch.Email), " ")
}
