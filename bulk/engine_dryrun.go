package bulk

import (
	"context"
	"sync"
)

// A dryStore is a store for dry runs: it reads from the real one and keeps what
// is committed to itself, laid over what it reads. So a dry run takes the same
// way as an import and has the same results. It keeps every user that it would
// have written in memory.
type dryStore struct {
	Store

	mu     sync.Mutex
	users  map[string]*Stored // by id: as they would be
	owners map[string]string  // email key to id, "" if nobody would own it
}

// The versions of users that a dry run would have written.
const (
	dryCreated = "dry:created"
	dryUpdated = "dry:updated"
)

func newDryStore(store Store) *dryStore {
	return &dryStore{Store: store, users: make(map[string]*Stored), owners: make(map[string]string)}
}

func (s *dryStore) Lookup(ctx context.Context, tenant string, refs []Ref) ([]Found, error) {
	found, err := s.Store.Lookup(ctx, tenant, refs)
	if err != nil || len(found) != len(refs) {
		return found, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, ref := range refs {
		if user := s.users[ref.ID]; user != nil {
			found[i].ByID = user
		}
		if ref.Email == "" {
			continue
		}
		if id, ok := s.owners[EmailKey(ref.Email)]; ok {
			found[i].ByEmail = s.users[id] // nil for nobody
		} else if owner := found[i].ByEmail; owner != nil && s.users[owner.ID] != nil {
			found[i].ByEmail = s.users[owner.ID]
		}
	}
	return found, nil
}

func (s *dryStore) Commit(_ context.Context, _ string, writes []Write) []error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range writes {
		version := dryCreated
		if w.Base != nil && w.Base.Version != dryCreated {
			version = dryUpdated
		}
		if w.releasesEmail() {
			s.owners[EmailKey(w.Base.Email)] = ""
		}
		s.users[w.User.ID] = &Stored{User: w.User, Version: version}
		if w.User.Email != "" {
			s.owners[EmailKey(w.User.Email)] = w.User.ID
		}
	}
	return make([]error, len(writes))
}

// imagined reports whether the user that a dry run decided on is not stored.
func imagined(found Found, d decision) bool {
	if d.status == StatusCreated {
		return true
	}
	for _, user := range [2]*Stored{found.ByID, found.ByEmail} {
		if user != nil && user.ID == d.userID {
			return user.Version == dryCreated
		}
	}
	return true
}
