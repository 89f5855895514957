package dynamostore_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/test/awstest"
	"github.com/bulkops/bulkops/store/dynamostore"
)

// The tests of this file are about what happens between the reads and the writes of
// a store. Each puts one event at one such place, so that it fails for certain when
// the condition that guards the place is missing.

// meddle does something before the nth call of an operation reaches the server.
type meddle struct {
	next      http.RoundTripper
	operation string
	n         int32
	do        func()
	calls     atomic.Int32
}

func (m *meddle) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasSuffix(r.Header.Get("X-Amz-Target"), "."+m.operation) && m.calls.Add(1) == m.n {
		m.do()
	}
	return m.next.RoundTrip(r)
}

// commitWhile commits a write, and does something before the nth call of an
// operation that the commit makes.
func (h *host) commitWhile(w bulk.Write, operation string, n int, do func()) error {
	h.Helper()
	m := &meddle{next: awstest.Transport(h.T), operation: operation, n: int32(n), do: do}
	store, err := dynamostore.New(dynamostore.NewClient(h.server.Config(m)), h.opts)
	if err != nil {
		h.Fatal(err)
	}
	outcome := store.Commit(h.Context(), "t", []bulk.Write{w})[0]
	if m.calls.Load() < m.n {
		h.Fatalf("the commit made %d calls of %s, and nothing happened before call %d", m.calls.Load(), operation, n)
	}
	return outcome
}

func (h *host) mustUpdate(id, expression string, values item) {
	h.Helper()
	if err := h.update(id, expression, nil, values); err != nil {
		h.Fatal(err)
	}
}

func (h *host) delete(table string, key item) {
	h.Helper()
	if _, err := h.client.DeleteItem(h.Context(), &dynamodb.DeleteItemInput{TableName: &table, Key: key}); err != nil {
		h.Fatal(err)
	}
}

// hasEmail fails unless the user is the one that an email finds, and its item has it.
func (h *host) hasEmail(id, email string) {
	h.Helper()
	if it := h.user(id); it == nil || !cmp.Equal(it["email"], text(email), ignoreSDK) {
		h.Errorf("the item of %s has the email %v, want %q", id, it["email"], email)
	}
	if found := h.lookup(bulk.Ref{Email: email}).ByEmail; found == nil || found.ID != id {
		h.Errorf("%q does not find %s", email, id)
	}
}

// oneUserHas fails if more than one of the users' items has the email.
func (h *host) oneUserHas(email string, ids ...string) {
	h.Helper()
	var having []string
	for _, id := range ids {
		if cmp.Equal(h.user(id)["email"], text(email), ignoreSDK) {
			having = append(having, id)
		}
	}
	if len(having) > 1 {
		h.Errorf("%q is the email of %q at the same time", email, having)
	}
}

// waysOfUpdate has a patch for each way of making an update.
var waysOfUpdate = map[string]bulk.Patch{
	"statement":                     {CustomFields: fields(`{"a":1}`)},
	"paths":                         {CustomFields: fields(`{"a":1,"b.c":2}`)},
	"whole maps":                    {CustomFields: manyFields(600)},
	"transaction":                   {CustomFields: fields(`{"a":1}`), Email: "new@example.com"},
	"transaction with whole maps":   {CustomFields: manyFields(600), Email: "new@example.com"},
	"transaction without old email": {Email: "new@example.com"},
}

