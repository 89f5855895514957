package dynamostore_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/test/awstest"
	"github.com/bulkops/bulkops/store/dynamostore"
)

type item = map[string]types.AttributeValue

// A host is the host program: it uses the same tables with plain calls.
type host struct {
	*testing.T
	server awstest.Server
	client *dynamodb.Client
	opts   dynamostore.Options
	store  *dynamostore.Store
}

// eachHost runs test with new tables on each server in each of the modes.
func eachHost(t *testing.T, modes map[string]dynamostore.Mode, test func(h *host)) {
	awstest.EachDynamoDB(t, func(t *testing.T, server awstest.Server) {
		for name, mode := range modes {
			t.Run(name, func(t *testing.T) {
				opts := newTables(t, server)
				opts.Mode = mode
				test(&host{t, server, server.DynamoDB(awstest.Transport(t)), opts, newStore(t, server, opts)})
			})
		}
	})
}

var guardedOnly = map[string]dynamostore.Mode{"guarded": dynamostore.Guarded}

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func (h *host) put(table string, it item) {
	h.Helper()
	if _, err := h.client.PutItem(h.Context(), &dynamodb.PutItemInput{TableName: &table, Item: it}); err != nil {
		h.Fatal(err)
	}
}

func userKey(id string) item { return item{"pk": text(dynamostore.DefaultUserKey("t", id).Partition)} }

// user returns the item of a user, nil if there is none.
func (h *host) user(id string) item {
	h.Helper()
	return h.get(h.opts.UsersTable, userKey(id))
}

// owner returns what the claim of an email says.
func (h *host) owner(email string) string {
	h.Helper()
	it := h.get(h.opts.ClaimsTable, item{"pk": text(dynamostore.ClaimKey("t", email))})
	if it == nil {
		return ""
	}
	return it["userId"].(*types.AttributeValueMemberS).Value
}

func (h *host) get(table string, key item) item {
	h.Helper()
	out, err := h.client.GetItem(h.Context(), &dynamodb.GetItemInput{TableName: &table, Key: key, ConsistentRead: aws.Bool(true)})
	if err != nil {
		h.Fatal(err)
	}
	return out.Item
}

// update makes an update of a user as a program does that knows nothing of imports.
func (h *host) update(id, expression string, names map[string]string, values item) error {
	_, err := h.client.UpdateItem(h.Context(), &dynamodb.UpdateItemInput{
		TableName: &h.opts.UsersTable, Key: userKey(id), UpdateExpression: &expression,
		ExpressionAttributeNames: names, ExpressionAttributeValues: values,
	})
	return err
}

func (h *host) lookup(ref bulk.Ref) bulk.Found {
	h.Helper()
	found, err := h.store.Lookup(h.Context(), "t", []bulk.Ref{ref})
	if err != nil {
		h.Fatal(err)
	}
	return found[0]
}

func (h *host) commit(w bulk.Write) error {
	return h.store.Commit(h.Context(), "t", []bulk.Write{w})[0]
}

func (h *host) done(w bulk.Write) {
	h.Helper()
	if err := h.commit(w); err != nil {
		h.Fatal(err)
	}
}

func (h *host) create(user bulk.User) *bulk.Stored {
	h.Helper()
	h.done(bulk.Write{User: user, Mark: "m"})
	return h.lookup(bulk.Ref{ID: user.ID}).ByID
}

func patched(base *bulk.Stored, patch bulk.Patch) bulk.Write {
	user := base.User
	user.CustomFields = user.CustomFields.Merge(patch.CustomFields)
	user.Metadata = user.Metadata.Merge(patch.Metadata)
	if patch.Email != "" {
		user.Email = patch.Email
	}
	return bulk.Write{User: user, Mark: "m", Base: base, Patch: patch}
}

func fields(text string) bulk.Fields {
	f, err := bulk.ParseFields([]byte(text))
	if err != nil {
		panic(err)
	}
	return f
}

func manyFields(n int) bulk.Fields {
	members := make(map[string]any, n)
	for i := range n {
		members[fmt.Sprintf("field %04d", i)] = i
	}
	f, err := bulk.NewFields(members)
	if err != nil {
		panic(err)
	}
	return f
}

