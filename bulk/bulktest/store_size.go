package bulktest

import (
	"fmt"
	"strings"

	"github.com/bulkops/bulkops/bulk"
)

var sizeCases = []storeCase{{
	name: "Size/LargestUserFits",
	rule: "a user of MaxUser bytes, as User.Size counts them, fits with the longest mark, whatever it is made of",
	run: func(t *storeTest) {
		email := strings.Repeat("é", 64) + "@" + strings.Repeat("d", 251) + ".com"
		for _, user := range []bulk.User{
			padded(bulk.User{ID: strings.Repeat("😀", bulk.MaxUserID), Email: email, Metadata: fields(`{"a":1}`)}, bulk.MaxUser),
			padded(bulk.User{ID: "many fields", CustomFields: manyFields(bulk.MaxUser * 9 / 10)}, bulk.MaxUser),
			padded(bulk.User{ID: "many elements", Metadata: manyElements(bulk.MaxUser * 9 / 10)}, bulk.MaxUser),
		} {
			w := bulk.Write{User: user, Mark: strings.Repeat("m", bulk.MaxMark)}
			if err := t.commit(w)[0]; err != nil {
				t.Errorf("create of a user of %d bytes (%s): %v", user.Size(), clip(user.ID), err)
				continue
			}
			base := t.holds(user)
			update := bulk.Write{User: user, Base: base, Mark: strings.Repeat("n", bulk.MaxMark)}
			if err := t.commit(update)[0]; err != nil {
				t.Errorf("update of the mark of a user of %d bytes (%s): %v", user.Size(), clip(user.ID), err)
			}
		}
	},
}, {
	name: "Size/CreateRefusesLargerUser",
	rule: "every store refuses to create a user above MaxUser with ErrUserTooLarge, and makes none",
	run: func(t *storeTest) {
		for _, size := range []int{bulk.MaxUser + 1, bulk.MaxItem + 1, 2 * bulk.MaxItem} {
			t.refused(create(padded(bulk.User{ID: "u", Email: "u@example.com"}, size)), bulk.ErrUserTooLarge)
			t.absent("u")
			t.free("u@example.com")
		}
	},
}, {
	name: "Size/UpdateRefusesLargerUser",
	rule: "every store refuses an update after which the user is above MaxUser with ErrUserTooLarge, and changes nothing",
	run: func(t *storeTest) {
		base := t.add(padded(bulk.User{ID: "u", Email: "u@example.com"}, bulk.MaxUser-100))
		grow := func(size int) bulk.Patch {
			name := `{"grow":"%s"}`
			overhead := update(base, bulk.Patch{Email: "v@example.com", CustomFields: fields(fmt.Sprintf(name, ""))}).User.Size()
			return bulk.Patch{Email: "v@example.com", CustomFields: fields(fmt.Sprintf(name, strings.Repeat("g", size-overhead)))}
		}
		t.refused(update(base, grow(bulk.MaxUser+1)), bulk.ErrUserTooLarge)
		t.refused(update(base, grow(bulk.MaxItem+1)), bulk.ErrUserTooLarge)
		t.unchanged(base)
		t.free("v@example.com")
		t.change(base, grow(bulk.MaxUser))
	},
}, {
	name: "Size/UpdateReplacesALargeValue",
	rule: "a Patch may have any size that fits into a user, also in place of a value of that size",
	run: func(t *storeTest) {
		base := t.add(padded(bulk.User{ID: "u"}, bulk.MaxUser))
		w := bulk.User{ID: "u"}
		other := padded(w, bulk.MaxUser-1)
		base = t.change(base, bulk.Patch{CustomFields: other.CustomFields})
		base = t.change(base, bulk.Patch{CustomFields: fields(`{"pad":""}`)})
		t.change(base, bulk.Patch{CustomFields: manyFields(bulk.MaxUser * 9 / 10)})
	},
}, {
	name: "Size/FullBatchOfLargestUsers",
	rule: "a call takes up to 25 elements, whatever their size",
	run: func(t *storeTest) {
		n := min(t.batch, bulk.MaxBatch)
		writes, refs := make([]bulk.Write, n), make([]bulk.Ref, n)
		for i := range writes {
			user := padded(bulk.User{ID: fmt.Sprint("u", i), Email: fmt.Sprintf("u%d@example.com", i)}, bulk.MaxUser)
			writes[i] = create(user)
			refs[i] = bulk.Ref{ID: user.ID, Email: user.Email}
		}
		for i, err := range t.commit(writes...) {
			if err != nil {
				t.Fatalf("write %d: %v", i, err)
			}
		}
		for i, found := range t.lookup(refs...) {
			if found.ByID == nil || found.ByID.User != writes[i].User || found.ByEmail == nil || found.ByEmail.User != writes[i].User {
				t.Fatalf("user %d is not found as written", i)
			}
			writes[i] = update(found.ByID, bulk.Patch{CustomFields: fields(`{"pad":"` + strings.Repeat("q", bulk.MaxUser/2) + `"}`)})
		}
		for i, err := range t.commit(writes...) {
			if err != nil {
				t.Fatalf("update %d: %v", i, err)
			}
		}
		for i, found := range t.lookup(refs...) {
			if found.ByID == nil || found.ByID.User != writes[i].User {
				t.Fatalf("user %d is not found as updated", i)
			}
		}
	},
}}

// padded returns the user with a custom field that makes its size what is asked.
func padded(user bulk.User, size int) bulk.User {
	pad := func(n int) bulk.User {
		u := user
		u.CustomFields = u.CustomFields.Merge(fields(`{"pad":"` + strings.Repeat("p", n) + `"}`))
		return u
	}
	padded := pad(size - pad(0).Size())
	if padded.Size() != size {
		panic(fmt.Sprintf("bulktest: padded a user to %d bytes instead of %d", padded.Size(), size))
	}
	return padded
}

// manyFields returns small fields of all kinds, of about that size.
func manyFields(size int) bulk.Fields {
	var text strings.Builder
	text.WriteString(`{"f":0`)
	kinds := []string{`%d`, `"%d"`, `[%d]`, `{"n":%d}`, `-%d.5`}
	for i := 0; text.Len() < size; i++ {
		fmt.Fprintf(&text, `,"f%d":`+kinds[i%len(kinds)], i, i)
	}
	text.WriteByte('}')
	return fields(text.String())
}

// manyElements returns one field that is an array of the smallest values there
// are, of about that size as [bulk.User.Size] counts.
func manyElements(size int) bulk.Fields {
	return fields(`{"a":["",true` + strings.Repeat(`,"",null,[],false,0`, size/14) + `]}`)
}
