package otelbulk_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/bulkops/bulkops/blob/memblob"
	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/test/logtest"
	"github.com/bulkops/bulkops/jobs/memjobs"
	"github.com/bulkops/bulkops/observe/otelbulk"
	"github.com/bulkops/bulkops/store/memstore"
)

// A world is a service in memory, whose metrics and spans can be looked at.
type world struct {
	t        *testing.T
	cfg      bulk.Config
	jobs     *memjobs.Queue
	store    *store
	tally    *tally
	observer *otelbulk.Observer
	reader   *metric.ManualReader
	spans    *tracetest.InMemoryExporter
}

var boss = bulk.Principal{ID: "boss", Tenant: "acme", Role: bulk.RoleAdmin}

func newWorld(t *testing.T) *world {
	w := &world{t: t, jobs: memjobs.New(), tally: &tally{calls: map[string]int{}}, reader: metric.NewManualReader(), spans: tracetest.NewInMemoryExporter()}
	meters := metric.NewMeterProvider(metric.WithReader(w.reader))
	tracers := trace.NewTracerProvider(trace.WithSyncer(w.spans))
	var err error
	if w.observer, err = otelbulk.New(otelbulk.Options{MeterProvider: meters, TracerProvider: tracers}); err != nil {
		t.Fatal(err)
	}
	w.store = &store{Store: memstore.New(), tally: w.tally}
	w.cfg = bulk.Config{
		Store: w.store, Blobs: &blobs{memblob.New(), w.tally}, Jobs: &jobs{w.jobs, w.tally}, IdempotencyKeys: &keys{w.jobs, w.tally},
		Mailer: &mailer{w.tally}, Observer: w.observer, SegmentRows: 100, Logger: logtest.New(t),
	}
	return w
}

