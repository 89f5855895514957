package dynamostore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// A transaction is changes that go together in one TransactWriteItems. They are
// independent of each other: those at fault leave, and the others go again.
type transaction struct {
	changes []*change
	tries   *tries
	// token makes the call idempotent for ten minutes, so it is kept for as long
	// as the call is the same and may have been done.
	token string
	pause error // why to wait before the next attempt, nil if there is no reason to
}

func (s *Store) newTransaction(changes []*change) *transaction {
	return &transaction{changes: changes, tries: s.newTries(), token: rand.Text()}
}

// sendTransactions makes changes of several items each. It returns those that are
// refused or not valid.
func (s *Store) sendTransactions(ctx context.Context, changes []*change) (rejected []*change) {
	var open []*transaction
	for _, call := range pack(changes, maxActions, (*change).actions) {
		open = append(open, s.newTransaction(call))
	}
	for len(open) > 0 {
		t := open[0]
		open = open[1:]
		if t.pause != nil {
			if err := t.tries.wait(ctx, t.pause); err != nil {
				failAll(t.changes, err)
				continue
			}
		}
		err := s.transact(ctx, t)
		var cancelled *types.TransactionCanceledException
		switch f := faultOf(err); {
		case f == none:
		case errors.As(err, &cancelled):
			next, left := s.sortReasons(ctx, t, cancelled)
			rejected = append(rejected, left...)
			open = append(next, open...)
		case f == invalid:
			// Nobody says which of them it is.
			if len(t.changes) > 1 {
				half := len(t.changes) / 2
				open = append([]*transaction{s.newTransaction(t.changes[:half]), s.newTransaction(t.changes[half:])}, open...)
				continue
			}
			c := t.changes[0]
			if tooLarge(err) {
				c.fail(callError(ctx, err))
				continue
			}
			c.cause = err
			rejected = append(rejected, c)
		case f.again():
			t.pause = err
			open = slices.Insert(open, 0, t)
		default:
			failAll(t.changes, callError(ctx, err))
		}
	}
	return rejected
}

func (s *Store) transact(ctx context.Context, t *transaction) error {
	input := &dynamodb.TransactWriteItemsInput{ClientRequestToken: aws.String(t.token)}
	for _, c := range t.changes {
		input.TransactItems = append(input.TransactItems, s.actions(c)...)
	}
	parts := len(input.TransactItems)
	return s.writes.do(ctx, parts, func() (int, error) {
		_, err := s.client.TransactWriteItems(ctx, input)
		var cancelled *types.TransactionCanceledException
		if errors.As(err, &cancelled) {
			for _, reason := range cancelled.CancellationReasons {
				if faultOfCode(aws.ToString(reason.Code)) == throttled {
					return parts, err // none of it was done
				}
			}
		}
		return throttledParts(err, parts), err
	})
}

// sortReasons sets the outcomes of changes that failed, and returns those that are
// rejected and the transactions of those that remain. There is a reason for each
// action, and those that are not at fault have one too: "None".
func (s *Store) sortReasons(ctx context.Context, t *transaction, cancelled *types.TransactionCanceledException) (next []*transaction, rejected []*change) {
	var innocent, later []*change
	var pause error
	reasons := cancelled.CancellationReasons
	for _, c := range t.changes {
		n := c.actions()
		if n > len(reasons) {
			failAll(t.changes, fmt.Errorf("a transaction was cancelled for fewer reasons than it has actions: %w", cancelled))
			return nil, nil
		}
		f, cause := worst(reasons[:n])
		reasons = reasons[n:]
		switch {
		case f == none:
			innocent = append(innocent, c)
		case f == refused:
			rejected = append(rejected, c)
		case f == invalid && !tooLarge(cause):
			c.cause = cause
			rejected = append(rejected, c)
		case f.again() || f == passing:
			later, pause = append(later, c), cause
		default:
			c.fail(callError(ctx, cause))
		}
	}
	if len(innocent) == len(t.changes) {
		failAll(t.changes, fmt.Errorf("a transaction was cancelled for no reason: %w", cancelled))
		return nil, nil
	}
	// It was cancelled, so a new token is a new call and not the same twice.
	if len(innocent) > 0 {
		next = append(next, s.newTransaction(innocent))
	}
	if len(later) > 0 {
		next = append(next, &transaction{changes: later, tries: t.tries, token: rand.Text(), pause: pause})
	}
	return next, rejected
}

