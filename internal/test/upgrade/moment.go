package upgrade

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"os"
	"sync"

	"github.com/bulkops/bulkops/bulk"
)

// A Moment is all that is stored while a job runs, and what has to come of it.
type Moment struct {
	Commit string            // of the code that stored it
	Job    json.RawMessage   // a [bulk.Job], as its queue kept it
	Blobs  map[string][]byte // by key
	Users  []StoredUser      // of the job's tenant

	// What the job comes to if nothing interrupts it.
	WantUsers   []bulk.User
	WantResults []byte
}

// A StoredUser is a user as a store keeps it.
type StoredUser struct {
	bulk.User
	Version, Mark string
}

// Read reads a file of testdata.
func Read(file string) (*Moment, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	m := new(Moment)
	return m, json.Unmarshal(text, m)
}

// A Store keeps the users of one tenant in memory, and shows and takes versions and
// marks as they are, which memstore does not.
type Store struct {
	mu    sync.Mutex
	users map[string]bulk.Stored
}

// NewStore returns a store with users.
func NewStore(users ...StoredUser) *Store {
	s := &Store{users: make(map[string]bulk.Stored)}
	for _, u := range users {
		s.users[u.ID] = bulk.Stored{User: u.User, Version: u.Version, Mark: u.Mark}
	}
	return s
}

// Users returns all users.
func (s *Store) Users() []StoredUser {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []StoredUser
	for _, u := range s.users {
		all = append(all, StoredUser{u.User, u.Version, u.Mark})
	}
	return all
}

// Lookup implements [bulk.Store].
func (s *Store) Lookup(_ context.Context, _ string, refs []bulk.Ref) ([]bulk.Found, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := make([]bulk.Found, len(refs))
	for i, ref := range refs {
		if u, ok := s.users[ref.ID]; ok {
			found[i].ByID = &u
		}
		found[i].ByEmail = s.byEmail(ref.Email)
	}
	return found, nil
}

func (s *Store) byEmail(email string) *bulk.Stored {
	for _, u := range s.users {
		if email != "" && bulk.EmailKey(u.Email) == bulk.EmailKey(email) {
			return &u
		}
	}
	return nil
}

// Commit implements [bulk.Store].
func (s *Store) Commit(_ context.Context, _ string, writes []bulk.Write) []error {
	s.mu.Lock()
	defer s.mu.Unlock()
	outcomes := make([]error, len(writes))
	for i, w := range writes {
		held, exists := s.users[w.User.ID]
		switch owner := s.byEmail(w.User.Email); {
		case w.Base == nil && exists, w.Base != nil && (!exists || held.Version != w.Base.Version):
			outcomes[i] = bulk.ErrConflict
		case owner != nil && owner.ID != w.User.ID:
			outcomes[i] = bulk.ErrEmailTaken
		default:
			s.users[w.User.ID] = bulk.Stored{User: w.User, Version: rand.Text(), Mark: w.Mark}
		}
	}
	return outcomes
}
