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
	"time"
)

// A request with an idempotency key reserves the key before it does anything, and
// puts its answer there in the end. A request that finds the key reserved is
// refused; one that finds an answer gets it, if its rows and options are the same.
//
// A reservation ends by itself, should its process die. Whoever comes then goes
// on under the same import: a job of that id exists already or is made now, and
// rows that were written are known by their marks.

// keyBusy is how long a reservation lasts unless it is renewed. It is renewed
// while rows are read.
const keyBusy = 2 * time.Minute

// acceptKeyed is Accept for a request with an idempotency key.
func (im *Importer) acceptKeyed(ctx context.Context, req *Request) (*Report, *Job, error) {
	k, err := im.reserve(ctx, req)
	if err != nil {
		return nil, nil, err
	}
	if k.key.Done {
		return im.replay(ctx, req, k)
	}
	report, job, err := im.accept(ctx, req, k)
	req.Replayed = k.existed && err == nil
	im.settle(ctx, req, k, report, err)
	if err != nil {
		return nil, nil, err
	}
	return report, job, nil
}

// A keyed is the idempotency key of a request under way.
type keyed struct {
	keys    KeyStore
	key     Key
	rows    *fingerprintReader
	existed bool // the job had been made before
}

func (k *keyed) fingerprint(opts Options) string { return k.rows.sum(opts) }

// reserve returns the key of the request, reserved for it, or done before.
func (im *Importer) reserve(ctx context.Context, req *Request) (*keyed, error) {
	if im.cfg.Keys == nil {
		return nil, &RequestError{Code: CodeInvalidRequest, Message: "this service keeps no idempotency keys"}
	}
	if !validKey(req.IdempotencyKey) {
		return nil, &RequestError{Code: CodeInvalidRequest,
			Message: fmt.Sprintf("an idempotency key has 1 to %d printable ASCII characters", MaxKey)}
	}
	k := &keyed{keys: guardedKeys{im.cfg.Keys}}
	for range syncBackoff.attempts {
		found, err := im.findKey(ctx, k.keys, req)
		if err != nil {
			return nil, err
		}
		clock := time.Now()
		now := clock.UTC().Truncate(time.Millisecond)
		switch {
		case found.Done:
			k.key = found
		case found.Version > 0 && found == k.key:
			// Ours, by a call whose answer was lost.
		case found.Version > 0 && now.Before(found.BusyUntil):
			return nil, ErrKeyInProgress
		default:
			k.key = found
			k.key.Version++
			k.key.BusyUntil = now.Add(keyBusy)
			if found.Version == 0 {
				k.key.Run = newID("", clock)
				k.key.ExpiresAt = now.Add(min(KeyRetention, im.cfg.Retention)) // not longer than its answer
			}
			err = syncBackoff.retry(ctx, func() error { return k.keys.PutKey(ctx, k.key) })
			if errors.Is(err, ErrConflict) {
				continue // another request was faster, or an own try was
			}
			if err != nil {
				return nil, fmt.Errorf("bulk: reserve idempotency key: %w", err)
			}
		}
		k.rows = &fingerprintReader{rows: req.Rows, hash: sha256.New(), renew: func() { k.renew(ctx) }}
		req.Rows = k.rows
		return k, nil
	}
	return nil, ErrKeyInProgress
}

// pin notes which rows the key stands for, before any of them is written: should
// this request die, its import is not to be continued with other rows.
func (k *keyed) pin(ctx context.Context, opts Options) error {
	sum := k.fingerprint(opts)
	if k.key.Fingerprint != "" && k.key.Fingerprint != sum {
		return ErrKeyReused
	}
	next := k.key
	next.Version++
	next.Fingerprint = sum
	next.BusyUntil = time.Now().UTC().Truncate(time.Millisecond).Add(keyBusy)
	switch err := k.keys.PutKey(ctx, next); {
	case errors.Is(err, ErrConflict):
		return ErrKeyInProgress
	case err != nil:
		return fmt.Errorf("bulk: reserve idempotency key: %w", err)
	}
	k.key = next
	return nil
}

// join returns the job that an earlier request made under the key, in the place
// of ours.
func (k *keyed) join(ctx context.Context, im *Importer, ours *Job) (*Job, error) {
	k.existed = true
	job, err := im.jobs.Get(ctx, ours.ID)
	if err != nil {
		return nil, fmt.Errorf("bulk: get job of an idempotency key: %w", err)
	}
	if job.Fingerprint != ours.Fingerprint {
		return nil, ErrKeyReused
	}
	return &job, nil
}

