package dynamostore

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/bulkops/bulkops/bulk"
)

// A memory is a client that keeps items in memory, as far as creates in exclusive
// mode need it, and whose writes of users wait to be let through.
type memory struct {
	Client
	through chan struct{} // a write of users takes one; nil lets all through

	mu    sync.Mutex
	items map[string]item // of both tables, whose keys are both "pk"
	reads []*dynamodb.BatchGetItemInput
}

func (c *memory) BatchGetItem(_ context.Context, in *dynamodb.BatchGetItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.BatchGetItemOutput, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reads = append(c.reads, in)
	responses := make(map[string][]map[string]types.AttributeValue)
	for name, asked := range in.RequestItems {
		for _, key := range asked.Keys {
			if it, ok := c.items[name+textOf(key["pk"])]; ok {
				responses[name] = append(responses[name], it)
			}
		}
	}
	return &dynamodb.BatchGetItemOutput{Responses: responses}, nil
}

var inserting = regexp.MustCompile(`^INSERT INTO "(\w+)" VALUE \{`)
var member = regexp.MustCompile(`'(\w+)': \?`)

func (c *memory) BatchExecuteStatement(_ context.Context, in *dynamodb.BatchExecuteStatementInput, _ ...func(*dynamodb.Options)) (*dynamodb.BatchExecuteStatementOutput, error) {
	out := &dynamodb.BatchExecuteStatementOutput{}
	for _, statement := range in.Statements {
		var answer types.BatchStatementResponse
		if insert := inserting.FindStringSubmatch(*statement.Statement); insert != nil {
			it := make(item)
			for i, name := range member.FindAllStringSubmatch(*statement.Statement, -1) {
				it[name[1]] = statement.Parameters[i]
			}
			answer.Error = c.insert(insert[1], it)
		}
		out.Responses = append(out.Responses, answer)
	}
	return out, nil
}

func (c *memory) insert(table string, it item) *types.BatchStatementError {
	if c.through != nil && table == "tbl" {
		<-c.through
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	key := table + textOf(it["pk"])
	if c.items[key] != nil {
		return &types.BatchStatementError{Code: types.BatchStatementErrorCodeEnumDuplicateItem}
	}
	c.items[key] = it
	return nil
}

// TransactWriteItems is for an email whose claim was left over.
func (c *memory) TransactWriteItems(context.Context, *dynamodb.TransactWriteItemsInput, ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error) {
	return &dynamodb.TransactWriteItemsOutput{}, nil
}

// In exclusive mode, a commit does not take a claim for one that was left over while
// another commit of the same store is about to write its user.
func TestExclusiveCommitsTakeTurns(t *testing.T) {
	for name, test := range map[string]struct {
		second bulk.User
		want   error
	}{
		"same user":  {bulk.User{ID: "a", Email: "f@example.com"}, bulk.ErrConflict},
		"same email": {bulk.User{ID: "b", Email: "E@example.com"}, bulk.ErrEmailTaken},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client := &memory{items: make(map[string]item), through: make(chan struct{})}
				s := newTestStore(t, Options{Mode: Exclusive})
				s.client = client
				var outcomes [2]error
				var wg sync.WaitGroup
				for i, user := range []bulk.User{{ID: "a", Email: "e@example.com"}, test.second} {
					wg.Go(func() { outcomes[i] = s.Commit(t.Context(), "t", []bulk.Write{{User: user}})[0] })
					synctest.Wait() // the first one is about to write, the second one wants its turn
				}
				close(client.through)
				wg.Wait()
				if outcomes[0] != nil || !errors.Is(outcomes[1], test.want) {
					t.Errorf("outcomes are %v and %v, want the second to be %v", outcomes[0], outcomes[1], test.want)
				}
			})
		})
	}
}

// UpdateItem takes its time.
func (c *memory) UpdateItem(context.Context, *dynamodb.UpdateItemInput, ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error) {
	time.Sleep(time.Second)
	return &dynamodb.UpdateItemOutput{}, nil
}

// In exclusive mode, of two writes of one call that want one email the second fails at
// once. It must not look at the first one's claim while that user is still being
// written, which takes two rounds here.
func TestEmailTwiceInAnExclusiveCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestStore(t, Options{Mode: Exclusive})
		s.client = &memory{items: map[string]item{"tbl" + "t#a": {"pk": text("t#a"), "bulkVersion": text("version of a")}}}
		many := make(map[string]any)
		for i := range 600 {
			many[fmt.Sprint("field.", i)] = i
		}
		fields, err := bulk.NewFields(many)
		if err != nil {
			t.Fatal(err)
		}
		base := &bulk.Stored{User: bulk.User{ID: "a"}, Version: "version of a"}
		outcomes := s.Commit(t.Context(), "t", []bulk.Write{
			{User: bulk.User{ID: "a", Email: "e@example.com", CustomFields: fields}, Base: base, Patch: bulk.Patch{Email: "e@example.com", CustomFields: fields}},
			{User: bulk.User{ID: "b", Email: "e@example.com"}},
		})
		if outcomes[0] != nil || !errors.Is(outcomes[1], bulk.ErrEmailTaken) {
			t.Errorf("outcomes are %v, want the email of the second to be taken", outcomes)
		}
	})
}

