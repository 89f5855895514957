package interleave

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"time"

	"github.com/bulkops/bulkops/bulk"
)

// A reference is a worker that keeps the rules of the journal in the simplest way:
// one decision after the other, one chunk for each, no checkpoints. It shows that
// the check passes a protocol that is right; and that the schedules find each rule
// that is left out.
type reference struct {
	r     *run
	a     *actor
	store gatedStore
	blobs gatedBlobs
	jobs  gatedJobs
	omit  rule

	job       bulk.Job
	next      int // the number of the next chunk
	nonces    int
	entries   []*entry // as the chain has them
	latest    map[int]*entry
	results   map[int]bulk.RowResult
	confirm   []int // rows known to be applied since the last chunk
	cancelled bool
}

// A rule is what a reference leaves out.
type rule string

const (
	keepAll           rule = ""
	repeatAsWritten   rule = "a repetition is the write as it was written down"
	confirmApplied    rule = "chunks carry the rows known to be applied"
	finalsInTheEntry  rule = "finals on top of a write stand in its entry"
	askAfterPut       rule = "the job is read after every put"
	durableFirst      rule = "a write is sent only when its chunk is durable"
	judgeByID         rule = "after any outcome but success the user is looked up by the entry's id"
	judgeCreates      rule = "a create is applied only if the first nonce is its own"
	judgeUpdates      rule = "an update is applied only if the nonce behind its base is its own"
	fenceUpdates      rule = "an update in doubt whose address is taken is made dead"
	unknownCreates    rule = "a create in doubt whose address is taken is unknown"
	unknownWhenGiven  rule = "giving up while in doubt is unknown"
	behindGivenUp     rule = "rows behind one that was given up fail untried"
	sealFirst         rule = "a successor seals the chain"
	settleBeforeEnd   rule = "what was put is settled, also under cancel"
	settleFirst       rule = "inherited entries are settled before new decisions"
	replayFinals      rule = "finals of the chain are results"
	putAgain          rule = "what is decided afresh is put too"
	deleteAfterTheEnd rule = "the journal is deleted after the end"
)

var errStopped = errors.New("somebody else has the job")

// workAs returns the work of a worker that leaves out a rule.
func workAs(omit rule) func(ctx context.Context, r *run, a *actor) error {
	return func(ctx context.Context, r *run, a *actor) error {
		f := &reference{
			r: r, a: a, store: gatedStore{a}, blobs: gatedBlobs{a}, jobs: gatedJobs{r.jobs, a}, omit: omit,
			latest: map[int]*entry{}, results: map[int]bulk.RowResult{},
		}
		job, err := f.jobs.Claim(context.WithoutCancel(ctx), bulk.Claim{JobID: r.jobID, Lease: forEver, Worker: a.name})
		if err != nil {
			return err
		}
		f.job, f.cancelled = job, job.CancelRequested
		return f.work(context.WithoutCancel(ctx))
	}
}

func (f *reference) work(ctx context.Context) error {
	if err := f.takeOver(ctx); err != nil {
		return err
	}
	if !f.cancelled || f.omit != settleBeforeEnd {
		if f.omit == settleFirst {
			if err := f.decideAll(ctx); err != nil {
				return err
			}
		}
		for _, e := range f.entries {
			if err := f.settleInherited(ctx, e); err != nil {
				return err
			}
		}
	}
	if err := f.decideAll(ctx); err != nil {
		return err
	}
	return f.end(ctx)
}

// takeOver reads the chain and seals it.
func (f *reference) takeOver(ctx context.Context) error {
	for {
		c, err := f.read(ctx, f.next)
		if errors.Is(err, bulk.ErrBlobNotFound) {
			break
		}
		if err != nil {
			return err
		}
		if err := f.walk(c); err != nil {
			return err
		}
	}
	if f.job.Token == 1 || f.omit == sealFirst {
		return nil
	}
	return f.put(ctx, chunk{}, true)
}

// walk takes in the next chunk of the chain.
func (f *reference) walk(c *chunk) error {
	f.next++
	if c.Token > f.job.Token {
		return errStopped
	}
	for _, i := range c.Confirmed {
		if e := f.latest[i]; e != nil && f.omit != confirmApplied {
			f.results[i] = e.Results[i]
		}
	}
	for _, e := range c.Entries {
		e.doubt = true
		for _, i := range e.Rows {
			f.latest[i] = e
			delete(f.results, i)
			if e.Write == nil && f.omit != replayFinals {
				f.results[i] = e.Results[i]
			}
		}
		if e.Write != nil {
			f.entries = append(f.entries, e)
		}
	}
	return nil
}

