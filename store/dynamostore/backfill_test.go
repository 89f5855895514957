package dynamostore_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/test/awstest"
	"github.com/bulkops/bulkops/store/dynamostore"
)

// hostUser is an item as a host makes it that knows nothing of claims.
func hostUser(id, email string) item {
	it := item{"pk": userKey(id)["pk"], "tenant": text("t"), "userId": text(id), "hostAttribute": text("x")}
	if email != "" {
		it["email"] = text(email)
	}
	return it
}

// backfill goes through the table and returns what it did and what it could not do.
func (h *host) backfill(b dynamostore.Backfill) (dynamostore.BackfillProgress, []dynamostore.BackfillProblem) {
	h.Helper()
	var problems []dynamostore.BackfillProblem
	b.Problem = func(p dynamostore.BackfillProblem) { problems = append(problems, p) }
	b.UsersPerSecond = 1e6
	done, err := h.store.BackfillClaims(h.Context(), h.client, b)
	if err != nil {
		h.Fatal(err)
	}
	return done, problems
}

// Users of the host have their claims afterwards, and what is not right is counted and
// reported; a repetition finds all done. Nothing of the users is changed.
func TestBackfillClaims(t *testing.T) {
	eachHost(t, guardedOnly, func(h *host) {
		const users = 60 // some pages
		for i := range users {
			h.put(h.opts.UsersTable, hostUser(fmt.Sprint("u", i), fmt.Sprintf("U%d@example.com", i)))
		}
		h.put(h.opts.UsersTable, hostUser("without", ""))
		h.put(h.opts.UsersTable, item{"pk": text("settings"), "colour": text("red")})
		h.put(h.opts.UsersTable, item{"pk": text("elsewhere"), "tenant": text("t"), "userId": text("v"), "email": text("v@example.com")})
		h.put(h.opts.ClaimsTable, item{"pk": text(dynamostore.ClaimKey("t", "u1@example.com")), "userId": text("deleted long ago")})
		h.put(h.opts.ClaimsTable, item{"pk": text(dynamostore.ClaimKey("t", "u2@example.com")), "userId": text("u3")})
		h.create(bulk.User{ID: "imported", Email: "imported@example.com"})
		before := h.user("u1")

		done, problems := h.backfill(dynamostore.Backfill{})
		want := dynamostore.BackfillProgress{Items: users + 4, WithoutEmail: 1, Foreign: 1, Claimed: users, Had: 1, Problems: 1}
		if diff := cmp.Diff(want, done); diff != "" {
			h.Errorf("done (-want +got):\n%s", diff)
		}
		if len(problems) != 1 || problems[0].UserID != "v" || problems[0].Err == nil {
			h.Errorf("problems are %v, want the user whose key is another", problems)
		}
		for i := range users {
			h.hasEmail(fmt.Sprint("u", i), fmt.Sprintf("U%d@example.com", i))
		}
		if diff := cmp.Diff(before, h.user("u1"), ignoreSDK); diff != "" {
			h.Errorf("a user was changed (-before +after):\n%s", diff)
		}
		want.Claimed, want.Had = 0, users+1
		if again, _ := h.backfill(dynamostore.Backfill{}); again != want {
			h.Errorf("a repetition did %+v, want %+v", again, want)
		}
	})
}

// Of users with one email the claim goes to one, or stays with the one who has it, and
// the others are reported with that one's id.
func TestBackfillReportsDuplicates(t *testing.T) {
	eachHost(t, guardedOnly, func(h *host) {
		h.create(bulk.User{ID: "imported", Email: "a@example.com"})
		for _, id := range []string{"a1", "a2"} {
			h.put(h.opts.UsersTable, hostUser(id, "A@example.com"))
		}
		for _, id := range []string{"b1", "b2", "b3"} {
			h.put(h.opts.UsersTable, hostUser(id, "b@example.com"))
		}
		done, problems := h.backfill(dynamostore.Backfill{})
		if done.Claimed != 1 || done.Had != 1 || done.Problems != 4 || len(problems) != 4 {
			h.Errorf("%+v, and %d problems", done, len(problems))
		}
		h.hasEmail("imported", "a@example.com")
		winner := h.owner("b@example.com")
		for _, p := range problems {
			want := map[string]string{"a1": "imported", "a2": "imported", "b1": winner, "b2": winner, "b3": winner}[p.UserID]
			if !errors.Is(p.Err, bulk.ErrEmailTaken) || p.Tenant != "t" || p.Other != want || p.UserID == winner {
				h.Errorf("problem is %+v, want that %q has the email", p, want)
			}
		}
	})
}

