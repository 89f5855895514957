package bulk

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/bulkops/bulkops/internal/redact"
)

// A request with an idempotency key reserves the key before it does anything, and
// puts its answer there in the end. A request that finds the key reserved is
// refused; one that finds an answer gets it, if its rows and options are the same.
//
// A reservation ends by itself, should its process die. Whoever comes then goes
// on under the same import: a job of that id exists already or is made now, and
// what was written of a synchronous import is in its journal. The version of the
// key is what a fencing token is to a job.

// keyBusy is how long a reservation lasts unless it is renewed.
const keyBusy = 2 * time.Minute

// acceptKeyed is Accept for a request with an idempotency key.
func (im *Importer) acceptKeyed(ctx context.Context, req *request) (*Accepted, error) {
	if err := im.reserve(ctx, req); err != nil {
		return nil, err
	}
	k := req.key
	if k.key.Done {
		return im.replay(ctx, req)
	}
	stop := k.keep(ctx)
	answer, err := im.accept(ctx, req)
	stop()
	if errors.Is(err, ErrLeaseLost) {
		err = ErrIdempotencyKeyInProgress // by another request, which goes on with the import
	}
	if err != nil {
		answer = nil
	}
	if failed := im.settle(ctx, req, answer, err); err == nil && answer.Report != nil {
		err = failed // another request may come to other results
	}
	if err != nil {
		return nil, err
	}
	answer.Replayed = k.existed
	return answer, nil
}

// A keyed is the idempotency key of a request under way.
type keyed struct {
	keys    guardedKeys
	tenant  string
	run     string // of key
	token   int64  // the version of the reservation
	rows    *fingerprintReader
	existed bool     // the job had been made before
	log     *journal // of a synchronous import; nil before it has begun

	mu  turn // held while the key is changed
	key IdempotencyKey
}

// put stores the key in its next version. mu is held.
func (k *keyed) put(ctx context.Context, next IdempotencyKey) error {
	next.Version = k.key.Version + 1
	err := syncBackoff.retry(ctx, func() error { return k.keys.PutIdempotencyKey(ctx, next) })
	if errors.Is(err, ErrConflict) {
		// By another request, or by an own try whose answer was lost.
		if found, getErr := k.keys.GetIdempotencyKey(ctx, next.Tenant, next.Name); getErr == nil && found == next {
			err = nil
		}
	}
	if err == nil {
		k.key = next
	}
	return err
}

// keep renews the reservation until stop is called. If that fails the reservation
// may end early, and another request then takes the import over.
func (k *keyed) keep(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var keeper sync.WaitGroup
	keeper.Go(func() {
		renew := time.NewTicker(keyBusy / 3)
		defer renew.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-renew.C:
			}
			k.mu.lock()
			next := k.key
			next.BusyUntil = busyUntil()
			k.put(ctx, next)
			k.mu.unlock()
		}
	})
	return func() { cancel(); keeper.Wait() }
}

func busyUntil() time.Time { return time.Now().UTC().Truncate(time.Millisecond).Add(keyBusy) }

// owned returns [ErrLeaseLost] if the reservation is not this request's any more.
func (k *keyed) owned(ctx context.Context) error {
	k.mu.lock()
	defer k.mu.unlock()
	found, err := k.keys.GetIdempotencyKey(ctx, k.key.Tenant, k.key.Name)
	if errors.Is(err, ErrIdempotencyKeyNotFound) || err == nil && (found.Done || found.Version != k.key.Version) {
		return ErrLeaseLost
	}
	return err
}

// journal returns the journal of the key's import.
func (k *keyed) journal(blobs guardedBlobs) *journal {
	k.log = newJournal(blobs, blobFolder(k.tenant, runID(k.run)), k.token, syncBackoff, k.owned)
	return k.log
}

// fingerprint returns what the request's key stands for. The rows have ended by then.
func (r *request) fingerprint() string {
	if r.retry != nil {
		return r.retry.fingerprint()
	}
	return r.key.rows.sum(r.options())
}

