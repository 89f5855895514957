package bulktest

import (
	"errors"
	"fmt"
	"strings"

	"github.com/bulkops/bulkops/bulk"
)

var createCases = []storeCase{{
	name: "Create/StoresTheUser",
	rule: "a create that is done stores the user as it is in the write",
	run: func(t *storeTest) {
		for _, user := range []bulk.User{
			{ID: "all", Email: "All@Example.com", CustomFields: fields(`{"a":1}`), Metadata: fields(`{"a":2}`)},
			{ID: "no fields", Email: "no-fields@example.com"},
			{ID: "custom fields", CustomFields: fields(`{"a":1}`)},
			{ID: "metadata", Metadata: fields(`{"a":1}`)},
			{ID: "nothing"},
		} {
			t.add(user)
		}
	},
}, {
	name: "Create/NeedsNoEmail",
	rule: "any number of users may have no email",
	run: func(t *storeTest) {
		t.done(create(bulk.User{ID: "a"}), create(bulk.User{ID: "b"}))
		t.done(create(bulk.User{ID: "c"}))
		for _, id := range []string{"a", "b", "c"} {
			t.holds(bulk.User{ID: id})
		}
	},
}, {
	name: "Create/RefusesIDInUse",
	rule: "a create that finds the id in use is ErrConflict, and the user there stays as it is",
	run: func(t *storeTest) {
		held := t.add(bulk.User{ID: "u", Email: "u@example.com", CustomFields: fields(`{"a":1}`)})
		t.refused(create(bulk.User{ID: "u", Email: "other@example.com", CustomFields: fields(`{"b":2}`)}), bulk.ErrConflict)
		t.unchanged(held)
		t.refused(create(held.User), bulk.ErrConflict) // its own email is no better reason
		t.unchanged(held)
	},
}, {
	name: "Create/RefusesEmailInUse",
	rule: "a create whose email another user has is ErrEmailTaken, and no user is made",
	run: func(t *storeTest) {
		held := t.add(bulk.User{ID: "u", Email: "u@example.com"})
		t.refused(create(bulk.User{ID: "v", Email: "u@example.com"}), bulk.ErrEmailTaken)
		t.unchanged(held)
		t.absent("v")
	},
}, {
	name: "Create/RefusesEmailInUseInOtherCase",
	rule: "emails are compared by EmailKey: ASCII letters of either case are the same",
	run: func(t *storeTest) {
		held := t.add(bulk.User{ID: "u", Email: "Ana@Example.com"})
		t.refused(create(bulk.User{ID: "v", Email: "aNA@eXAMPLE.COM"}), bulk.ErrEmailTaken)
		t.unchanged(held)
		t.absent("v")
	},
}, {
	name: "Create/RefusesBoth",
	rule: "if a write has both a conflict and a taken email, either is right",
	run: func(t *storeTest) {
		a := t.add(bulk.User{ID: "a", Email: "a@example.com"})
		b := t.add(bulk.User{ID: "b", Email: "b@example.com"})
		err := t.commit(create(bulk.User{ID: "a", Email: "b@example.com"}))[0]
		if !errors.Is(err, bulk.ErrConflict) && !errors.Is(err, bulk.ErrEmailTaken) {
			t.Errorf("outcome is %v, want %q or %q", errText(err), bulk.ErrConflict, bulk.ErrEmailTaken)
		}
		t.unchanged(a)
		t.unchanged(b)
	},
}, {
	name: "Create/RefusedClaimsNothing",
	rule: "a write is done in full or not at all: a create that is refused claims neither id nor email",
	run: func(t *storeTest) {
		t.add(bulk.User{ID: "u", Email: "u@example.com"})
		t.refused(create(bulk.User{ID: "u", Email: "new@example.com"}), bulk.ErrConflict)
		t.free("new@example.com")
		t.refused(create(bulk.User{ID: "new", Email: "u@example.com"}), bulk.ErrEmailTaken)
		t.absent("new")
		t.add(bulk.User{ID: "new", Email: "new@example.com"})
	},
}, {
	name: "Create/StoresTheMark",
	rule: "a Mark is opaque text of up to MaxMark bytes, stored in the same step as the user",
	run: func(t *storeTest) {
		for i, mark := range marks {
			id := fmt.Sprint("u", i)
			t.done(bulk.Write{User: bulk.User{ID: id, Email: id + "@example.com"}, Mark: mark})
			found := t.lookup(bulk.Ref{ID: id, Email: id + "@example.com"})[0]
			if found.ByID == nil || found.ByID.Mark != mark {
				t.Errorf("ByID does not have the mark %q of %d bytes", clip(mark), len(mark))
			}
			if found.ByEmail == nil || found.ByEmail.Mark != mark {
				t.Errorf("ByEmail does not have the mark %q of %d bytes", clip(mark), len(mark))
			}
		}
	},
}}

// marks are texts that a store must keep byte by byte.
var marks = []string{
	"",
	"job_0190f5c8-aaaa-7bbb-8ccc-0123456789ab/42",
	`{"quotes":"\"","dots":"a.b"}` + "\n\t' ; -- \x01",
	"  outer white space  ",
	"été 名前 😀",
	strings.Repeat("m", bulk.MaxMark),
	strings.Repeat("é", bulk.MaxMark/2),
}
