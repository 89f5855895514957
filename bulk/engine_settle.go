package bulk

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/bulkops/bulkops/internal/redact"
)

// An item is a row under way, or an entry that is inherited from an earlier claim
// of the import and not settled yet, which has no row.
type item struct {
	plan  plan
	group *group
	solo  *group // the group that it begins, if nothing connects it to another

	found Found
	alone bool     // it is decided without the rows behind it
	entry *entry   // the write that was decided, nil if there is none yet
	rows  []*item  // the rows of entry, this one first; none if it is inherited
	row   [1]*item // rows has its memory here as long as it is this one alone

	put      bool  // a write of its was written down
	sent     bool  // a call for the write was made
	number   int   // which of the writes that were sent it is, from 1; 0 unless one was sent whose fate is not known
	place    int   // of it among those
	look     bool  // it must be looked up, and its entry judged, before anything else
	open     bool  // the last call may have had its effect, unless its entry is judged
	doubt    bool  // a call may still have its effect later, as it did not say that it has none
	late     bool  // a call timed out or is another claim's, so that its effect may well come later
	err      error // what came of the last try
	failures int   // outcomes that were failures of the store
	fences   int   // fences that failed
	losses   int   // outcomes that were conflicts
	trouble  grievance
}

// ref names what has to be looked up: the user of the entry, by its id, and what a
// new decision on the row needs.
func (it *item) ref() Ref {
	r := Ref{ID: it.plan.ID, Email: it.plan.Email}
	if it.entry != nil && it.entry.UserID != "" {
		r.ID = it.entry.UserID
	}
	return r
}

// idle reports whether the item's write was not done, and no call for it is under
// way.
func (it *item) idle() bool { return !it.open && !it.doubt }

// A settlement takes items of a batch to their results.
type settlement struct {
	*engine
	apart   bool    // the order keeps the items apart, by all that was found for them
	next    []*item // rows whose turn has come meanwhile
	entries entries // of this round
}

// settle takes items that were looked up to their results: it decides, writes down
// and commits; a write that lost against another, or that may have been done or
// not, is looked up, judged and tried again. It returns the rows whose turn came by
// that. apart says that nothing was looked up for the items since they were admitted.
//
// Once the import is halted, rows are dropped whose writes were not done, and of
// which no call is under way.
func (e *engine) settle(ctx context.Context, items []*item, apart bool) (next []*item, err error) {
	s := &settlement{engine: e, apart: apart}
	for {
		if items, err = s.examine(ctx, items); err != nil {
			return nil, err
		}
		writing, writes, held := s.decide(items)
		if items, err = s.commit(ctx, writing, writes); err != nil {
			return nil, err
		}
		if items = append(items, held...); len(items) == 0 {
			return s.next, nil
		}
		if err := s.pause(ctx, items); err != nil {
			return nil, err
		}
	}
}

// examine looks up the items that need it and judges their entries. It returns
// those that go on.
func (s *settlement) examine(ctx context.Context, items []*item) ([]*item, error) {
	var look []*item
	for _, it := range items {
		if it.look {
			look = append(look, it)
		}
	}
	if len(look) > 0 {
		s.apart = false
		if err := s.lookup(ctx, look, hasBegun); err != nil {
			return nil, err
		}
	}
	rest := items[:0]
	var hopeless []*item
	for _, it := range items {
		switch v := s.judge(it); {
		case v == applied:
			s.finish(it)
		case v == unknown:
			s.finishUnknown(it)
		case v == dead && it.rows == nil && it.entry != nil:
			s.untrack(it) // inherited: its rows go the normal way
		case v == dead && it.losses >= conflictBackoff.attempts:
			rest = append(rest, s.fail(it)...)
		case v == dead:
			s.afresh(it)
			rest = append(rest, it)
		case s.isHopeless(it):
			hopeless = append(hopeless, it)
		default:
			rest = append(rest, it)
		}
	}
	again, err := s.giveUp(ctx, hopeless)
	return append(rest, again...), err
}

