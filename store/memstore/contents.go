package memstore

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/bulkops/bulkops/bulk"
)

// Put adds users to a tenant, or replaces those with the same ids, as another
// program would do it that writes to the same database: their versions change
// and their marks are empty. It stops at the first user that it cannot put and
// returns [bulk.ErrEmailTaken], [bulk.ErrUserTooLarge] or an error for a user
// without an id.
func (s *Store) Put(tenant string, users ...bulk.User) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.directory(tenant)
	for _, user := range users {
		if err := d.put(bulk.Stored{User: user, Version: s.nextVersion()}); err != nil {
			return fmt.Errorf("memstore: put user %q: %w", user.ID, err)
		}
	}
	return nil
}

var errNoID = errors.New("a user needs an id")

func (d *directory) put(user bulk.Stored) error {
	switch held := d.users[user.ID]; {
	case user.ID == "":
		return errNoID
	case !user.Fits():
		return bulk.ErrUserTooLarge
	case held != nil:
		return d.replace(held, user)
	default:
		return d.create(&user)
	}
}

// Delete removes a user, and reports whether there was one.
func (s *Store) Delete(tenant, id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.tenants[tenant]
	if d == nil || d.users[id] == nil {
		return false
	}
	d.release(d.users[id])
	delete(d.users, id)
	return true
}

// Get returns the user of a tenant with that id, if there is one.
func (s *Store) Get(tenant, id string) (bulk.User, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if d := s.tenants[tenant]; d != nil && d.users[id] != nil {
		return d.users[id].User, true
	}
	return bulk.User{}, false
}

// Users returns the users of a tenant in the order of their ids.
func (s *Store) Users(tenant string) []bulk.User {
	s.mu.RLock()
	defer s.mu.RUnlock()
	d := s.tenants[tenant]
	if d == nil {
		return nil
	}
	users := make([]bulk.User, 0, len(d.users))
	for _, held := range d.users {
		users = append(users, held.User)
	}
	slices.SortFunc(users, func(a, b bulk.User) int { return strings.Compare(a.ID, b.ID) })
	return users
}

// Len returns how many users a tenant has.
func (s *Store) Len(tenant string) int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if d := s.tenants[tenant]; d != nil {
		return len(d.users)
	}
	return 0
}
