package bulk

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"math"

	"golang.org/x/sync/errgroup"
)

// An engine takes the rows of one import to the store: it reads and validates
// them, looks them up in batches, decides, commits in batches, and reports one
// result for each row. Batches run in parallel; the order keeps rows of one user
// apart.
type engine struct {
	store    guardedStore
	tenant   string
	run      string // names the import in marks and generated ids
	opts     Options
	parallel int
	window   int // rows that may be between their reading and their durability
	backoff  backoff
	log      *slog.Logger
	out      sink
	order    *order
	// checkpoints says that results become durable while the import runs.
	checkpoints bool
	stopping    func() stopMode
}

// A sink takes the results of an engine. Its methods are safe for concurrent use.
type sink interface {
	// result takes the result of a row. Rows end in any order.
	result(r RowResult)
	// need asks that the rows before this one be made durable soon, as it cannot
	// run before.
	need(row int)
}

// A stopMode says how far an engine should still go.
type stopMode int

const (
	goOn   stopMode = iota
	finish          // read no more rows, but end those that were read
	halt            // begin no more batches
)

// A rowSource yields rows from a given index on.
type rowSource struct {
	rows RowReader
	next int
}

// batch is rows that are looked up and committed together. number is their place
// among the batches of new rows, or -1 for rows whose turn has come.
type batch struct {
	number int
	items  []*item
}

// do runs the rows of the source through the store. It returns when all rows
// have a result, when stopping says so and the batches under way have ended, or
// on an error that leaves nothing to go on with. A row that the store fails is
// not such an error.
func (e *engine) do(ctx context.Context, source *rowSource) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(e.parallel)
	defer context.AfterFunc(ctx, e.order.wake)()
	for {
		b, err := e.nextBatch(ctx, source)
		if err != nil {
			// The batches under way go on to their end, unless one of them is
			// the cause.
			return cmp.Or(group.Wait(), err)
		}
		if b == nil {
			return group.Wait()
		}
		group.Go(func() error { return e.work(ctx, b) })
	}
}

// nextBatch waits for something to do. It returns nil when there will be nothing
// more.
func (e *engine) nextBatch(ctx context.Context, source *rowSource) (*batch, error) {
	o := e.order
	o.mu.Lock()
	defer o.mu.Unlock()
	for {
		mode := e.stopping()
		switch {
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case mode == halt:
			return nil, nil
		case len(o.ready) > 0:
			n := min(len(o.ready), MaxBatch)
			b := &batch{number: -1, items: o.ready[:n:n]}
			o.ready = o.ready[n:]
			return b, nil
		case source.rows != nil && mode == goOn && source.next < o.durable+e.window:
			b, err := e.readBatch(source)
			if b != nil || err != nil {
				return b, err
			}
		case o.running == 0 && (source.rows == nil || mode != goOn):
			return nil, nil
		default: // for rows to end, or for those before the window to be durable
			o.changed.Wait()
		}
	}
}

// readBatch reads rows until a batch is full. Rows that fail validation have
// their result at once. It returns nil when no valid row is left. It holds the
// order's lock, but not while it reads.
func (e *engine) readBatch(source *rowSource) (*batch, error) {
	o := e.order
	o.mu.Unlock()
	b, err := e.fillBatch(source)
	o.mu.Lock()
	if err != nil || len(b.items) == 0 {
		return nil, err
	}
	b.number = o.dispatched
	o.dispatched++
	o.running += len(b.items)
	return b, nil
}

func (e *engine) fillBatch(source *rowSource) (*batch, error) {
	b := &batch{items: make([]*item, 0, MaxBatch)}
	block := make([]item, MaxBatch)
	for read := 0; len(b.items) < MaxBatch && read < 4*MaxBatch; read++ {
		row, err := source.rows.Next()
		if err == io.EOF {
			source.rows = nil
			break
		}
		if err != nil {
			return nil, err
		}
		it := &block[len(b.items)]
		it.plan.readRow(source.next, row)
		source.next++
		if len(it.plan.errors) > 0 {
			r := it.plan.result(StatusFailed)
			r.Errors = it.plan.errors
			e.out.result(r)
			continue
		}
		b.items = append(b.items, it)
	}
	return b, nil
}

// work takes a batch through the store.
func (e *engine) work(ctx context.Context, b *batch) error {
	found, failure, err := e.lookup(ctx, b.items)
	if err != nil {
		return err
	}
	items := b.items
	if b.number >= 0 {
		items, found, err = e.order.admit(ctx, b.number, items, found)
		if err != nil {
			return err
		}
	}
	if failure != nil {
		for _, it := range items {
			e.end(it, failed(&it.plan, failure))
		}
		return nil
	}
	return e.settle(ctx, items, found)
}

