package dynamostore

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/bulkops/bulkops/bulk"
)

// commitExclusive makes changes for the caller of [Exclusive], who says that nobody
// else is there. Then a change of several items needs no transaction, which costs
// twice as much: the claim is put first, then the user is written, each on its
// condition, and the old claim is released last. In this order, a crash leaves nobody
// with an email that is not claimed.
//
// Between the first step and the second the claim looks like one that was left over.
// So commits of this store that concern the same emails take turns.
func (s *Store) commitExclusive(ctx context.Context, changes []*change) {
	var keys []any
	for _, c := range changes {
		keys = append(keys, c.items()...)
	}
	release, err := s.held.hold(ctx, keys)
	if err != nil {
		failAll(changes, err)
		return
	}
	defer release()
	s.commitGuarded(ctx, claimOnce(changes))
	s.releaseClaims(ctx, changes)
}

// claimOnce fails the changes that claim an email which an earlier one of the call
// claims, and returns the others.
func claimOnce(changes []*change) []*change {
	claimed := make(map[string]bool)
	var others []*change
	for _, c := range changes {
		if c.claim != "" && claimed[c.claim] {
			c.fail(bulk.ErrEmailTaken)
			continue
		}
		claimed[c.claim] = true
		others = append(others, c)
	}
	return others
}

// putClaims puts the claims that are put before their users. A change whose claim is
// refused is unsettled.
func (s *Store) putClaims(ctx context.Context, changes []*change) {
	var first []*change
	for _, c := range changes {
		if c.claimFirst {
			first = append(first, c)
		}
	}
	s.batchStatements(ctx, first, statementOf{s.claimStatement, (*change).claimLoad}, func(c *change, err error) {
		if err == nil {
			c.claimFirst, c.claimed = false, true
			return
		}
		c.end(ctx, err)
	})
}

// releaseClaims deletes the old claims of users that were written, and those that
// were put for users that can not be written.
func (s *Store) releaseClaims(ctx context.Context, changes []*change) {
	var leaving []*change
	for _, c := range changes {
		if c.way != wayTransaction && s.leaves(c) != "" {
			leaving = append(leaving, c)
		}
	}
	s.batchStatements(ctx, leaving, statementOf{s.releaseStatement, (*change).claimLoad}, func(c *change, err error) {
		// What is refused is not this user's to give up.
		if *c.outcome == nil && err != nil && faultOf(err) != refused {
			c.fail(callError(ctx, err))
		}
	})
}

// leaves returns the claim that a change leaves behind, "" if there is none. A claim
// that it put stays if the user may still be written.
func (s *Store) leaves(c *change) string {
	switch err := *c.outcome; {
	case err == nil:
		return c.release
	case c.claimed && (errors.Is(err, bulk.ErrConflict) || errors.Is(err, bulk.ErrUserTooLarge)) && !s.hasEmail(c.now, c.tenant, c.claim):
		return c.claim
	}
	return ""
}

// claimStatement claims the email of a change, or fails if there is a claim.
func (s *Store) claimStatement(c *change) (string, []types.AttributeValue) {
	return insertInto(s.opts.ClaimsTable, s.newClaim(c.claim, c.user.ID))
}

// releaseStatement deletes the claim that a change leaves behind, if it names the
// user.
func (s *Store) releaseStatement(c *change) (string, []types.AttributeValue) {
	return "DELETE FROM " + identifier(s.opts.ClaimsTable) + " WHERE " + identifier(s.attrs.ClaimKey) + "=? AND " +
		identifier(s.attrs.ClaimUserID) + "=?", []types.AttributeValue{text(s.leaves(c)), text(c.user.ID)}
}