// An update whose user is not as it was looked up is a conflict and changes nothing,
// on every way, whether the user had a version or not.
func TestUpdateOfAnotherVersion(t *testing.T) {
	eachHost(t, guardedOnly, func(h *host) {
		for name, patch := range waysOfUpdate {
			for _, versioned := range []bool{true, false} {
				id := fmt.Sprintf("%s, versioned %t", name, versioned)
				it := item{"pk": userKey(id)["pk"], "customFields": &types.AttributeValueMemberM{Value: item{}}}
				if name != "transaction without old email" {
					it["email"] = text(fmt.Sprintf("%d@example.com", len(id)))
				}
				h.put(h.opts.UsersTable, it)
				base := h.lookup(bulk.Ref{ID: id}).ByID
				if versioned {
					h.done(patched(base, bulk.Patch{}))
					base = h.lookup(bulk.Ref{ID: id}).ByID
				}
				h.done(patched(base, bulk.Patch{Metadata: fields(`{"other":true}`)}))
				before := h.user(id)
				if err := h.commit(patched(base, patch)); !errors.Is(err, bulk.ErrConflict) {
					h.Errorf("%s: %v, want ErrConflict after another update", id, err)
				}
				if diff := cmp.Diff(before, h.user(id), ignoreSDK); diff != "" {
					h.Errorf("%s: the update was done (-before +after):\n%s", id, diff)
				}
				h.delete(h.opts.UsersTable, userKey(id))
				if err := h.commit(patched(base, patch)); !errors.Is(err, bulk.ErrConflict) {
					h.Errorf("%s: %v, want ErrConflict after the user is gone", id, err)
				}
				if h.user(id) != nil {
					h.Errorf("%s: the update made a user", id)
				}
				if owner := h.owner("new@example.com"); owner != "" {
					h.Errorf("%s: the email was claimed for %q", id, owner)
				}
			}
		}
	})
}

// A create of a user that is there by then is a conflict, on every way.
func TestCreateOfAnExistingUser(t *testing.T) {
	eachHost(t, guardedOnly, func(h *host) {
		for operation, email := range map[string]string{"BatchExecuteStatement": "", "TransactWriteItems": "u@example.com"} {
			w := bulk.Write{User: bulk.User{ID: operation, Email: email}}
			there := item{"pk": userKey(operation)["pk"], "hostAttribute": text("x")}
			err := h.commitWhile(w, operation, 1, func() { h.put(h.opts.UsersTable, there) })
			if !errors.Is(err, bulk.ErrConflict) {
				h.Errorf("%s: %v, want ErrConflict", operation, err)
			}
			if diff := cmp.Diff(there, h.user(operation), ignoreSDK); diff != "" {
				h.Errorf("%s: the user is not as the host made it (-want +got):\n%s", operation, diff)
			}
		}
		if owner := h.owner("u@example.com"); owner != "" {
			h.Errorf("the email was claimed for %q", owner)
		}
	})
}

// What the host does to a map between its reading and its replacement is not lost,
// and the update is made nevertheless.
func TestMapChangesBeforeItIsReplaced(t *testing.T) {
	eachHost(t, guardedOnly, func(h *host) {
		for name, it := range map[string]item{
			"map":    {"customFields": &types.AttributeValueMemberM{Value: item{"old": text("x")}}},
			"no map": {},
		} {
			for operation, email := range map[string]string{"UpdateItem": "", "TransactWriteItems": "u@example.com"} {
				id := name + " " + operation
				it["pk"] = userKey(id)["pk"]
				h.put(h.opts.UsersTable, it)
				base := h.lookup(bulk.Ref{ID: id}).ByID
				patch := bulk.Patch{CustomFields: manyFields(600), Email: strings.ReplaceAll(id, " ", "") + "@example.com"}
				if email == "" {
					patch.Email = ""
				}
				err := h.commitWhile(patched(base, patch), operation, 1, func() {
					h.mustUpdate(id, "SET customFields=:m", item{":m": &types.AttributeValueMemberM{Value: item{"host": text("y")}}})
				})
				if err != nil {
					h.Errorf("%s: %v", id, err)
				}
				user := h.lookup(bulk.Ref{ID: id}).ByID
				for _, field := range []string{"host", "field 0000", "field 0599"} {
					if _, ok := user.CustomFields.Get(field); !ok {
						h.Errorf("%s: field %q is lost", id, field)
					}
				}
				if _, ok := user.CustomFields.Get("old"); ok {
					h.Errorf("%s: a field that the host removed is back", id)
				}
			}
		}
	})
}

