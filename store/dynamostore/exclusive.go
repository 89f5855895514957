package dynamostore

import (
	"context"
	"maps"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/bulkops/bulkops/bulk"
)

// commitExclusive makes changes without conditions and sets their outcomes: it
// reads what there is, decides, and writes whole items. Commits of this store that
// concern the same users or emails take turns; nobody else is there, or so the
// caller of [Exclusive] says.
func (s *Store) commitExclusive(ctx context.Context, tenant string, changes []*change) {
	var keys []any
	want := newWanted()
	want.whole = true
	for _, c := range changes {
		keys = append(keys, c.items()...)
		want.users[c.key] = true
		if c.claim != "" {
			want.claims[c.claim] = true
		}
		if c.release != "" {
			want.claims[c.release] = true
		}
	}
	release, err := s.held.hold(ctx, keys)
	if err != nil {
		failAll(changes, err)
		return
	}
	defer release()

	got := newSeen()
	if err = s.read(ctx, want, got); err == nil {
		err = s.readOwners(ctx, tenant, changes, got)
	}
	if err != nil {
		failAll(changes, err)
		return
	}
	taken := make(map[any]bool) // by an earlier write of this call
	var open []*change
	for _, c := range changes {
		// The version is new, so the change is never found done.
		_, err := s.judge(c, tenant, got)
		switch {
		case err != nil:
		case taken[c.key]:
			err = bulk.ErrConflict
		case c.claim != "" && taken[c.claim]:
			err = bulk.ErrEmailTaken
		default:
			err = s.checkMaps(c, got.users[c.key])
		}
		if err != nil {
			c.fail(err)
			continue
		}
		taken[c.key] = true
		if c.claim != "" {
			taken[c.claim] = true
		}
		open = append(open, c)
	}

	// In this order, a crash leaves nobody with an email that is not claimed.
	open = s.put(ctx, open, s.opts.ClaimsTable, func(c *change) *types.WriteRequest {
		if c.claim == "" {
			return nil
		}
		return &types.WriteRequest{PutRequest: &types.PutRequest{Item: s.newClaim(c.claim, c.user.ID)}}
	})
	open = s.put(ctx, open, s.opts.UsersTable, func(c *change) *types.WriteRequest {
		return &types.WriteRequest{PutRequest: &types.PutRequest{Item: s.wholeItem(c, got.users[c.key])}}
	})
	s.put(ctx, open, s.opts.ClaimsTable, func(c *change) *types.WriteRequest {
		if c.release == "" {
			return nil
		}
		return &types.WriteRequest{DeleteRequest: &types.DeleteRequest{Key: item{s.attrs.ClaimKey: text(c.release)}}}
	})
}

// wholeItem returns the item of a user as it is to be: what was read with the change
// laid over it, so that what the store does not know stays.
func (s *Store) wholeItem(c *change, now item) item {
	if c.isCreate() {
		return s.newItem(c)
	}
	it := maps.Clone(now)
	it[s.attrs.Version] = text(c.version)
	it[s.attrs.Mark] = text(c.mark)
	if c.patch.Email != "" {
		it[s.attrs.Email] = text(c.patch.Email)
	}
	for _, m := range s.maps(c) {
		if !m.patch.IsZero() {
			it[m.name] = merged(now[m.name], m.patch)
		}
	}
	return it
}

// put makes the request that each change has for a table, if it has one, by
// BatchWriteItem. It returns the changes whose requests were done, and sets the
// outcomes of the others.
func (s *Store) put(ctx context.Context, changes []*change, table string, request func(*change) *types.WriteRequest) (done []*change) {
	var concerned []*change
	requests := make(map[*change]types.WriteRequest, len(changes))
	for _, c := range changes {
		if r := request(c); r != nil {
			requests[c] = *r
			concerned = append(concerned, c)
		} else {
			done = append(done, c)
		}
	}
	for _, call := range pack(concerned, maxPuts, func(*change) int { return 1 }) {
		done = append(done, s.putCall(ctx, call, table, requests)...)
	}
	return done
}

// putCall makes the requests of one call, and again those that DynamoDB leaves
// undone.
func (s *Store) putCall(ctx context.Context, open []*change, table string, requests map[*change]types.WriteRequest) (done []*change) {
	tries := s.newTries()
	for {
		list := make([]types.WriteRequest, len(open))
		for i, c := range open {
			list[i] = requests[c]
		}
		var out *dynamodb.BatchWriteItemOutput
		err := s.writes.do(ctx, len(open), func() (throttles int, err error) {
			out, err = s.client.BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{
				RequestItems: map[string][]types.WriteRequest{table: list},
			})
			if err != nil {
				return throttledParts(err, len(open)), err
			}
			return len(out.UnprocessedItems[table]), nil
		})
		left := open
		switch f := faultOf(err); {
		case f == none:
			left = nil
			undone := s.keysOf(out.UnprocessedItems[table], table)
			for _, c := range open {
				if undone[s.keyOf(requests[c], table)] {
					left = append(left, c)
				} else {
					done = append(done, c)
				}
			}
			err = errNotProcessed
		case f == invalid && len(open) > 1:
			// Nobody says which of them it is.
			half := len(open) / 2
			done = append(done, s.putCall(ctx, open[:half], table, requests)...)
			return append(done, s.putCall(ctx, open[half:], table, requests)...)
		case !f.again():
			failAll(open, callError(ctx, err))
			return done
		}
		if len(left) == 0 {
			return done
		}
		if err := tries.wait(ctx, err); err != nil {
			failAll(left, err)
			return done
		}
		open = left
	}
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