// lookup finds what the store holds for the rows. A store that fails in spite of
// all retries is a failure of these rows; err is what ends the whole import.
func (e *engine) lookup(ctx context.Context, items []*item) (found []Found, failure, err error) {
	refs := make([]Ref, len(items))
	for i, it := range items {
		refs[i] = Ref{ID: it.plan.ID, Email: it.plan.Email}
	}
	err = e.backoff.retry(ctx, func() error {
		var err error
		found, err = e.store.Lookup(ctx, e.tenant, refs)
		return err
	})
	if err != nil {
		if fatal := e.fatal(ctx, err); fatal != nil {
			return nil, nil, fatal
		}
		e.log.WarnContext(ctx, "lookup failed", "import", e.run, "rows", len(items), "error", err)
		return make([]Found, len(items)), err, nil
	}
	return found, nil, nil
}

// fatal returns what an error of the store ends the import with, or nil if it is
// the failure of some rows.
func (e *engine) fatal(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	var (
		panicked *panicError
		broken   *contractError
	)
	if errors.As(err, &panicked) || errors.As(err, &broken) {
		return err
	}
	return nil
}

// failed is the decision on a row that the store failed.
func failed(p *plan, err error) decision {
	d := decision{userID: p.ID}
	switch {
	case errors.Is(err, ErrEmailTaken):
		d.fail(emailTaken())
	case errors.Is(err, ErrUserTooLarge):
		d.fail(userTooLarge())
	case errors.Is(err, ErrConflict):
		d.fail(storeError(true)) // others were always faster
	default:
		d.fail(storeError(Retryable(err)))
	}
	return d
}

// A try is a row with what was found for it and how its writes went so far.
type try struct {
	item     *item
	found    Found
	decision decision
	err      error // the last outcome
	failures int   // outcomes that were failures of the store
	losses   int   // outcomes that were conflicts
}

// settle decides and commits until every row has its result: a write that lost
// against another, or that may have failed or not, is looked up and decided again.
func (e *engine) settle(ctx context.Context, items []*item, found []Found) error {
	tries := make([]*try, len(items))
	all := make([]try, len(items))
	for i, it := range items {
		all[i] = try{item: it, found: found[i]}
		tries[i] = &all[i]
	}
	for round := 1; ; round++ {
		writing, held := e.decide(ctx, tries, round > 1)
		if err := e.commit(ctx, writing); err != nil {
			return err
		}
		tries = e.unsettled(ctx, writing)
		tries = append(tries, held...)
		if len(tries) == 0 {
			return nil
		}
		if err := e.pause(ctx, tries); err != nil {
			return err
		}
		var err error
		if tries, err = e.lookupAgain(ctx, tries); err != nil {
			return err
		}
	}
}

// decide ends the rows that need no write and returns those that do. Rows that
// by now mean the same user as another row of the batch, which takes a change by
// another program meanwhile, are held back for the next round.
func (e *engine) decide(ctx context.Context, tries []*try, again bool) (writing, held []*try) {
	writing = tries[:0]
	for _, t := range tries {
		p := &t.item.plan
		d, recalled := recallRow(p, t.found, e.run)
		if !recalled {
			d = decide(p, t.found, e.opts, generatedID(p, e.run))
		}
		d.imagined = e.opts.DryRun && imagined(t.found, d)
		t.decision = d
		switch {
		case d.write == nil:
			e.end(t.item, d)
		case e.exhausted(t):
			e.give(ctx, t)
		case again && clashes(writing, d.write):
			held = append(held, t)
		case !e.mark(t):
			// It runs again when the rows before it are durable.
		default:
			writing = append(writing, t)
		}
	}
	return writing, held
}

// generatedID returns the id for a user that the row may have to create.
func generatedID(p *plan, run string) string {
	if p.ID != "" {
		return ""
	}
	return generatedUserID(run, p.index)
}

// clashes reports whether a write means the same user or email as another.
func clashes(writing []*try, w *Write) bool {
	for _, t := range writing {
		other := t.decision.write
		if other.User.ID == w.User.ID {
			return true
		}
		for _, a := range other.emails() {
			for _, b := range w.emails() {
				if a != "" && a == b {
					return true
				}
			}
		}
	}
	return false
}

// emails returns the keys of the emails that a write takes or frees, "" for none.
func (w *Write) emails() [2]string {
	keys := [2]string{EmailKey(w.User.Email)}
	if w.Base != nil {
		keys[1] = EmailKey(w.Base.Email)
	}
	return keys
}

