package bulk

import (
	"context"
	"time"
)

// Limits of idempotency keys.
const (
	// IdempotencyKeyRetention is how long a key is remembered.
	IdempotencyKeyRetention = 24 * time.Hour
	// MaxIdempotencyKey is the length of a key in bytes.
	MaxIdempotencyKey = 255
)

// An IdempotencyKey is a key that a caller gave a request, and what became of the request.
type IdempotencyKey struct {
	Tenant string `json:"tenant"`
	Name   string `json:"name"` // as the caller gave it: 1 to [MaxIdempotencyKey] printable ASCII characters
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

// An IdempotencyKeyStore keeps idempotency keys. The queues of this module do;
// [bulktest.TestIdempotencyKeyStore] checks others.
//
// Its methods are safe for concurrent use, by any number of processes, and follow
// the rules of [JobQueue] on cancellation and errors.
//
// [bulktest.TestIdempotencyKeyStore]: https://pkg.go.dev/github.com/bulkops/bulkops/bulk/bulktest#TestIdempotencyKeyStore
type IdempotencyKeyStore interface {
	// GetIdempotencyKey returns the key of that name, or
	// [ErrIdempotencyKeyNotFound]. It is strongly consistent.
	GetIdempotencyKey(ctx context.Context, tenant, name string) (IdempotencyKey, error)

	// PutIdempotencyKey stores the key if the one that is stored has the version
	// before key.Version, or if key.Version is 1 and there is none. Otherwise it
	// returns [ErrConflict] and changes nothing. Of several calls at once one
	// succeeds.
	PutIdempotencyKey(ctx context.Context, key IdempotencyKey) error
}
