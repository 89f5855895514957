package awse2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/test/race"
)

// TestHostWritesDuringAJob: what the host program writes with plain UpdateItem, to
// attributes and to fields of its own, while jobs update the same users in every
// way that the store has, is there afterwards; and so is what the jobs wrote.
func TestHostWritesDuringAJob(t *testing.T) {
	const writers, mostJobs = 20, 5
	users := 500
	if testing.Short() || race.Enabled {
		users = 100
	}
	// fieldsOf is how many fields a user gets: of some users too many for a statement
	// and for an expression.
	fieldsOf := func(i int) int {
		if i%25 == 3 {
			return 300
		}
		return 3
	}
	id := func(i int) string { return fmt.Sprintf("user %d", i) }
	email := func(round, i int) string {
		if i%5 != 1 {
			round = 0 // only these change
		}
		return fmt.Sprintf("round-%d-%d@example.com", round, i)
	}
	raw := func(format string, args ...any) json.RawMessage { return fmt.Appendf(nil, format, args...) }

	eachCloud(t, []mode{guarded}, func(t *testing.T, c *cloud) {
		cfg := c.open()
		seeds := rowsOf(t, users, func(i int) user {
			return user{ID: id(i), Email: email(0, i), CustomFields: map[string]json.RawMessage{"gone": raw("1"), "kept": raw("1")}}
		})
		run(t, cfg, submit(t, cfg, seeds, bulk.DefaultOptions()).ID)

		var host sync.WaitGroup
		var left atomic.Int64
		left.Store(writers)
		client := c.client()
		for w := range writers {
			host.Go(func() {
				defer left.Add(-1)
				for n := range users {
					i := (w*users/writers + n) % users // each begins elsewhere
					if err := hostUpdate(t.Context(), client, c.users.UsersTable, id(i), w); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		rounds := 0
		for left.Load() > 0 && rounds < mostJobs {
			rounds++
			// Each user twice: first in one of five ways, then by its email.
			rows := rowsOf(t, 2*users, func(n int) user {
				i := n % users
				if n >= users {
					return user{Email: email(rounds, i), Metadata: map[string]json.RawMessage{"second": raw("%d", rounds)}}
				}
				u := user{ID: id(i), CustomFields: map[string]json.RawMessage{"gone": raw("null"), "job": raw("%d", rounds)}}
				switch i % 5 {
				case 1:
					u.Email = email(rounds, i)
				case 2:
					u.CustomFields["dotted.name"] = raw("%d", rounds)
				case 3:
					for f := range fieldsOf(i) {
						u.CustomFields[fmt.Sprintf("field number %d", f)] = raw("%d", rounds)
					}
				case 4:
					u.Metadata = map[string]json.RawMessage{"first": raw("%d", rounds)}
				}
				return u
			})
			ended := run(t, cfg, submit(t, cfg, rows, bulk.DefaultOptions()).ID)
			f := readResults(t, results(t, cfg, ended), len(rows))
			if want := (bulk.Summary{Updated: len(rows)}); f.Summary != want {
				t.Fatalf("job %d came to %+v, want %+v", rounds, f.Summary, want)
			}
		}
		host.Wait()
		t.Logf("%d updates by the host during %d jobs", users*writers, rounds)

		items := make(map[string]item)
		for _, it := range c.scan(t.Context(), c.users.UsersTable) {
			items[textOf(it, "userId")] = it
		}
		for i := range users {
			it := items[id(i)]
			fields, metadata := mapOf(it, "customFields"), mapOf(it, "metadata")
			for w := range writers {
				own := hostName(w)
				if textOf(it, own) == "" || textOf(fields, own) == "" || textOf(metadata, own) == "" {
					t.Fatalf("user %d: of what writer %d wrote, %q, %q and %q are there", i, w,
						textOf(it, own), textOf(fields, own), textOf(metadata, own))
				}
			}
			written := func(value types.AttributeValue) bool { return number(value) == fmt.Sprint(rounds) }
			good := fields["gone"] == nil && fields["kept"] != nil && written(fields["job"]) && written(metadata["second"])
			switch i % 5 {
			case 1:
				good = good && textOf(it, "email") == email(rounds, i)
			case 2:
				good = good && written(fields["dotted.name"])
			case 3:
				for f := range fieldsOf(i) {
					good = good && written(fields[fmt.Sprintf("field number %d", f)])
				}
			case 4:
				good = good && written(metadata["first"])
			}
			if !good {
				t.Fatalf("user %d lacks what the jobs wrote: %v %v", i, slices.Sorted(maps.Keys(fields)), slices.Sorted(maps.Keys(metadata)))
			}
		}
	})
}

// hostName is the attribute, and the field, that a writer of the host has.
func hostName(writer int) string { return fmt.Sprintf("host.%d", writer) }

// hostUpdate writes one user as a program does that knows nothing of imports. It
// repeats the call only where DynamoDB would not have failed it.
func hostUpdate(ctx context.Context, client *dynamodb.Client, table, id string, writer int) error {
	for begun := time.Now(); ; {
		_, err := client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
			TableName: &table, Key: userKey(id),
			UpdateExpression:          aws.String("SET #own=:v, customFields.#own=:v, metadata.#own=:v"),
			ExpressionAttributeNames:  map[string]string{"#own": hostName(writer)},
			ExpressionAttributeValues: item{":v": text("mine")},
		})
		if !isEmulatorLock(err) || time.Since(begun) > patience {
			return err
		}
	}
}

// emulatorLock is the message with which DynamoDB Local fails a call, with status
// 500, that has waited too long for its lock of a table. It says itself that
// DynamoDB, which has no such lock, would not.
const emulatorLock = "This action timed out because it too long waiting for a lock. This request will succeed in actual DynamoDB API"

// isEmulatorLock reports whether a call failed for what only the emulator has.
func isEmulatorLock(err error) bool {
	var internal *types.InternalServerError
	return errors.As(err, &internal) && internal.ErrorMessage() == emulatorLock
}

// TestHostRepeatsOnlyEmulatorLock: the host's update is sent again after that answer
// of the emulator, and after no other.
func TestHostRepeatsOnlyEmulatorLock(t *testing.T) {
	refusal := func(name, message string) string {
		return fmt.Sprintf(`{"__type":"com.amazonaws.dynamodb.v20120810#%s","message":%q}`, name, message)
	}
	lock := refusal("InternalServerError", emulatorLock)
	for _, c := range []struct {
		name    string
		answers []string // until the call succeeds
		calls   int
		good    bool
	}{
		{"no failure", nil, 1, true},
		{"lock", []string{lock, lock}, 3, true},
		{"another failure", []string{refusal("InternalServerError", "Internal failure")}, 1, false},
		{"another failure after the lock", []string{lock, refusal("InternalServerError", "Internal failure")}, 2, false},
		{"another error with its message", []string{refusal("ThrottlingException", emulatorLock)}, 1, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			calls := 0
			client := dynamodb.New(dynamodb.Options{
				Region: "us-east-1", Credentials: aws.AnonymousCredentials{}, Retryer: aws.NopRetryer{},
				HTTPClient: httpClient(func(*http.Request) (*http.Response, error) {
					calls++
					status, body := http.StatusOK, "{}"
					if calls <= len(c.answers) {
						status, body = http.StatusInternalServerError, c.answers[calls-1]
					}
					return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}, nil
				}),
			})
			err := hostUpdate(t.Context(), client, "users", "a", 1)
			if (err == nil) != c.good || calls != c.calls {
				t.Errorf("after %d calls the error is %v, want %d calls and success: %t", calls, err, c.calls, c.good)
			}
		})
	}
}

