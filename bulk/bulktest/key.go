package bulktest

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkops/bulkops/bulk"
)

// TestIdempotencyKeyStore proves that a key store keeps the promises of [bulk.IdempotencyKeyStore]. See
// the package documentation for what open may return.
func TestIdempotencyKeyStore(t *testing.T, open func(t *testing.T) bulk.IdempotencyKeyStore) {
	for _, c := range keyCases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			sayRule(t, c.rule)
			c.run(&keyTest{T: t, ctx: caseContext(t), keys: open(t), tenant: unique("tenant")})
		})
	}
}

// A keyCase checks one promise of [bulk.IdempotencyKeyStore].
type keyCase struct {
	name string
	rule string // the promise, said when the case fails
	run  func(t *keyTest)
}

// A keyTest is a case that runs, with a tenant of its own.
type keyTest struct {
	*testing.T
	ctx    context.Context
	keys   bulk.IdempotencyKeyStore
	tenant string
}

// key returns a new key of the case's tenant.
func (t *keyTest) key(name string) bulk.IdempotencyKey {
	return bulk.IdempotencyKey{
		Tenant: t.tenant, Name: name, Version: 1, ExpiresAt: now().Add(time.Hour),
		Run: "run", BusyUntil: now().Add(time.Minute),
	}
}

func (t *keyTest) put(key bulk.IdempotencyKey) {
	t.Helper()
	if err := t.keys.PutIdempotencyKey(t.ctx, key); err != nil {
		t.Fatalf("PutIdempotencyKey: %v", err)
	}
}

func (t *keyTest) refuses(key bulk.IdempotencyKey, why string) {
	t.Helper()
	if err := t.keys.PutIdempotencyKey(t.ctx, key); !errors.Is(err, bulk.ErrConflict) {
		t.Errorf("PutIdempotencyKey of %s returned %v, not ErrConflict", why, err)
	}
}

func (t *keyTest) has(want bulk.IdempotencyKey) {
	t.Helper()
	got, err := t.keys.GetIdempotencyKey(t.ctx, want.Tenant, want.Name)
	if err != nil {
		t.Fatalf("GetIdempotencyKey: %v", err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("GetIdempotencyKey returned another key (-want +got):\n%s", diff)
	}
}

func (t *keyTest) missing(name string) {
	t.Helper()
	if key, err := t.keys.GetIdempotencyKey(t.ctx, t.tenant, name); !errors.Is(err, bulk.ErrIdempotencyKeyNotFound) {
		t.Errorf("GetIdempotencyKey returned %+v, %v, not ErrIdempotencyKeyNotFound", key, err)
	}
}

var keyCases = []keyCase{{
	name: "Get/MissingKey",
	rule: "GetIdempotencyKey returns ErrIdempotencyKeyNotFound for a key that is not there",
	run:  func(t *keyTest) { t.missing("none") },
}, {
	name: "Put/StoresTheKey",
	rule: "PutIdempotencyKey stores all of a key, and GetIdempotencyKey sees it at once",
	run: func(t *keyTest) {
		for _, name := range []string{"k", " ", `a"b'; DELETE`, "a/b#c", strings.Repeat("~", bulk.MaxIdempotencyKey)} {
			key := t.key(name)
			t.put(key)
			t.has(key)
			key.Version++
			key.Done, key.Report, key.Fingerprint = true, "tenant/report.json", "0123abcd"
			t.put(key)
			t.has(key)
		}
	},
}, {
	name: "Put/NewKeyNeedsNone",
	rule: "PutIdempotencyKey of version 1 is refused if there is a key",
	run: func(t *keyTest) {
		key := t.key("k")
		t.put(key)
		other := key
		other.Run = "other"
		t.refuses(other, "version 1 over version 1")
		t.has(key)
	},
}, {
	name: "Put/NextVersionOnly",
	rule: "PutIdempotencyKey is refused unless the stored key has the version before",
	run: func(t *keyTest) {
		key := t.key("k")
		key.Version = 2
		t.refuses(key, "version 2 of no key")
		t.missing("k")
		key.Version = 1
		t.put(key)
		for _, version := range []int64{1, 3, 4} {
			next := key
			next.Version = version
			t.refuses(next, "a version that is not the next")
		}
		t.has(key)
	},
}, {
	name: "Put/TenantsAreSeparate",
	rule: "equal names of two tenants are different keys",
	run: func(t *keyTest) {
		key := t.key("k")
		t.put(key)
		other := t.key("k")
		other.Tenant, other.Run = unique("tenant"), "other"
		t.put(other)
		t.has(key)
		t.has(other)
	},
}, {
	name: "Put/NamesAreExact",
	rule: "names that differ in case or white space are different keys",
	run: func(t *keyTest) {
		for _, name := range []string{"key", "KEY", "key ", " key"} {
			key := t.key(name)
			key.Run = name
			t.put(key)
			defer t.has(key)
		}
	},
}, {
	name: "Expiry/ExpiredKeyDoesNotExist",
	rule: "from ExpiresAt on a key does not exist, and can be made anew",
	run: func(t *keyTest) {
		key := t.key("k")
		t.put(key)
		key.Version, key.ExpiresAt = 2, now().Add(-time.Second)
		t.put(key)
		t.missing("k")
		next := key
		next.Version, next.ExpiresAt = 3, now().Add(time.Hour)
		t.refuses(next, "the next version of an expired key")
		anew := t.key("k")
		anew.Run = "anew"
		t.put(anew)
		t.has(anew)
	},
}, {
	name: "Race/OnePut",
	rule: "of several PutIdempotencyKey of one version at once, one succeeds",
	run: func(t *keyTest) {
		for version := int64(1); version <= 3; version++ {
			var done, refused atomic.Int32
			race(16, func(i int) {
				key := t.key("k")
				key.Version, key.Run = version, string(rune('a'+i))
				switch err := t.keys.PutIdempotencyKey(t.ctx, key); {
				case err == nil:
					done.Add(1)
				case errors.Is(err, bulk.ErrConflict):
					refused.Add(1)
				default:
					t.Errorf("PutIdempotencyKey: %v", err)
				}
			})
			if done.Load() != 1 || refused.Load() != 15 {
				t.Errorf("version %d: %d of 16 puts succeeded, %d were refused", version, done.Load(), refused.Load())
			}
		}
	},
}, {
	name: "Context/Cancelled",
	rule: "a cancelled context ends a call with its error",
	run: func(t *keyTest) {
		ctx := cancelled()
		if _, err := t.keys.GetIdempotencyKey(ctx, t.tenant, "k"); !errors.Is(err, context.Canceled) {
			t.Errorf("GetIdempotencyKey returned %v", err)
		}
		if err := t.keys.PutIdempotencyKey(ctx, t.key("k")); !errors.Is(err, context.Canceled) {
			t.Errorf("PutIdempotencyKey returned %v", err)
		}
		t.missing("k")
	},
}}