// worst returns the fault of a change by those of its actions: what makes it
// impossible before what makes it wait.
func worst(reasons []types.CancellationReason) (fault, error) {
	found := none
	var cause error
	for _, reason := range reasons {
		if f := faultOfCode(aws.ToString(reason.Code)); rank[f] > rank[found] {
			found, cause = f, partError(aws.ToString(reason.Code), reason.Message)
		}
	}
	return found, cause
}

var rank = map[fault]int{none: 0, passing: 1, throttled: 2, conflict: 3, refused: 4, invalid: 5, permanent: 6}

// actions returns what a change does in a transaction.
func (s *Store) actions(c *change) []types.TransactWriteItem {
	actions := []types.TransactWriteItem{s.userAction(c)}
	if c.claim != "" {
		actions = append(actions, s.claimAction(c))
	}
	if c.release != "" {
		actions = append(actions, s.releaseAction(c))
	}
	if c.stale != nil {
		actions = append(actions, s.staleAction(c.stale))
	}
	return actions
}

// userAction creates or updates the user.
func (s *Store) userAction(c *change) types.TransactWriteItem {
	if c.isCreate() {
		var e expression
		return types.TransactWriteItem{Put: &types.Put{
			TableName:                &s.opts.UsersTable,
			Item:                     s.newItem(c),
			ConditionExpression:      aws.String("attribute_not_exists(" + e.name(s.attrs.Key) + ")"),
			ExpressionAttributeNames: e.names,
		}}
	}
	u := s.updateOf(c)
	return types.TransactWriteItem{Update: &types.Update{
		TableName:                 &s.opts.UsersTable,
		Key:                       s.attrs.userKey(c.key),
		UpdateExpression:          aws.String(u.update),
		ConditionExpression:       aws.String(u.condition),
		ExpressionAttributeNames:  u.names,
		ExpressionAttributeValues: u.values,
	}}
}

// claimAction claims the email. A claim that names this very user is one that was
// left over: the user does not have the email yet.
func (s *Store) claimAction(c *change) types.TransactWriteItem {
	var e expression
	condition := s.ownClaim(&e, c)
	if c.stale != nil {
		condition += " OR " + e.name(s.attrs.ClaimUserID) + "=" + e.value(text(c.stale.id))
	}
	return types.TransactWriteItem{Put: &types.Put{
		TableName:                 &s.opts.ClaimsTable,
		Item:                      s.newClaim(c.claim, c.user.ID),
		ConditionExpression:       aws.String(condition),
		ExpressionAttributeNames:  e.names,
		ExpressionAttributeValues: e.values,
	}}
}

// releaseAction gives up the claim of the email that the user had. A user that
// another program made may have none.
func (s *Store) releaseAction(c *change) types.TransactWriteItem {
	var e expression
	return types.TransactWriteItem{Delete: &types.Delete{
		TableName:                 &s.opts.ClaimsTable,
		Key:                       item{s.attrs.ClaimKey: text(c.release)},
		ConditionExpression:       aws.String(s.ownClaim(&e, c)),
		ExpressionAttributeNames:  e.names,
		ExpressionAttributeValues: e.values,
	}}
}

// ownClaim holds for a claim that does not exist or names the user of the change.
func (s *Store) ownClaim(e *expression, c *change) string {
	return "attribute_not_exists(" + e.name(s.attrs.ClaimKey) + ") OR " +
		e.name(s.attrs.ClaimUserID) + "=" + e.value(text(c.user.ID))
}

// staleAction holds if the user whom the claim names still does not have the email.
func (s *Store) staleAction(stale *staleOwner) types.TransactWriteItem {
	var e expression
	var condition string
	email, hasEmail := stale.now[s.attrs.Email]
	switch {
	case stale.now == nil:
		condition = "attribute_not_exists(" + e.name(s.attrs.Key) + ")"
	case hasEmail:
		condition = e.name(s.attrs.Email) + "=" + e.value(email)
	default:
		condition = "attribute_exists(" + e.name(s.attrs.Key) + ") AND attribute_not_exists(" + e.name(s.attrs.Email) + ")"
	}
	return types.TransactWriteItem{ConditionCheck: &types.ConditionCheck{
		TableName:                 &s.opts.UsersTable,
		Key:                       s.attrs.userKey(stale.key),
		ConditionExpression:       aws.String(condition),
		ExpressionAttributeNames:  e.names,
		ExpressionAttributeValues: e.values,
	}}
}
