package bulk

import (
	"context"
	"time"
)

// Limits of idempotency keys.
const (
	// KeyRetention is how long a key is remembered.
	KeyRetention = 24 * time.Hour
	// MaxKey is the length of a key in bytes.
	MaxKey = 255
)

// A Key is an idempotency key and the request that was made under it.
type Key struct {
	Tenant string `json:"tenant"`
	Name   string `json:"name"` // as the caller gave it: 1 to [MaxKey] printable ASCII characters
	// Version is 1 for a new key and one more with every change.
	Version int64 `json:"version"`
	// ExpiresAt is when the key is forgotten: from then on it does not exist.
	ExpiresAt time.Time `json:"expiresAt"`
	// Run names the import, so that repeating it is known to be a repetition.
	Run string `json:"run"`
	// BusyUntil is until when a request with the key is taken to be under way,
	// unless Done is set.
	BusyUntil time.Time `json:"busyUntil"`
	// Done says that the request has an answer: the report in the blob Report, or
	// the job that Run names if Report is "".
	Done   bool   `json:"done,omitempty"`
	Report string `json:"report,omitempty"`
	// Fingerprint identifies the rows and options of a request that is done.
	Fingerprint string `json:"fingerprint,omitempty"`
}

// A KeyStore keeps idempotency keys. The queues of this module are key stores too;
// [bulktest.TestKeyStore] checks others.
//
// Its methods are safe for concurrent use, by any number of processes, and follow
// the rules of [JobQueue] on cancellation and errors.
//
// [bulktest.TestKeyStore]: https://pkg.go.dev/github.com/bulkops/bulkops/bulk/bulktest#TestKeyStore
type KeyStore interface {
	// GetKey returns the key of that name, or [ErrKeyNotFound]. It is strongly
	// consistent.
	GetKey(ctx context.Context, tenant, name string) (Key, error)

	// PutKey stores the key if the one that is stored has the version before
	// key.Version, or if key.Version is 1 and there is none. Otherwise it returns
	// [ErrConflict] and changes nothing. Of several calls at once one succeeds.
	PutKey(ctx context.Context, key Key) error
}
