package dynamostore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"unicode"

	"github.com/bulkops/bulkops/bulk"
)

// commitRounds bounds how often a change is made anew because what it was made for
// has changed meanwhile: an item of the host program, or who has an email.
const commitRounds = 8

// errUnsettled is for a change that met something new in each round.
var errUnsettled = errors.New("the items kept changing")

// commitGuarded makes changes, each guarded by conditions, and sets their outcomes.
// The slice is its own then.
//
// A condition that fails does not say all: the change may have been done, by an
// attempt whose answer was lost; the claim may be one that was left over. So what
// is refused is looked at and decided by what is stored, and what remains possible
// is tried again.
func (s *Store) commitGuarded(ctx context.Context, changes []*change) {
	for _, c := range changes {
		s.choose(c)
	}
	open := changes
	for range commitRounds {
		s.send(ctx, open)
		open = slices.DeleteFunc(open, func(c *change) bool { return !c.unsettled || *c.outcome != nil })
		if len(open) == 0 {
			return
		}
		if open = s.settle(ctx, open); len(open) == 0 {
			return
		}
	}
	failAll(open, errUnsettled)
}

// choose sets the cheapest way that can say the change.
func (s *Store) choose(c *change) {
	switch {
	case c.claim != "" && !s.claimsFirst:
		c.way = wayTransaction
	case c.isCreate() || s.fitsStatement(c):
		c.way = wayStatement
	default:
		c.way = wayUpdate
	}
	c.whole = c.way != wayStatement && !s.fitsPaths(c)
	c.claimFirst = c.claim != "" && c.way != wayTransaction
}

// fitsStatement reports whether a statement can say the update.
func (s *Store) fitsStatement(c *change) bool {
	if c.patch.Email != "" && c.base.Email == "" {
		return false // it has no words for all that is no email
	}
	if !s.plain || !plainNames(c.patch.CustomFields) || !plainNames(c.patch.Metadata) {
		return false
	}
	statement, _ := s.updateStatement(c)
	return len(statement) <= maxStatement
}

// fitsPaths reports whether an expression can name all paths of the change. A create
// has none.
func (s *Store) fitsPaths(c *change) bool {
	return c.isCreate() || len(s.pathUpdate(c).update) <= maxExpression
}

func plainNames(fields bulk.Fields) bool {
	for name := range fields.All() {
		if !plainName(name) {
			return false
		}
	}
	return true
}

// plainName reports whether statements can have the name. Names with control
// characters, and with what stands for a path elsewhere, are left to expressions,
// where names are not part of the text: servers differ in how they read them.
func plainName(name string) bool {
	return !strings.ContainsAny(name, ".[]") && !strings.ContainsFunc(name, unicode.IsControl)
}

// send makes changes. Each has an outcome then, or is done, or unsettled.
func (s *Store) send(ctx context.Context, changes []*change) {
	for _, c := range changes {
		c.unsettled = c.whole && c.now == nil // what replaces a map has to know it
	}
	s.putClaims(ctx, changes)
	var byWay [ways][]*change
	for _, c := range changes {
		if !c.unsettled && *c.outcome == nil {
			byWay[c.way] = append(byWay[c.way], c)
		}
	}
	var calls sync.WaitGroup
	calls.Go(func() {
		s.batchStatements(ctx, byWay[wayStatement], statementOf{s.userStatement, (*change).userLoad}, func(c *change, err error) { c.end(ctx, err) })
	})
	for _, c := range byWay[wayUpdate] {
		calls.Go(func() { s.sendUpdate(ctx, c) })
	}
	calls.Go(func() {
		// One after the other, as they may concern the same claims.
		for _, call := range pack(byWay[wayTransaction], maxActions, (*change).actions) {
			s.sendTransaction(ctx, call)
		}
	})
	calls.Wait()
}