// What the host does to a user between the reading of its item and the claim counts.
func TestBackfillWhileTheHostWrites(t *testing.T) {
	eachHost(t, guardedOnly, func(h *host) {
		for name, test := range map[string]struct {
			host func(id string)
			want dynamostore.BackfillProgress
			has  string // the email that is claimed then
		}{
			"moves":  {func(id string) { h.mustUpdate(id, "SET email=:e", item{":e": text(id + "-new@example.com")}) }, dynamostore.BackfillProgress{Claimed: 1}, "-new@example.com"},
			"takes":  {func(id string) { h.mustUpdate(id, "REMOVE email", nil) }, dynamostore.BackfillProgress{Gone: 1}, ""},
			"delete": {func(id string) { h.delete(h.opts.UsersTable, userKey(id)) }, dynamostore.BackfillProgress{Gone: 1}, ""},
		} {
			for _, call := range []string{"BatchGetItem", "TransactWriteItems"} {
				id := name + call
				h.put(h.opts.UsersTable, hostUser(id, id+"@example.com"))
				m := &meddle{next: awstest.Transport(h.T), operation: call, n: 1, do: func() { test.host(id) }}
				store, err := dynamostore.New(dynamostore.NewClient(h.server.Config(m)), h.opts)
				if err != nil {
					h.Fatal(err)
				}
				done, err := store.BackfillClaims(h.Context(), h.client, dynamostore.Backfill{
					Owner: func(it map[string]types.AttributeValue) (string, string, bool) {
						return "t", id, cmp.Equal(it["userId"], text(id), ignoreSDK)
					},
				})
				if err != nil || done.Claimed != test.want.Claimed || done.Gone != test.want.Gone || done.Problems != 0 {
					h.Errorf("%s before %s: %+v, %v, want %+v", name, call, done, err, test.want)
				}
				if owner := h.owner(id + "@example.com"); owner != "" {
					h.Errorf("%s before %s: the email that nobody has is claimed by %q", name, call, owner)
				}
				if test.has != "" {
					h.hasEmail(id, id+test.has)
				}
			}
		}
	})
}

// A claim that another program puts in between is its user's.
func TestBackfillMeetsAnotherClaim(t *testing.T) {
	eachHost(t, guardedOnly, func(h *host) {
		h.put(h.opts.UsersTable, hostUser("u", "e@example.com"))
		m := &meddle{next: awstest.Transport(h.T), operation: "TransactWriteItems", n: 1, do: func() {
			h.create(bulk.User{ID: "v", Email: "e@example.com"})
		}}
		store, err := dynamostore.New(dynamostore.NewClient(h.server.Config(m)), h.opts)
		if err != nil {
			h.Fatal(err)
		}
		var problem dynamostore.BackfillProblem
		done, err := store.BackfillClaims(h.Context(), h.client, dynamostore.Backfill{
			Problem: func(p dynamostore.BackfillProblem) { problem = p },
		})
		if err != nil || done.Problems != 1 || problem.UserID != "u" || problem.Other != "v" {
			h.Errorf("%+v, %v; problem %+v", done, err, problem)
		}
		h.hasEmail("v", "e@example.com")
	})
}

// A backfill that is killed after any page and resumed from its last checkpoint, while
// a host that keeps claims creates, moves and deletes users and an import runs, leaves
// every user with the claim of its email, and no claim twice.
func TestBackfillIsResumedWhileTheHostWrites(t *testing.T) {
	eachHost(t, guardedOnly, func(h *host) {
		const users = 200
		for i := range users {
			h.put(h.opts.UsersTable, hostUser(fmt.Sprint("u", i), fmt.Sprintf("u%d@example.com", i)))
		}
		ctx, stop := context.WithCancel(h.Context())
		var writers sync.WaitGroup
		for w := range 3 {
			writers.Go(func() { h.writeAsHost(ctx, w, users) })
		}
		killed, after := errors.New("killed"), ""
		for runs := 1; ; runs++ {
			done, err := h.store.BackfillClaims(h.Context(), h.client, dynamostore.Backfill{
				After: after, UsersPerSecond: 1000,
				Progress: func(p dynamostore.BackfillProgress) error {
					after = p.Checkpoint
					return killed
				},
				Problem: func(p dynamostore.BackfillProblem) { h.Errorf("a problem where there is none: %+v", p) },
			})
			if !errors.Is(err, killed) || done.Checkpoint != after || runs > users {
				h.Errorf("run %d: %+v, %v", runs, done, err)
				break
			}
			if after == "" {
				if runs < users/bulk.MaxBatch {
					h.Errorf("%d users took %d runs of a page", users, runs)
				}
				break
			}
		}
		stop()
		writers.Wait()
		h.claimsAreRight()
	})
}

