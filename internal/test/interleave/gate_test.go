package interleave

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/bulkops/bulkops/bulk"
)

// An actor is a worker on the job, or a request under an idempotency key. Each of
// its calls to a backend waits at a gate until the schedule lets it take effect,
// and then until the schedule lets it have the answer.
type actor struct {
	w      *world
	name   string
	number int
	stop   context.CancelFunc
	told   bool // to stop
	killed bool // none of its calls has an effect or an answer any more
	ended  bool // under w.mu
	err    error
	report *bulk.Report // of a request
}

// A call is a call of a backend under way.
type call struct {
	actor *actor
	label string // what it is, the same in every run of a schedule
	on    backend
	// writes says that the call can change something, so that it matters whether,
	// when and how often it lands.
	writes bool
	effect func() (any, error)
	// parts are the effects of a call that may land one by one.
	parts []part

	answer   chan answer
	left     bool // the caller gave up waiting; under w.mu
	landed   bool
	value    any
	err      error
	resolved bool
}

type part struct {
	label string
	on    backend
	land  func() error
}

// A backend is what a call works on. Calls on different ones do not see each
// other.
type backend int

const (
	everything backend = iota
	onStore
	onBlobs
	onJobs
	onKeys
)

type answer struct {
	value any
	err   error
}

var (
	errLost = errors.New("the answer was lost")
	errLate = fmt.Errorf("no answer in time: %w", context.DeadlineExceeded)
	errDown = errors.New("the backend did not take the call")
	errGone = bulk.Permanent(errors.New("the run is over"))
)

// do waits for the schedule.
func (a *actor) do(ctx context.Context, c *call) (any, error) {
	if err := ctx.Err(); err != nil {
		return nil, err // a client does not send what nobody waits for
	}
	c.actor = a
	c.answer = make(chan answer, 1)
	a.w.mu.Lock()
	a.w.arrived = append(a.w.arrived, c)
	a.w.mu.Unlock()
	select {
	case r := <-c.answer:
		return r.value, r.err
	case <-a.w.over:
		return nil, errGone
	case <-ctx.Done():
		a.w.mu.Lock()
		c.left = true
		a.w.mu.Unlock()
		return nil, ctx.Err()
	}
}

// land lets the call take effect.
func (c *call) land() {
	c.value, c.err = c.effect()
	c.landed = true
}

// reply gives the caller what the effect came to.
func (c *call) reply() {
	c.resolved = true
	c.answer <- answer{c.value, c.err}
}

// fail tells the caller that the call failed.
func (c *call) fail(err error) {
	c.resolved = true
	c.answer <- answer{nil, err}
}

// result gives an answer its type.
func result[T any](value any, err error) (T, error) {
	if err != nil {
		var none T
		return none, err
	}
	return value.(T), nil
}

// The backends as an actor sees them.

type gatedStore struct{ a *actor }

func (s gatedStore) Lookup(ctx context.Context, tenant string, refs []bulk.Ref) ([]bulk.Found, error) {
	names := make([]string, len(refs))
	for i, ref := range refs {
		names[i] = strings.Trim(s.a.w.alias(ref.ID)+"/"+ref.Email, "/")
	}
	refs = slices.Clone(refs)
	return result[[]bulk.Found](s.a.do(ctx, &call{
		on: onStore, label: "Lookup " + strings.Join(names, " "),
		effect: func() (any, error) { return s.a.w.store.Lookup(context.Background(), tenant, refs) },
	}))
}

func (s gatedStore) Commit(ctx context.Context, tenant string, writes []bulk.Write) []error {
	writes = slices.Clone(writes)
	names := make([]string, len(writes))
	parts := make([]part, len(writes))
	w := s.a.w
	for i := range writes {
		if base := writes[i].Base; base != nil {
			copied := *base
			writes[i].Base = &copied
		}
		names[i] = w.describe(&writes[i])
		parts[i] = part{"Commit " + names[i], onStore, func() error { return w.commit(s.a, tenant, writes[i:i+1])[0] }}
	}
	value, err := s.a.do(ctx, &call{
		on: onStore, label: "Commit " + strings.Join(names, ", "), writes: true, parts: parts,
		effect: func() (any, error) { return w.commit(s.a, tenant, writes), nil },
	})
	if err != nil {
		outcomes := make([]error, len(writes))
		for i := range outcomes {
			outcomes[i] = err
		}
		return outcomes
	}
	return value.([]error)
}

// MaxBatch is how many rows a call takes: few, so that a small job has several
// batches under way.
func (s gatedStore) MaxBatch() int { return cmp.Or(s.a.w.setting.batch, bulk.MaxBatch) }

type gatedBlobs struct{ a *actor }