// settle looks at the items of unsettled changes. It sets the outcome of those that
// are decided, and returns the others, ready to be sent again.
func (s *Store) settle(ctx context.Context, changes []*change) (open []*change) {
	got, err := s.readFor(ctx, changes)
	if err != nil {
		failAll(changes, err)
		return nil
	}
	for _, c := range changes {
		done, err := s.judge(c, got)
		if err == nil && !done {
			err = s.advance(c, got)
		}
		switch {
		case err != nil:
			c.fail(err)
		case !done:
			open = append(open, c)
		}
	}
	return open
}

// readFor reads the items that changes concern, and the users who have their claims.
func (s *Store) readFor(ctx context.Context, changes []*change) (*seen, error) {
	want, got := newWanted(), newSeen()
	for _, c := range changes {
		want.users[c.key] = true
		for _, claim := range []string{c.claim, c.release} {
			if claim != "" {
				want.claims[claim] = true
			}
		}
	}
	if err := s.read(ctx, want, got); err != nil {
		return nil, err
	}
	owners := newWanted()
	for _, c := range changes {
		if owner := c.otherOwner(c.claim, got); owner != "" {
			if key := s.opts.UserKey(c.tenant, owner); key.valid(s.attrs.SortKey != "") {
				owners.users[key] = true
			}
		}
	}
	return got, s.read(ctx, owners, got)
}

// judge decides a change by what was read. It reports that the change is done, or
// why it cannot be, or neither, if it may be tried again.
func (s *Store) judge(c *change, got *seen) (done bool, err error) {
	var exists bool
	c.now, exists = got.users[c.key]
	switch {
	case exists && s.version(c.now) == c.version:
		return true, nil
	case c.isCreate() && exists:
		return false, bulk.ErrConflict
	case !c.isCreate() && (!exists || s.version(c.now) != c.base.Version):
		return false, bulk.ErrConflict
	case c.patch.Email != "" && textOf(c.now[s.attrs.Email]) != c.base.Email:
		return false, bulk.ErrConflict // the email was changed without a version
	}
	c.stale = nil
	if owner := c.otherOwner(c.claim, got); owner != "" {
		key := s.opts.UserKey(c.tenant, owner)
		it := got.users[key]
		if s.hasEmail(it, c.tenant, c.claim) {
			c.taken = owner
			return false, bulk.ErrEmailTaken
		}
		c.stale = &staleOwner{id: owner, key: key, now: it}
	}
	if c.otherOwner(c.release, got) != "" {
		c.release = "" // not this user's to give up
	}
	return false, nil
}

// otherOwner returns the user whom a claim names, "" if there is no claim or it names
// the user of the change.
func (c *change) otherOwner(claim string, got *seen) string {
	if owner := got.owners[claim]; owner != c.user.ID {
		return owner
	}
	return ""
}

// advance takes the change to the next way, if the last one is of no use, or returns
// why there is none.
func (s *Store) advance(c *change, got *seen) error {
	cause := c.cause
	c.cause = nil
	switch {
	case c.claimFirst: // the claim was refused
		c.claimFirst = false
		if got.owners[c.claim] != c.user.ID {
			c.way = wayTransaction
		}
	case c.way == wayStatement && c.isCreate():
		c.way = wayTransaction
	case c.way == wayStatement:
		c.way, c.whole = wayUpdate, !s.fitsPaths(c)
	case cause != nil && (c.whole || c.isCreate()):
		return bulk.Permanent(cause)
	case cause != nil:
		c.whole = true
	}
	if c.whole {
		return s.checkMaps(c)
	}
	return nil
}

// checkMaps returns an error if the change is about fields and the item has
// something else in their place.
func (s *Store) checkMaps(c *change) error {
	for _, m := range s.maps(c) {
		if value, ok := c.now[m.name]; ok && !m.patch.IsZero() && !isMap(value) {
			return bulk.Permanent(fmt.Errorf("attribute %q is not a map", m.name))
		}
	}
	return nil
}
