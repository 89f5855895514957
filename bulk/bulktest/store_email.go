package bulktest

import (
	"errors"

	"github.com/bulkops/bulkops/bulk"
)

var emailCases = []storeCase{{
	name: "Email/ChangeMovesTheClaim",
	rule: "a change of email claims the new one and frees the old one in the same atomic step",
	run: func(t *storeTest) {
		base := t.add(bulk.User{ID: "a", Email: "y@example.com", CustomFields: fields(`{"a":1}`)})
		base = t.change(base, bulk.Patch{Email: "z@example.com"})
		t.free("y@example.com")
		b := t.add(bulk.User{ID: "b", Email: "y@example.com"})
		t.refused(create(bulk.User{ID: "c", Email: "z@example.com"}), bulk.ErrEmailTaken)
		t.refused(update(base, bulk.Patch{Email: "y@example.com"}), bulk.ErrEmailTaken)
		t.unchanged(base)
		t.unchanged(b)
	},
}, {
	name: "Email/ChangeThereAndBack",
	rule: "an email that was given up can be claimed again, by the same user too",
	run: func(t *storeTest) {
		base := t.add(bulk.User{ID: "a", Email: "y@example.com"})
		base = t.change(base, bulk.Patch{Email: "z@example.com"})
		t.change(base, bulk.Patch{Email: "y@example.com"})
		t.free("z@example.com")
	},
}, {
	name: "Email/ChangeRefusesEmailInUse",
	rule: "an update whose email another user has is ErrEmailTaken and changes nothing, not even its other fields",
	run: func(t *storeTest) {
		a := t.add(bulk.User{ID: "a", Email: "a@example.com", CustomFields: fields(`{"a":1}`)})
		b := t.add(bulk.User{ID: "b", Email: "b@example.com"})
		for _, email := range []string{"b@example.com", "B@EXAMPLE.com"} {
			t.refused(update(a, bulk.Patch{Email: email, CustomFields: fields(`{"a":2}`)}), bulk.ErrEmailTaken)
			t.unchanged(a)
			t.unchanged(b)
		}
	},
}, {
	name: "Email/ChangeRefusedKeepsTheClaim",
	rule: "a change of email that is refused frees nothing",
	run: func(t *storeTest) {
		old := t.add(bulk.User{ID: "a", Email: "a@example.com"})
		held := t.change(old, bulk.Patch{CustomFields: fields(`{"a":1}`)})
		t.add(bulk.User{ID: "b", Email: "b@example.com"})
		t.refused(update(old, bulk.Patch{Email: "new@example.com"}), bulk.ErrConflict)
		t.refused(update(held, bulk.Patch{Email: "b@example.com"}), bulk.ErrEmailTaken)
		t.refused(create(bulk.User{ID: "c", Email: "a@example.com"}), bulk.ErrEmailTaken)
		t.free("new@example.com")
		t.unchanged(held)
	},
}, {
	name: "Email/CaseOnlyChange",
	rule: "a new email may differ from the old one in nothing but case: it is stored as given and stays claimed",
	run: func(t *storeTest) {
		base := t.add(bulk.User{ID: "a", Email: "ana@example.com", CustomFields: fields(`{"a":1}`)})
		base = t.change(base, bulk.Patch{Email: "Ana@Example.com"})
		t.refused(create(bulk.User{ID: "b", Email: "ana@example.com"}), bulk.ErrEmailTaken)
		base = t.change(base, bulk.Patch{Email: "ANA@EXAMPLE.COM", CustomFields: fields(`{"a":2}`)})
		if got := t.owner("ana@example.com"); got == nil || got.User != base.User {
			t.Error("the email in its first case does not find the user any more")
		}
		t.change(base, bulk.Patch{Email: "other@example.com"})
		t.free("ana@example.com")
	},
}, {
	name: "Email/SameEmailInThePatch",
	rule: "a Patch that names the email the user has already is done",
	run: func(t *storeTest) {
		base := t.add(bulk.User{ID: "a", Email: "ana@example.com"})
		t.change(base, bulk.Patch{Email: "ana@example.com", CustomFields: fields(`{"a":1}`)})
		t.refused(create(bulk.User{ID: "b", Email: "ana@example.com"}), bulk.ErrEmailTaken)
	},
}, {
	name: "Email/AddedToAUserWithout",
	rule: "a user without email can be given one, which is then claimed",
	run: func(t *storeTest) {
		taken := t.add(bulk.User{ID: "b", Email: "b@example.com"})
		base := t.add(bulk.User{ID: "a"})
		t.refused(update(base, bulk.Patch{Email: "b@example.com"}), bulk.ErrEmailTaken)
		t.unchanged(base)
		t.change(base, bulk.Patch{Email: "a@example.com"})
		t.refused(create(bulk.User{ID: "c", Email: "a@example.com"}), bulk.ErrEmailTaken)
		t.unchanged(taken)
	},
}, {
	name: "Email/OtherUpdatesKeepTheClaim",
	rule: "an update that does not name the email leaves it and its claim as they are",
	run: func(t *storeTest) {
		base := t.add(bulk.User{ID: "a", Email: "Ana@example.com"})
		base = t.change(base, bulk.Patch{CustomFields: fields(`{"a":1}`)})
		base = t.change(base, bulk.Patch{})
		t.refused(create(bulk.User{ID: "b", Email: "ana@example.com"}), bulk.ErrEmailTaken)
		t.unchanged(base)
	},
}, {
	name: "Email/ExchangedInSteps",
	rule: "emails move between users as soon as they are free",
	run: func(t *storeTest) {
		a := t.add(bulk.User{ID: "a", Email: "a@example.com"})
		b := t.add(bulk.User{ID: "b", Email: "b@example.com"})
		a = t.change(a, bulk.Patch{Email: "aside@example.com"})
		t.change(b, bulk.Patch{Email: "a@example.com"})
		t.change(a, bulk.Patch{Email: "b@example.com"})
		t.free("aside@example.com")
	},
}, {
	name: "Email/HandedOverInOneBatch",
	rule: "the writes of a batch are independent: who takes an email that another write gives up has it, or is refused",
	run: func(t *storeTest) {
		a := t.add(bulk.User{ID: "a", Email: "y@example.com"})
		move := update(a, bulk.Patch{Email: "z@example.com"})
		take := create(bulk.User{ID: "b", Email: "y@example.com"})
		outcomes := t.commit(create(bulk.User{ID: "before"}), move, take, create(bulk.User{ID: "after"}))
		for _, i := range []int{0, 1, 3} {
			if outcomes[i] != nil {
				t.Errorf("write %d: %v, want it done", i, outcomes[i])
			}
		}
		t.holds(move.User)
		switch err := outcomes[2]; {
		case err == nil:
			t.holds(take.User)
		case errors.Is(err, bulk.ErrEmailTaken) || bulk.Retryable(err):
			t.absent("b")
			t.free("y@example.com")
			t.add(take.User) // by now it is free for certain
		default:
			t.Errorf("write 2: %v, want it done, ErrEmailTaken or an error to be retried", err)
		}
	},
}}
