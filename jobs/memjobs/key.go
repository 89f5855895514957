package memjobs

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/bulkops/bulkops/bulk"
)

// A keyTable has the idempotency keys. It has a lock of its own, as keys and jobs
// have nothing to do with each other.
type keyTable struct {
	mu     sync.Mutex
	byName map[keyName]bulk.IdempotencyKey
	// swept is when expired keys were last dropped.
	swept time.Time
}

type keyName struct{ tenant, name string }

// sweepEvery is how often expired keys are looked for.
const sweepEvery = time.Hour

// get returns a key, or the zero Key if there is none or it has expired. mu is
// held.
func (t *keyTable) get(name keyName, now time.Time) bulk.IdempotencyKey {
	key := t.byName[name]
	if !now.Before(key.ExpiresAt) {
		return bulk.IdempotencyKey{}
	}
	return key
}

// sweep drops the keys that have expired. mu is held.
func (t *keyTable) sweep(now time.Time) {
	if now.Sub(t.swept) < sweepEvery {
		return
	}
	t.swept = now
	for name, key := range t.byName {
		if !now.Before(key.ExpiresAt) {
			delete(t.byName, name)
		}
	}
}

// GetIdempotencyKey implements [bulk.IdempotencyKeyStore].
func (q *Queue) GetIdempotencyKey(ctx context.Context, tenant, name string) (bulk.IdempotencyKey, error) {
	if err := ctx.Err(); err != nil {
		return bulk.IdempotencyKey{}, fmt.Errorf("memjobs: get key: %w", err)
	}
	q.keys.mu.Lock()
	defer q.keys.mu.Unlock()
	key := q.keys.get(keyName{tenant, name}, time.Now())
	if key.Version == 0 {
		return bulk.IdempotencyKey{}, fmt.Errorf("memjobs: get key: %w", bulk.ErrIdempotencyKeyNotFound)
	}
	return key, nil
}

// PutIdempotencyKey implements [bulk.IdempotencyKeyStore].
func (q *Queue) PutIdempotencyKey(ctx context.Context, key bulk.IdempotencyKey) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("memjobs: put key: %w", err)
	}
	q.keys.mu.Lock()
	defer q.keys.mu.Unlock()
	now := time.Now()
	q.keys.sweep(now)
	name := keyName{key.Tenant, key.Name}
	if key.Version != q.keys.get(name, now).Version+1 {
		return fmt.Errorf("memjobs: put key: %w", bulk.ErrConflict)
	}
	if q.keys.byName == nil {
		q.keys.byName = make(map[keyName]bulk.IdempotencyKey)
	}
	q.keys.byName[name] = key
	return nil
}