// An httpClient answers for a server.
type httpClient func(*http.Request) (*http.Response, error)

func (c httpClient) Do(request *http.Request) (*http.Response, error) { return c(request) }

// mapOf returns a map attribute, nil if the item has none.
func mapOf(it item, name string) item {
	if m, ok := it[name].(*types.AttributeValueMemberM); ok {
		return m.Value
	}
	return nil
}

// number returns the text of a number attribute.
func number(value types.AttributeValue) string {
	if n, ok := value.(*types.AttributeValueMemberN); ok {
		return n.Value
	}
	return ""
}

// hostileNames are names of fields that a statement, an expression or a path could
// take for something else.
var hostileNames = []string{
	`a"b'; DELETE`, `a.b.c`, `a[0].b`, `.`, `#n`, `:v`, `"`, `'`, `''`, `\`, "`", `$`, `?`, `--`, `a b`, ` `,
	`customFields`, `size(metadata)`, `ключ`, `キー`, "tab\there", "line\nfeed", `" = '' REMOVE "email`,
}

// TestHostileNames: fields of any name survive creation, change and removal by a job,
// and nothing else changes.
func TestHostileNames(t *testing.T) {
	ignoreSDK := cmpopts.IgnoreUnexported(types.AttributeValueMemberS{}, types.AttributeValueMemberN{},
		types.AttributeValueMemberM{}, types.AttributeValueMemberBOOL{}, types.AttributeValueMemberL{})
	withFields := func(id string, value func(i int) string) user {
		u := user{ID: id, Email: id + "@example.com", CustomFields: map[string]json.RawMessage{}, Metadata: map[string]json.RawMessage{}}
		for i, name := range hostileNames {
			u.CustomFields[name] = json.RawMessage(value(i))
			u.Metadata[name] = json.RawMessage(value(i))
		}
		return u
	}
	eachCloud(t, both, func(t *testing.T, c *cloud) {
		cfg := c.open()
		importRows := func(status bulk.Status, users ...user) {
			t.Helper()
			rows := rowsOf(t, len(users), func(i int) user { return users[i] })
			ended := run(t, cfg, submit(t, cfg, rows, bulk.DefaultOptions()).ID)
			for _, r := range readResults(t, results(t, cfg, ended), len(rows)).Results {
				if r.Status != status {
					t.Fatalf("row %d is %s, want %s: %+v", r.Index, r.Status, status, r.Errors)
				}
			}
		}
		one := func(int) string { return "1" }
		importRows(bulk.StatusCreated, withFields("together", one), withFields("bystander", one), withFields("each-alone", one))
		if _, err := c.client().UpdateItem(t.Context(), &dynamodb.UpdateItemInput{
			TableName: &c.users.UsersTable, Key: userKey("together"), UpdateExpression: aws.String("SET hostAttribute=:v"),
			ExpressionAttributeValues: item{":v": text("mine")},
		}); err != nil {
			t.Fatal(err)
		}
		items := func() map[string]item {
			all := make(map[string]item)
			for _, it := range c.scan(t.Context(), c.users.UsersTable) {
				all[textOf(it, "userId")] = it
			}
			return all
		}
		before := items()

		// Every third field is removed, and the others get values of their own:
		// together in one row, and in a row for each.
		change := func(i int) string {
			if i%3 == 0 {
				return "null"
			}
			return fmt.Sprintf(`{"new":[%d]}`, i)
		}
		changes := []user{withFields("together", change)}
		for i, name := range hostileNames {
			one := map[string]json.RawMessage{name: json.RawMessage(change(i))}
			changes = append(changes, user{ID: "each-alone", CustomFields: one, Metadata: one})
		}
		importRows(bulk.StatusUpdated, changes...)

		want := make(map[string]any)
		for i, name := range hostileNames {
			if i%3 != 0 {
				want[name] = map[string]any{"new": []int{i}}
			}
		}
		fields, err := bulk.NewFields(want)
		if err != nil {
			t.Fatal(err)
		}
		ids := []string{"together", "each-alone"}
		for i, f := range lookup(t, cfg, len(ids), func(i int) bulk.Ref { return bulk.Ref{Email: strings.ToUpper(ids[i]) + "@example.com"} }) {
			if f.ByEmail == nil {
				t.Fatalf("the user %q is not found by its email", ids[i])
			}
			user := bulk.User{ID: ids[i], Email: ids[i] + "@example.com", CustomFields: fields, Metadata: fields}
			if diff := cmp.Diff(user, f.ByEmail.User); diff != "" {
				t.Errorf("%s (-want +got):\n%s", ids[i], diff)
			}
		}
		after := items()
		if len(after) != len(before) {
			t.Errorf("there are %d users, and %d before", len(after), len(before))
		}
		if diff := cmp.Diff(before["bystander"], after["bystander"], ignoreSDK); diff != "" {
			t.Errorf("the user whom no row names (-before +after):\n%s", diff)
		}
		for _, id := range ids {
			for _, it := range []item{before[id], after[id]} {
				for _, ours := range []string{"customFields", "metadata", "bulkVersion", "bulkMark"} {
					delete(it, ours)
				}
			}
			if diff := cmp.Diff(before[id], after[id], ignoreSDK); diff != "" {
				t.Errorf("what else is stored with %s (-before +after):\n%s", id, diff)
			}
		}
	})
}
