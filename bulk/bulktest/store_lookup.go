package bulktest

import (
	"fmt"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkops/bulkops/bulk"
)

var lookupCases = []storeCase{{
	name: "Lookup/FindsByID",
	rule: "ByID is the user with the id of the Ref",
	run: func(t *storeTest) {
		want := t.add(bulk.User{ID: "u", Email: "u@example.com", CustomFields: fields(`{"a":1}`), Metadata: fields(`{"b":2}`)})
		found := t.lookup(bulk.Ref{ID: "u"})[0]
		if diff := cmp.Diff(want, found.ByID); diff != "" {
			t.Errorf("ByID (-want +got):\n%s", diff)
		}
		if found.ByEmail != nil {
			t.Errorf("ByEmail is user %q, but the Ref has no email", found.ByEmail.ID)
		}
	},
}, {
	name: "Lookup/FindsByEmail",
	rule: "ByEmail is the user that owns the email of the Ref",
	run: func(t *storeTest) {
		want := t.add(bulk.User{ID: "u", Email: "u@example.com", CustomFields: fields(`{"a":1}`), Metadata: fields(`{"b":2}`)})
		found := t.lookup(bulk.Ref{Email: "u@example.com"})[0]
		if diff := cmp.Diff(want, found.ByEmail); diff != "" {
			t.Errorf("ByEmail (-want +got):\n%s", diff)
		}
		if found.ByID != nil {
			t.Errorf("ByID is user %q, but the Ref has no id", found.ByID.ID)
		}
	},
}, {
	name: "Lookup/FindsByBoth",
	rule: "ByID and ByEmail are found independently: they may be two users, or the same",
	run: func(t *storeTest) {
		a := t.add(bulk.User{ID: "a", Email: "a@example.com"})
		b := t.add(bulk.User{ID: "b", Email: "b@example.com"})
		got := t.lookup(
			bulk.Ref{ID: "a", Email: "a@example.com"},
			bulk.Ref{ID: "a", Email: "b@example.com"},
			bulk.Ref{ID: "a", Email: "nobody@example.com"},
			bulk.Ref{ID: "nobody", Email: "b@example.com"},
		)
		want := []bulk.Found{{ByID: a, ByEmail: a}, {ByID: a, ByEmail: b}, {ByID: a}, {ByEmail: b}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("results (-want +got):\n%s", diff)
		}
	},
}, {
	name: "Lookup/MissingUserIsNoError",
	rule: "a user that does not exist is not an error",
	run: func(t *storeTest) {
		got := t.lookup(bulk.Ref{ID: "nobody"}, bulk.Ref{Email: "nobody@example.com"}, bulk.Ref{ID: "no", Email: "no@example.com"})
		if diff := cmp.Diff(make([]bulk.Found, 3), got); diff != "" {
			t.Errorf("results (-want +got):\n%s", diff)
		}
	},
}, {
	name: "Lookup/EmptyRefNamesNobody",
	rule: "a Ref with neither id nor email names nobody",
	run: func(t *storeTest) {
		a := t.add(bulk.User{ID: "without email"})
		got := t.lookup(bulk.Ref{}, bulk.Ref{ID: "without email"}, bulk.Ref{})
		if diff := cmp.Diff([]bulk.Found{{}, {ByID: a}, {}}, got); diff != "" {
			t.Errorf("results (-want +got):\n%s", diff)
		}
		if got := t.lookup(bulk.Ref{})[0]; got != (bulk.Found{}) {
			t.Errorf("an empty Ref alone found somebody: %+v", got)
		}
	},
}, {
	name: "Lookup/ResultsByIndex",
	rule: "Lookup returns one Found for each reference, by index",
	run: func(t *storeTest) {
		var writes []bulk.Write
		for i := range t.batch {
			if i%3 != 0 {
				writes = append(writes, create(bulk.User{ID: fmt.Sprint("u", i), Email: fmt.Sprintf("u%d@example.com", i)}))
			}
		}
		t.done(writes...)
		// Backwards, so that the order of creation is of no help.
		refs := make([]bulk.Ref, t.batch)
		for i := range refs {
			refs[t.batch-1-i] = bulk.Ref{ID: fmt.Sprint("u", i), Email: fmt.Sprintf("u%d@example.com", i)}
		}
		for i, found := range t.lookup(refs...) {
			n := t.batch - 1 - i
			for by, got := range map[string]*bulk.Stored{"ByID": found.ByID, "ByEmail": found.ByEmail} {
				switch {
				case n%3 == 0 && got != nil:
					t.Errorf("result %d: %s is %q, want nobody", i, by, got.ID)
				case n%3 != 0 && got == nil:
					t.Errorf("result %d: %s is nobody, want %q", i, by, refs[i].ID)
				case n%3 != 0 && got.ID != refs[i].ID:
					t.Errorf("result %d: %s is %q, want %q", i, by, got.ID, refs[i].ID)
				}
			}
		}
	},
}, {
	name: "Lookup/SameUserInSeveralRefs",
	rule: "references of one call may name the same user, and the same reference may stand twice",
	run: func(t *storeTest) {
		a := t.add(bulk.User{ID: "a", Email: "a@example.com"})
		got := t.lookup(
			bulk.Ref{ID: "a"}, bulk.Ref{ID: "a"}, bulk.Ref{Email: "a@example.com"}, bulk.Ref{Email: "A@EXAMPLE.COM"},
			bulk.Ref{ID: "a", Email: "a@example.com"}, bulk.Ref{ID: "nobody"}, bulk.Ref{ID: "nobody"},
		)
		want := []bulk.Found{{ByID: a}, {ByID: a}, {ByEmail: a}, {ByEmail: a}, {ByID: a, ByEmail: a}, {}, {}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("results (-want +got):\n%s", diff)
		}
	},
}, {
	name: "Lookup/SeesWhatIsDone",
	rule: "every write that a Commit reported as done before the call is seen",
	run: func(t *storeTest) {
		const workers, rounds = 8, 10
		race(workers, func(i int) {
			user := bulk.User{ID: fmt.Sprint("u", i), Email: fmt.Sprintf("u%d-0@example.com", i), CustomFields: fields(`{"round":0}`)}
			if err := t.commit(create(user))[0]; err != nil {
				t.Errorf("create: %v", err)
				return
			}
			for round := 1; round <= rounds; round++ {
				results, err := t.tryLookup(bulk.Ref{ID: user.ID, Email: user.Email})
				if err != nil {
					t.Error(err)
					return
				}
				found := results[0]
				if found.ByID == nil || found.ByID.User != user || found.ByEmail == nil || found.ByEmail.User != user {
					t.Errorf("Lookup right after a Commit returned an earlier state of user %q", user.ID)
					return
				}
				w := update(found.ByID, bulk.Patch{
					Email:        fmt.Sprintf("u%d-%d@example.com", i, round),
					CustomFields: fields(fmt.Sprintf(`{"round":%d}`, round)),
				})
				if err := t.commit(w)[0]; err != nil {
					t.Errorf("update from the version just looked up: %v", err)
					return
				}
				user = w.User
			}
		})
	},
}}