func (w *world) importer() *bulk.Importer {
	w.t.Helper()
	im, err := bulk.NewImporter(w.cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	return im
}

func (w *world) worker() *bulk.Worker {
	w.t.Helper()
	worker, err := bulk.NewWorker(w.cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	return worker
}

// accept sends users, those whose numbers are in the range.
func (w *world) accept(ctx context.Context, from, until int, change func(*bulk.Request)) (*bulk.Accepted, error) {
	users := make([]bulk.User, 0, until-from)
	for i := from; i < until; i++ {
		users = append(users, bulk.User{ID: fmt.Sprint("u", i), Email: fmt.Sprintf("u%d@example.com", i)})
	}
	req := bulk.Request{Principal: boss, Rows: bulk.Users(users...), Options: bulk.DefaultOptions()}
	if change != nil {
		change(&req)
	}
	return w.importer().Accept(ctx, req)
}

// job makes a job of users.
func (w *world) job(ctx context.Context, from, until int) *bulk.Job {
	w.t.Helper()
	accepted, err := w.accept(ctx, from, until, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return accepted.Job
}

// run runs a job, and fails unless the attempt ends as wanted.
func (w *world) run(ctx context.Context, id string, want error) {
	w.t.Helper()
	if err := w.worker().RunJob(ctx, id); !errors.Is(err, want) || (err == nil) != (want == nil) {
		w.t.Fatalf("RunJob of %s: %v, want %v", id, err, want)
	}
}

// series returns the value of each series: the sum of a counter, the last value of a
// gauge, the number of values of a histogram.
func (w *world) series() (values map[string]float64, sums map[string]float64) {
	w.t.Helper()
	var all metricdata.ResourceMetrics
	if err := w.reader.Collect(context.Background(), &all); err != nil {
		w.t.Fatal(err)
	}
	values, sums = map[string]float64{}, map[string]float64{}
	for _, scope := range all.ScopeMetrics {
		if scope.Scope.Name != otelbulk.Scope {
			w.t.Errorf("metrics of the scope %q", scope.Scope.Name)
		}
		for _, m := range scope.Metrics {
			name := func(set attribute.Set) string { return m.Name + "{" + set.Encoded(attribute.DefaultEncoder()) + "}" }
			switch data := m.Data.(type) {
			case metricdata.Sum[int64]:
				for _, p := range data.DataPoints {
					values[name(p.Attributes)] = float64(p.Value)
				}
			case metricdata.Gauge[float64]:
				for _, p := range data.DataPoints {
					values[name(p.Attributes)] = p.Value
				}
			case metricdata.Histogram[float64]:
				for _, p := range data.DataPoints {
					values[name(p.Attributes)], sums[name(p.Attributes)] = float64(p.Count), p.Sum
				}
			default:
				w.t.Errorf("%s is a %T", m.Name, data)
			}
		}
	}
	return values, sums
}

// A tally counts the calls of backends that were made, without an observer.
type tally struct {
	mu        sync.Mutex
	calls     map[string]int // by series
	throttles int
}

func (c *tally) call(backend, operation, outcome string, errorType string) {
	name := "bulkops.call.duration{bulkops.backend=" + backend + ",bulkops.operation=" + operation + ",bulkops.outcome=" + outcome
	if errorType != "" {
		name += ",error.type=" + errorType
	}
	c.count(name + "}")
}

func (c *tally) count(series string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls[series]++
}

func (c *tally) element(backend, operation, outcome string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n > 0 {
		c.calls["bulkops.call.elements{bulkops.backend="+backend+",bulkops.operation="+operation+",bulkops.outcome="+outcome+"}"] += n
	}
}

// answered counts a call that ended with err. The sentinels are those with which the
// backends of this test answer.
func (c *tally) answered(backend, operation string, err error) {
	for sentinel, code := range map[error]string{
		bulk.ErrNoJob: "NO_JOB", bulk.ErrJobNotFound: "JOB_NOT_FOUND", bulk.ErrLeaseLost: "LEASE_LOST", bulk.ErrBlobNotFound: "BLOB_NOT_FOUND",
		bulk.ErrBlobExists: "BLOB_EXISTS", bulk.ErrIdempotencyKeyNotFound: "IDEMPOTENCY_KEY_NOT_FOUND", bulk.ErrJobEnded: "JOB_ENDED",
	} {
		if errors.Is(err, sentinel) {
			c.call(backend, operation, "refused", code)
			return
		}
	}
	switch {
	case err == nil:
		c.call(backend, operation, "ok", "")
	case errors.Is(err, context.Canceled):
		c.call(backend, operation, "failed", "cancelled")
	default:
		c.call(backend, operation, "failed", "_OTHER")
	}
}

// errDown is how a backend fails that cannot be reached. It names a user, as errors of
// databases do.
var errDown = errors.New("connection refused; the row was (ana@example.com)")

// A store takes 10 ms a call, and can be down or throttled.
type store struct {
	bulk.Store
	tally *tally

	mu       sync.Mutex
	down     bool
	throttle int    // commits that are throttled once in all their parts
	onCommit func() // called by each commit
}

func (s *store) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

func (s *store) Lookup(ctx context.Context, tenant string, refs []bulk.Ref) (found []bulk.Found, err error) {
	defer func() {
		s.tally.answered("Store", "Lookup", err)
		outcome := map[bool]string{true: "ok", false: "failed"}[err == nil]
		s.tally.element("Store", "Lookup", outcome, len(refs))
	}()
	time.Sleep(10 * time.Millisecond)
	s.mu.Lock()
	down := s.down
	s.mu.Unlock()
	if down {
		return nil, errDown
	}
	return s.Store.Lookup(ctx, tenant, refs)
}

func (s *store) Commit(ctx context.Context, tenant string, writes []bulk.Write) (outcomes []error) {
	defer func() {
		s.tally.call("Store", "Commit", "ok", "")
		failed := 0
		for _, err := range outcomes {
			if err != nil {
				failed++
			}
		}
		s.tally.element("Store", "Commit", "ok", len(writes)-failed)
		s.tally.element("Store", "Commit", "failed", failed)
	}()
	time.Sleep(10 * time.Millisecond)
	s.mu.Lock()
	down, throttled, hook := s.down, s.throttle > 0, s.onCommit
	s.throttle--
	s.mu.Unlock()
	if hook != nil {
		hook()
	}
	if throttled {
		bulk.ReportThrottle(ctx, len(writes))
		s.tally.mu.Lock()
		s.tally.throttles += len(writes)
		s.tally.mu.Unlock()
	}
	if down {
		outcomes = make([]error, len(writes))
		for i := range outcomes {
			outcomes[i] = errDown
		}
		return outcomes
	}
	return s.Store.Commit(ctx, tenant, writes)
}

type blobs struct {
	*memblob.Store
	tally *tally
}

func (b *blobs) Put(ctx context.Context, key string, r io.Reader, info bulk.BlobInfo) error {
	err := b.Store.Put(ctx, key, r, info)
	if errors.As(err, new(*bulk.RequestError)) {
		b.tally.call("BlobStore", "Put", "failed", "EMPTY_USERS")
		return err
	}
	b.tally.answered("BlobStore", "Put", err)
	return err
}

func (b *blobs) Get(ctx context.Context, key string) (io.ReadCloser, error) {
	r, err := b.Store.Get(ctx, key)
	b.tally.answered("BlobStore", "Get", err)
	return r, err
}

func (b *blobs) Delete(ctx context.Context, key string) error {
	err := b.Store.Delete(ctx, key)
	b.tally.answered("BlobStore", "Delete", err)
	return err
}

type jobs struct {
	*memjobs.Queue
	tally *tally
}

func (q *jobs) Create(ctx context.Context, spec bulk.JobSpec) error {
	err := q.Queue.Create(ctx, spec)
	q.tally.answered("JobQueue", "Create", err)
	return err
}

func (q *jobs) Get(ctx context.Context, id string) (bulk.Job, error) {
	job, err := q.Queue.Get(ctx, id)
	q.tally.answered("JobQueue", "Get", err)
	return job, err
}

func (q *jobs) Claim(ctx context.Context, claim bulk.Claim) (bulk.Job, error) {
	job, err := q.Queue.Claim(ctx, claim)
	q.tally.answered("JobQueue", "Claim", err)
	return job, err
}

func (q *jobs) Save(ctx context.Context, id string, token int64, change bulk.JobChange) (bulk.Job, error) {
	before, _ := q.Queue.Get(ctx, id)
	job, err := q.Queue.Save(ctx, id, token, change)
	q.tally.answered("JobQueue", "Save", err)
	if err == nil && (change.End != "" || job.Progress.Rows > before.Progress.Rows) {
		q.tally.count("bulkops.checkpoint.duration{}")
	}
	return job, err
}

func (q *jobs) Cancel(ctx context.Context, id string, c bulk.Cancellation) (bulk.Job, error) {
	job, err := q.Queue.Cancel(ctx, id, c)
	q.tally.answered("JobQueue", "Cancel", err)
	return job, err
}

type keys struct {
	bulk.IdempotencyKeyStore
	tally *tally
}

func (k *keys) GetIdempotencyKey(ctx context.Context, tenant, name string) (bulk.IdempotencyKey, error) {
	key, err := k.IdempotencyKeyStore.GetIdempotencyKey(ctx, tenant, name)
	k.tally.answered("IdempotencyKeyStore", "GetIdempotencyKey", err)
	return key, err
}

func (k *keys) PutIdempotencyKey(ctx context.Context, key bulk.IdempotencyKey) error {
	err := k.IdempotencyKeyStore.PutIdempotencyKey(ctx, key)
	k.tally.answered("IdempotencyKeyStore", "PutIdempotencyKey", err)
	return err
}

// A mailer refuses every tenth user.
type mailer struct{ tally *tally }

func (m *mailer) SendWelcome(_ context.Context, messages []bulk.Welcome) []error {
	outcomes := make([]error, len(messages))
	failed := 0
	for i, message := range messages {
		if message.User.ID[len(message.User.ID)-1] == '0' {
			outcomes[i] = fmt.Errorf("no such user: %s", message.User.Email)
			failed++
		}
	}
	m.tally.call("Mailer", "SendWelcome", "ok", "")
	m.tally.element("Mailer", "SendWelcome", "ok", len(messages)-failed)
	m.tally.element("Mailer", "SendWelcome", "failed", failed)
	return outcomes
}
