package bulktest

import (
	"fmt"
	"strings"

	"github.com/bulkops/bulkops/bulk"
)

var identityCases = []storeCase{{
	name: "Identity/IDsAreComparedByteByByte",
	rule: "ids are compared byte by byte",
	run: func(t *storeTest) {
		t.separate(func(user *bulk.User, name string) { user.ID = name },
			"u", "U", "u u", "u  u", "u\u00a0u", "é", "e\u0301", "É", "K", "k", "\u212a", "i", "I", "İ", "ı", "ß", "ss", "u\u00ad", "u\u200b",
			"0", "00", "-0", "0.0", "null", `"`, `'`, "`", `\`, "a/b", "a%2Fb", "a#b", "a|b", "a:b", "a,b", ".", "..", "*",
			"😀", "'; DROP TABLE users; --", `"; DELETE FROM users; --`, "#u", ":u", "$u", "?",
			strings.Repeat("u", bulk.MaxUserID), strings.Repeat("u", bulk.MaxUserID-1), strings.Repeat("😀", bulk.MaxUserID),
		)
	},
}, {
	name: "Identity/EmailsAreComparedByEmailKey",
	rule: "emails are compared by EmailKey: ASCII letters are folded and nothing else is",
	run: func(t *storeTest) {
		t.separate(func(user *bulk.User, name string) { user.Email = name },
			"k@example.com", "\u212a@example.com", "i@example.com", "İ@example.com", "ı@example.com", "ß@example.com", "ss@example.com",
			"é@example.com", "É@example.com", "e\u0301@example.com", "a.b@example.com", "ab@example.com", "a+b@example.com",
			"k@example.com.", "k@example.co", "k@xn--e-ufa.com", "o'neil@example.com", `"q"@example.com`, `a"b@example.com`, "a#b@example.com",
			"a|b@example.com", "a/b@example.com", "名前@example.com", "😀@example.com",
			strings.Repeat("l", 64)+"@"+strings.Repeat("d", 251)+".com", strings.Repeat("名", 64)+"@"+strings.Repeat("前", 251)+".com",
		)
		user := t.add(bulk.User{ID: "folded", Email: "Folded.Name@Example.COM"})
		for _, email := range []string{"folded.name@example.com", "FOLDED.NAME@EXAMPLE.COM", "fOLDED.nAME@eXAMPLE.com"} {
			if got := t.owner(email); got == nil || *got != *user {
				t.Errorf("email %q does not find the user that has %q", email, user.Email)
			}
		}
	},
}, {
	name: "Identity/TenantsAreSeparate",
	rule: "equal ids or emails of two tenants are different users",
	run: func(t *storeTest) {
		other := t.in(unique("tenant"))
		user := bulk.User{ID: "u", Email: "u@example.com", CustomFields: fields(`{"tenant":1}`)}
		here := t.add(user)
		other.absent("u")
		other.free("u@example.com")
		other.refused(update(here, bulk.Patch{CustomFields: fields(`{"a":1}`)}), bulk.ErrConflict)
		other.absent("u")

		user.CustomFields = fields(`{"tenant":2}`)
		there := other.add(user)
		t.unchanged(here)
		here = t.change(here, bulk.Patch{Email: "new@example.com"})
		other.unchanged(there)
		other.free("new@example.com")
		other.change(there, bulk.Patch{Email: "new@example.com"})
		t.unchanged(here)
	},
}, {
	name: "Identity/TenantAndIDDoNotRunTogether",
	rule: "tenants are separate, whatever characters their names and the ids in them have",
	run: func(t *storeTest) {
		for _, separator := range []string{"#", "|", "/", ":", "::", "-", "_", ".", " ", "%23", "\\", "\"", "é"} {
			long := t.in(t.tenant + separator + "a")
			short := t.in(t.tenant)
			one := long.add(bulk.User{ID: "b", Email: "b@example.com"})
			two := short.add(bulk.User{ID: "a" + separator + "b", Email: "a" + strings.TrimSpace(separator) + "b@example.com"})
			long.unchanged(one)
			short.unchanged(two)
			long.absent("a" + separator + "b")
		}
	},
}, {
	name: "Identity/AnyTenantName",
	rule: "a tenant is up to MaxTenant bytes of valid UTF-8, compared byte by byte; the empty one is a tenant too",
	run: func(t *storeTest) {
		id, email := unique("user"), unique("user")+"@example.com" // the empty tenant may be shared
		suffix := t.tenant[len(t.tenant)-16:]
		for i, tenant := range []string{
			"", suffix, strings.ToUpper(suffix), " " + suffix, "'\"`;--" + suffix, "é" + suffix, "e\u0301" + suffix, "😀" + suffix,
			strings.Repeat("t", bulk.MaxTenant-len(suffix)) + suffix,
			strings.Repeat("t", bulk.MaxTenant-len(suffix)-1) + suffix,
		} {
			part := t.in(tenant)
			part.absent(id)
			part.free(email)
			base := part.add(bulk.User{ID: id, Email: email, CustomFields: fields(fmt.Sprintf(`{"tenant":%d}`, i))})
			part.change(base, bulk.Patch{Metadata: fields(`{"a":1}`)})
		}
	},
}}

// separate fails unless users that differ in nothing but one name are separate
// users.
func (t *storeTest) separate(set func(user *bulk.User, name string), names ...string) {
	t.Helper()
	users := make([]bulk.User, len(names))
	for i, name := range names {
		users[i] = bulk.User{ID: fmt.Sprint("user ", i), Email: fmt.Sprintf("user-%d@example.com", i), Metadata: fields(fmt.Sprintf(`{"n":%d}`, i))}
		set(&users[i], name)
	}
	t.done(creates(users)...)
	for _, user := range users {
		base := t.holds(user)
		t.change(base, bulk.Patch{CustomFields: fields(`{"updated":true}`)})
	}
	for _, user := range users {
		user.CustomFields = fields(`{"updated":true}`)
		t.holds(user)
	}
}
