package dynamostore

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/bulkops/bulkops/bulk"
)

// lookupRounds bounds how often Lookup follows an email that changes hands while
// it looks. Each round but the first needs another such change.
const lookupRounds = 6

// errMoving is for a Lookup that could not keep up with an email.
var errMoving = errors.New("an email kept changing hands")

// Lookup implements [bulk.Store].
func (s *Store) Lookup(ctx context.Context, tenant string, refs []bulk.Ref) ([]bulk.Found, error) {
	if len(refs) == 0 || len(refs) > bulk.MaxBatch {
		return nil, bulk.ErrBatchTooLarge
	}
	l := &lookup{store: s, tenant: tenant, got: newSeen(), owners: make(map[string]string), moving: make(map[string]sighting)}
	if err := l.run(ctx, refs); err != nil {
		return nil, fmt.Errorf("dynamostore: look up %d users: %w", len(refs), err)
	}
	found, err := l.found(refs)
	if err != nil {
		return nil, fmt.Errorf("dynamostore: look up %d users: %w", len(refs), err)
	}
	return found, nil
}

// A lookup follows emails to users. An email is looked up in two steps, first its
// claim, then the item of the user that the claim names; in between the email may
// move to another user, or be given up.
type lookup struct {
	store  *Store
	tenant string
	got    *seen
	owners map[string]string   // the ids of the users that have an email, by claim
	moving map[string]sighting // of the emails whose claim and user disagree
}

// A sighting is what was seen of an email whose claim and user disagree.
type sighting struct{ owner, version string }

func (l *lookup) run(ctx context.Context, refs []bulk.Ref) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	open, err := l.readFirst(ctx, refs)
	if err != nil {
		return err
	}
	// Users that were read already serve if they have the email; if not, they may
	// have been read before the claim.
	for claim := range open {
		owner := l.got.owners[claim]
		if l.hasEmail(owner, claim) {
			l.owners[claim] = owner
			delete(open, claim)
		}
	}
	for range lookupRounds {
		if err := l.follow(ctx, open); err != nil {
			return err
		}
		l.reopen(open)
		if len(open) == 0 {
			return nil
		}
		if err := l.store.read(ctx, &wanted{claims: open}, l.got); err != nil {
			return err
		}
	}
	return errMoving
}

// readFirst reads the users that are named by id, and claims, and returns the claims
// of the emails of which it is open who has them.
//
// Where the user of a reference has its email, no claim is needed to know that it is
// the user's: an item gets an email in the same step as the user gets the claim, or
// after it, and nobody else gets the claim as long as the item has the email. So users
// are read before the claims of their references. That costs a call more where they
// do not have the emails, as in an import of new users; after such a Lookup the next
// one reads all at once.
func (l *lookup) readFirst(ctx context.Context, refs []bulk.Ref) (open map[string]bool, err error) {
	s := l.store
	atOnce := s.claimsAtOnce.Load()
	first, second := newWanted(), newWanted()
	for _, ref := range refs {
		key := s.opts.UserKey(l.tenant, ref.ID)
		byID := ref.ID != "" && key.valid(s.attrs.SortKey != "")
		if byID {
			first.users[key] = true
		}
		claim := ClaimKey(l.tenant, ref.Email)
		switch byEmail := ref.Email != "" && validKey(claim, maxPartitionKey); {
		case byEmail && byID && !atOnce:
			second.claims[claim] = true
		case byEmail:
			first.claims[claim] = true
		}
	}
	if err := s.read(ctx, first, l.got); err != nil {
		return nil, err
	}
	having, others := 0, 0
	for _, ref := range refs {
		claim := ClaimKey(l.tenant, ref.Email)
		switch {
		case ref.ID == "" || ref.Email == "":
		case l.hasEmail(ref.ID, claim):
			l.owners[claim] = ref.ID
			having++
		default:
			others++
		}
	}
	if having+others > 0 {
		s.claimsAtOnce.Store(others > having)
	}
	known := func(claim string, _ bool) bool { return l.owners[claim] != "" }
	maps.DeleteFunc(second.claims, known)
	if err := s.read(ctx, second, l.got); err != nil {
		return nil, err
	}
	maps.DeleteFunc(first.claims, known)
	maps.Copy(second.claims, first.claims)
	return second.claims, nil
}

// hasEmail reports whether a user, as last read, has the email of a claim.
func (l *lookup) hasEmail(id, claim string) bool {
	return l.store.hasEmail(l.got.users[l.store.opts.UserKey(l.tenant, id)], l.tenant, claim)
}

// follow reads the users that the claims name and removes from open the emails of
// which it is known who has them.
func (l *lookup) follow(ctx context.Context, open map[string]bool) error {
	s := l.store
	want := newWanted()
	for claim := range open {
		owner, claimed := l.got.owners[claim]
		key := s.opts.UserKey(l.tenant, owner)
		if !claimed || !key.valid(s.attrs.SortKey != "") {
			delete(open, claim)
			continue
		}
		want.users[key] = true
	}
	if len(open) == 0 {
		return nil
	}
	if err := s.read(ctx, want, l.got); err != nil {
		return err
	}
	for claim := range open {
		owner := l.got.owners[claim]
		it, exists := l.got.users[s.opts.UserKey(l.tenant, owner)]
		if s.hasEmail(it, l.tenant, claim) {
			l.owners[claim] = owner
			delete(open, claim)
			continue
		}
		now := sighting{owner: owner}
		if exists {
			now.version = s.version(it)
		}
		// The claim was read again between two readings of a user that did not
		// change: it is one that was left over, and nobody has the email.
		if before, ok := l.moving[claim]; ok && before == now {
			delete(open, claim)
			continue
		}
		l.moving[claim] = now
	}
	return nil
}

// reopen adds to open the emails whose users were read again, for the sake of
// others, and do not have them any more.
func (l *lookup) reopen(open map[string]bool) {
	for claim, owner := range l.owners {
		if !l.hasEmail(owner, claim) {
			delete(l.owners, claim)
			open[claim] = true
		}
	}
}

// found puts together what was read.
func (l *lookup) found(refs []bulk.Ref) ([]bulk.Found, error) {
	users := make(map[string]*bulk.Stored, len(refs))
	user := func(id string) (*bulk.Stored, error) {
		if u, ok := users[id]; ok {
			return u, nil
		}
		it, exists := l.got.users[l.store.opts.UserKey(l.tenant, id)]
		if !exists {
			return nil, nil
		}
		u, err := l.store.stored(id, it)
		users[id] = u
		return u, err
	}
	found := make([]bulk.Found, len(refs))
	for i, ref := range refs {
		var err error
		if ref.ID != "" {
			if found[i].ByID, err = user(ref.ID); err != nil {
				return nil, err
			}
		}
		if ref.Email == "" {
			continue
		}
		if owner, ok := l.owners[ClaimKey(l.tenant, ref.Email)]; ok {
			if found[i].ByEmail, err = user(owner); err != nil {
				return nil, err
			}
		}
	}
	return found, nil
}