// writeAsHost moves, deletes and creates users of its own share until ctx ends, each
// with its claim in one transaction, as doc.go asks for.
func (h *host) writeAsHost(ctx context.Context, writer, users int) {
	random := rand.New(rand.NewPCG(uint64(writer), 1))
	for n := 0; ctx.Err() == nil; n++ {
		id := fmt.Sprint("u", random.IntN(users)/3*3+writer)
		it := h.user(id)
		email := fmt.Sprintf("w%d-%d@example.com", writer, n)
		put := types.TransactWriteItem{Put: &types.Put{TableName: &h.opts.UsersTable, Item: hostUser(id, email)}}
		actions := []types.TransactWriteItem{put, {Put: &types.Put{TableName: &h.opts.ClaimsTable,
			Item: item{"pk": text(dynamostore.ClaimKey("t", email)), "userId": text(id)}, ConditionExpression: aws.String("attribute_not_exists(pk)")}}}
		if it != nil {
			old := it["email"].(*types.AttributeValueMemberS).Value
			actions = append(actions, types.TransactWriteItem{Delete: &types.Delete{TableName: &h.opts.ClaimsTable,
				Key: item{"pk": text(dynamostore.ClaimKey("t", old))}, ConditionExpression: aws.String("attribute_not_exists(pk) OR userId=:u"),
				ExpressionAttributeValues: item{":u": text(id)}}})
			if random.IntN(4) == 0 { // delete it
				actions[0] = types.TransactWriteItem{Delete: &types.Delete{TableName: &h.opts.UsersTable, Key: userKey(id)}}
				actions = append(actions[:1], actions[2])
			}
		}
		_, err := h.client.TransactWriteItems(h.Context(), &dynamodb.TransactWriteItemsInput{TransactItems: actions})
		var cancelled *types.TransactionCanceledException
		if err != nil && !errors.As(err, &cancelled) {
			h.Error(err)
			return
		}
	}
}

// claimsAreRight fails unless each user has the claim of its email, and each claim is
// that of a user.
func (h *host) claimsAreRight() {
	h.Helper()
	scan := func(table string) []map[string]types.AttributeValue {
		var all []map[string]types.AttributeValue
		pages := dynamodb.NewScanPaginator(h.client, &dynamodb.ScanInput{TableName: &table, ConsistentRead: aws.Bool(true)})
		for pages.HasMorePages() {
			page, err := pages.NextPage(h.Context())
			if err != nil {
				h.Fatal(err)
			}
			all = append(all, page.Items...)
		}
		return all
	}
	emails := make(map[string]string)
	for _, it := range scan(h.opts.UsersTable) {
		emails[dynamostore.ClaimKey("t", it["email"].(*types.AttributeValueMemberS).Value)] = it["userId"].(*types.AttributeValueMemberS).Value
	}
	claims := make(map[string]string)
	for _, it := range scan(h.opts.ClaimsTable) {
		claims[it["pk"].(*types.AttributeValueMemberS).Value] = it["userId"].(*types.AttributeValueMemberS).Value
	}
	if diff := cmp.Diff(emails, claims); diff != "" {
		h.Errorf("emails of users and claims (-users +claims):\n%s", diff)
	}
}

// A table of a single tenant whose items do not name it is told apart by Owner.
func TestBackfillOfAnotherTable(t *testing.T) {
	awstest.EachDynamoDB(t, func(t *testing.T, server awstest.Server) {
		opts := newTables(t, server)
		opts.UserKey = func(_, userID string) dynamostore.Key { return dynamostore.Key{Partition: userID} }
		h := &host{t, server, server.DynamoDB(awstest.Transport(t)), opts, newStore(t, server, opts)}
		h.put(opts.UsersTable, item{"pk": text("u-1"), "email": text("u1@example.com")})
		if done, _ := h.backfill(dynamostore.Backfill{}); done.Foreign != 1 {
			t.Errorf("%+v, want an item that is no user's", done)
		}
		done, problems := h.backfill(dynamostore.Backfill{Owner: func(it map[string]types.AttributeValue) (string, string, bool) {
			return "t", it["pk"].(*types.AttributeValueMemberS).Value, true
		}})
		if done.Claimed != 1 || len(problems) != 0 {
			t.Errorf("%+v, %v", done, problems)
		}
		if found := h.lookup(bulk.Ref{Email: "u1@example.com"}).ByEmail; found == nil || found.ID != "u-1" {
			t.Errorf("the email finds %v", found)
		}
		for _, after := range []string{"nonsense", `{}`} {
			var problem *bulk.ConfigError
			if _, err := h.store.BackfillClaims(t.Context(), h.client, dynamostore.Backfill{After: after}); !errors.As(err, &problem) {
				t.Errorf("after %q: %v, want a ConfigError", after, err)
			}
		}
	})
}
