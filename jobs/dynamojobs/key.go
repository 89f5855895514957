package dynamojobs

import (
	"context"
	"fmt"
	"time"

	"github.com/bulkops/bulkops/bulk"
)

// An idempotency key is an item of the same table, in none of the indexes, under
// an id that no job has. It is written as a whole, under the condition that the
// version is the one before.

// keyID returns the id of a key's item. The length tells where the tenant ends.
func keyID(tenant, name string) string {
	return fmt.Sprintf("key#%d#%s#%s", len(tenant), tenant, name)
}

// GetIdempotencyKey implements [bulk.IdempotencyKeyStore].
func (q *Queue) GetIdempotencyKey(ctx context.Context, tenant, name string) (bulk.IdempotencyKey, error) {
	k, err := q.getKey(ctx, keyID(tenant, name))
	if err != nil {
		return bulk.IdempotencyKey{}, fmt.Errorf("dynamojobs: get idempotency key: %w", err)
	}
	return k, nil
}

func (q *Queue) getKey(ctx context.Context, id string) (k bulk.IdempotencyKey, err error) {
	var it item
	err = q.retry(ctx, func() (err error) {
		it, err = q.read(ctx, id)
		return err
	})
	switch {
	case err != nil:
		return bulk.IdempotencyKey{}, err
	case !it.live(time.Now()):
		return bulk.IdempotencyKey{}, bulk.ErrIdempotencyKeyNotFound
	}
	err = it.decode(attrKey, &k)
	return k, err
}

// PutIdempotencyKey implements [bulk.IdempotencyKeyStore].
func (q *Queue) PutIdempotencyKey(ctx context.Context, k bulk.IdempotencyKey) error {
	if err := q.putKey(ctx, k); err != nil {
		return fmt.Errorf("dynamojobs: put idempotency key: %w", err)
	}
	return nil
}

func (q *Queue) putKey(ctx context.Context, k bulk.IdempotencyKey) error {
	doc, err := document(k)
	if err != nil {
		return err
	}
	now := number(time.Now().UnixMilli())
	u := newUpdate()
	if k.Version == 1 {
		u.whenMissing(attrID)
		u.when(attrExpires, "<=", now)
	} else {
		u.conditions = append(u.conditions, u.name(attrVersion)+" = "+u.value(number(k.Version-1))+
			" AND "+u.name(attrExpires)+" > "+u.value(now))
	}
	return q.put(ctx, item{
		attrID:      text(keyID(k.Tenant, k.Name)),
		attrKey:     doc,
		attrVersion: number(k.Version),
		attrExpires: moment(k.ExpiresAt),
		attrTTL:     ttl(k.ExpiresAt),
	}, u, bulk.ErrConflict)
}
