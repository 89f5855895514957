package bulktest

import (
	"errors"
	"fmt"

	"github.com/bulkops/bulkops/bulk"
)

var batchCases = []storeCase{{
	name: "Batch/TakesMaxBatch",
	rule: "a call takes 1 to MaxBatch elements",
	run: func(t *storeTest) {
		users := numbered(t.batch)
		t.done(creates(users)...)
		refs := make([]bulk.Ref, len(users))
		for i, user := range users {
			refs[i] = bulk.Ref{ID: user.ID, Email: user.Email}
		}
		updates := make([]bulk.Write, len(users))
		for i, found := range t.lookup(refs...) {
			if found.ByID == nil {
				t.Fatalf("there is no user %q", refs[i].ID)
			}
			updates[i] = update(found.ByID, bulk.Patch{Email: fmt.Sprintf("new%d@example.com", i), CustomFields: fields(`{"a":null,"b":2}`)})
		}
		t.done(updates...)
		for i, w := range updates {
			t.holds(w.User)
			t.free(users[i].Email)
		}
	},
}, {
	name: "Batch/RefusesMoreThanMaxBatch",
	rule: "a call refuses more than MaxBatch elements with ErrBatchTooLarge and does nothing",
	run: func(t *storeTest) {
		users := numbered(t.batch + 1)
		for i, err := range t.commit(creates(users)...) {
			if !errors.Is(err, bulk.ErrBatchTooLarge) {
				t.Fatalf("write %d of %d: outcome is %v, want %q", i, len(users), errText(err), bulk.ErrBatchTooLarge)
			}
		}
		for _, user := range users {
			t.absent(user.ID)
			t.free(user.Email)
		}
		refs := make([]bulk.Ref, len(users))
		for i, user := range users {
			refs[i] = bulk.Ref{ID: user.ID}
		}
		if _, err := t.store.Lookup(t.ctx, t.tenant, refs); !errors.Is(err, bulk.ErrBatchTooLarge) {
			t.Errorf("Lookup of %d references: error is %v, want %q", len(refs), errText(err), bulk.ErrBatchTooLarge)
		}
	},
}, {
	name: "Batch/RefusesNone",
	rule: "ErrBatchTooLarge is for calls without elements too; a Commit without writes has no outcome to say so",
	run: func(t *storeTest) {
		if _, err := t.store.Lookup(t.ctx, t.tenant, nil); !errors.Is(err, bulk.ErrBatchTooLarge) {
			t.Errorf("Lookup of nothing: error is %v, want %q", errText(err), bulk.ErrBatchTooLarge)
		}
		t.commit()
	},
}, {
	name: "Batch/OutcomesByIndex",
	rule: "Commit returns one outcome for each write, by index, and each write is independent of the others",
	run: func(t *storeTest) {
		users := numbered(12)
		t.done(creates(users)...)
		held := make([]*bulk.Stored, len(users))
		for i, user := range users {
			held[i] = t.user(user.ID)
		}
		old := *held[11]
		held[11] = t.change(held[11], bulk.Patch{CustomFields: fields(`{"meanwhile":true}`)})
		missing := bulk.Stored{User: bulk.User{ID: "missing"}, Version: held[0].Version}
		add := fields(`{"added":1}`)

		batch := []struct {
			write bulk.Write
			want  error
		}{
			{create(bulk.User{ID: "new 0", Email: "new0@example.com"}), nil},
			{create(bulk.User{ID: users[0].ID, Email: "unused0@example.com"}), bulk.ErrConflict},
			{update(held[1], bulk.Patch{CustomFields: add}), nil},
			{create(bulk.User{ID: "refused 0", Email: users[10].Email}), bulk.ErrEmailTaken},
			{update(held[2], bulk.Patch{Email: "moved2@example.com"}), nil},
			{update(&old, bulk.Patch{CustomFields: add}), bulk.ErrConflict},
			{create(bulk.User{ID: "new 1"}), nil},
			{update(held[3], bulk.Patch{Email: users[9].Email, CustomFields: add}), bulk.ErrEmailTaken},
			{create(padded(bulk.User{ID: "refused 1", Email: "unused1@example.com"}, bulk.MaxUser+1)), bulk.ErrUserTooLarge},
			{update(held[4], bulk.Patch{}), nil},
			{update(&missing, bulk.Patch{CustomFields: add}), bulk.ErrConflict},
			{update(held[5], bulk.Patch{Email: "USER-5@EXAMPLE.COM"}), nil},
			{create(bulk.User{ID: "new 2", Email: "new2@example.com", CustomFields: add}), nil},
			{update(held[6], bulk.Patch{CustomFields: padded(bulk.User{}, bulk.MaxUser).CustomFields}), bulk.ErrUserTooLarge},
			{update(held[7], bulk.Patch{CustomFields: fields(`{"a":null}`), Metadata: add}), nil},
			{create(bulk.User{ID: "new 3", Email: "new3@example.com"}), nil},
			{update(held[8], bulk.Patch{Email: "moved8@example.com", CustomFields: add, Metadata: add}), nil},
		}
		writes := make([]bulk.Write, len(batch))
		for i := range batch {
			writes[i] = batch[i].write
		}
		for i, err := range t.commit(writes...) {
			if want := batch[i].want; !errors.Is(err, want) {
				t.Errorf("write %d (%s): outcome is %v, want %v", i, describe(writes[i]), errText(err), errText(want))
			}
		}
		for i, w := range writes {
			switch {
			case batch[i].want == nil:
				t.holds(w.User)
			case w.Base == nil && w.User.ID != users[0].ID, w.Base == &missing:
				t.absent(w.User.ID)
			}
		}
		for _, i := range []int{0, 3, 6, 9, 10, 11} {
			t.unchanged(held[i])
		}
		for _, email := range []string{"unused0@example.com", "unused1@example.com", users[2].Email, users[8].Email} {
			t.free(email)
		}
	},
}, {
	name: "Batch/FailuresDoNotSpread",
	rule: "each write is independent: in a full batch with one failure the other writes are done",
	run: func(t *storeTest) {
		held := t.add(bulk.User{ID: "held", Email: "held@example.com"})
		for _, fail := range []struct {
			write bulk.Write
			want  error
		}{
			{create(bulk.User{ID: "held"}), bulk.ErrConflict},
			{create(bulk.User{ID: "thief", Email: "Held@example.com"}), bulk.ErrEmailTaken},
			{create(padded(bulk.User{ID: "large"}, bulk.MaxUser+1)), bulk.ErrUserTooLarge},
		} {
			for _, at := range []int{0, t.batch / 2, t.batch - 1} {
				part := t.in(unique("tenant"))
				part.add(held.User)
				users := numbered(t.batch)
				writes := creates(users)
				writes[at] = fail.write
				for i, err := range part.commit(writes...) {
					switch {
					case i == at && !errors.Is(err, fail.want):
						t.Errorf("write %d: outcome is %v, want %q", i, errText(err), fail.want)
					case i != at && err != nil:
						t.Errorf("write %d: %v, though only write %d has a fault", i, err, at)
					case i != at:
						part.holds(users[i])
					}
				}
			}
		}
	},
}, {
	name: "Batch/AllMayFail",
	rule: "a batch in which every write is refused reports each by its own reason",
	run: func(t *storeTest) {
		users := numbered(t.batch)
		t.done(creates(users)...)
		writes := make([]bulk.Write, len(users))
		for i, user := range users {
			if i%2 == 0 {
				writes[i] = create(bulk.User{ID: user.ID, Email: fmt.Sprintf("unused%d@example.com", i)})
			} else {
				writes[i] = create(bulk.User{ID: fmt.Sprint("refused ", i), Email: user.Email})
			}
		}
		for i, err := range t.commit(writes...) {
			want := bulk.ErrConflict
			if i%2 == 1 {
				want = bulk.ErrEmailTaken
			}
			if !errors.Is(err, want) {
				t.Errorf("write %d: outcome is %v, want %q", i, errText(err), want)
			}
		}
		for i, user := range users {
			t.holds(user)
			t.absent(fmt.Sprint("refused ", i))
			t.free(fmt.Sprintf("unused%d@example.com", i))
		}
	},
}}

// numbered returns users with ids, emails and fields of their own.
func numbered(n int) []bulk.User {
	users := make([]bulk.User, n)
	for i := range users {
		users[i] = bulk.User{
			ID:           fmt.Sprint("user ", i),
			Email:        fmt.Sprintf("user-%d@example.com", i),
			CustomFields: fields(fmt.Sprintf(`{"a":%d}`, i)),
		}
	}
	return users
}

func creates(users []bulk.User) []bulk.Write {
	writes := make([]bulk.Write, len(users))
	for i, user := range users {
		writes[i] = create(user)
	}
	return writes
}