// judge tells what became of an item's entry, as far as that is asked. What has no
// entry, or was not found out, is live.
func (s *settlement) judge(it *item) verdict {
	if it.found.Err != nil {
		if it.failures++; it.err == nil || it.entry == nil {
			it.err = it.found.Err
		}
		it.look = true
		return live
	}
	if !it.look {
		return live
	}
	it.look = false
	if it.entry == nil {
		return live
	}
	it.open = false
	v := it.entry.judge(it.found.ByID)
	if v == live && errors.Is(it.err, ErrEmailTaken) && !it.doubt {
		return dead // refused, and no other call is under way
	}
	return v
}

// isHopeless reports whether an item whose entry was not done is to be given up. An
// item may have a second chance.
func (s *settlement) isHopeless(it *item) bool {
	switch {
	case it.failures >= s.attempts():
		if s.patient && !s.isHalted() && s.health.secondChance(&it.trouble) {
			it.failures = 0
			return false
		}
		return true
	case it.err == nil:
		return false
	case s.backoff.tooSlow(it.err):
		return true
	case errors.Is(it.err, ErrConflict):
		return it.losses >= conflictBackoff.attempts
	case errors.Is(it.err, ErrEmailTaken):
		return it.entry != nil // and in doubt
	default:
		return !Retryable(it.err) && !underWay(it.err)
	}
}

// attempts is how often an item is tried.
func (e *engine) attempts() int {
	switch {
	case !e.patient && e.health.down():
		return 1 // somebody waits, and others have tried
	case e.isHalted():
		return syncBackoff.attempts
	default:
		return e.backoff.attempts
	}
}

// giveUp ends items that could not be written. Where a call may still have its
// effect an update is made impossible first; a create cannot be, and nobody can
// tell what becomes of it. It returns the items that go on after all.
func (s *settlement) giveUp(ctx context.Context, items []*item) (again []*item, err error) {
	if len(items) == 0 {
		return nil, nil
	}
	if s.patient && s.isHalted() {
		// What was sent is settled as the job ends, or by its next claim.
		return nil, nil
	}
	unmet := 0
	for _, it := range items {
		if Retryable(it.err) && !s.isHalted() {
			unmet++
		}
	}
	if unmet > 0 && s.health.failed(unmet) && s.patient {
		return nil, fmt.Errorf("%w: %w", errOutage, items[0].err)
	}
	for _, it := range items {
		switch {
		case s.isHalted() && it.idle():
			s.drop(it)
		case it.idle():
			again = append(again, s.fail(it)...)
		case it.open || it.look:
			s.finishUnknown(it)
		default:
			failure, err := s.fence(ctx, it)
			switch {
			case err != nil:
				return nil, err
			case failure != nil && it.entry.Create == nil && it.fences < maxFences && !s.backoff.tooSlow(failure):
				it.look = true // the user may have changed, and the fence be there
				it.fences++
				again = append(again, it)
			case failure != nil && it.late:
				s.finishUnknown(it)
			case it.rows == nil:
				s.untrack(it)
			case errors.Is(it.err, ErrEmailTaken):
				it.look = true
				s.afresh(it)
				again = append(again, it)
			default:
				again = append(again, s.fail(it)...)
			}
		}
	}
	return again, nil
}

// maxFences is how many fences of an item may fail before nobody can tell what
// becomes of its write.
const maxFences = 3

// fence makes the write of an entry impossible whose base is still there: it writes
// the mark alone. failure is why that was not done; a create cannot be fenced. err
// ends the import.
func (s *settlement) fence(ctx context.Context, it *item) (failure, err error) {
	user := it.found.ByID
	if it.entry.Create != nil {
		return errors.ErrUnsupported, nil
	}
	w := Write{User: user.User, Base: user, Mark: parseTrail(user.Mark).push(newNonce())}
	err = s.limit(ctx, hasBegun, func() error {
		outcomes, err := s.store.commit(ctx, s.tenant, []Write{w})
		if err == nil {
			failure = outcomes[0]
		}
		return err
	})
	return failure, err
}

