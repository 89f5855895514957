package dynamostore

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/bulkops/bulkops/bulk"
)

// commitExclusive makes changes for the caller of [Exclusive], who says that nobody
// else is there. Commits of this store that concern the same users or emails take
// turns.
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
	// Only where an email moves do conditions cost more, as they take a transaction.
	var moves, others []*change
	for _, c := range changes {
		if c.claim != "" {
			moves = append(moves, c)
		} else {
			others = append(others, c)
		}
	}
	var commits sync.WaitGroup
	defer commits.Wait()
	if len(others) > 0 {
		commits.Go(func() { s.commitGuarded(ctx, others) })
	}
	if len(moves) > 0 {
		s.commitUnguarded(ctx, moves)
	}
}

// commitUnguarded makes changes without conditions: it reads what there is, decides,
// and writes whole items.
func (s *Store) commitUnguarded(ctx context.Context, changes []*change) {
	got, err := s.readFor(ctx, changes, true)
	if err != nil {
		failAll(changes, err)
		return
	}
	s.decide(changes, got)
	// In this order, a crash leaves nobody with an email that is not claimed.
	s.put(ctx, changes, s.opts.ClaimsTable, s.claimRequest)
	s.put(ctx, changes, s.opts.UsersTable, s.userRequest)
	s.put(ctx, changes, s.opts.ClaimsTable, s.releaseRequest)
}

// decide sets the outcomes of the changes that cannot be made, by what was read.
func (s *Store) decide(changes []*change, got *seen) {
	taken := make(map[any]bool) // by an earlier write of this call
	for _, c := range changes {
		// The version is new, so the change is never found done.
		_, err := s.judge(c, got)
		switch {
		case err != nil:
		case taken[c.key]:
			err = bulk.ErrConflict
		case taken[c.claim]:
			err = bulk.ErrEmailTaken
		default:
			err = s.checkMaps(c)
		}
		if err != nil {
			c.fail(err)
			continue
		}
		taken[c.key], taken[c.claim] = true, true
	}
}

// claimRequest, userRequest and releaseRequest are what a change does to the tables,
// nil for nothing.
func (s *Store) claimRequest(c *change) *types.WriteRequest {
	return &types.WriteRequest{PutRequest: &types.PutRequest{Item: s.newClaim(c.claim, c.user.ID)}}
}

func (s *Store) userRequest(c *change) *types.WriteRequest {
	return &types.WriteRequest{PutRequest: &types.PutRequest{Item: s.wholeItem(c)}}
}

func (s *Store) releaseRequest(c *change) *types.WriteRequest {
	if c.release == "" {
		return nil
	}
	return &types.WriteRequest{DeleteRequest: &types.DeleteRequest{Key: item{s.attrs.ClaimKey: text(c.release)}}}
}

// wholeItem returns the item of a user as it is to be: what was read with the change
// laid over it, so that what the store does not know stays.
func (s *Store) wholeItem(c *change) item {
	if c.isCreate() {
		return s.newItem(c)
	}
	it := maps.Clone(c.now)
	it[s.attrs.Version] = text(c.version)
	it[s.attrs.Mark] = text(c.mark)
	if c.patch.Email != "" {
		it[s.attrs.Email] = text(c.patch.Email)
	}
	for _, m := range s.maps(c) {
		if !m.patch.IsZero() {
			it[m.name] = merged(c.now[m.name], m.patch)
		}
	}
	return it
}

// put makes the request that each change has for a table, if it has one and did not
// fail before, by BatchWriteItem. It sets the outcomes of those that fail.
func (s *Store) put(ctx context.Context, changes []*change, table string, request func(*change) *types.WriteRequest) {
	var open []*change
	requests := make(map[*change]types.WriteRequest, len(changes))
	for _, c := range changes {
		if *c.outcome != nil {
			continue
		}
		if r := request(c); r != nil {
			requests[c] = *r
			open = append(open, c)
		}
	}
	for _, call := range pack(open, maxPuts, func(*change) int { return 1 }) {
		s.putCall(ctx, call, table, requests)
	}
}

// putCall makes the requests of one call, and again those that DynamoDB leaves
// undone.
func (s *Store) putCall(ctx context.Context, open []*change, table string, requests map[*change]types.WriteRequest) {
	err := s.writes.repeat(ctx, len(open), func() (answer, error) {
		list := make([]types.WriteRequest, len(open))
		for i, c := range open {
			list[i] = requests[c]
		}
		out, err := s.client.BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{
			RequestItems: map[string][]types.WriteRequest{table: list},
		})
		if err != nil {
			return answer{}, err
		}
		undone := s.keysOf(out.UnprocessedItems[table], table)
		open = slices.DeleteFunc(open, func(c *change) bool { return !undone[s.keyOf(requests[c], table)] })
		return notProcessed(len(open)), nil
	})
	if half := len(open) / 2; half > 0 && faultOf(err) == invalid {
		// Nobody says which of them it is.
		s.putCall(ctx, open[:half], table, requests)
		s.putCall(ctx, open[half:], table, requests)
		return
	}
	failAll(open, callError(ctx, err))
}

func (s *Store) keysOf(requests []types.WriteRequest, table string) map[any]bool {
	keys := make(map[any]bool)
	for _, request := range requests {
		keys[s.keyOf(request, table)] = true
	}
	return keys
}

// keyOf returns the key of the item that a request is about, as [change.items]
// does.
func (s *Store) keyOf(request types.WriteRequest, table string) any {
	var it item
	if request.PutRequest != nil {
		it = request.PutRequest.Item
	} else {
		it = request.DeleteRequest.Key
	}
	if table == s.opts.UsersTable {
		return s.attrs.keyOf(it)
	}
	return textOf(it[s.attrs.ClaimKey])
}
