package bulktest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bulkops/bulkops/bulk"
)

var updateCases = []storeCase{{
	name: "Update/ChangesWhatThePatchNames",
	rule: "an update changes what its Patch names and nothing else",
	run: func(t *storeTest) {
		base := t.add(bulk.User{
			ID: "u", Email: "u@example.com",
			CustomFields: fields(`{"keep":1,"replace":"old","remove":true,"nested":{"x":1,"y":[1,2]}}`),
			Metadata:     fields(`{"keep":2,"replace":"old"}`),
		})
		base = t.change(base, bulk.Patch{CustomFields: fields(`{"replace":"new","remove":null,"add":3}`)})
		// A nested object is a value like any other: replaced, not merged.
		base = t.change(base, bulk.Patch{CustomFields: fields(`{"nested":{"z":3}}`)})
		base = t.change(base, bulk.Patch{Metadata: fields(`{"replace":[1],"add":{"a":null}}`)})
		base = t.change(base, bulk.Patch{Email: "new@example.com"})
		base = t.change(base, bulk.Patch{Email: "newer@example.com", CustomFields: fields(`{"all":1}`), Metadata: fields(`{"all":1}`)})
		want := bulk.User{
			ID: "u", Email: "newer@example.com",
			CustomFields: fields(`{"keep":1,"replace":"new","add":3,"nested":{"z":3},"all":1}`),
			Metadata:     fields(`{"keep":2,"replace":[1],"add":{"a":null},"all":1}`),
		}
		if base.User != want {
			t.Errorf("after five updates the user is %+v, want %+v", base.User, want)
		}
	},
}, {
	name: "Update/CustomFieldsAndMetadataAreApart",
	rule: "an update changes what its Patch names and nothing else",
	run: func(t *storeTest) {
		base := t.add(bulk.User{ID: "u", CustomFields: fields(`{"a":1,"b":1}`), Metadata: fields(`{"a":2,"b":2}`)})
		base = t.change(base, bulk.Patch{CustomFields: fields(`{"a":null,"b":3}`)})
		t.change(base, bulk.Patch{Metadata: fields(`{"a":4,"b":null}`)})
		t.holds(bulk.User{ID: "u", CustomFields: fields(`{"b":3}`), Metadata: fields(`{"a":4}`)})
	},
}, {
	name: "Update/NullRemovesAField",
	rule: "null removes a field; a removed field may be gone already",
	run: func(t *storeTest) {
		base := t.add(bulk.User{ID: "u", CustomFields: fields(`{"a":1,"b":2}`), Metadata: fields(`{"a":1}`)})
		base = t.change(base, bulk.Patch{CustomFields: fields(`{"a":null}`)})
		base = t.change(base, bulk.Patch{CustomFields: fields(`{"a":null}`)})
		base = t.change(base, bulk.Patch{CustomFields: fields(`{"never there":null,"c":1}`), Metadata: fields(`{"never there":null}`)})
		// The last field goes, and with it nothing else.
		base = t.change(base, bulk.Patch{CustomFields: fields(`{"b":null,"c":null}`), Metadata: fields(`{"a":null}`)})
		base = t.change(base, bulk.Patch{CustomFields: fields(`{"a":null}`), Metadata: fields(`{"a":null}`)})
		t.change(base, bulk.Patch{CustomFields: fields(`{"a":2}`), Metadata: fields(`{"a":3}`)})
		t.holds(bulk.User{ID: "u", CustomFields: fields(`{"a":2}`), Metadata: fields(`{"a":3}`)})
	},
}, {
	name: "Update/AddsFieldsToAUserWithout",
	rule: "a Patch applies to a user without fields or email",
	run: func(t *storeTest) {
		base := t.add(bulk.User{ID: "custom"})
		t.change(base, bulk.Patch{CustomFields: fields(`{"a":1}`)})
		base = t.add(bulk.User{ID: "meta"})
		t.change(base, bulk.Patch{Metadata: fields(`{"a":1}`)})
		base = t.add(bulk.User{ID: "removal"})
		t.change(base, bulk.Patch{CustomFields: fields(`{"a":null}`), Metadata: fields(`{"a":null}`)})
		base = t.add(bulk.User{ID: "all"})
		t.change(base, bulk.Patch{Email: "all@example.com", CustomFields: fields(`{"a":1}`), Metadata: fields(`{"a":1}`)})
	},
}, {
	name: "Update/EmptyPatchStoresTheMark",
	rule: "an update with an empty Patch changes nothing but the mark and the version",
	run: func(t *storeTest) {
		base := t.add(bulk.User{ID: "u", Email: "u@example.com", CustomFields: fields(`{"a":1}`)})
		t.done(bulk.Write{User: base.User, Base: base, Mark: "mark only"})
		got := t.holds(base.User)
		if got.Mark != "mark only" {
			t.Errorf("mark is %q, want %q", got.Mark, "mark only")
		}
		if got.Version == base.Version {
			t.Error("the version did not change")
		}
	},
}, {
	name: "Update/StoresTheMark",
	rule: "Mark is from the last Commit that wrote the user",
	run: func(t *storeTest) {
		base := t.add(bulk.User{ID: "u", Email: "u@example.com"})
		// From "" to the longest and back, so that each replaces another.
		for i, mark := range slices.Concat(marks, marks[:1]) {
			w := update(base, bulk.Patch{CustomFields: fields(fmt.Sprintf(`{"round":%d}`, i))})
			w.Mark = mark
			t.done(w)
			base = t.holds(w.User)
			if base.Mark != mark {
				t.Fatalf("after the update the mark is %q, want %q", clip(base.Mark), clip(mark))
			}
		}
	},
}, {
	name: "Update/RefusesAnOldVersion",
	rule: "an update of a user that is not at the version of Base any more is ErrConflict and changes nothing",
	run: func(t *storeTest) {
		old := t.add(bulk.User{ID: "u", Email: "u@example.com", CustomFields: fields(`{"a":1}`)})
		held := t.change(old, bulk.Patch{CustomFields: fields(`{"a":2}`)})
		for _, patch := range []bulk.Patch{
			{CustomFields: fields(`{"a":3}`)},
			{CustomFields: fields(`{"b":3}`)}, // of another field: still not what was looked up
			{Metadata: fields(`{"a":3}`)},
			{Email: "new@example.com"},
			{Email: "U@EXAMPLE.COM"},
			{},
		} {
			t.refused(update(old, patch), bulk.ErrConflict)
			t.unchanged(held)
		}
		t.free("new@example.com")
	},
}, {
	name: "Update/RefusesAVersionThatWasPassed",
	rule: "Version changes with every Commit: a user that looks as before is not at the version of before",
	run: func(t *storeTest) {
		first := t.add(bulk.User{ID: "u", CustomFields: fields(`{"a":1}`)})
		second := t.change(first, bulk.Patch{CustomFields: fields(`{"a":2}`)})
		w := update(second, bulk.Patch{CustomFields: fields(`{"a":1}`)})
		w.Mark = first.Mark
		t.done(w)
		held := t.holds(first.User)
		t.refused(update(first, bulk.Patch{CustomFields: fields(`{"a":3}`)}), bulk.ErrConflict)
		t.unchanged(held)
	},
}, {
	name: "Update/VersionChanges",
	rule: "Version changes with every Commit that writes the user, and is not empty",
	run: func(t *storeTest) {
		base := t.add(bulk.User{ID: "u", Email: "u@example.com"})
		seen := []string{base.Version}
		for _, patch := range []bulk.Patch{
			{CustomFields: fields(`{"a":1}`)}, {CustomFields: fields(`{"a":1}`)}, {}, {}, {Email: "U@example.com"}, {Email: "v@example.com"},
		} {
			w := update(base, patch)
			w.Mark = "the same"
			t.done(w)
			base = t.holds(w.User)
			if slices.Contains(seen, base.Version) {
				t.Fatalf("a version came back after a commit of %+v", patch)
			}
			seen = append(seen, base.Version)
		}
	},
}, {
	name: "Update/RefusesAMissingUser",
	rule: "an update of a user that is gone is ErrConflict, and makes no user",
	run: func(t *storeTest) {
		other := t.add(bulk.User{ID: "other", Email: "other@example.com"})
		gone := &bulk.Stored{User: bulk.User{ID: "gone", Email: "gone@example.com"}, Version: other.Version, Mark: "m"}
		for _, patch := range []bulk.Patch{
			{CustomFields: fields(`{"a":1}`)}, {CustomFields: fields(`{"a":null}`)}, {Email: "new@example.com"}, {},
		} {
			t.refused(update(gone, patch), bulk.ErrConflict)
			t.absent("gone")
		}
		t.free("gone@example.com")
		t.free("new@example.com")
		t.unchanged(other)
	},
}, {
	name: "Update/ManyFieldsAtOnce",
	rule: "a Patch may name as many fields as fit into a user",
	run: func(t *storeTest) {
		const count = 1000
		object := func(value func(i int) string) bulk.Fields {
			var members []string
			for i := range count {
				members = append(members, fmt.Sprintf(`"the field's \"name\" %04d %s":%s`, i, strings.Repeat("n", 80), value(i)))
			}
			return fields("{" + strings.Join(members, ",") + "}")
		}
		base := t.add(bulk.User{ID: "u", CustomFields: object(func(int) string { return "0" })})
		base = t.change(base, bulk.Patch{CustomFields: object(func(i int) string { return fmt.Sprintf(`{"n":[%d]}`, i) })})
		base = t.change(base, bulk.Patch{CustomFields: object(func(i int) string {
			if i%2 == 0 {
				return "null"
			}
			return fmt.Sprint(i)
		})})
		t.change(base, bulk.Patch{CustomFields: object(func(int) string { return "null" })})
		t.holds(bulk.User{ID: "u"})
	},
}}
