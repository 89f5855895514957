package dynamostore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/bulkops/bulkops/bulk"
)

func TestStatementsQuoteNames(t *testing.T) {
	s := newTestStore(t, Options{Attributes: Attributes{
		Key: `p"k`, Tenant: `o'tenant`, CustomFields: `custom"; DELETE FROM x`, Version: `v`, Mark: `m`,
	}})
	fields := bulk.Fields{}
	if err := fields.UnmarshalJSON([]byte(`{"a\"b'; DELETE":1,"--":"?","gone\"":null,"gone'":null}`)); err != nil {
		t.Fatal(err)
	}
	c := s.newChange("t", &bulk.Write{
		User:  bulk.User{ID: "u"},
		Base:  &bulk.Stored{User: bulk.User{ID: "u"}, Version: "old"},
		Patch: bulk.Patch{CustomFields: fields},
	})
	got, parameters := s.updateStatement(c)
	want := `UPDATE "tbl" SET "v"=?, "m"=?` +
		`, "custom""; DELETE FROM x"."--"=?, "custom""; DELETE FROM x"."a""b'; DELETE"=?` +
		` REMOVE "custom""; DELETE FROM x"."gone'" REMOVE "custom""; DELETE FROM x"."gone"""` +
		` WHERE "p""k"=? AND "v"=?`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("statement (-want +got):\n%s", diff)
	}
	if n := strings.Count(strings.ReplaceAll(got, `"--"=?`, `=?`), "?"); n != len(parameters) {
		t.Errorf("%d parameters for %d places", len(parameters), n)
	}
	c.base.Version = unversioned
	if got, _ := s.updateStatement(c); !strings.HasSuffix(got, ` WHERE "p""k"=? AND "v" IS MISSING`) {
		t.Errorf("the update of a user without version ends with %q", got[len(got)-60:])
	}
	insert, _ := s.userStatement(s.newChange("t", &bulk.Write{User: bulk.User{ID: "u"}}))
	want = `INSERT INTO "tbl" VALUE {'custom"; DELETE FROM x': ?, 'm': ?, 'metadata': ?, 'o''tenant': ?, 'p"k': ?, 'userId': ?, 'v': ?}`
	if diff := cmp.Diff(want, insert); diff != "" {
		t.Errorf("statement (-want +got):\n%s", diff)
	}
}

func TestExpressionsHaveNoNames(t *testing.T) {
	s := newTestStore(t, Options{Attributes: Attributes{SortKey: "sk"}})
	var fields bulk.Fields
	if err := fields.UnmarshalJSON([]byte(`{"a.b":1,"x[0]":null}`)); err != nil {
		t.Fatal(err)
	}
	c := s.newChange("t", &bulk.Write{
		User:  bulk.User{ID: "u"},
		Base:  &bulk.Stored{User: bulk.User{ID: "u"}, Version: "old"},
		Patch: bulk.Patch{CustomFields: fields, Email: "e@example.com"},
	})
	u := s.pathUpdate(c)
	if want := "SET #0=:0,#1=:1,#2=:2,#3.#4=:3 REMOVE #3.#5"; u.update != want {
		t.Errorf("update is %q, want %q", u.update, want)
	}
	if want := "#0=:4 AND (#2=:5 OR NOT attribute_type(#2,:6))"; u.condition != want {
		t.Errorf("condition is %q, want %q", u.condition, want)
	}
	want := map[string]string{"#0": "bulkVersion", "#1": "bulkMark", "#2": "email", "#3": "customFields", "#4": "a.b", "#5": "x[0]"}
	if diff := cmp.Diff(want, u.names); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
}

func TestWays(t *testing.T) {
	s := newTestStore(t, Options{})
	object := func(n int, name string) bulk.Fields {
		members := make(map[string]any)
		for i := range n {
			members[name+strings.Repeat("x", i%200)+string(rune('a'+i%26))+string(rune(0x4e00+i))] = i
		}
		fields, err := bulk.NewFields(members)
		if err != nil {
			t.Fatal(err)
		}
		return fields
	}
	for name, c := range map[string]struct {
		fields bulk.Fields
		want   way
		whole  bool
	}{
		"a few":                      {object(3, "name"), wayStatement, false},
		"quotes":                     {object(3, `a"b'; DELETE`), wayStatement, false},
		"a dot":                      {object(3, "a.b"), wayUpdate, false},
		"an index":                   {object(3, "a[0]"), wayUpdate, false},
		"a control character":        {object(3, "a\x01"), wayUpdate, false},
		"too long for a statement":   {object(200, "name"), wayUpdate, false},
		"too many for an expression": {object(1000, "name"), wayUpdate, true},
	} {
		t.Run(name, func(t *testing.T) {
			change := s.newChange("t", &bulk.Write{
				User:  bulk.User{ID: "u"},
				Base:  &bulk.Stored{User: bulk.User{ID: "u"}, Version: "old"},
				Patch: bulk.Patch{CustomFields: c.fields},
			})
			s.choose(change)
			got := change.way
			if got != c.want || change.whole != c.whole {
				t.Errorf("goes way %d, whole %t, want %d, %t", got, change.whole, c.want, c.whole)
			}
			if statement, _ := s.updateStatement(change); got == wayStatement && len(statement) > maxStatement {
				t.Errorf("a statement of %d bytes", len(statement))
			}
			if u := s.pathUpdate(change); got == wayUpdate && !change.whole && len(u.update) > maxExpression {
				t.Errorf("an expression of %d bytes", len(u.update))
			}
		})
	}
}

// newTestStore returns a store that never calls DynamoDB.
func newTestStore(t *testing.T, opts Options) *Store {
	t.Helper()
	opts.UsersTable, opts.ClaimsTable = "tbl", "claims"
	s, err := New(struct{ Client }{}, opts)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// throttledStatements answers every BatchExecuteStatement with HTTP 200 and throttles
// a part of the statements.
type throttledStatements struct {
	Client
	calls, throttled int
}

func (c *throttledStatements) BatchExecuteStatement(_ context.Context, in *dynamodb.BatchExecuteStatementInput, _ ...func(*dynamodb.Options)) (*dynamodb.BatchExecuteStatementOutput, error) {
	c.calls++
	time.Sleep(time.Millisecond)
	out := &dynamodb.BatchExecuteStatementOutput{Responses: make([]types.BatchStatementResponse, len(in.Statements))}
	for i := range min(c.throttled, len(in.Statements)) {
		out.Responses[i].Error = &types.BatchStatementError{Code: types.BatchStatementErrorCodeEnumThrottlingError}
	}
	return out, nil
}

func TestThrottledStatementsAreSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := &throttledStatements{throttled: 5}
		s := newTestStore(t, Options{})
		s.client = client
		writes := make([]bulk.Write, bulk.MaxBatch)
		for i := range writes {
			writes[i].User.ID = fmt.Sprint(i)
		}
		for range 10 {
			failed := 0
			for _, err := range s.Commit(t.Context(), "t", writes) {
				if err == nil {
					continue
				}
				failed++
				var api smithy.APIError
				if !bulk.Retryable(err) || !errors.As(err, &api) || api.ErrorCode() != "ThrottlingError" {
					t.Fatalf("got %v, want a retryable ThrottlingError", err)
				}
			}
			if failed != 5 {
				t.Fatalf("%d writes failed, and 5 are throttled each time", failed)
			}
		}
		if want := 10 * DefaultMaxAttempts; client.calls != want {
			t.Errorf("%d calls, want %d", client.calls, want)
		}
		if s.writes.users.rate >= newTableWrites {
			t.Errorf("the rate is still %v", s.writes.users.rate)
		}
	})
}