// A change of email is a conflict if the host changed the email meanwhile, although
// the host knows nothing of versions.
func TestHostMovesEmailWithoutVersion(t *testing.T) {
	eachHost(t, modes, func(h *host) {
		for name, test := range map[string]struct {
			before    types.AttributeValue
			change    string
			want      types.AttributeValue
			wantError error
		}{
			"moved":                           {text("old@example.com"), "SET email=:e", text("host@example.com"), bulk.ErrConflict},
			"given":                           {nil, "SET email=:e", text("host@example.com"), bulk.ErrConflict},
			"given in place of a null":        {&types.AttributeValueMemberNULL{Value: true}, "SET email=:e", text("host@example.com"), bulk.ErrConflict},
			"moved before a change of case":   {text("NEW@example.com"), "SET email=:e", text("host@example.com"), bulk.ErrConflict},
			"removed before a change of case": {text("NEW@example.com"), "REMOVE email", nil, bulk.ErrConflict},
			"removed":                         {text("old@example.com"), "REMOVE email", nil, bulk.ErrConflict},
			"still a null":                    {&types.AttributeValueMemberNULL{Value: true}, "", text("new@example.com"), nil},
			"still an empty string":           {text(""), "", text("new@example.com"), nil},
		} {
			for _, patch := range []bulk.Patch{
				{Email: "new@example.com"},
				{Email: "new@example.com", CustomFields: fields(`{"a.b":1}`)},
				{Email: "new@example.com", CustomFields: manyFields(600)},
			} {
				it := item{"pk": userKey(name)["pk"]}
				if test.before != nil {
					it["email"] = test.before
				}
				h.put(h.opts.UsersTable, it)
				h.delete(h.opts.ClaimsTable, item{"pk": text(dynamostore.ClaimKey("t", "new@example.com"))})
				base := h.lookup(bulk.Ref{ID: name}).ByID
				switch {
				case strings.HasPrefix(test.change, "SET"):
					h.mustUpdate(name, test.change, item{":e": test.want})
				case test.change != "":
					h.mustUpdate(name, test.change, nil)
				}
				if err := h.commit(patched(base, patch)); !errors.Is(err, test.wantError) {
					h.Errorf("%s: outcome is %v, want %v", name, err, test.wantError)
				}
				if got := h.user(name)["email"]; !cmp.Equal(got, test.want, ignoreSDK) {
					h.Errorf("%s: the email is %v, want %v", name, got, test.want)
				}
				if owner := h.owner("new@example.com"); (owner != "") != (test.wantError == nil) {
					h.Errorf("%s: the new email is claimed by %q", name, owner)
				}
			}
		}
	})
}

// A claim that was left over is taken over only if its owner still does not have the
// email at that very moment. Else one email would have two users.
func TestOwnerOfAStaleClaimComesBack(t *testing.T) {
	eachHost(t, guardedOnly, func(h *host) {
		for name, leave := range map[string]func(owner string){
			"owner is gone":     func(owner string) { h.delete(h.opts.UsersTable, userKey(owner)) },
			"owner has another": func(owner string) { h.mustUpdate(owner, "SET email=:e", item{":e": text("other@example.com")}) },
			"owner has none":    func(owner string) { h.mustUpdate(owner, "REMOVE email", nil) },
			"owner's email is null": func(owner string) {
				h.mustUpdate(owner, "SET email=:e", item{":e": &types.AttributeValueMemberNULL{Value: true}})
			},
			"owner's email is blank": func(owner string) { h.mustUpdate(owner, "SET email=:e", item{":e": text("")}) },
		} {
			for _, by := range []string{"create", "update"} {
				owner, heir := name+" owner "+by, name+" heir "+by
				email := fmt.Sprintf("%d-%s@example.com", len(owner), strings.ReplaceAll(owner, " ", "."))
				email = strings.ReplaceAll(email, "'", "")
				h.create(bulk.User{ID: owner, Email: email})
				w := bulk.Write{User: bulk.User{ID: heir, Email: email}}
				if by == "update" {
					w = patched(h.create(bulk.User{ID: heir}), bulk.Patch{Email: email})
				}
				leave(owner)
				// The first transaction finds the claim, the second one takes it over.
				err := h.commitWhile(w, "TransactWriteItems", 2, func() {
					if now := h.lookup(bulk.Ref{ID: owner}).ByID; now != nil {
						h.done(patched(now, bulk.Patch{Email: email}))
					} else {
						h.create(bulk.User{ID: owner, Email: email})
					}
				})
				if !errors.Is(err, bulk.ErrEmailTaken) {
					h.Errorf("%s: %v, want ErrEmailTaken", heir, err)
				}
				h.oneUserHas(email, owner, heir)
				h.hasEmail(owner, email)
			}
		}
	})
}

