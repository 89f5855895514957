package bulk

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"slices"
	"sync"
	"syscall"

	"golang.org/x/sync/errgroup"

	"github.com/bulkops/bulkops/internal/redact"
)

// An engine takes the rows of one import to the store: it reads and validates
// them, looks them up in batches, decides, writes the decisions down in the
// journal, commits in batches, and reports one result for each row. Batches run in
// parallel; the order keeps rows of one user apart.
type engine struct {
	store   guardedStore
	tenant  string
	run     string // names the import in generated ids
	opts    Options
	rules   guardedRules
	rows    rowReader // of the goroutine that runs do
	calls   *calls
	backoff backoff
	log     *slog.Logger
	watch   Observer // nil for none
	out     sink
	order   *order
	taints  taints
	journal *journal
	batch   int // elements of a call to the store
	abreast int // batches that may be under way: both kinds of import set it, -1 is any number

	// health tells a store that is down from one that is at odds with some rows.
	// A job that finds the store down ends its attempt, to go on later; a request
	// has to answer.
	health   health
	patient  bool
	failures *failureLimit

	halted   chan struct{} // closed when no batch is to be begun any more
	haltOnce sync.Once

	// inherited has the results of rows that an earlier claim of the import has
	// come to, by index. They are reported when the rows are read.
	inherited map[int]inheritedRow

	mu      sync.Mutex
	sent    []*item // writes that were sent and whose fate is not known yet, each at its place
	tracked int
	madeUp  map[string]bool // ids of users that a dry run would have created
}

// An inheritedRow is the result of a row that was come to by its journal alone.
type inheritedRow struct {
	entryRow
	userID string
}

// A sink takes the results of an engine. It is safe for concurrent use.
type sink interface {
	// result takes the result of a row. Rows end in any order.
	result(r RowResult)
	// room waits until a row may be read. It returns early when ctx or stop ends.
	room(ctx context.Context, row int, stop <-chan struct{})
}

// A rowSource yields rows from a given index on.
type rowSource struct {
	rows RowReader
	next int
}

func newEngine(cfg *Config, tenant, run string, opts Options, out sink, j *journal) *engine {
	store, rules := cfg.store(), cfg.rules()
	if opts.DryRun {
		store.Store = newDryStore(store)
		store.observer = nil // the store behind the dry one is observed
	}
	return &engine{
		store: store, batch: BatchSize(cfg.Store), abreast: -1, tenant: tenant, run: run, opts: opts, rows: rowReader{rules: rules}, rules: rules, out: out, journal: j,
		log: cfg.Logger, watch: cfg.Observer,
		backoff: syncBackoff, calls: &calls{free: cfg.Parallel}, order: newOrder(), failures: newFailureLimit(opts), halted: make(chan struct{}),
		inherited: make(map[int]inheritedRow), madeUp: make(map[string]bool),
	}
}

// halt begins no further batch: rows whose writes were not sent end without a
// result.
func (e *engine) halt() { e.haltOnce.Do(func() { close(e.halted) }) }

func (e *engine) isHalted() bool {
	select {
	case <-e.halted:
		return true
	default:
		return false
	}
}