// reserve sets the key of the request, reserved for it, or done before.
func (im *Importer) reserve(ctx context.Context, req *request) error {
	if im.cfg.IdempotencyKeys == nil {
		return &RequestError{Code: CodeInvalidRequest, Message: "this service keeps no idempotency keys"}
	}
	if !validKey(req.IdempotencyKey) {
		return &RequestError{Code: CodeInvalidRequest,
			Message: fmt.Sprintf("an idempotency key has 1 to %d printable ASCII characters", MaxIdempotencyKey)}
	}
	k := &keyed{keys: im.cfg.keys(), tenant: req.Principal.Tenant, mu: newTurn()}
	for range syncBackoff.attempts {
		found, err := im.findKey(ctx, k.keys, req)
		if err != nil {
			return err
		}
		clock := time.Now()
		now := clock.UTC().Truncate(time.Millisecond)
		switch {
		case found.Done:
			k.key = found
		case found.Version > 0 && found == k.key:
			// Ours, by a call whose answer was lost.
		case found.Version > 0 && now.Before(found.BusyUntil):
			return ErrIdempotencyKeyInProgress
		default:
			k.key = found
			k.key.Version++
			k.key.BusyUntil = busyUntil()
			if found.Version == 0 {
				k.key.Run = newID("", clock)
				k.key.ExpiresAt = now.Add(min(IdempotencyKeyRetention, im.cfg.Retention)) // not longer than its answer
			}
			err = syncBackoff.retry(ctx, func() error { return k.keys.PutIdempotencyKey(ctx, k.key) })
			if errors.Is(err, ErrConflict) {
				continue // another request was faster, or an own try was
			}
			if err != nil {
				return fmt.Errorf("bulk: reserve idempotency key: %w", err)
			}
		}
		k.run, k.token = k.key.Run, k.key.Version
		if req.retry == nil {
			k.rows = newFingerprintReader(req.Rows)
			req.rows.rows = k.rows
		}
		req.key = k
		return nil
	}
	return ErrIdempotencyKeyInProgress
}

// pin notes by their fingerprint which rows the key stands for, before any of them is written: should
// this request die, its import is not to be continued with other rows.
func (k *keyed) pin(ctx context.Context, sum string) error {
	k.mu.lock()
	defer k.mu.unlock()
	if k.key.Fingerprint != "" && k.key.Fingerprint != sum {
		return ErrIdempotencyKeyReused
	}
	next := k.key
	next.Fingerprint = sum
	next.BusyUntil = busyUntil()
	switch err := k.put(ctx, next); {
	case errors.Is(err, ErrConflict):
		return ErrIdempotencyKeyInProgress
	case err != nil:
		return fmt.Errorf("bulk: reserve idempotency key: %w", err)
	}
	return nil
}

// join returns the job that an earlier request made under the key, in the place
// of one of this request. It returns [ErrJobNotFound] if there is none.
func (im *Importer) join(ctx context.Context, req *request) (*Job, error) {
	job, err := im.JobByID(ctx, jobID(req.key.run))
	if err != nil {
		return nil, err
	}
	if job.Fingerprint != req.fingerprint() {
		return nil, ErrIdempotencyKeyReused
	}
	req.key.existed = true
	return job, nil
}

func (im *Importer) findKey(ctx context.Context, keys guardedKeys, req *request) (key IdempotencyKey, err error) {
	tenant := req.Principal.Tenant
	err = syncBackoff.retry(ctx, func() error {
		key, err = keys.GetIdempotencyKey(ctx, tenant, req.IdempotencyKey)
		return err
	})
	if errors.Is(err, ErrIdempotencyKeyNotFound) {
		return IdempotencyKey{Tenant: tenant, Name: req.IdempotencyKey}, nil
	}
	if err != nil {
		return IdempotencyKey{}, fmt.Errorf("bulk: get idempotency key: %w", err)
	}
	return key, nil
}

func validKey(name string) bool {
	return name != "" && len(name) <= MaxIdempotencyKey &&
		strings.IndexFunc(name, func(r rune) bool { return r < ' ' || r > '~' }) < 0
}