func (f *reference) key(n int) string {
	return fmt.Sprintf("tacme/%s/journal/%06d", f.job.ID, n)
}

func (f *reference) read(ctx context.Context, n int) (*chunk, error) {
	var text []byte
	err := f.patiently(func() error {
		rc, err := f.blobs.Get(ctx, f.key(n))
		if err == nil {
			defer rc.Close()
			text, err = io.ReadAll(rc)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	c := new(chunk)
	must(json.Unmarshal(text, c))
	return c, nil
}

// put puts a chunk at the next number. A seal goes on behind what others put
// meanwhile.
func (f *reference) put(ctx context.Context, c chunk, seal bool) error {
	c.Token = f.job.Token
	f.nonces++
	c.ID = fmt.Sprintf("%s-%d", f.a.name, f.nonces)
	c.Confirmed, f.confirm = f.confirm, nil
	for {
		text, err := json.Marshal(c)
		must(err)
		err = f.patiently(func() error {
			return f.blobs.Put(ctx, f.key(f.next), bytes.NewReader(text), bulk.BlobInfo{})
		})
		if errors.Is(err, bulk.ErrBlobExists) {
			there, err := f.read(ctx, f.next)
			if err != nil {
				return err
			}
			if there.Token != c.Token || there.ID != c.ID {
				if !seal {
					return errStopped
				}
				if err := f.walk(there); err != nil {
					return err
				}
				continue
			}
		} else if err != nil && !errors.Is(err, bulk.ErrBlobExists) {
			return err
		}
		f.next++
		return f.ask(ctx)
	}
}

// ask reads the job and stops if it is not the worker's own any more.
func (f *reference) ask(ctx context.Context) error {
	if f.omit == askAfterPut {
		return nil
	}
	var job bulk.Job
	err := f.patiently(func() (err error) { job, err = f.jobs.Get(ctx, f.job.ID); return err })
	if err != nil {
		return err
	}
	if job.Token != f.job.Token || job.Status.Ended() {
		return errStopped
	}
	f.cancelled = f.cancelled || job.CancelRequested
	return nil
}

const patience = 9

// patiently repeats a call that fails.
func (f *reference) patiently(call func() error) error {
	for n := 1; ; n++ {
		err := call()
		if err == nil || n == patience || !bulk.Retryable(err) || errors.Is(err, errGone) ||
			errors.Is(err, bulk.ErrBlobExists) || errors.Is(err, bulk.ErrBlobNotFound) || errors.Is(err, bulk.ErrLeaseLost) {
			return err
		}
		time.Sleep(time.Second)
	}
}

// settleInherited settles an entry of the chain if it is the latest of its rows.
func (f *reference) settleInherited(ctx context.Context, e *entry) error {
	if _, known := f.results[e.Rows[0]]; known || f.latest[e.Rows[0]] != e {
		return nil
	}
	return f.settle(ctx, e, false)
}

// decideAll decides the rows without results, in order.
func (f *reference) decideAll(ctx context.Context) error {
	for i := range f.r.scenario.rows {
		for {
			if _, known := f.results[i]; known || f.cancelled {
				break
			}
			if f.behind(i) && f.omit != behindGivenUp {
				f.finish(i, bulk.StatusFailed, codeUnknown, f.r.scenario.rows[i].id)
				break
			}
			if err := f.decide(ctx, i); err != nil {
				return err
			}
		}
	}
	return nil
}

// behind reports whether a row of the same user, before row i, is unknown.
func (f *reference) behind(i int) bool {
	rows := f.r.scenario.rows
	for q := range i {
		res := f.results[q]
		if unknown(&res) && (rows[i].id != "" && rows[i].id == res.UserID || rows[i].email != "" && rows[i].email == rows[q].email) {
			return true
		}
	}
	return false
}

func (f *reference) finish(i int, status bulk.Status, code bulk.RowCode, id string) {
	res := bulk.RowResult{Index: i, Status: status, UserID: id}
	if code != "" {
		res.Errors = []bulk.RowError{{Code: code}}
	}
	f.results[i] = res
}

// decide looks a row up and decides it, with the rows behind it that concern the
// same user alone.
func (f *reference) decide(ctx context.Context, i int) error {
	s := f.r.scenario
	found, err := f.lookup(ctx, bulk.Ref{ID: s.rows[i].id, Email: s.rows[i].email})
	if err != nil {
		return err
	}
	us, base := users{}, map[string]*bulk.Stored{}
	for _, held := range []*bulk.Stored{found.ByID, found.ByEmail} {
		if held != nil {
			us = us.with(held.ID, asUser(held.User))
			base[held.ID] = held
		}
	}
	d := s.decide(i, us, fmt.Sprintf("generated-%d", i))
	e := &entry{Rows: []int{i}, Results: map[int]bulk.RowResult{i: asResult(i, d)}}
	if !d.writes {
		return f.putFinal(ctx, e)
	}
	us = us.with(d.id, d.user)
	var apart []*entry
	for q := i + 1; q < len(s.rows); q++ {
		if s.rows[q].id != d.id || s.rows[q].email != "" {
			break
		}
		next := s.decide(q, us, "")
		if !next.writes && f.omit == finalsInTheEntry {
			apart = append(apart, &entry{Rows: []int{q}, Results: map[int]bulk.RowResult{q: asResult(q, next)}})
			continue
		}
		e.Rows = append(e.Rows, q)
		e.Results[q] = asResult(q, next)
		if next.writes {
			us = us.with(d.id, next.user)
		}
	}
	e.Write = f.write(base[d.id], d.id, us[d.id])
	f.sign(e)
	if f.omit == durableFirst {
		f.store.Commit(ctx, tenant, []bulk.Write{*e.Write})
	}
	if f.omit != putAgain || f.latest[i] == nil {
		if err := f.put(ctx, chunk{Entries: append([]*entry{e}, apart...)}, false); err != nil {
			return err
		}
	}
	f.latest[i] = e
	for _, final := range apart {
		f.results[final.Rows[0]] = final.Results[final.Rows[0]]
	}
	return f.settle(ctx, e, true)
}

func asResult(i int, d decision) bulk.RowResult {
	res := bulk.RowResult{Index: i, Status: d.status, UserID: d.id}
	if d.code != "" {
		res.Errors = []bulk.RowError{{Code: d.code}}
	}
	return res
}

func (f *reference) putFinal(ctx context.Context, e *entry) error {
	if err := f.put(ctx, chunk{Entries: []*entry{e}}, false); err != nil {
		return err
	}
	maps.Copy(f.results, e.Results)
	return nil
}

// sign gives an entry a nonce of its own.
func (f *reference) sign(e *entry) {
	f.nonces++
	e.Nonce = fmt.Sprintf("%s-%d", f.a.name, f.nonces)
	t := readTrail(e.Write.Base)
	e.Counter = t.Counter
	e.Write.Mark = t.with(e.Nonce)
}

func asUser(u bulk.User) user {
	fields := map[string]string{}
	for name, value := range u.CustomFields.All() {
		fields[name] = string(value)
	}
	return user{u.Email, fields}
}

// write returns the write that makes the user of its base.
func (f *reference) write(base *bulk.Stored, id string, u user) *bulk.Write {
	change := map[string]any{}
	for name, value := range u.fields {
		if base == nil || asUser(base.User).fields[name] != value {
			change[name] = json.RawMessage(value)
		}
	}
	fields, err := bulk.NewFields(change)
	must(err)
	if base == nil {
		return &bulk.Write{User: bulk.User{ID: id, Email: u.email, CustomFields: fields}}
	}
	w := &bulk.Write{User: base.User, Base: base, Patch: bulk.Patch{CustomFields: fields}}
	w.User.CustomFields = w.User.CustomFields.Merge(fields)
	if u.email != base.Email {
		w.User.Email, w.Patch.Email = u.email, u.email
	}
	return w
}

func (f *reference) lookup(ctx context.Context, ref bulk.Ref) (found bulk.Found, err error) {
	err = f.patiently(func() error {
		all, err := f.store.Lookup(ctx, tenant, []bulk.Ref{ref})
		if err == nil {
			found = all[0]
		}
		return err
	})
	return found, err
}

// settle sends an entry until its rows have their results or are to be decided
// afresh. fresh says that it was not sent before.
func (f *reference) settle(ctx context.Context, e *entry, fresh bool) error {
	for n := 0; ; n++ {
		taken := false
		if fresh || n > 0 {
			switch err := f.store.Commit(ctx, tenant, []bulk.Write{*e.Write})[0]; {
			case err == nil:
				f.applied(e)
				return nil
			case errors.Is(err, errGone):
				return err
			case errors.Is(err, bulk.ErrEmailTaken):
				taken = true
			case !errors.Is(err, bulk.ErrConflict):
				e.doubt = true
				if n >= patience {
					f.giveUp(e)
					return nil
				}
				time.Sleep(time.Second)
			}
		}
		if f.omit == judgeByID {
			return nil // and so decides the row again
		}
		found, err := f.lookup(ctx, bulk.Ref{ID: e.Write.User.ID})
		if err != nil {
			return err
		}
		switch f.verdict(e, found.ByID) {
		case wasApplied:
			f.applied(e)
			return nil
		case isDead:
			return nil
		case isUnknown:
			f.unknown(e)
			return nil
		}
		if f.omit == repeatAsWritten {
			return nil
		}
		if taken {
			done, err := f.taken(ctx, e)
			if done || err != nil {
				return err
			}
		}
	}
}

// taken is about a live entry whose address is taken by now.
func (f *reference) taken(ctx context.Context, e *entry) (done bool, err error) {
	switch {
	case !e.doubt:
		return true, nil
	case e.Write.Base == nil && f.omit != unknownCreates:
		f.unknown(e)
		return true, nil
	case e.Write.Base == nil || f.omit == fenceUpdates:
		return true, nil
	}
	f.nonces++
	fence := bulk.Write{
		User: e.Write.Base.User, Base: e.Write.Base,
		Mark: readTrail(e.Write.Base).with(fmt.Sprintf("%s-fence-%d", f.a.name, f.nonces)),
	}
	err = f.store.Commit(ctx, tenant, []bulk.Write{fence})[0]
	if errors.Is(err, errGone) {
		return true, err
	}
	if err != nil {
		time.Sleep(time.Second)
	}
	return err == nil, nil
}

func (f *reference) applied(e *entry) {
	maps.Copy(f.results, e.Results)
	f.confirm = append(f.confirm, e.Rows...)
}

func (f *reference) unknown(e *entry) {
	for _, i := range e.Rows {
		f.finish(i, bulk.StatusFailed, codeUnknown, e.Write.User.ID)
	}
}

func (f *reference) giveUp(e *entry) {
	if f.omit != unknownWhenGiven {
		f.unknown(e)
		return
	}
	for _, i := range e.Rows {
		f.finish(i, bulk.StatusFailed, bulk.CodeStoreError, e.Write.User.ID)
	}
}

// end writes the results file, ends the job and deletes the journal.
func (f *reference) end(ctx context.Context) error {
	file := resultsFile{JobID: f.job.ID, Status: bulk.JobCompleted, TotalRecords: len(f.r.scenario.rows)}
	for i := range f.r.scenario.rows {
		res, known := f.results[i]
		if !known {
			file.Status = bulk.JobCancelled
			res = bulk.RowResult{Index: i, Status: bulk.StatusNotProcessed}
		}
		count(&file.Summary, res.Status)
		file.Results = append(file.Results, res)
	}
	text, err := json.Marshal(file)
	must(err)
	key := fmt.Sprintf("tacme/%s/results-%d.json", f.job.ID, f.job.Token)
	err = f.patiently(func() error { return f.blobs.Put(ctx, key, bytes.NewReader(text), bulk.BlobInfo{}) })
	if err != nil && !errors.Is(err, bulk.ErrBlobExists) {
		return err
	}
	if f.omit == deleteAfterTheEnd {
		f.discard(ctx)
	}
	progress := bulk.Progress{Rows: len(file.Results), Summary: file.Summary}
	progress.Summary.NotProcessed = 0
	err = f.patiently(func() error {
		_, err := f.jobs.Save(ctx, f.job.ID, f.job.Token, bulk.JobChange{End: file.Status, Results: key, Progress: &progress})
		return err
	})
	if err != nil {
		return err // it may have been done; the next worker finds out
	}
	f.discard(ctx)
	return nil
}

func (f *reference) discard(ctx context.Context) {
	for n := range f.next {
		if f.blobs.Delete(ctx, f.key(n)) != nil {
			return
		}
	}
}
