package bulk

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"
)

// A guard stands in front of the backends of an importer or worker: a panic is an
// error, and a call that takes too long is given up, whether the backend minds its
// context or not.
type guard struct {
	timeout time.Duration // how long a call may take, or a stream be silent
	grace   time.Duration // how long a call may take to notice that its context has ended

	observer Observer // is told of the calls; nil for none
}

// A panicError is a panic of a backend, turned into an error that ends the
// request or the job and not the process.
type panicError struct {
	op    string
	value any
	stack []byte
}

func (e *panicError) Error() string {
	return fmt.Sprintf("bulk: %s panicked: %v\n%s", e.op, e.value, e.stack)
}
func (e *panicError) Retryable() bool { return false }

// A contractError is a backend that does not do what its interface says. Like a
// panic it ends the request or the job: nothing it answers can be relied on.
type contractError struct{ text string }

func (e *contractError) Error() string   { return "bulk: " + e.text }
func (e *contractError) Retryable() bool { return false }

// An abandonedError is a call that did not return when its context ended. It may
// still have its effect, at any time, and its goroutine is left to itself. It ends
// the request or the attempt.
type abandonedError struct{ op string }

func (e *abandonedError) Error() string   { return "bulk: " + e.op + " does not return and was given up" }
func (e *abandonedError) Retryable() bool { return false }

// errSilent is why a call ends that took longer than [Config.CallTimeout].
var errSilent = fmt.Errorf("bulk: a backend was silent for too long: %w", context.DeadlineExceeded)

// catch turns a panic of op into an error. It is to be deferred.
func catch(op string, err *error) {
	if v := recover(); v != nil {
		*err = &panicError{op: op, value: v, stack: debug.Stack()}
	}
}

// call calls a backend within the guard's timeout.
func call[T any](ctx context.Context, g guard, op string, f func(context.Context) (T, error)) (T, error) {
	ctx, observed := g.observe(ctx, op, 0)
	value, err := within(ctx, g, op, f)
	observed.end(nil, err)
	return value, err
}

// within is call of which no observer is told.
func within[T any](ctx context.Context, g guard, op string, f func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, g.timeout, errSilent)
	defer cancel()
	value, err := await(ctx, g, op, f)
	return value, silenced(ctx, err)
}

// silenced makes an error that is due to the guard's own deadline [errSilent].
func silenced(ctx context.Context, err error) error {
	if context.Cause(ctx) == errSilent && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)) {
		return errSilent
	}
	return err
}