// drop leaves the rows of an item without a result. A successor need not judge the
// entry: it was not applied, and no call is under way.
func (s *settlement) drop(it *item) {
	s.untrack(it)
	if it.entry != nil {
		s.journal.drop(it.entry)
	}
}

// dropUnsent drops the items whose writes were not sent yet, and returns the others
// with theirs.
func (s *settlement) dropUnsent(items []*item, writes []Write) (sent []*item, again []Write) {
	for i, it := range items {
		if it.sent {
			sent, again = append(sent, it), append(again, writes[i])
		} else {
			s.drop(it)
		}
	}
	return sent, again
}

// afresh makes an item whose entry cannot be applied any more ready for a new
// decision. The rows behind it wait again. That the entry is dead is written down
// even so: whether there will be another is not certain, and a successor could not
// tell that a create was refused.
func (s *settlement) afresh(it *item) {
	s.untrack(it)
	if len(it.rows) > 0 {
		s.order.unfollow(it, it.rows[1:])
	}
	if it.put && it.entry != nil {
		s.journal.drop(it.entry)
	}
	it.entry, it.rows, it.sent, it.doubt, it.late = nil, nil, false, false, false
}

// fail ends a row that could not be written, with those that share its write. If
// that was refused for good, it may be because of one of them alone, so the first
// row is tried alone: that is the item returned.
func (s *settlement) fail(it *item) []*item {
	several := len(it.rows) > 1
	if several && Retryable(it.err) {
		// It is the store, and would fail them one by one.
		s.untrack(it)
		for _, row := range it.rows {
			s.final(row, failed(&row.plan, row.found, it.err))
		}
		s.log.Warn("rows could not be written", "import", s.run, "row", it.plan.index, "rows", len(it.rows), redact.Error(it.err))
		s.release(it)
		return nil
	}
	s.afresh(it)
	if several && !it.alone {
		it.alone, it.look, it.err = true, true, nil
		return []*item{it}
	}
	if !errors.Is(it.err, ErrUserTooLarge) {
		s.log.Warn("row could not be written", "import", s.run, "row", it.plan.index, redact.Error(it.err))
	}
	if !Retryable(it.err) {
		s.health.met()
	}
	s.final(it, failed(&it.plan, it.found, it.err))
	s.release(it)
	return nil
}

// decide decides the items that have no entry. It returns those that are to be
// committed with their writes, and those that have to wait: they are not looked up yet,
// or by now mean the same user as another one, which takes a change by another program.
func (s *settlement) decide(items []*item) (writing []*item, writes []Write, held []*item) {
	means := s.meanings(items)
	writing, writes = make([]*item, 0, len(items)), make([]Write, 0, len(items))
	s.entries = newEntries(len(items))
	for _, it := range items {
		switch {
		case s.isHalted() && it.idle():
			s.drop(it)
			continue
		case it.look:
			held = append(held, it)
			continue
		case it.entry != nil:
		case s.taints.reach(&it.plan, it.found.ByEmail):
			s.final(it, failed(&it.plan, it.found, errTainted))
			s.release(it)
			continue
		default:
			if it = s.decideRows(it); it == nil {
				continue
			}
		}
		w := it.entry.write(it.found.ByID)
		if means != nil && !means.add(&w) {
			if !it.sent {
				s.afresh(it)
			}
			it.look = true
			held = append(held, it)
			continue
		}
		writing, writes = append(writing, it), append(writes, w)
	}
	return writing, writes, held
}

// errTainted fails a row without a try: nobody can tell what became of a row before
// it.
var errTainted = errors.New("bulk: the outcome of an earlier row of the same user or email is unknown")