func (im *Importer) findKey(ctx context.Context, keys KeyStore, req *Request) (key Key, err error) {
	tenant := req.Principal.Tenant
	err = syncBackoff.retry(ctx, func() error {
		key, err = keys.GetKey(ctx, tenant, req.IdempotencyKey)
		return err
	})
	if errors.Is(err, ErrKeyNotFound) {
		return Key{Tenant: tenant, Name: req.IdempotencyKey}, nil
	}
	if err != nil {
		return Key{}, fmt.Errorf("bulk: get idempotency key: %w", err)
	}
	return key, nil
}

func validKey(name string) bool {
	return name != "" && len(name) <= MaxKey &&
		strings.IndexFunc(name, func(r rune) bool { return r < ' ' || r > '~' }) < 0
}

// renew keeps the reservation while a long body is read. If it fails the
// reservation may end early, and the two requests then meet in the same import.
func (k *keyed) renew(ctx context.Context) {
	now := time.Now()
	if k.key.Done || k.key.BusyUntil.Sub(now) > keyBusy/2 {
		return
	}
	next := k.key
	next.Version++
	next.BusyUntil = now.UTC().Truncate(time.Millisecond).Add(keyBusy)
	if k.keys.PutKey(ctx, next) == nil {
		k.key = next
	}
}

// replay answers a request whose key has an answer.
func (im *Importer) replay(ctx context.Context, req *Request, k *keyed) (*Report, *Job, error) {
	rows := &limitedReader{rows: req.Rows, limit: im.cfg.MaxUsers}
	for {
		_, err := rows.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, nil, err
		}
	}
	if k.fingerprint(req.Options) != k.key.Fingerprint {
		return nil, nil, ErrKeyReused
	}
	req.Replayed = true
	if k.key.Report == "" {
		job, err := im.jobs.Get(ctx, jobID(k.key.Run))
		if err != nil {
			return nil, nil, fmt.Errorf("bulk: get job of an idempotency key: %w", err)
		}
		return nil, &job, nil
	}
	r, err := im.blobs.open(ctx, syncBackoff, k.key.Report)
	if err != nil {
		return nil, nil, err
	}
	defer r.Close()
	report := new(Report)
	if err := json.NewDecoder(r).Decode(report); err != nil {
		return nil, nil, fmt.Errorf("bulk: read %s: %w", k.key.Report, err)
	}
	return report, nil, nil
}

// settle puts the answer to the key, or gives the key up. The request has had its
// effect, so what fails here is logged only: the reservation ends by itself, and
// a repetition of the request then finds what it did.
func (im *Importer) settle(ctx context.Context, req *Request, k *keyed, report *Report, failure error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), discardTimeout)
	defer cancel()
	next := k.key
	next.Version++
	var refused *RequestError
	switch {
	case failure == nil:
		next.Done = true
		next.Fingerprint = k.fingerprint(req.Options)
		if report != nil {
			key, err := im.putReport(ctx, k, report)
			if err != nil {
				im.cfg.Logger.WarnContext(ctx, "answer not kept for its idempotency key", "import", k.key.Run, "error", err)
				return
			}
			next.Report = key
		}
	case errors.As(failure, &refused) && k.key.Fingerprint == "":
		next.ExpiresAt = time.Now() // nothing was done: the key is free again
	default:
		next.BusyUntil = time.Now() // what was done stays with the key
	}
	if err := k.keys.PutKey(ctx, next); err != nil {
		im.cfg.Logger.WarnContext(ctx, "idempotency key not settled", "import", k.key.Run, "error", err)
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
	rows  RowReader
	hash  hash.Hash
	renew func()
	count int
}

// Next passes a row on. Every thousand rows it sees to the reservation.
func (r *fingerprintReader) Next() (Row, error) {
	row, err := r.rows.Next()
	if err != nil {
		return row, err
	}
	if r.count++; r.count%1000 == 0 {
		r.renew()
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
	text := fmt.Sprintf("%x %+v", r.hash.Sum(nil), opts)
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// guardedKeys is a KeyStore whose panics are errors.
type guardedKeys struct{ KeyStore }

func (k guardedKeys) GetKey(ctx context.Context, tenant, name string) (key Key, err error) {
	defer catch("KeyStore.GetKey", &err)
	return k.KeyStore.GetKey(ctx, tenant, name)
}

func (k guardedKeys) PutKey(ctx context.Context, key Key) (err error) {
	defer catch("KeyStore.PutKey", &err)
	return k.KeyStore.PutKey(ctx, key)
}