// do runs the rows of the source through the store. It returns when all rows have
// a result, when it was halted or too many rows have failed and the calls under way
// have ended, or on an error that leaves nothing to go on with. A row that the store fails is not such an
// error.
func (e *engine) do(ctx context.Context, source *rowSource) error {
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(e.abreast)
	for !e.isHalted() {
		e.out.room(groupCtx, source.next, e.halted)
		if groupCtx.Err() != nil || !e.failures.admits(groupCtx, e.halted) {
			break
		}
		items, err := e.fillBatch(source)
		if err != nil {
			// The batches under way go on to their end.
			if failed := group.Wait(); e.isHalted() {
				return cmp.Or(failed, context.Cause(ctx)) // what comes behind them would not be done
			}
			return err
		}
		if len(items) > 0 {
			place := e.order.dispatch()
			group.Go(func() error { return e.work(groupCtx, place, items) })
		}
		if source.rows == nil {
			break
		}
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return context.Cause(ctx)
}

// maxBatchBytes is the size of the rows of a batch from which on it takes no further
// one: what a batch of the default size of the largest users has.
const maxBatchBytes = MaxBatch * MaxUser

// fillBatch reads rows until a batch is full. Rows that fail validation, or whose
// result is inherited, have their result at once.
func (e *engine) fillBatch(source *rowSource) ([]*item, error) {
	items := make([]*item, 0, e.batch)
	block, groups := make([]item, e.batch), make([]group, e.batch) // groups stay for longer
	size := 0
	for read := 0; len(items) < e.batch && size < maxBatchBytes && read < 4*e.batch; read++ {
		if read > 0 && len(items) == 0 && e.failures != nil && e.resumes(source.next) {
			break // a batch of its own, once these are counted
		}
		row, err := source.rows.Next()
		if err == io.EOF {
			source.rows = nil
			break
		}
		if err != nil {
			return nil, err
		}
		size += len(row.JSON)
		e.failures.begin()
		it := &block[len(items)]
		it.solo = &groups[len(items)]
		e.rows.read(&it.plan, source.next, row)
		source.next++
		if !e.endAtOnce(&it.plan) {
			items = append(items, it)
		}
	}
	return items, nil
}

// resumes reports whether the row is the first behind some whose results are
// inherited.
func (e *engine) resumes(row int) bool {
	_, before := e.inherited[row-1]
	_, itself := e.inherited[row]
	return before && !itself
}

// endAtOnce reports the result of a row that has one without the store.
func (e *engine) endAtOnce(p *plan) bool {
	if old, ok := e.inherited[p.index]; ok {
		e.report(p, old.entryRow, old.userID)
		return true
	}
	if len(p.errors) > 0 {
		e.report(p, entryRow{Status: StatusFailed, Errors: p.errors}, "")
		return true
	}
	return false
}

// report reports the result of a row.
func (e *engine) report(p *plan, row entryRow, userID string) {
	r := p.result(row.Status)
	r.Errors = row.Errors
	if r.UserID == "" {
		r.UserID = userID
	}
	e.out.result(r)
	e.failures.end(r.Index, r.Status)
}

// work takes a batch through the store, and then the rows whose turn comes by that.
func (e *engine) work(ctx context.Context, p place, items []*item) error {
	if e.watch == nil {
		return e.doBatch(ctx, p, items)
	}
	ctx, end := observe(ctx, e.watch, &BatchEvent{Import: e.run, Size: len(items)})
	err := e.doBatch(ctx, p, items)
	end(err)
	return err
}

func (e *engine) doBatch(ctx context.Context, p place, items []*item) error {
	if err := e.lookup(ctx, items, p.number); err != nil {
		return err
	}
	items, waiting, err := e.order.admit(ctx, p, items)
	if err != nil {
		return err
	}
	for apart := true; ; apart = false {
		next, err := e.settle(ctx, items, apart)
		if err != nil {
			return err
		}
		waiting = append(waiting, next...)
		if len(waiting) == 0 || e.isHalted() {
			return nil
		}
		items = waiting[:min(len(waiting), e.batch)]
		waiting = waiting[len(items):]
		if err := e.lookup(ctx, items, hasBegun); err != nil {
			return err
		}
	}
}

// lookup sets what is found for each item: the user of its entry, or else that of
// its row. An error ends the import; a store that fails in spite of all retries is
// a failure of these items. begins is that of calls.take.
func (e *engine) lookup(ctx context.Context, items []*item, begins int) error {
	refs := make([]Ref, len(items))
	for i, it := range items {
		refs[i] = it.ref()
	}
	var found []Found
	call := func() error {
		return e.limit(ctx, begins, func() (err error) {
			if e.isHalted() && !slices.ContainsFunc(items, func(it *item) bool { return it.sent }) {
				return errHalted // while it waited for its turn
			}
			if found, err = e.store.Lookup(ctx, e.tenant, refs); Retryable(err) {
				for _, it := range items {
					e.health.failing(&it.trouble)
				}
			}
			return err
		})
	}
	patience := e.backoff
	patience.attempts = min(patience.attempts, e.attempts())
	err := patience.retryUntil(ctx, e.halted, call)
	if Retryable(err) && !underWay(err) && e.isHalted() {
		err = syncBackoff.retry(ctx, call) // there is less time
	}
	if fatal := e.fatal(ctx, err); fatal != nil {
		return fatal
	}
	if err != nil && !errors.Is(err, errHalted) {
		e.log.WarnContext(ctx, "lookup failed", "import", e.run, "rows", len(items), redact.Error(err))
	}
	for i, it := range items {
		if err == nil {
			if it.found = found[i]; Retryable(it.found.Err) {
				e.health.failing(&it.trouble)
			}
			continue
		}
		it.found = Found{Err: err}
		it.failures = max(it.failures, e.backoff.attempts) // they were made here
	}
	return nil
}

// errHalted is why rows are not looked up any more.
var errHalted = Permanent(errors.New("bulk: the import was halted"))

// limit runs a call to the store as one of those that may be under way.
func (e *engine) limit(ctx context.Context, begins int, f func() error) error {
	if err := e.calls.take(ctx, begins); err != nil {
		return err
	}
	defer e.calls.give()
	return f()
}

// fatal returns what an error of the store ends the import with, or nil if it is
// the failure of some rows.
func (e *engine) fatal(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if untrusted(err) {
		return err
	}
	return nil
}

// untrusted reports whether a call failed with err in a way after which its backend
// cannot be worked with.
func untrusted(err error) bool {
	var (
		panicked  *panicError
		broken    *contractError
		abandoned *abandonedError
	)
	return errors.As(err, &panicked) || errors.As(err, &broken) || errors.As(err, &abandoned)
}

// underWay reports whether the call that failed with err may still have its effect
// later: it timed out or was given up, or the connection broke before its answer
// came.
func underWay(err error) bool {
	var (
		abandoned *abandonedError
		network   net.Error
		errno     syscall.Errno
	)
	return errors.As(err, &abandoned) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.As(err, &network) || errors.As(err, &errno)
}