// decideRows decides an item and the rows behind it that concern the same user
// alone, each upon what the one before it comes to. Those before the first write
// end at once; the others share it. It returns the item that leads the write, nil
// if there is none.
func (s *settlement) decideRows(it *item) *item {
	var (
		lead *item
		base *Stored
		user Stored   // as it is after the rows so far
		last decision // to write
	)
	shares := func(p *plan) bool { return p.concernsOnly(&user) && !s.taints.reach(p, &user) }
	for row := it; row != nil; row = s.order.follow(it, shares) {
		if row != it {
			row.found = foundAs(&row.plan, user)
		}
		d := decide(&row.plan, row.found, s.opts, generatedID(&row.plan, s.run))
		s.rules.admit(&row.plan, &d)
		if s.opts.DryRun {
			s.hideMadeUp(row, &d)
			row.plan.changes = d.changes()
		}
		user = d.user
		if lead == nil && !d.writes {
			s.final(row, d)
			s.health.met()
		} else {
			if lead == nil {
				lead, base = row, d.base
				lead.rows, lead.entry = lead.row[:0], s.entries.next(d.userID)
			}
			lead.rows = append(lead.rows, row)
			lead.entry.Rows = append(lead.entry.Rows, entryRow{row.plan.index, d.status, d.errors})
			if d.writes {
				last = d
			}
		}
		if it.alone {
			break
		}
	}
	if lead == nil {
		s.release(it)
		return nil
	}
	lead.group = it.group
	lead.found = Found{ByID: base}
	lead.entry.aim(base, &last, len(lead.rows) > 1)
	return lead
}

// hideMadeUp takes the ids that a dry run made up from what it reports.
func (s *settlement) hideMadeUp(it *item, d *decision) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d.status == StatusCreated && it.plan.ID == "" {
		s.madeUp[d.userID] = true
	}
	for i := range d.errors {
		if s.madeUp[d.errors[i].ConflictsWith] {
			d.errors[i].ConflictsWith = ""
		}
	}
	if imagined(it.found, *d) {
		d.userID = ""
	}
}

// final ends a row without a write.
func (s *settlement) final(it *item, d decision) {
	e := &entry{Rows: []entryRow{{it.plan.index, d.status, d.errors}}, UserID: d.userID}
	s.journal.note(e, it.put)
	s.report(&it.plan, e.Rows[0], e.UserID)
}

// finish ends the rows of an entry that is applied.
func (s *settlement) finish(it *item) {
	s.health.met()
	s.journal.confirm(it.entry.Rows[0].Index)
	s.end(it, it.entry.Rows)
}

// finishUnknown ends the rows of an entry of which nobody can tell whether it was
// applied.
func (s *settlement) finishUnknown(it *item) {
	e := it.entry
	s.log.Warn("outcome of a write is unknown", "import", s.run, "row", e.Rows[0].Index, "rows", len(e.Rows), redact.Error(it.err))
	s.health.unsure()
	rows := slices.Clone(e.Rows)
	for i := range rows {
		rows[i].Status, rows[i].Errors = StatusFailed, []RowError{outcomeUnknown()}
	}
	email := e.Patch.Email
	if e.Create != nil {
		email = e.Create.Email
	}
	s.taints.add(e.Rows[0].Index, e.UserID, email)
	s.end(it, rows)
}

// end ends the rows of an entry with these results.
func (s *settlement) end(it *item, rows []entryRow) {
	s.untrack(it)
	if it.rows == nil {
		for _, row := range rows {
			s.inherited[row.Index] = inheritedRow{row, it.entry.UserID}
		}
		return
	}
	for i, row := range it.rows {
		s.report(&row.plan, rows[i], it.entry.UserID)
	}
	s.release(it)
}

// release lets the next row of the item's group run.
func (s *settlement) release(it *item) {
	if next := s.order.done(it); next != nil {
		s.next = append(s.next, next)
	}
}

