package bulk

import (
	"context"
	"fmt"
	"io"
	"runtime/debug"
	"time"
)

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

// catch turns a panic of op into an error. It is to be deferred.
func catch(op string, err *error) {
	if v := recover(); v != nil {
		*err = &panicError{op: op, value: v, stack: debug.Stack()}
	}
}

// guardedStore is a Store whose panics are errors and whose answers have the
// right length.
type guardedStore struct{ Store }

func (s guardedStore) Lookup(ctx context.Context, tenant string, refs []Ref) (found []Found, err error) {
	defer catch("Store.Lookup", &err)
	found, err = s.Store.Lookup(ctx, tenant, refs)
	if err == nil && len(found) != len(refs) {
		return nil, &contractError{fmt.Sprintf("Store.Lookup returned %d results for %d references", len(found), len(refs))}
	}
	return found, err
}

// commit returns an error only if the outcomes are not to be trusted.
func (s guardedStore) commit(ctx context.Context, tenant string, writes []Write) (outcomes []error, err error) {
	defer catch("Store.Commit", &err)
	outcomes = s.Store.Commit(ctx, tenant, writes)
	if len(outcomes) != len(writes) {
		return nil, &contractError{fmt.Sprintf("Store.Commit returned %d outcomes for %d writes", len(outcomes), len(writes))}
	}
	return outcomes, nil
}

// guardedBlobs is a BlobStore whose panics are errors.
type guardedBlobs struct{ BlobStore }

func (b guardedBlobs) Put(ctx context.Context, key string, r io.Reader, info BlobInfo) (err error) {
	defer catch("BlobStore.Put", &err)
	return b.BlobStore.Put(ctx, key, r, info)
}

func (b guardedBlobs) Get(ctx context.Context, key string) (r io.ReadCloser, err error) {
	defer catch("BlobStore.Get", &err)
	if r, err = b.BlobStore.Get(ctx, key); err != nil {
		return nil, err
	}
	return guardedReader{r}, nil
}

// guardedReader is a blob's reader whose panics are errors.
type guardedReader struct{ io.ReadCloser }

func (r guardedReader) Read(p []byte) (n int, err error) {
	defer catch("reading a blob", &err)
	return r.ReadCloser.Read(p)
}

func (r guardedReader) Close() (err error) {
	defer catch("closing a blob", &err)
	return r.ReadCloser.Close()
}

func (b guardedBlobs) Delete(ctx context.Context, key string) (err error) {
	defer catch("BlobStore.Delete", &err)
	return b.BlobStore.Delete(ctx, key)
}

// open opens a blob, with retries.
func (b guardedBlobs) open(ctx context.Context, patience backoff, key string) (r io.ReadCloser, err error) {
	err = patience.retry(ctx, func() error {
		r, err = b.Get(ctx, key)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("bulk: get %s: %w", key, err)
	}
	return r, nil
}

// sign signs a URL if the store can; it returns "" if it cannot.
func (b guardedBlobs) sign(ctx context.Context, key string, opts SignOptions) (url string, expires time.Time, err error) {
	signer, ok := b.BlobStore.(URLSigner)
	if !ok {
		return "", time.Time{}, nil
	}
	defer catch("URLSigner.SignURL", &err)
	return signer.SignURL(ctx, key, opts)
}

// guardedJobs is a JobQueue whose panics are errors.
type guardedJobs struct{ JobQueue }

func (q guardedJobs) Create(ctx context.Context, job Job) (err error) {
	defer catch("JobQueue.Create", &err)
	return q.JobQueue.Create(ctx, job)
}

func (q guardedJobs) Get(ctx context.Context, id string) (job Job, err error) {
	defer catch("JobQueue.Get", &err)
	return q.JobQueue.Get(ctx, id)
}

func (q guardedJobs) List(ctx context.Context, filter JobFilter) (jobs []Job, cursor string, err error) {
	defer catch("JobQueue.List", &err)
	return q.JobQueue.List(ctx, filter)
}

func (q guardedJobs) Claim(ctx context.Context, claim Claim) (job Job, err error) {
	defer catch("JobQueue.Claim", &err)
	return q.JobQueue.Claim(ctx, claim)
}

func (q guardedJobs) Save(ctx context.Context, id string, token int64, change JobChange) (job Job, err error) {
	defer catch("JobQueue.Save", &err)
	return q.JobQueue.Save(ctx, id, token, change)
}

func (q guardedJobs) Cancel(ctx context.Context, id, results string) (job Job, err error) {
	defer catch("JobQueue.Cancel", &err)
	return q.JobQueue.Cancel(ctx, id, results)
}

// changed returns what tells of new jobs, nil if the queue does not.
func (q guardedJobs) changed() (c <-chan struct{}, err error) {
	notifier, ok := q.JobQueue.(JobNotifier)
	if !ok {
		return nil, nil
	}
	defer catch("JobNotifier.Changed", &err)
	return notifier.Changed(), nil
}

// guardedMailer is a Mailer whose panics and missing outcomes are refusals.
type guardedMailer struct{ Mailer }

// send returns one outcome a message, whatever the mailer does.
func (m guardedMailer) send(ctx context.Context, messages []Welcome) []error {
	outcomes, err := m.call(ctx, messages)
	if err == nil && len(outcomes) != len(messages) {
		err = &contractError{fmt.Sprintf("Mailer.SendWelcome returned %d outcomes for %d messages", len(outcomes), len(messages))}
	}
	if err == nil {
		return outcomes
	}
	outcomes = make([]error, len(messages))
	for i := range outcomes {
		outcomes[i] = err
	}
	return outcomes
}

func (m guardedMailer) call(ctx context.Context, messages []Welcome) (outcomes []error, err error) {
	defer catch("Mailer.SendWelcome", &err)
	return m.Mailer.SendWelcome(ctx, messages), nil
}
