package dynamostore

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// sendTransaction makes changes of several items each by one TransactWriteItems. The
// changes are independent of each other: when it is cancelled, those that are not at
// fault go again in one of their own, at once, and those that met a throttle or
// conflict after a wait.
func (s *Store) sendTransaction(ctx context.Context, changes []*change) {
	var innocent sync.WaitGroup
	defer innocent.Wait()
	token := rand.Text()
	err := s.writes.repeat(ctx, transactionLoad(changes), func() (answer, error) {
		_, err := s.client.TransactWriteItems(ctx, s.transaction(changes, token))
		var cancelled *types.TransactionCanceledException
		if !errors.As(err, &cancelled) {
			// For ten minutes DynamoDB knows by the token that it is the same call. It
			// may have been done.
			return answer{}, err
		}
		token = rand.Text() // it was not done, so what comes is another call
		a := answer{throttled: throttledLoad(changes, cancelled.CancellationReasons)}
		free, later, cause := sortReasons(ctx, changes, cancelled)
		if len(free) > 0 {
			innocent.Go(func() { s.sendTransaction(ctx, free) })
		}
		changes, a.left, a.cause = later, transactionLoad(later), cause
		return a, nil
	})
	if half := len(changes) / 2; half > 0 && faultOf(err) == invalid {
		// Nobody says which of them it is.
		s.sendTransaction(ctx, changes[:half])
		s.sendTransaction(ctx, changes[half:])
		return
	}
	for _, c := range changes { // that are left
		c.end(ctx, err)
	}
}

func (s *Store) transaction(changes []*change, token string) *dynamodb.TransactWriteItemsInput {
	input := &dynamodb.TransactWriteItemsInput{ClientRequestToken: aws.String(token)}
	for _, c := range changes {
		input.TransactItems = append(input.TransactItems, s.actions(c)...)
	}
	return input
}

func countActions(changes []*change) int {
	n := 0
	for _, c := range changes {
		n += c.actions()
	}
	return n
}

// sortReasons ends the changes that are at fault for a cancelled transaction, and
// returns those that are not, and those that are to be sent again later, with the
// reason of the last of these. There is a reason for each action, and those that are
// not at fault have one too: "None".
func sortReasons(ctx context.Context, changes []*change, cancelled *types.TransactionCanceledException) (innocent, later []*change, cause error) {
	reasons := cancelled.CancellationReasons
	if len(reasons) != countActions(changes) || worst(reasons) == nil {
		return nil, changes, cancelled // it does not say which they are
	}
	for _, c := range changes {
		n := c.actions()
		err := worst(reasons[:n])
		reasons = reasons[n:]
		switch f := faultOf(err); {
		case f == none:
			innocent = append(innocent, c)
		case f.again() || f == passing:
			later, cause = append(later, c), err
		default:
			c.end(ctx, err)
		}
	}
	return innocent, later, cause
}

// worst returns the error of what makes actions impossible, or else of what makes
// them wait, or nil if they are not at fault.
func worst(reasons []types.CancellationReason) (err error) {
	for _, reason := range reasons {
		if code := aws.ToString(reason.Code); faultOfCode(code) > faultOf(err) {
			err = partError(code, reason.Message)
		}
	}
	return err
}

// throttledLoad is what of a cancelled transaction was throttled: of a table that
// refused an action for it, all that was asked, as nothing of it was done.
func throttledLoad(changes []*change, reasons []types.CancellationReason) load {
	var keys []any
	for _, c := range changes {
		keys = append(keys, c.items()...)
	}
	asked, refused := transactionLoad(changes), load{}
	for i, reason := range reasons {
		if i >= len(keys) || faultOfCode(aws.ToString(reason.Code)) != throttled {
			continue
		}
		refused.parts = asked.parts
		if _, isUser := keys[i].(Key); isUser {
			refused.users = asked.users
		} else {
			refused.claims = asked.claims
		}
	}
	return refused
}

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
	if c.adopt {
		return s.ownerAction(c)
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

// ownerAction holds if the user still has the email.
func (s *Store) ownerAction(c *change) types.TransactWriteItem {
	var e expression
	return types.TransactWriteItem{ConditionCheck: &types.ConditionCheck{
		TableName:                 &s.opts.UsersTable,
		Key:                       s.attrs.userKey(c.key),
		ConditionExpression:       aws.String(e.name(s.attrs.Email) + "=" + e.value(text(c.base.Email))),
		ExpressionAttributeNames:  e.names,
		ExpressionAttributeValues: e.values,
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