// commit makes new entries durable and sends the writes of the items. It returns the
// items that go on.
func (s *settlement) commit(ctx context.Context, writing []*item, writes []Write) ([]*item, error) {
	entries := make([]*entry, 0, len(writing))
	for _, it := range writing {
		if !it.sent {
			entries = append(entries, it.entry)
		}
	}
	if err := s.journal.add(ctx, entries); err != nil {
		return nil, err
	}
	for _, it := range writing {
		it.put = true
	}
	var outcomes []error
	err := s.limit(ctx, hasBegun, func() (err error) {
		if s.isHalted() {
			writing, writes = s.dropUnsent(writing, writes)
		}
		if len(writing) == 0 {
			return nil
		}
		for _, it := range writing {
			it.sent, it.look = true, true
		}
		s.track(writing)
		if outcomes, err = s.store.commit(ctx, s.tenant, writes); err != nil {
			for _, it := range writing {
				it.err, it.open = err, true
				it.late = it.late || underWay(err)
				it.doubt = it.doubt || it.late
			}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return s.outcomes(ctx, writing, outcomes)
}

// outcomes ends the items whose outcome is final and returns the others.
func (s *settlement) outcomes(ctx context.Context, writing []*item, outcomes []error) ([]*item, error) {
	var rest []*item
	for i, it := range writing {
		it.err, it.look = outcomes[i], true
		switch {
		case it.err == nil:
			s.finish(it)
			continue
		case errors.Is(it.err, ErrConflict), errors.Is(it.err, ErrEmailTaken):
			it.losses++
			it.late = it.late || underWay(it.err)
			it.doubt = it.doubt || it.late
		case !Retryable(it.err) && !underWay(it.err):
			if !it.doubt {
				rest = append(rest, s.fail(it)...)
				continue
			}
		default:
			it.failures++
			s.health.failing(&it.trouble)
			it.open, it.doubt, it.late = true, true, it.late || underWay(it.err)
		}
		rest = append(rest, it)
	}
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	return rest, nil
}

// pause waits before the next round: as long as the item with the most failures
// needs.
func (s *settlement) pause(ctx context.Context, items []*item) error {
	failures, losses := 0, 0
	for _, it := range items {
		failures = max(failures, it.failures+it.fences)
		losses = max(losses, it.losses)
	}
	patience, stop := s.backoff, s.halted
	if s.isHalted() {
		patience, stop = syncBackoff, nil
	}
	switch {
	case failures > 0:
		patience.wait(ctx, stop, failures)
	case losses > 1: // the first loss is made good at once
		conflictBackoff.wait(ctx, stop, losses)
	}
	return context.Cause(ctx)
}

// meanings are the users and emails that the writes of a call mean.
type meanings map[meaning]struct{}

// A meaning is the id of a user or the key of an email.
type meaning struct {
	name  string
	email bool
}

// meanings returns where to add what the writes of the items mean, nil if no two of them
// can mean the same: the order keeps them apart, and none makes up an id.
func (s *settlement) meanings(items []*item) meanings {
	if s.apart && !slices.ContainsFunc(items, func(it *item) bool { return it.plan.ID == "" }) {
		return nil
	}
	return make(meanings, 3*len(items))
}

// add adds what a write means. It reports false, and adds nothing, if another one means the
// same user or email.
func (m meanings) add(w *Write) bool {
	names := [3]meaning{{name: w.User.ID}}
	for i, key := range w.emails() {
		names[1+i] = meaning{key, true}
	}
	for _, name := range names {
		if _, taken := m[name]; taken && name.name != "" {
			return false
		}
	}
	for _, name := range names {
		m[name] = struct{}{}
	}
	return true
}

// emails returns the keys of the emails that a write takes or frees, "" for none.
func (w *Write) emails() [2]string {
	keys := [2]string{EmailKey(w.User.Email)}
	if w.Base != nil {
		keys[1] = EmailKey(w.Base.Email)
	}
	return keys
}