// replay answers a request whose key has an answer.
func (im *Importer) replay(ctx context.Context, req *request) (*Accepted, error) {
	for req.retry == nil {
		_, err := req.rows.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	key := &req.key.key
	if req.fingerprint() != key.Fingerprint {
		return nil, ErrIdempotencyKeyReused
	}
	if key.Report == "" {
		job, err := im.jobs.Get(ctx, jobID(key.Run))
		if err != nil {
			return nil, fmt.Errorf("bulk: get job of an idempotency key: %w", err)
		}
		return &Accepted{Job: &job, Replayed: true}, nil
	}
	r, err := im.blobs.open(ctx, syncBackoff, key.Report)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	report := new(Report)
	if err := json.NewDecoder(r).Decode(report); err != nil {
		return nil, fmt.Errorf("bulk: read %s: %w", key.Report, err)
	}
	return &Accepted{Report: report, Replayed: true}, nil
}

// settle puts the answer to the key, or gives the key up. It returns an error if
// that failed: the reservation then ends by itself, and a repetition of the request
// goes on with what it did.
func (im *Importer) settle(ctx context.Context, req *request, answer *Accepted, failure error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), discardTimeout)
	defer cancel()
	k := req.key
	next := k.key
	now := time.Now().UTC().Truncate(time.Millisecond)
	var refused *RequestError
	switch {
	case errors.Is(failure, ErrIdempotencyKeyInProgress):
		return nil // it is another request's
	case failure == nil:
		next.Done = true
		next.Fingerprint = req.fingerprint()
		if answer.Report != nil {
			key, err := im.putReport(ctx, k, answer.Report)
			if err != nil {
				im.cfg.Logger.WarnContext(ctx, "answer not kept for its idempotency key", "import", k.key.Run, redact.Error(err))
				return err
			}
			next.Report = key
		}
	case errors.As(failure, &refused) && k.key.Fingerprint == "":
		next.ExpiresAt = now // nothing was done: the key is free again
	case errors.Is(failure, ErrUnavailable) && k.log != nil:
		// Nothing was written, so a repetition does not go on with rows that failed:
		// it is an import of its own.
		next.Run, next.Fingerprint, next.BusyUntil = newID("", now), "", now
	default:
		next.BusyUntil = now // what was done stays with the key
	}
	err := k.put(ctx, next)
	switch {
	case errors.Is(err, ErrConflict):
		err = ErrIdempotencyKeyInProgress
	case err != nil:
		im.cfg.Logger.WarnContext(ctx, "idempotency key not settled", "import", k.key.Run, redact.Error(err))
	case answer != nil && answer.Report != nil || next.Run != k.run:
		im.tidy(ctx, k)
	}
	return err
}

// tidy removes the journal of a synchronous import that nobody goes on with, as far
// as that goes. What is left expires.
func (im *Importer) tidy(ctx context.Context, k *keyed) {
	for _, key := range k.log.keys() {
		if err := im.blobs.Delete(ctx, key); err != nil {
			im.cfg.Logger.WarnContext(ctx, "blob not removed", "key", key, redact.Error(err))
		}
	}
}

// putReport keeps the report of a synchronous import.
func (im *Importer) putReport(ctx context.Context, k *keyed, report *Report) (string, error) {
	text, err := json.Marshal(report)
	if err != nil {
		return "", err
	}
	key := fmt.Sprintf("%sreport-%d.json", blobFolder(k.key.Tenant, runID(k.key.Run)), k.key.Version)
	return key, putOnce(ctx, im.blobs, key, strings.NewReader(string(text)), resultsType)
}

// runID and jobID name the import of a key when it is synchronous and when it is
// a job.
func runID(run string) string { return "req_" + run }
func jobID(run string) string { return "job_" + run }

// A fingerprintReader makes a fingerprint of the rows that pass.
type fingerprintReader struct {
	rows RowReader
	hash hash.Hash
}

func newFingerprintReader(rows RowReader) *fingerprintReader {
	return &fingerprintReader{rows: rows, hash: sha256.New()}
}

// Next passes a row on.
func (r *fingerprintReader) Next() (Row, error) {
	row, err := r.rows.Next()
	if err != nil {
		return row, err
	}
	r.add(row.JSON)
	for _, e := range row.Errors {
		r.add([]byte(e.Code))
		r.add([]byte(e.Field))
		r.add([]byte(e.Message))
	}
	var end [12]byte // apart from any text, whose length is not negative
	binary.BigEndian.PutUint64(end[:], ^uint64(0))
	r.hash.Write(end[:])
	return row, nil
}

// add adds a text with its length, so that no two sequences of texts are alike.
func (r *fingerprintReader) add(text []byte) {
	var size [8]byte
	binary.BigEndian.PutUint64(size[:], uint64(len(text)))
	r.hash.Write(size[:])
	r.hash.Write(text)
}

// sum returns the fingerprint of the rows with the options.
func (r *fingerprintReader) sum(opts Options) string {
	text, err := json.Marshal(opts)
	if err != nil {
		panic(err) // options have nothing that JSON cannot hold
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%x %s", r.hash.Sum(nil), text))
	return hex.EncodeToString(sum[:])
}