// A claim that was left over goes to one heir only.
func TestStaleClaimIsTakenOverOnce(t *testing.T) {
	eachHost(t, guardedOnly, func(h *host) {
		const email = "e@example.com"
		h.create(bulk.User{ID: "owner", Email: email})
		h.delete(h.opts.UsersTable, userKey("owner"))
		err := h.commitWhile(bulk.Write{User: bulk.User{ID: "late", Email: email}}, "TransactWriteItems", 2, func() {
			h.create(bulk.User{ID: "first", Email: email})
		})
		if !errors.Is(err, bulk.ErrEmailTaken) {
			h.Errorf("%v, want ErrEmailTaken", err)
		}
		h.oneUserHas(email, "first", "late")
		h.hasEmail("first", email)
	})
}

// A change of email does not delete the claim of another user, also where that came
// to have it at the last moment.
func TestReleaseOfAClaimThatPassedOn(t *testing.T) {
	eachHost(t, guardedOnly, func(h *host) {
		base := h.create(bulk.User{ID: "u", Email: "old@example.com"})
		claim := item{"pk": text(dynamostore.ClaimKey("t", "old@example.com")), "userId": text("somebody")}
		err := h.commitWhile(patched(base, bulk.Patch{Email: "new@example.com"}), "TransactWriteItems", 1, func() {
			h.put(h.opts.ClaimsTable, claim)
		})
		if err != nil {
			h.Error(err)
		}
		h.hasEmail("u", "new@example.com")
		if got := h.owner("old@example.com"); got != "somebody" {
			h.Errorf("the claim of another user was deleted: it names %q", got)
		}
	})
}

// A write whose answer was lost is done once and reported as done, on every way.
func TestLostAnswers(t *testing.T) {
	eachHost(t, guardedOnly, func(h *host) {
		check := func(name, operation string, w bulk.Write) {
			h.Helper()
			w.Mark = name
			faults := awstest.NewFaults(h, awstest.Transport(h), 1,
				awstest.Rule{Kind: awstest.LostAnswer, Operations: []string{operation}, Times: 2})
			store, err := dynamostore.New(dynamostore.NewClient(h.server.Config(faults)), h.opts)
			if err != nil {
				h.Fatal(err)
			}
			if err := store.Commit(h.Context(), "t", []bulk.Write{w})[0]; err != nil {
				h.Errorf("%s: %v, want it reported as done", name, err)
			}
			if n := faults.Injected(awstest.LostAnswer); n != 2 {
				h.Errorf("%s: %d answers were lost", name, n)
			}
			if got := h.lookup(bulk.Ref{ID: w.User.ID, Email: w.User.Email}); got.ByID == nil || got.ByID.User != w.User || got.ByID.Mark != name {
				h.Errorf("%s: the user is %v", name, got.ByID)
			}
		}
		check("create", "BatchExecuteStatement", bulk.Write{User: bulk.User{ID: "create"}})
		check("create with email", "TransactWriteItems", bulk.Write{User: bulk.User{ID: "create with email", Email: "c@example.com"}})
		for name, operation := range map[string]string{
			"statement": "BatchExecuteStatement", "paths": "UpdateItem", "whole maps": "UpdateItem",
			"transaction": "TransactWriteItems", "transaction with whole maps": "TransactWriteItems",
		} {
			patch := waysOfUpdate[name]
			if patch.Email != "" {
				patch.Email = strings.ReplaceAll(name, " ", "") + "@example.com"
			}
			check(name, operation, patched(h.create(bulk.User{ID: name}), patch))
		}
	})
}