// Put reads the blob at once: what is in flight is out of the caller's hands.
func (b gatedBlobs) Put(ctx context.Context, key string, r io.Reader, info bulk.BlobInfo) error {
	text, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	_, err = b.a.do(ctx, &call{
		on: onBlobs, label: "Put " + b.a.w.shortKey(key), writes: true,
		effect: func() (any, error) {
			return nil, b.a.w.blobs.Put(context.Background(), key, bytes.NewReader(text), info)
		},
	})
	return err
}

func (b gatedBlobs) Get(ctx context.Context, key string) (io.ReadCloser, error) {
	return result[io.ReadCloser](b.a.do(ctx, &call{
		on: onBlobs, label: "Get " + b.a.w.shortKey(key),
		effect: func() (any, error) { return b.a.w.blobs.Get(context.Background(), key) },
	}))
}

func (b gatedBlobs) Delete(ctx context.Context, key string) error {
	_, err := b.a.do(ctx, &call{
		on: onBlobs, label: "Delete " + b.a.w.shortKey(key), writes: true,
		effect: func() (any, error) {
			b.a.w.deleting(b.a, key)
			return nil, b.a.w.blobs.Delete(context.Background(), key)
		},
	})
	return err
}

// gatedJobs is the queue as an actor sees it. Leases are out of the schedule's
// way: an actor believes that its own lasts for ever, as a process does that was
// stopped for a while, and whoever claims the job gets it, as if the lease had run
// out.
type gatedJobs struct {
	bulk.JobQueue // what workers do not call
	a             *actor
}

func (q gatedJobs) Claim(ctx context.Context, claim bulk.Claim) (bulk.Job, error) {
	return result[bulk.Job](q.a.do(ctx, &call{
		on: onJobs, label: "Claim", writes: true,
		effect: func() (any, error) {
			w := q.a.w
			if job, err := w.jobs.Get(context.Background(), claim.JobID); err == nil && !job.LeaseUntil.IsZero() {
				if _, err := w.jobs.Save(context.Background(), claim.JobID, job.Token, bulk.JobChange{}); err != nil {
					return nil, err
				}
			}
			return w.jobs.Claim(context.Background(), claim)
		},
	}))
}

func (q gatedJobs) Save(ctx context.Context, id string, token int64, change bulk.JobChange) (bulk.Job, error) {
	if change.Progress != nil {
		progress := *change.Progress
		change.Progress = &progress
	}
	label := "Save"
	switch {
	case change.End != "":
		label += " " + string(change.End)
	case change.Progress != nil:
		label += fmt.Sprintf(" %d rows", change.Progress.Rows)
	case change.Lease == 0:
		label += " release"
	default:
		label += " heartbeat"
	}
	return result[bulk.Job](q.a.do(ctx, &call{
		on: onJobs, label: label, writes: true,
		effect: func() (any, error) {
			job, err := q.a.w.jobs.Save(context.Background(), id, token, change)
			if err == nil && job.Status.Ended() {
				q.a.w.end(string(job.Status))
			}
			return job, err
		},
	}))
}

func (q gatedJobs) Get(ctx context.Context, id string) (bulk.Job, error) {
	return result[bulk.Job](q.a.do(ctx, &call{
		on: onJobs, label: "Get job",
		effect: func() (any, error) { return q.a.w.jobs.Get(context.Background(), id) },
	}))
}

// gatedKeys is the store of idempotency keys as an actor sees it. As with leases,
// a reservation of somebody else has always run out.
type gatedKeys struct{ a *actor }

func (k gatedKeys) GetIdempotencyKey(ctx context.Context, tenant, name string) (bulk.IdempotencyKey, error) {
	return result[bulk.IdempotencyKey](k.a.do(ctx, &call{
		on: onKeys, label: "GetIdempotencyKey",
		effect: func() (any, error) {
			key, err := k.a.w.jobs.GetIdempotencyKey(context.Background(), tenant, name)
			if k.a.w.reservedBy != k.a {
				key.BusyUntil = key.BusyUntil.AddDate(-1, 0, 0)
			}
			return key, err
		},
	}))
}

func (k gatedKeys) PutIdempotencyKey(ctx context.Context, key bulk.IdempotencyKey) error {
	label := "PutIdempotencyKey"
	if key.Done {
		label += " done"
	}
	_, err := k.a.do(ctx, &call{
		on: onKeys, label: label, writes: true,
		effect: func() (any, error) {
			err := k.a.w.jobs.PutIdempotencyKey(context.Background(), key)
			if err == nil {
				k.a.w.reservedBy = k.a
				if key.Done {
					k.a.w.end("done")
				}
			}
			return nil, err
		},
	})
	return err
}