// await calls f in a goroutine of its own, and returns without it if it does not
// return soon after ctx has ended.
func await[T any](ctx context.Context, g guard, op string, f func(context.Context) (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	answers := make(chan answer, 1)
	go func() {
		var a answer
		returned := false
		defer func() {
			if !returned && a.err == nil {
				a.err = &contractError{op + " ended its goroutine"}
			}
			answers <- a
		}()
		defer catch(op, &a.err)
		a.value, a.err = f(ctx)
		returned = true
	}()
	select {
	case a := <-answers:
		return a.value, a.err
	case <-ctx.Done():
	}
	timer := time.NewTimer(g.grace)
	defer timer.Stop()
	select {
	case a := <-answers:
		return a.value, a.err
	case <-timer.C:
		var none T
		return none, &abandonedError{op}
	}
}

// do is call for what returns nothing but an error.
func (g guard) do(ctx context.Context, op string, f func(context.Context) error) error {
	_, err := call(ctx, g, op, func(ctx context.Context) (struct{}, error) { return struct{}{}, f(ctx) })
	return err
}

// guardedStore is a [Store] behind a guard, whose answers have the right length.
type guardedStore struct {
	Store
	guard
}

func (s guardedStore) Lookup(ctx context.Context, tenant string, refs []Ref) ([]Found, error) {
	const op = "Store.Lookup"
	ctx, observed := s.observe(ctx, op, len(refs))
	found, err := within(ctx, s.guard, op, func(ctx context.Context) ([]Found, error) {
		found, err := s.Store.Lookup(ctx, tenant, refs)
		if err == nil && len(found) != len(refs) {
			err = &contractError{fmt.Sprintf("%s returned %d results for %d references", op, len(found), len(refs))}
		}
		return found, err
	})
	observed.end(nil, err)
	return found, err
}

// commit returns an error only if the outcomes are not to be trusted.
func (s guardedStore) commit(ctx context.Context, tenant string, writes []Write) ([]error, error) {
	const op = "Store.Commit"
	ctx, observed := s.observe(ctx, op, len(writes))
	outcomes, err := within(ctx, s.guard, op, func(ctx context.Context) ([]error, error) {
		outcomes := s.Store.Commit(ctx, tenant, writes)
		if len(outcomes) != len(writes) {
			return nil, &contractError{fmt.Sprintf("%s returned %d outcomes for %d writes", op, len(outcomes), len(writes))}
		}
		for i, err := range outcomes {
			outcomes[i] = silenced(ctx, err)
		}
		return outcomes, nil
	})
	observed.end(outcomes, err)
	return outcomes, err
}

// guardedJobs is a [JobQueue] behind a guard.
type guardedJobs struct {
	JobQueue
	guard
}

func (q guardedJobs) Create(ctx context.Context, spec JobSpec) error {
	return q.do(ctx, "JobQueue.Create", func(ctx context.Context) error { return q.JobQueue.Create(ctx, spec) })
}

func (q guardedJobs) Get(ctx context.Context, id string) (Job, error) {
	return call(ctx, q.guard, "JobQueue.Get", func(ctx context.Context) (Job, error) { return q.JobQueue.Get(ctx, id) })
}

func (q guardedJobs) List(ctx context.Context, filter JobFilter) (jobs []Job, cursor string, err error) {
	type page struct {
		jobs   []Job
		cursor string
	}
	p, err := call(ctx, q.guard, "JobQueue.List", func(ctx context.Context) (p page, err error) {
		p.jobs, p.cursor, err = q.JobQueue.List(ctx, filter)
		return p, err
	})
	return p.jobs, p.cursor, err
}

func (q guardedJobs) Claim(ctx context.Context, claim Claim) (Job, error) {
	return call(ctx, q.guard, "JobQueue.Claim", func(ctx context.Context) (Job, error) {
		job, err := q.JobQueue.Claim(ctx, claim)
		if err == nil && job.Status.Ended() != claim.Ended {
			err = &contractError{fmt.Sprintf("JobQueue.Claim with Ended %t returned a job that is %s", claim.Ended, job.Status)}
		}
		return job, err
	})
}

func (q guardedJobs) Save(ctx context.Context, id string, token int64, change JobChange) (Job, error) {
	return call(ctx, q.guard, "JobQueue.Save", func(ctx context.Context) (Job, error) {
		return q.JobQueue.Save(ctx, id, token, change)
	})
}

func (q guardedJobs) Cancel(ctx context.Context, id string, cancellation Cancellation) (Job, error) {
	return call(ctx, q.guard, "JobQueue.Cancel", func(ctx context.Context) (Job, error) {
		return q.JobQueue.Cancel(ctx, id, cancellation)
	})
}

func (q guardedJobs) Delete(ctx context.Context, id string) error {
	return q.do(ctx, "JobQueue.Delete", func(ctx context.Context) error { return q.JobQueue.Delete(ctx, id) })
}

// changed returns what tells of new jobs, nil if the queue does not.
func (q guardedJobs) changed() (c <-chan struct{}, err error) {
	notifier, ok := ability[JobNotifier](q.JobQueue)
	if !ok {
		return nil, nil
	}
	defer catch("JobNotifier.Changed", &err)
	return notifier.Changed(), nil
}

// guardedKeys is a [IdempotencyKeyStore] behind a guard.
type guardedKeys struct {
	IdempotencyKeyStore
	guard
}

func (k guardedKeys) GetIdempotencyKey(ctx context.Context, tenant, name string) (IdempotencyKey, error) {
	return call(ctx, k.guard, "IdempotencyKeyStore.GetIdempotencyKey", func(ctx context.Context) (IdempotencyKey, error) {
		return k.IdempotencyKeyStore.GetIdempotencyKey(ctx, tenant, name)
	})
}

func (k guardedKeys) PutIdempotencyKey(ctx context.Context, key IdempotencyKey) error {
	return k.do(ctx, "IdempotencyKeyStore.PutIdempotencyKey", func(ctx context.Context) error { return k.IdempotencyKeyStore.PutIdempotencyKey(ctx, key) })
}

// guardedNotifier is a [Notifier] behind a guard.
type guardedNotifier struct {
	Notifier
	guard
}

func (n guardedNotifier) NotifyEnded(ctx context.Context, job *Job) error {
	return n.do(ctx, "Notifier.NotifyEnded", func(ctx context.Context) error { return n.Notifier.NotifyEnded(ctx, job) })
}

// guardedMailer is a [Mailer] behind a guard: what goes wrong is a refusal.
type guardedMailer struct {
	Mailer
	guard
}

// send returns one outcome a message, whatever the mailer does, and an error only
// if it does not return.
func (m guardedMailer) send(ctx context.Context, messages []Welcome) ([]error, error) {
	const op = "Mailer.SendWelcome"
	ctx, observed := m.observe(ctx, op, len(messages))
	outcomes, err := within(ctx, m.guard, op, func(ctx context.Context) ([]error, error) {
		return m.Mailer.SendWelcome(ctx, messages), nil
	})
	if err == nil && len(outcomes) != len(messages) {
		err = &contractError{fmt.Sprintf("%s returned %d outcomes for %d messages", op, len(outcomes), len(messages))}
	}
	if err != nil {
		outcomes = make([]error, len(messages))
		for i := range outcomes {
			outcomes[i] = err
		}
	}
	observed.end(outcomes, err)
	if abandoned := new(abandonedError); errors.As(err, &abandoned) {
		return outcomes, err
	}
	return outcomes, nil
}