// All reads are strongly consistent, of users and of claims. The servers for tests
// are so in any case.
func TestReadsAreConsistent(t *testing.T) {
	client := &memory{items: make(map[string]item)}
	s := newTestStore(t, Options{Mode: Exclusive})
	s.client = client
	for _, id := range []string{"a", "b"} { // the second one is refused, and looked at
		s.Commit(t.Context(), "t", []bulk.Write{{User: bulk.User{ID: id, Email: "e@example.com"}}})
	}
	if _, err := s.Lookup(t.Context(), "t", []bulk.Ref{{ID: "a"}, {Email: "e@example.com"}}); err != nil {
		t.Fatal(err)
	}
	asked := make(map[string]int)
	for _, in := range client.reads {
		for name, keys := range in.RequestItems {
			asked[name]++
			if !aws.ToBool(keys.ConsistentRead) {
				t.Errorf("a read of table %s is not strongly consistent", name)
			}
		}
	}
	if asked["tbl"] < 2 || asked["claims"] < 2 {
		t.Errorf("the tables were read so often: %v", asked)
	}
}

// A Lookup by id and email reads no claims of users who have the emails. If they do
// not, the next one reads users and claims in one call.
func TestLookupReadsFewClaims(t *testing.T) {
	client := &memory{items: make(map[string]item)}
	s := newTestStore(t, Options{Mode: Exclusive})
	s.client = client
	var users, strangers []bulk.Ref
	for i := range bulk.MaxBatch {
		users = append(users, bulk.Ref{ID: fmt.Sprint(i), Email: fmt.Sprintf("U%d@example.com", i)})
		strangers = append(strangers, bulk.Ref{ID: fmt.Sprint("new ", i), Email: fmt.Sprintf("new%d@example.com", i)})
	}
	var writes []bulk.Write
	for _, ref := range users {
		writes = append(writes, bulk.Write{User: bulk.User{ID: ref.ID, Email: strings.ToLower(ref.Email)}})
	}
	if err := errors.Join(s.Commit(t.Context(), "t", writes)...); err != nil {
		t.Fatal(err)
	}
	all := len(users)
	for i, test := range []struct {
		refs        []bulk.Ref
		calls, keys int
	}{
		{users, 1, all},
		{users, 1, all},
		{strangers, 2, 2 * all}, // users first
		{strangers, 1, 2 * all},
		{users, 1, 2 * all}, // claims at once
		{users, 1, all},
	} {
		client.reads = nil
		found, err := s.Lookup(t.Context(), "t", test.refs)
		if err != nil {
			t.Fatal(err)
		}
		for j, f := range found {
			if known := test.refs[0] == users[0]; known != (f.ByID != nil) || known != (f.ByEmail != nil) || known && f.ByEmail.ID != test.refs[j].ID {
				t.Errorf("lookup %d found %v by %v", i, f, test.refs[j])
			}
		}
		keys := 0
		for _, in := range client.reads {
			keys += s.readLoad(in.RequestItems).parts
		}
		if len(client.reads) != test.calls || keys != test.keys {
			t.Errorf("lookup %d read %d keys by %d calls, want %d by %d", i, keys, len(client.reads), test.keys, test.calls)
		}
	}
}

// Scan returns users in pages of the limit, by number.
func (c *memory) Scan(_ context.Context, in *dynamodb.ScanInput, _ ...func(*dynamodb.Options)) (*dynamodb.ScanOutput, error) {
	out := &dynamodb.ScanOutput{}
	first := 0
	if in.ExclusiveStartKey != nil {
		fmt.Sscan(textOf(in.ExclusiveStartKey["pk"]), &first)
	}
	for i := first; i < min(first+int(*in.Limit), 100); i++ {
		out.Items = append(out.Items, item{"pk": text(fmt.Sprint(i))})
	}
	if next := first + len(out.Items); next < 100 {
		out.LastEvaluatedKey = item{"pk": text(fmt.Sprint(next))}
	}
	return out, nil
}

// A backfill goes no faster than it may, and stops when its context ends.
func TestBackfillKeepsItsPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestStore(t, Options{})
		client, start := &memory{}, time.Now()
		done, err := s.BackfillClaims(t.Context(), client, Backfill{UsersPerSecond: 10})
		if took := time.Since(start); err != nil || done.Items != 100 || took != 7500*time.Millisecond {
			t.Errorf("%+v after %v, %v; want 100 items, 75 of them at 10 a second", done, took, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		done, err = s.BackfillClaims(ctx, client, Backfill{UsersPerSecond: 10})
		if !errors.Is(err, context.DeadlineExceeded) || done.Items != 50 || done.Checkpoint == "" {
			t.Errorf("%+v, %v; want two pages", done, err)
		}
	})
}
