package dynamostore

import (
	"context"
	"errors"
	"fmt"
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
//
// A condition that fails does not say all: the change may have been done, by an
// attempt whose answer was lost; the claim may be one that was left over. So what
// is refused is looked at and decided by what is stored, and what remains possible
// is tried again.
func (s *Store) commitGuarded(ctx context.Context, tenant string, changes []*change) {
	for _, c := range changes {
		c.way = s.firstWay(c)
	}
	open := changes
	for range commitRounds {
		var refused, ready []*change
		for _, c := range open {
			if c.way == wayWhole && c.now == nil {
				refused = append(refused, c) // needs to be read first
			} else {
				ready = append(ready, c)
			}
		}
		refused = append(refused, s.send(ctx, ready)...)
		if len(refused) == 0 {
			return
		}
		if open = s.settle(ctx, tenant, refused); len(open) == 0 {
			return
		}
	}
	failAll(open, errUnsettled)
}

// firstWay returns the cheapest way that can say the change.
func (s *Store) firstWay(c *change) way {
	if c.isCreate() {
		return wayStatement
	}
	if s.plain && !c.isTransaction() && plainNames(c.patch.CustomFields) && plainNames(c.patch.Metadata) {
		if statement, _ := s.updateStatement(c); len(statement) <= maxStatement {
			return wayStatement
		}
	}
	if u := s.pathUpdate(c); len(u.update) <= maxExpression {
		return wayUpdate
	}
	return wayWhole
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

// send makes changes and returns those that were refused or not valid on their way.
// The outcomes of the others are set.
func (s *Store) send(ctx context.Context, changes []*change) []*change {
	var statements, transactions, updates []*change
	for _, c := range changes {
		switch {
		case c.isTransaction() || c.isCreate() && c.way > wayStatement:
			transactions = append(transactions, c)
		case c.way == wayStatement:
			statements = append(statements, c)
		default:
			updates = append(updates, c)
		}
	}
	var (
		wg      sync.WaitGroup
		mu      sync.Mutex
		refused []*change
	)
	run := func(send func(context.Context, []*change) []*change, part []*change) {
		if len(part) == 0 {
			return
		}
		wg.Go(func() {
			left := send(ctx, part)
			mu.Lock()
			defer mu.Unlock()
			refused = append(refused, left...)
		})
	}
	for _, call := range pack(statements, maxStatements, func(*change) int { return 1 }) {
		run(s.sendStatements, call)
	}
	for i := range updates {
		run(s.sendUpdate, updates[i:i+1])
	}
	// One after the other, as they may concern the same claims.
	run(s.sendTransactions, transactions)
	wg.Wait()
	return refused
}

// settle looks at the items of changes that were refused. It sets the outcome of
// those that are decided, and returns the others, ready to be sent again.
func (s *Store) settle(ctx context.Context, tenant string, changes []*change) []*change {
	want := newWanted()
	for _, c := range changes {
		want.users[c.key] = true
		if c.claim != "" {
			want.claims[c.claim] = true
		}
		if c.release != "" {
			want.claims[c.release] = true
		}
	}
	got := newSeen()
	err := s.read(ctx, want, got)
	if err == nil {
		err = s.readOwners(ctx, tenant, changes, got)
	}
	if err != nil {
		failAll(changes, err)
		return nil
	}
	var open []*change
	for _, c := range changes {
		done, err := s.judge(c, tenant, got)
		if err == nil && !done {
			err = s.advance(c, got.users[c.key])
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

// readOwners reads the users that have the claims of changes and were not read yet.
func (s *Store) readOwners(ctx context.Context, tenant string, changes []*change, got *seen) error {
	owners := newWanted()
	for _, c := range changes {
		if owner, claimed := got.owners[c.claim]; claimed && owner != c.user.ID {
			if key := s.opts.UserKey(tenant, owner); key.valid(s.attrs.SortKey != "") {
				owners.users[key] = true
			}
		}
	}
	if len(owners.users) == 0 {
		return nil
	}
	return s.read(ctx, owners, got)
}

// judge decides a change by what was read. It reports that the change is done, or
// why it cannot be, or neither, if it may be tried again.
func (s *Store) judge(c *change, tenant string, got *seen) (done bool, err error) {
	now, exists := got.users[c.key]
	switch {
	case exists && s.version(now) == c.version:
		return true, nil
	case c.isCreate() && exists:
		return false, bulk.ErrConflict
	case !c.isCreate() && (!exists || s.version(now) != c.base.Version):
		return false, bulk.ErrConflict
	case !c.isCreate() && c.patch.Email != "" && textOf(now[s.attrs.Email]) != c.base.Email:
		return false, bulk.ErrConflict // the email was changed without a version
	}
	if c.claim != "" {
		c.stale = nil
		if owner, claimed := got.owners[c.claim]; claimed && owner != c.user.ID {
			key := s.opts.UserKey(tenant, owner)
			it := got.users[key]
			if s.hasEmail(it, tenant, c.claim) {
				return false, bulk.ErrEmailTaken
			}
			c.stale = &staleOwner{id: owner, key: key, now: it}
		}
	}
	if c.release != "" {
		if owner, claimed := got.owners[c.release]; claimed && owner != c.user.ID {
			c.release = "" // not this user's to give up
		}
	}
	return false, nil
}

// advance takes the change to the next way, if the last one is of no use, or returns
// why there is none.
func (s *Store) advance(c *change, now item) error {
	cause := c.cause
	c.cause = nil
	switch {
	case cause != nil && (c.way == wayWhole || c.isCreate() && c.way > wayStatement):
		return bulk.Permanent(cause)
	case c.isCreate():
		if cause != nil && c.isTransaction() {
			return bulk.Permanent(cause)
		}
		c.way = wayUpdate // a transaction, for creates
	case c.way == wayStatement:
		c.way = wayUpdate
		if len(s.pathUpdate(c).update) > maxExpression {
			c.way = wayWhole
		}
	case cause != nil:
		c.way = wayWhole
	}
	if c.way != wayWhole {
		return nil
	}
	c.now = now
	return s.checkMaps(c, now)
}

// checkMaps returns an error if the change is about fields and the item has
// something else in their place.
func (s *Store) checkMaps(c *change, now item) error {
	if c.isCreate() {
		return nil
	}
	for _, m := range s.maps(c) {
		if value, ok := now[m.name]; ok && !m.patch.IsZero() && !isMap(value) {
			return bulk.Permanent(fmt.Errorf("attribute %q is not a map", m.name))
		}
	}
	return nil
}
