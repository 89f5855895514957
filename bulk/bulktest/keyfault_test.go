package bulktest_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/bulk/bulktest"
)

var keyFaults = []fault{
	{sound, ""},
	{"a missing key is an empty one", "Get/MissingKey"},
	{"put drops the fingerprint", "Put/StoresTheKey"},
	{"put overwrites", "Put/NewKeyNeedsNone"},
	{"put skips versions", "Put/NextVersionOnly"},
	{"keys are shared by tenants", "Put/TenantsAreSeparate"},
	{"keys do not expire", "Expiry/ExpiredKeyDoesNotExist"},
	{"versions are checked outside the lock", "Race/OnePut"},
	{"context is ignored", "Context/Cancelled"},
}

func testBrokenKeys(t *testing.T, fault string) {
	bulktest.TestIdempotencyKeyStore(t, func(t *testing.T) bulk.IdempotencyKeyStore {
		return &brokenKeys{fault: fault, keys: map[[2]string]bulk.IdempotencyKey{}}
	})
}

// brokenKeys is a key store with a fault.
type brokenKeys struct {
	fault string
	mu    sync.Mutex
	keys  map[[2]string]bulk.IdempotencyKey
}

func (b *brokenKeys) get(tenant, name string) bulk.IdempotencyKey {
	if b.fault == "keys are shared by tenants" {
		tenant = ""
	}
	key := b.keys[[2]string{tenant, name}]
	if b.fault != "keys do not expire" && !time.Now().Before(key.ExpiresAt) {
		return bulk.IdempotencyKey{}
	}
	return key
}

func (b *brokenKeys) GetIdempotencyKey(ctx context.Context, tenant, name string) (bulk.IdempotencyKey, error) {
	if err := ctx.Err(); err != nil && b.fault != "context is ignored" {
		return bulk.IdempotencyKey{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	key := b.get(tenant, name)
	if key.Version == 0 && b.fault != "a missing key is an empty one" {
		return bulk.IdempotencyKey{}, bulk.ErrIdempotencyKeyNotFound
	}
	return key, nil
}

func (b *brokenKeys) PutIdempotencyKey(ctx context.Context, key bulk.IdempotencyKey) error {
	if err := ctx.Err(); err != nil && b.fault != "context is ignored" {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	version := b.get(key.Tenant, key.Name).Version
	if b.fault == "versions are checked outside the lock" {
		b.mu.Unlock()
		time.Sleep(time.Millisecond)
		b.mu.Lock()
	}
	switch {
	case b.fault == "put overwrites" && key.Version == 1:
	case b.fault == "put skips versions" && key.Version > version:
	case key.Version != version+1:
		return bulk.ErrConflict
	}
	if b.fault == "put drops the fingerprint" {
		key.Fingerprint = ""
	}
	tenant := key.Tenant
	if b.fault == "keys are shared by tenants" {
		tenant = ""
	}
	b.keys[[2]string{tenant, key.Name}] = key
	return nil
}
