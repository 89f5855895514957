package contracttest

import (
	"github.com/google/go-cmp/cmp"

	"github.com/bulkops/bulkops/bulk"
)

// A user is what is stored of a user. The id * stands for one that was generated:
// that user is looked for by its email. Fields are JSON; "" is none.
type user struct{ id, email, customFields, metadata string }

// anyID is the id of a user that has a generated one.
const anyID = "*"

// lookup returns what the store holds for a reference.
func (w *world) lookup(ref bulk.Ref) bulk.Found {
	w.Helper()
	found, err := w.Store.Lookup(w.ctx, w.tenant, []bulk.Ref{ref})
	if err != nil {
		w.Fatalf("Lookup of %+v: %v", ref, err)
	}
	return found[0]
}

// stored returns the user of that id, which must be there.
func (w *world) stored(id string) *bulk.Stored {
	w.Helper()
	user := w.lookup(bulk.Ref{ID: id}).ByID
	if user == nil {
		w.Fatalf("there is no user %q", clip(id))
	}
	return user
}

// owner returns the user that has an email, nil if nobody has.
func (w *world) owner(email string) *bulk.Stored {
	w.Helper()
	return w.lookup(bulk.Ref{Email: email}).ByEmail
}

// holds checks that the store has this user, exactly, and after these answers.
func (w *world) holds(a *answer, want user) *bulk.Stored {
	w.Helper()
	var got *bulk.Stored
	if want.id == anyID {
		got = w.owner(want.email)
	} else {
		got = w.lookup(bulk.Ref{ID: want.id}).ByID
	}
	if got == nil {
		a.fatalf("the store has no user %q with the email %q", clip(want.id), want.email)
	}
	expected := bulk.User{
		ID: want.id, Email: want.email,
		CustomFields: w.fields(want.customFields), Metadata: w.fields(want.metadata),
	}
	if want.id == anyID {
		expected.ID = got.ID
	}
	if diff := cmp.Diff(expected, got.User); diff != "" {
		a.errorf("the stored user is another (-want +got):\n%s", clip(diff))
	}
	if want.email == "" {
		return got
	}
	if owner := w.owner(want.email); owner == nil || owner.ID != got.ID {
		a.errorf("the email %q does not lead to its user", want.email)
	}
	return got
}

// fields reads JSON of a case.
func (w *world) fields(text string) bulk.Fields {
	w.Helper()
	if text == "" {
		return bulk.Fields{}
	}
	f, err := bulk.ParseFields([]byte(text))
	if err != nil {
		w.Fatal(err)
	}
	return f
}

// lacks checks that the store has no user of that id.
func (w *world) lacks(a *answer, id string) {
	w.Helper()
	if w.lookup(bulk.Ref{ID: id}).ByID != nil {
		a.errorf("the store has a user %q", id)
	}
}

// free checks that nobody has the email.
func (w *world) free(a *answer, email string) {
	w.Helper()
	if owner := w.owner(email); owner != nil {
		a.errorf("the email %q belongs to %q", email, owner.ID)
	}
}
