// Package memstore keeps users in memory, for unit tests, examples and programs
// that need no database.
//
// It follows the same rules as the stores of real databases and returns the same
// errors. Nothing is durable: the users are gone with the [Store].
package memstore

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/bulkops/bulkops/bulk"
)

// A Store is a [bulk.Store] in memory. Beyond that interface it can be filled
// and looked into: see [Store.Put] and [Store.Get]. It is safe for concurrent
// use and has no goroutines. Make one with [New].
type Store struct {
	commits atomic.Uint64 // how many calls may have written; makes versions

	mu      sync.RWMutex
	tenants map[string]*directory
}

var _ bulk.Store = (*Store)(nil)

// New returns a store without users.
func New() *Store {
	return &Store{tenants: make(map[string]*directory)}
}

// Lookup implements [bulk.Store].
func (s *Store) Lookup(ctx context.Context, tenant string, refs []bulk.Ref) ([]bulk.Found, error) {
	if err := admit(ctx, len(refs)); err != nil {
		return nil, fmt.Errorf("memstore: lookup: %w", err)
	}
	found := make([]bulk.Found, len(refs))

	s.mu.RLock()
	defer s.mu.RUnlock()
	d := s.tenants[tenant]
	if d == nil {
		return found, nil
	}
	// The copies share one allocation, made at the first user that is found: an
	// import of new users finds none.
	var copies []bulk.Stored
	keep := func(held *bulk.Stored) *bulk.Stored {
		if held == nil {
			return nil
		}
		if copies == nil {
			copies = make([]bulk.Stored, 0, 2*len(refs)) // never grows: the results point into it
		}
		copies = append(copies, *held)
		return &copies[len(copies)-1]
	}
	for i, ref := range refs {
		if ref.ID != "" {
			found[i].ByID = keep(d.users[ref.ID])
		}
		if ref.Email != "" {
			found[i].ByEmail = keep(d.owners[bulk.EmailKey(ref.Email)])
		}
	}
	return found, nil
}

// Commit implements [bulk.Store]. An update is applied to what the store holds,
// field by field, as a database does it: of the fields of [bulk.Write.User] that
// the patch does not name, none is read.
func (s *Store) Commit(ctx context.Context, tenant string, writes []bulk.Write) []error {
	outcomes := make([]error, len(writes))
	if err := admit(ctx, len(writes)); err != nil {
		err = fmt.Errorf("memstore: commit: %w", err)
		for i := range outcomes {
			outcomes[i] = err
		}
		return outcomes
	}
	// What needs no lock is done before it is taken. The writes of one call are
	// of different users, so that one version serves them all.
	version := s.nextVersion()
	made := make([]bulk.Stored, len(writes))
	for i, w := range writes {
		if w.Base != nil {
			continue
		}
		made[i] = bulk.Stored{User: w.User, Version: version, Mark: w.Mark}
		if !w.User.Fits() {
			outcomes[i] = failed("create", w.User.ID, bulk.ErrUserTooLarge)
		}
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.directory(tenant)
	for i := range writes {
		switch w := &writes[i]; {
		case outcomes[i] != nil:
		case w.Base == nil:
			outcomes[i] = failed("create", w.User.ID, d.create(&made[i]))
		default:
			outcomes[i] = failed("update", w.User.ID, d.update(w, version))
		}
	}
	return outcomes
}

// directory returns the users of a tenant. The lock is held.
func (s *Store) directory(tenant string) *directory {
	d := s.tenants[tenant]
	if d == nil {
		d = newDirectory()
		s.tenants[tenant] = d
	}
	return d
}

// nextVersion returns a version that no user has had.
func (s *Store) nextVersion() string {
	return strconv.FormatUint(s.commits.Add(1), 36)
}

// admit refuses a call before it does anything.
func admit(ctx context.Context, elements int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if elements < 1 || elements > bulk.MaxBatch {
		return bulk.ErrBatchTooLarge
	}
	return nil
}

// failed says which write of a batch failed, if it did. It names the user by id
// alone: emails do not belong into logs.
func failed(op, id string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("memstore: %s user %q: %w", op, id, err)
}
