package memstore_test

import (
	"context"
	"fmt"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/store/memstore"
)

func Example() {
	store := memstore.New()
	if err := store.Put("acme", bulk.User{ID: "u-1", Email: "Ana@Example.com"}); err != nil {
		fmt.Println(err)
		return
	}

	// As an import does it: look up, decide, commit.
	ctx := context.Background()
	found, err := store.Lookup(ctx, "acme", []bulk.Ref{{Email: "ana@example.com"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	patch, err := bulk.NewFields(map[string]any{"team": "Lakers"})
	if err != nil {
		fmt.Println(err)
		return
	}
	user := found[0].ByEmail.User
	user.CustomFields = user.CustomFields.Merge(patch)
	outcomes := store.Commit(ctx, "acme", []bulk.Write{
		{User: user, Base: found[0].ByEmail, Patch: bulk.Patch{CustomFields: patch}},
		{User: bulk.User{ID: "u-2", Email: "ANA@example.com"}},
	})
	fmt.Println(outcomes[0], outcomes[1])

	for _, user := range store.Users("acme") {
		fmt.Println(user.ID, user.Email, user.CustomFields)
	}
	// Output:
	// <nil> memstore: create user "u-2": bulk: email belongs to another user
	// u-1 Ana@Example.com {"team":"Lakers"}
}
