package dynamostore

import (
	"context"
	"maps"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// wanted says what to read: at most [maxGetKeys] keys together, each once.
type wanted struct {
	users  map[Key]bool
	claims map[string]bool
}

func newWanted() *wanted { return &wanted{users: make(map[Key]bool), claims: make(map[string]bool)} }

// seen is what was read. What is not in it does not exist.
type seen struct {
	users  map[Key]item
	owners map[string]string // user ids by claim
}

func newSeen() *seen { return &seen{users: make(map[Key]item), owners: make(map[string]string)} }

// read reads users and claims, strongly consistent, and lays them over got: what
// was wanted and does not exist is removed from there.
func (s *Store) read(ctx context.Context, want *wanted, got *seen) error {
	maps.DeleteFunc(got.users, func(k Key, _ item) bool { return want.users[k] })
	maps.DeleteFunc(got.owners, func(claim string, _ string) bool { return want.claims[claim] })

	remaining := s.getRequest(want)
	err := s.reads.repeat(ctx, s.readLoad(remaining), func() (answer, error) {
		out, err := s.client.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{RequestItems: remaining})
		if err != nil {
			return answer{}, err
		}
		for _, it := range out.Responses[s.opts.UsersTable] {
			got.users[s.attrs.keyOf(it)] = it
		}
		for _, it := range out.Responses[s.opts.ClaimsTable] {
			got.owners[textOf(it[s.attrs.ClaimKey])] = textOf(it[s.attrs.ClaimUserID])
		}
		remaining = out.UnprocessedKeys
		return notProcessed(s.readLoad(remaining)), nil
	})
	if err != nil {
		return callError(ctx, err)
	}
	return nil
}

func (s *Store) getRequest(want *wanted) map[string]types.KeysAndAttributes {
	request := make(map[string]types.KeysAndAttributes)
	if len(want.users) > 0 {
		var e expression
		users := types.KeysAndAttributes{ConsistentRead: aws.Bool(true), ProjectionExpression: aws.String(s.projection(&e))}
		for k := range want.users {
			users.Keys = append(users.Keys, s.attrs.userKey(k))
		}
		users.ExpressionAttributeNames = e.names
		request[s.opts.UsersTable] = users
	}
	if len(want.claims) > 0 {
		claims := types.KeysAndAttributes{ConsistentRead: aws.Bool(true)}
		for claim := range want.claims {
			claims.Keys = append(claims.Keys, item{s.attrs.ClaimKey: text(claim)})
		}
		request[s.opts.ClaimsTable] = claims
	}
	return request
}

// projection names what the store reads of a user.
func (s *Store) projection(e *expression) string {
	a := &s.attrs
	list := ""
	for _, name := range []string{a.Key, a.SortKey, a.Email, a.CustomFields, a.Metadata, a.Version, a.Mark} {
		if name == "" {
			continue
		}
		if list != "" {
			list += ","
		}
		list += e.name(name)
	}
	return list
}

// readLoad is the load of a request: a unit for each item, as items are small.
func (s *Store) readLoad(request map[string]types.KeysAndAttributes) load {
	users, claims := len(request[s.opts.UsersTable].Keys), len(request[s.opts.ClaimsTable].Keys)
	return load{users + claims, float64(users), float64(claims)}
}