// What the host writes, to attributes of its own and to fields of its own, while
// the store updates the same users, is all there afterwards, and so is what the
// store wrote.
func TestHostWritesSurvive(t *testing.T) {
	const users, writers, rounds = 500, 20, 3
	eachHost(t, guardedOnly, func(h *host) {
		id := func(i int) string { return fmt.Sprint("user ", i) }
		for start := 0; start < users; start += bulk.MaxBatch {
			var writes []bulk.Write
			for i := start; i < start+bulk.MaxBatch; i++ {
				writes = append(writes, bulk.Write{User: bulk.User{
					ID: id(i), Email: fmt.Sprintf("u%d-0@example.com", i), CustomFields: fields(`{"round":0}`),
				}})
			}
			for _, err := range h.store.Commit(h.Context(), "t", writes) {
				if err != nil {
					h.Fatal(err)
				}
			}
		}
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				// Each writer has every fifth user, so four at a time write to one.
				for i := w % 5; i < users; i += 5 {
					err := h.update(id(i), "SET #a=:v, customFields.#f=:v, metadata.#f=:v",
						map[string]string{"#a": fmt.Sprint("host", w), "#f": fmt.Sprint("host.", w)}, item{":v": text("mine")})
					if err != nil {
						h.Error(err)
						return
					}
				}
			})
		}
		batches := make(chan int, users/bulk.MaxBatch)
		for start := 0; start < users; start += bulk.MaxBatch {
			batches <- start
		}
		close(batches)
		for range 4 {
			wg.Go(func() {
				for start := range batches {
					for round := 1; round <= rounds; round++ {
						refs := make([]bulk.Ref, bulk.MaxBatch)
						for i := range refs {
							refs[i].ID = id(start + i)
						}
						found, err := h.store.Lookup(h.Context(), "t", refs)
						if err != nil {
							h.Error(err)
							return
						}
						writes := make([]bulk.Write, len(found))
						for i := range found {
							patch := bulk.Patch{CustomFields: fields(fmt.Sprintf(`{"round":%d,"new%d":true}`, round, round))}
							switch i % 5 { // the ways of an update
							case 1:
								patch.Email = fmt.Sprintf("u%d-%d@example.com", start+i, round)
							case 2:
								patch.CustomFields = patch.CustomFields.Merge(fields(`{"a.b":1}`))
							case 3:
								patch.CustomFields = patch.CustomFields.Merge(manyFields(600))
							}
							writes[i] = patched(found[i].ByID, patch)
						}
						for i, err := range h.store.Commit(h.Context(), "t", writes) {
							// A map that is replaced as a whole may be changed by the
							// host each time that it was read.
							for err != nil && bulk.Retryable(err) {
								err = h.commit(writes[i])
							}
							if err != nil {
								h.Error(err)
							}
						}
					}
				}
			})
		}
		wg.Wait()
		for i := range users {
			it := h.user(id(i))
			for w := i % 5; w < writers; w += 5 {
				for _, attribute := range []string{"customFields", "metadata"} {
					if it[attribute].(*types.AttributeValueMemberM).Value[fmt.Sprint("host.", w)] == nil {
						h.Errorf("%s: field %s of writer %d is lost", id(i), attribute, w)
					}
				}
				if it[fmt.Sprint("host", w)] == nil {
					h.Errorf("%s: the attribute of writer %d is lost", id(i), w)
				}
			}
			user := h.lookup(bulk.Ref{ID: id(i)}).ByID
			for round := 1; round <= rounds; round++ {
				if _, ok := user.CustomFields.Get(fmt.Sprint("new", round)); !ok {
					h.Errorf("%s: the update of round %d is lost", id(i), round)
				}
			}
		}
	})
}

// Of two commits that want the same emails for different users, one gets each.
func TestEmailsHaveOneOwner(t *testing.T) {
	const emails = 1000
	eachHost(t, modes, func(h *host) {
		var wins [2]atomic.Int32
		var wg sync.WaitGroup
		for c := range 2 {
			for lane := range 4 {
				wg.Go(func() {
					for start := lane * bulk.MaxBatch; start < emails; start += 4 * bulk.MaxBatch {
						var writes []bulk.Write
						for i := start; i < start+bulk.MaxBatch; i++ {
							writes = append(writes, bulk.Write{User: bulk.User{
								ID: fmt.Sprintf("%d of %d", i, c), Email: fmt.Sprintf("u%d@example.com", i),
							}})
						}
						for i, err := range h.store.Commit(h.Context(), "t", writes) {
							switch {
							case err == nil:
								wins[c].Add(1)
							case !errors.Is(err, bulk.ErrEmailTaken):
								h.Errorf("create of %s: %v", writes[i].User.ID, err)
							}
						}
					}
				})
			}
		}
		wg.Wait()
		if n := wins[0].Load() + wins[1].Load(); n != emails {
			h.Errorf("%d creates are done, want %d", n, emails)
		}
		h.Logf("%d to %d", wins[0].Load(), wins[1].Load())
		for i := range emails {
			email := fmt.Sprintf("u%d@example.com", i)
			owner := h.owner(email)
			other := fmt.Sprintf("%d of 0", i)
			if owner == other {
				other = fmt.Sprintf("%d of 1", i)
			}
			if it := h.user(owner); it == nil || !cmp.Equal(it["email"], text(email), ignoreSDK) {
				h.Fatalf("email %d is claimed by a user who does not have it", i)
			}
			if h.user(other) != nil {
				h.Fatalf("email %d has two users", i)
			}
		}
	})
}

