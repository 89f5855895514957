//go:build unix

package soak

import (
	"context"
	"time"

	"github.com/bulkops/bulkops/bulk"
)

// shortKeys keeps idempotency keys whose reservations seem to others to last no
// longer than lasts: a request whose process was killed is then repeated after
// seconds, and one whose process was stopped finds that it was taken over.
type shortKeys struct {
	bulk.IdempotencyKeyStore
	lasts time.Duration
}

// keyBusy is how long an importer reserves a key.
const keyBusy = 2 * time.Minute

// GetIdempotencyKey shows a reservation that was made longer than lasts ago as over.
func (k shortKeys) GetIdempotencyKey(ctx context.Context, tenant, name string) (bulk.IdempotencyKey, error) {
	key, err := k.IdempotencyKeyStore.GetIdempotencyKey(ctx, tenant, name)
	if over := key.BusyUntil.Add(k.lasts - keyBusy); err == nil && k.lasts > 0 && !key.Done && time.Now().After(over) {
		key.BusyUntil = over
	}
	return key, err
}