// mark sets the mark of a write. It reports false if the row must wait until the
// rows before it are durable:
//
//   - A write that frees an email: after it, a repetition of those rows would
//     not find the user by that email any more.
//   - A mark that would become too long.
//
// An import without checkpoints has nothing to wait for.
func (e *engine) mark(t *try) bool {
	w := t.decision.write
	past := e.order.past(t.item)
	mayWait := e.checkpoints && !t.item.ordered
	if w.releasesEmail() && len(past) > 0 && mayWait {
		e.wait(t.item)
		return false
	}
	var others []string
	if w.Base != nil {
		_, others = parseMark(w.Base.Mark, e.run)
	}
	own := markedRow{t.item.plan.index, outcomeOf(t.decision.status, nil)}
	text, ok := mark{run: e.run, rows: append(past, own)}.text(others)
	if !ok && mayWait {
		e.wait(t.item)
		return false
	}
	if !ok {
		text, _ = mark{run: e.run, rows: []markedRow{own}}.text(others)
	}
	w.Mark = text
	return true
}

func (e *engine) wait(it *item) {
	e.order.await(it)
	e.out.need(it.plan.index)
}

// commit writes and sets each try's outcome.
func (e *engine) commit(ctx context.Context, writing []*try) error {
	if len(writing) == 0 {
		return nil
	}
	writes := make([]Write, len(writing))
	for i, t := range writing {
		writes[i] = *t.decision.write
	}
	outcomes, err := e.store.commit(ctx, e.tenant, writes)
	if err != nil {
		return err
	}
	for i, t := range writing {
		t.err = outcomes[i]
	}
	return nil
}

// unsettled ends the rows whose outcome is final and returns the others.
func (e *engine) unsettled(ctx context.Context, writing []*try) []*try {
	rest := writing[:0]
	for _, t := range writing {
		switch {
		case t.err == nil:
			e.end(t.item, t.decision)
			continue
		case errors.Is(t.err, ErrConflict), errors.Is(t.err, ErrEmailTaken):
			t.losses++
		case ctx.Err() == nil && !Retryable(t.err):
			e.give(ctx, t)
			continue
		default:
			t.failures++
		}
		rest = append(rest, t)
	}
	return rest
}

// exhausted reports whether a row was tried often enough. It is asked only after
// the row was looked up once more, as its last write may have been done although
// the answer said otherwise.
func (e *engine) exhausted(t *try) bool {
	return t.losses >= conflictBackoff.attempts || t.failures >= e.backoff.attempts
}

// give ends a row that could not be written.
func (e *engine) give(ctx context.Context, t *try) {
	if !errors.Is(t.err, ErrUserTooLarge) {
		e.log.WarnContext(ctx, "row could not be written", "import", e.run, "row", t.item.plan.index, "error", t.err)
	}
	e.end(t.item, failed(&t.item.plan, t.err))
}

// pause waits before the next round: as long as the row with the most failures
// needs.
func (e *engine) pause(ctx context.Context, tries []*try) error {
	failures, losses := 0, 0
	for _, t := range tries {
		failures = max(failures, t.failures)
		losses = max(losses, t.losses)
	}
	var err error
	switch {
	case failures > 0:
		err = e.backoff.wait(ctx, failures)
	case losses > 1: // the first loss is made good at once
		err = conflictBackoff.wait(ctx, losses)
	}
	if err != nil {
		return context.Cause(ctx)
	}
	return nil
}

// lookupAgain looks the tries up anew. If that fails they end.
func (e *engine) lookupAgain(ctx context.Context, tries []*try) ([]*try, error) {
	items := make([]*item, len(tries))
	for i, t := range tries {
		items[i] = t.item
	}
	found, failure, err := e.lookup(ctx, items)
	if err != nil {
		return nil, err
	}
	if failure != nil {
		for _, t := range tries {
			e.end(t.item, failed(&t.item.plan, failure))
		}
		return nil, nil
	}
	for i, t := range tries {
		t.found = found[i]
	}
	return tries, nil
}

// end reports the result of a row and lets the next one of its group run.
func (e *engine) end(it *item, d decision) {
	r := it.plan.result(d.status)
	r.Errors = d.errors
	if r.UserID == "" && !d.imagined {
		r.UserID = d.userID
	}
	e.out.result(r)
	e.order.done(it, outcomeOf(d.status, d.errors))
}

// unlimited is a durability or a window that no row waits for.
const unlimited = math.MaxInt / 2