var ignoreSDK = cmpopts.IgnoreUnexported(
	types.AttributeValueMemberS{}, types.AttributeValueMemberN{}, types.AttributeValueMemberB{}, types.AttributeValueMemberM{},
	types.AttributeValueMemberL{}, types.AttributeValueMemberSS{}, types.AttributeValueMemberNS{}, types.AttributeValueMemberNULL{}, types.AttributeValueMemberBOOL{},
)

func foreignFields() item {
	return item{
		"set":     &types.AttributeValueMemberSS{Value: []string{"a", "b"}},
		"binary":  &types.AttributeValueMemberB{Value: []byte{1, 2}},
		"null":    &types.AttributeValueMemberNULL{Value: true},
		"numbers": &types.AttributeValueMemberNS{Value: []string{"1", "2"}},
		"replace": &types.AttributeValueMemberSS{Value: []string{"a"}},
	}
}

// Items that other programs made are found and updated, and what they hold in types
// that JSON does not have stays as it is.
func TestForeignItems(t *testing.T) {
	eachHost(t, modes, func(h *host) {
		for name, patch := range map[string]bulk.Patch{
			"by path":          {CustomFields: fields(`{"replace":[1],"new":2}`)},
			"by dotted path":   {CustomFields: fields(`{"replace":[1],"new":2,"a.b":null}`)},
			"as a whole":       {CustomFields: manyFields(600).Merge(fields(`{"replace":[1],"new":2}`))},
			"with an email":    {CustomFields: fields(`{"replace":[1],"new":2}`), Email: "by-path@example.com"},
			"whole with email": {CustomFields: manyFields(600).Merge(fields(`{"replace":[1],"new":2}`)), Email: "whole@example.com"},
		} {
			h.put(h.opts.UsersTable, item{
				"pk": userKey(name)["pk"], "hostAttribute": &types.AttributeValueMemberSS{Value: []string{"x"}},
				"customFields": &types.AttributeValueMemberM{Value: foreignFields()},
			})
			base := h.lookup(bulk.Ref{ID: name}).ByID
			if base == nil {
				h.Fatalf("%s: the user is not found", name)
			}
			want := bulk.User{ID: name, CustomFields: fields(`{"set":["a","b"],"binary":"AQI=","numbers":[1,2],"replace":["a"]}`)}
			if diff := cmp.Diff(want, base.User); diff != "" || base.Version == "" || base.Mark != "" {
				h.Errorf("%s: version %q, mark %q, user (-want +got):\n%s", name, base.Version, base.Mark, diff)
			}
			w := patched(base, patch)
			h.done(w)
			if err := h.commit(w); !errors.Is(err, bulk.ErrConflict) {
				h.Errorf("%s: the same update again: %v, want ErrConflict", name, err)
			}
			got := h.user(name)["customFields"].(*types.AttributeValueMemberM).Value
			for field, value := range foreignFields() {
				if field != "replace" && !cmp.Equal(got[field], value, ignoreSDK) {
					h.Errorf("%s: %s became %#v", name, field, got[field])
				}
			}
			if h.user(name)["hostAttribute"] == nil {
				h.Errorf("%s: the host's attribute is lost", name)
			}
			if found := h.lookup(bulk.Ref{ID: name, Email: patch.Email}); !cmp.Equal(found.ByID.User, w.User) {
				h.Errorf("%s: the update made %v of it", name, found.ByID.User)
			} else if patch.Email != "" && !cmp.Equal(found.ByEmail, found.ByID) {
				h.Errorf("%s: the new email does not find the user", name)
			}
		}
	})
}

