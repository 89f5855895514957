package bulktest

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkops/bulkops/bulk"
)

var argumentCases = []storeCase{{
	name: "Arguments/AreNotModified",
	rule: "arguments are not modified",
	run: func(t *storeTest) {
		base := t.add(bulk.User{ID: "u", Email: "U@Example.com", CustomFields: fields(`{"a":1}`)})
		refs := []bulk.Ref{{ID: "u", Email: "U@EXAMPLE.COM"}, {}, {Email: "Nobody@Example.com"}}
		refsBefore := slices.Clone(refs)
		t.lookup(refs...)
		if diff := cmp.Diff(refsBefore, refs); diff != "" {
			t.Errorf("Lookup modified its references (-before +after):\n%s", diff)
		}
		baseBefore := *base
		writes := []bulk.Write{
			update(base, bulk.Patch{Email: "V@Example.com", CustomFields: fields(`{"a":null,"b":1}`)}),
			create(bulk.User{ID: "v", Email: "W@Example.com"}),
			create(bulk.User{ID: "u", Email: "X@Example.com"}),
		}
		writesBefore := slices.Clone(writes)
		t.commit(writes...)
		if diff := cmp.Diff(writesBefore, writes); diff != "" {
			t.Errorf("Commit modified its writes (-before +after):\n%s", diff)
		}
		if diff := cmp.Diff(baseBefore, *base); diff != "" {
			t.Errorf("Commit modified the Base of a write (-before +after):\n%s", diff)
		}
	},
}, {
	name: "Arguments/AreNotKept",
	rule: "arguments are not kept after the return",
	run: func(t *storeTest) {
		base := t.add(bulk.User{ID: "u", Email: "u@example.com"})
		writes := []bulk.Write{update(base, bulk.Patch{CustomFields: fields(`{"a":1}`)}), create(bulk.User{ID: "v", Email: "v@example.com"})}
		want := []bulk.User{writes[0].User, writes[1].User}
		t.done(writes...)
		*base = bulk.Stored{User: bulk.User{ID: "overwritten"}, Version: "overwritten", Mark: "overwritten"}
		for i := range writes {
			writes[i] = bulk.Write{User: bulk.User{ID: "overwritten", Email: "overwritten@example.com"}}
		}
		for _, user := range want {
			t.holds(user)
		}
		t.absent("overwritten")
	},
}, {
	name: "Arguments/ResultsAreCopies",
	rule: "what Lookup returned is the caller's: it does not change with the user, nor the user with it",
	run: func(t *storeTest) {
		want := *t.add(bulk.User{ID: "u", Email: "u@example.com", CustomFields: fields(`{"a":1}`)})
		first := t.lookup(bulk.Ref{ID: "u", Email: "u@example.com"})[0]
		second := t.lookup(bulk.Ref{ID: "u", Email: "u@example.com"})[0]
		for _, stored := range []*bulk.Stored{first.ByID, first.ByEmail, second.ByID, second.ByEmail} {
			if stored == nil {
				t.Fatal("the user is not found any more")
			}
		}
		for _, stored := range []*bulk.Stored{first.ByID, first.ByEmail} {
			*stored = bulk.Stored{User: bulk.User{ID: "overwritten"}, Version: "overwritten"}
		}
		if *second.ByID != want || *second.ByEmail != want {
			t.Error("results of two lookups share memory")
		}
		base := *t.user("u")
		if base != want {
			t.Fatalf("the user changed with the result of a lookup: %+v, want %+v", base, want)
		}
		t.change(&base, bulk.Patch{CustomFields: fields(`{"a":2}`)})
		if *second.ByID != want {
			t.Error("the result of a lookup changed with the user")
		}
	},
}, {
	name: "Context/CancelledCallFails",
	rule: "a cancelled context ends a call soon, with an error for which errors.Is(err, ctx.Err()) holds",
	run: func(t *storeTest) {
		base := t.add(bulk.User{ID: "u", Email: "u@example.com"})
		late, cancel := context.WithDeadline(t.ctx, time.Now().Add(-time.Hour))
		defer cancel()
		for _, ctx := range []context.Context{cancelled(), late} {
			if _, err := t.store.Lookup(ctx, t.tenant, []bulk.Ref{{ID: "u"}}); !errors.Is(err, ctx.Err()) {
				t.Errorf("Lookup: error is %v, want %q", errText(err), ctx.Err())
			}
			writes := []bulk.Write{
				create(bulk.User{ID: "v", Email: "v@example.com"}), update(base, bulk.Patch{CustomFields: fields(`{"a":1}`)}),
				update(base, bulk.Patch{Email: "w@example.com"}),
			}
			outcomes := t.store.Commit(ctx, t.tenant, writes[:2])
			outcomes = append(outcomes, t.store.Commit(ctx, t.tenant, writes[2:])...)
			if len(outcomes) != len(writes) {
				t.Fatalf("Commit of %d writes returned %d outcomes", len(writes), len(outcomes))
			}
			for i, err := range outcomes {
				if !errors.Is(err, ctx.Err()) {
					t.Errorf("Commit: outcome %d is %v, want %q", i, errText(err), ctx.Err())
				}
			}
		}
	},
}}