// A field can be set in an item without maps, by every way.
func TestItemsWithoutMaps(t *testing.T) {
	eachHost(t, modes, func(h *host) {
		for name, patch := range map[string]bulk.Patch{
			"set":        {CustomFields: fields(`{"a":1}`), Metadata: fields(`{"b":{"c":2}}`)},
			"remove":     {CustomFields: fields(`{"a":null}`)},
			"dotted":     {CustomFields: fields(`{"a.b":1}`)},
			"many":       {Metadata: manyFields(600)},
			"with email": {CustomFields: fields(`{"a":1}`), Email: "a@example.com"},
		} {
			h.put(h.opts.UsersTable, item{"pk": userKey(name)["pk"], "hostAttribute": text("x")})
			base := h.lookup(bulk.Ref{ID: name}).ByID
			w := patched(base, patch)
			h.done(w)
			if got := h.lookup(bulk.Ref{ID: name}).ByID; got.User != w.User {
				h.Errorf("%s: got %v, want %v", name, got.User, w.User)
			}
			if h.user(name)["hostAttribute"] == nil {
				h.Errorf("%s: the host's attribute is lost", name)
			}
		}
		// Beside the new one, what stood in the place of a map would be lost.
		h.put(h.opts.UsersTable, item{"pk": userKey("no map")["pk"], "customFields": text("a string")})
		base := h.lookup(bulk.Ref{ID: "no map"}).ByID
		err := h.commit(patched(base, bulk.Patch{CustomFields: fields(`{"a":1}`)}))
		if err == nil || bulk.Retryable(err) {
			h.Errorf("a field in what is not a map: %v, want a permanent error", err)
		}
		if h.user("no map")["customFields"] == nil {
			h.Error("what is not a map was removed")
		}
		h.done(patched(base, bulk.Patch{Metadata: fields(`{"a":1}`)}))
	})
}

// A user whose item has little room left, for what the host keeps in it, is
// ErrUserTooLarge when it does not fit, and stays as it was.
func TestHostAttributesTakeRoom(t *testing.T) {
	eachHost(t, modes, func(h *host) {
		large := text(string(make([]byte, 300<<10)))
		for _, patch := range []bulk.Patch{
			{CustomFields: fields(fmt.Sprintf(`{"a":"%0200000d"}`, 1))},
			{CustomFields: fields(fmt.Sprintf(`{"a.b":"%0200000d"}`, 1))},
			{CustomFields: fields(fmt.Sprintf(`{"a":"%0200000d"}`, 1)), Email: "new@example.com"},
		} {
			h.put(h.opts.UsersTable, item{"pk": userKey("u")["pk"], "large": large,
				"customFields": &types.AttributeValueMemberM{Value: item{}}})
			base := h.lookup(bulk.Ref{ID: "u"}).ByID
			if err := h.commit(patched(base, patch)); !errors.Is(err, bulk.ErrUserTooLarge) {
				h.Errorf("outcome is %v, want ErrUserTooLarge", err)
			}
			if got := h.lookup(bulk.Ref{ID: "u"}).ByID; got.User != base.User || got.Version != base.Version {
				h.Error("the user was changed")
			}
		}
		if h.opts.Mode == dynamostore.Guarded && h.owner("new@example.com") != "" {
			h.Error("the email was claimed")
		}
	})
}

// A claim whose user does not have the email belongs to nobody, and whoever asks
// for the email gets it.
func TestClaimsLeftOver(t *testing.T) {
	eachHost(t, modes, func(h *host) {
		leave := map[string]func(email, owner string){
			"user deleted": func(_, owner string) {
				if _, err := h.client.DeleteItem(h.Context(), &dynamodb.DeleteItemInput{TableName: &h.opts.UsersTable, Key: userKey(owner)}); err != nil {
					h.Fatal(err)
				}
			},
			"email changed": func(_, owner string) {
				if err := h.update(owner, "SET email=:e", nil, item{":e": text("other@example.com")}); err != nil {
					h.Fatal(err)
				}
			},
			"email removed": func(_, owner string) {
				if err := h.update(owner, "REMOVE email", nil, nil); err != nil {
					h.Fatal(err)
				}
			},
		}
		for name, leave := range leave {
			for _, by := range []string{"a create", "an update"} {
				email, owner, heir := fmt.Sprintf("%s@%s.com", name[5:], by[2:]), name+" owner, "+by, name+" heir, "+by
				h.create(bulk.User{ID: owner, Email: email})
				w := bulk.Write{User: bulk.User{ID: heir, Email: email}}
				if by == "an update" {
					w = patched(h.create(bulk.User{ID: heir}), bulk.Patch{Email: email})
				}
				if err := h.commit(w); !errors.Is(err, bulk.ErrEmailTaken) {
					h.Errorf("%s: %v, want ErrEmailTaken while the owner has it", heir, err)
				}
				leave(email, owner)
				if found := h.lookup(bulk.Ref{Email: email}); found.ByEmail != nil {
					h.Errorf("%s: the email is said to belong to %q", heir, found.ByEmail.ID)
				}
				if err := h.commit(w); err != nil {
					h.Errorf("%s: %v, want it done", heir, err)
					continue
				}
				if found := h.lookup(bulk.Ref{Email: email}); found.ByEmail == nil || found.ByEmail.ID != heir {
					h.Errorf("%s does not have the email", heir)
				}
			}
		}
		// The claim of a user that comes back.
		h.put(h.opts.ClaimsTable, item{"pk": text(dynamostore.ClaimKey("t", "back@example.com")), "userId": text("back")})
		back := h.create(bulk.User{ID: "back", Email: "back@example.com"})
		h.done(patched(back, bulk.Patch{Email: "gone@example.com"}))
		// The old email is claimed by another user: it is not the first one's to give up.
		h.put(h.opts.ClaimsTable, item{"pk": text(dynamostore.ClaimKey("t", "gone@example.com")), "userId": text("somebody")})
		h.done(patched(h.lookup(bulk.Ref{ID: "back"}).ByID, bulk.Patch{Email: "third@example.com"}))
		if got := h.owner("gone@example.com"); got != "somebody" {
			h.Errorf("the claim of another user was deleted: it names %q", got)
		}
	})
}

// A table with other names and keys works as well.
func TestExistingTable(t *testing.T) {
	awstest.EachDynamoDB(t, func(t *testing.T, server awstest.Server) {
		for name, mode := range modes {
			t.Run(name, func(t *testing.T) {
				tables := awstest.Name(t)
				opts := dynamostore.Options{
					UsersTable: tables + "-u", ClaimsTable: tables + "-c", Mode: mode,
					Attributes: dynamostore.Attributes{
						Key: "Organisation", SortKey: `user's "id"`, Tenant: "Organisation", UserID: `user's "id"`,
						Email: "Email Address", CustomFields: "profile.fields", Metadata: "#meta", Version: "select", Mark: ":m",
						ClaimKey: "Email Address", ClaimUserID: "set",
					},
					UserKey: func(tenant, userID string) dynamostore.Key { return dynamostore.Key{Partition: tenant, Sort: userID} },
				}
				client := server.DynamoDB(awstest.Transport(t))
				for range 2 { // again it finds the tables
					if err := dynamostore.CreateTables(t.Context(), client, opts); err != nil {
						t.Fatal(err)
					}
				}
				other := opts
				other.Attributes.SortKey = "another"
				if err := dynamostore.CreateTables(t.Context(), client, other); err == nil {
					t.Error("a table with another key was taken for the one that is asked for")
				}
				h := &host{t, server, client, opts, newStore(t, server, opts)}
				user := h.create(bulk.User{ID: "u", Email: "u@example.com", CustomFields: fields(`{"a":1}`)})
				h.create(bulk.User{ID: "without", Metadata: fields(`{"a":1}`)})
				for _, patch := range []bulk.Patch{
					{CustomFields: fields(`{"a":2,"b":3}`)}, {Metadata: fields(`{"a.b":2}`)}, {Email: "U@example.com"},
					{Email: "new@example.com"}, {CustomFields: manyFields(600)}, {CustomFields: fields(`{"a":null}`)},
				} {
					w := patched(user, patch)
					h.done(w)
					found := h.lookup(bulk.Ref{ID: "u", Email: w.User.Email})
					if user = found.ByID; user.User != w.User || !cmp.Equal(found.ByEmail, user) {
						t.Fatalf("after %v the user is %v", patch, user)
					}
				}
			})
		}
	})
}

// A context that ends while a call is under way ends it.
func TestCancelledCalls(t *testing.T) {
	awstest.EachDynamoDB(t, func(t *testing.T, server awstest.Server) {
		for name, mode := range modes {
			t.Run(name, func(t *testing.T) {
				opts := newTables(t, server)
				opts.Mode = mode
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				// Every call is throttled, and the context ends at the second.
				faults := awstest.NewFaults(t, awstest.Transport(t), 1, awstest.Rule{Kind: awstest.Throttle})
				transport := roundTripper(func(r *http.Request) (*http.Response, error) {
					if faults.Calls() == 1 {
						cancel()
					}
					return faults.RoundTrip(r)
				})
				store, err := dynamostore.New(dynamostore.NewClient(server.Config(transport)), opts)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := store.Lookup(ctx, "t", []bulk.Ref{{ID: "u"}}); !errors.Is(err, context.Canceled) {
					t.Errorf("Lookup returned %v, want the context's error", err)
				}
				err = store.Commit(ctx, "t", []bulk.Write{{User: bulk.User{ID: "u", Email: "u@example.com"}}})[0]
				if !errors.Is(err, context.Canceled) || bulk.Retryable(err) {
					t.Errorf("Commit returned %v, want the context's error", err)
				}
			})
		}
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
