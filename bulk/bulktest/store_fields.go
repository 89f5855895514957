package bulktest

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/bulkops/bulkops/bulk"
)

var fieldCases = []storeCase{{
	name: "Fields/NumbersStayExact",
	rule: "numbers survive exactly: nothing goes through a floating point number",
	run: func(t *storeTest) {
		t.keepsValues(
			"0", "1", "-1", "9007199254740991", "9007199254740992", "9007199254740993", "-9007199254740993",
			"9223372036854775807", "9223372036854775808", "18446744073709551616",
			strings.Repeat("9", 38), "-"+strings.Repeat("9", 38), // 38 digits are the most
			"1234567890123456789012345678.9012345678",
			"0.1", "-0.1", "0.30000000000000004", "1.5", "3.1415926535897932384626433832795028841",
			"1e-130", "-1e-130", "1.2345678901234567890123456789012345678e-93",
			"9.99e125", "-9.99e125", "9."+strings.Repeat("9", 37)+"e125", "1e125", "1e38", "1e37", "1e-7", "0.000001",
			"[9007199254740993,{\"n\":9007199254740993}]",
		)
	},
}, {
	name: "Fields/StringsStayExact",
	rule: "strings survive byte by byte, empty ones too",
	run: func(t *storeTest) {
		var values []string
		for _, s := range []string{
			"", " ", "\x01\x1f\x7f", "\t\r\n", `"`, `'`, `\`, `\u0000`, "null", "true", "0", "{}", "[]", "\u2028\u2029", "\ufeff",
			"é", "e\u0301", "名前", "😀", "\U0010ffff", "<script>&amp;", "%s%d%00", "'; DROP TABLE users; --", `"; DELETE FROM users; --`,
			"?", ":v", "#n", "$1", strings.Repeat("long ", 10_000),
		} {
			text, err := json.Marshal(s)
			if err != nil {
				panic(err)
			}
			values = append(values, string(text), fmt.Sprintf(`[%s,{"s":%[1]s}]`, text))
		}
		t.keepsValues(values...)
	},
}, {
	name: "Fields/LiteralsStay",
	rule: "true, false and null within a value survive: null removes a field only at the top of a patch",
	run: func(t *storeTest) {
		t.keepsValues("true", "false", `[null]`, `{"a":null}`, `{"a":{"b":null},"c":[null,null]}`, `[true,false,null]`)
	},
}, {
	name: "Fields/EmptyContainersStay",
	rule: "empty arrays and objects survive as what they are",
	run: func(t *storeTest) {
		t.keepsValues(`[]`, `{}`, `[[]]`, `[{}]`, `{"a":[]}`, `{"a":{}}`, `[[],{},""]`)
	},
}, {
	name: "Fields/ArraysKeepOrderAndKinds",
	rule: "arrays keep their order, equal elements and elements of different kinds",
	run: func(t *storeTest) {
		t.keepsValues(`[3,1,2]`, `["b","a","b"]`, `[1,"1",true,null,[1],{"a":1}]`, `[1,1,1]`, `["","",""]`)
	},
}, {
	name: "Fields/DeepNesting",
	rule: "values nest up to MaxFieldDepth levels, the fields themselves counted",
	run: func(t *storeTest) {
		const levels = bulk.MaxFieldDepth - 1 // below the fields
		t.keepsValues(
			strings.Repeat("[", levels)+strings.Repeat("]", levels),
			strings.Repeat(`{"a":`, levels-1)+"{}"+strings.Repeat("}", levels-1),
			strings.Repeat(`[{"a":`, levels/2)+"9007199254740993"+strings.Repeat("}]", levels/2),
		)
	},
}, {
	name: "Fields/NamesAreOnlyNames",
	rule: "a field may have any name: in no statement, path or expression does it mean anything",
	run: func(t *storeTest) {
		object := func(value func(i int) string) bulk.Fields {
			var members []string
			for i, name := range fieldNames {
				text, err := json.Marshal(name)
				if err != nil {
					panic(err)
				}
				members = append(members, fmt.Sprintf("%s:%s", text, value(i)))
			}
			return fields("{" + strings.Join(members, ",") + "}")
		}
		numbered := object(func(i int) string { return fmt.Sprint(i) })
		nested := object(func(i int) string { return fmt.Sprintf(`[{"n":%d}]`, i) })
		nulls := object(func(int) string { return "null" })
		nestedOnly := fields(fmt.Sprintf(`{"nested":%s}`, numbered))

		base := t.add(bulk.User{ID: "u", CustomFields: numbered, Metadata: numbered})
		base = t.change(base, bulk.Patch{CustomFields: nested})
		base = t.change(base, bulk.Patch{Metadata: nested})
		base = t.change(base, bulk.Patch{CustomFields: nulls, Metadata: nulls})
		base = t.change(base, bulk.Patch{CustomFields: nestedOnly, Metadata: nestedOnly})
		t.change(base, bulk.Patch{CustomFields: nested, Metadata: numbered})

		// One name at a time, so that a name that does harm is told.
		for i, name := range fieldNames {
			text, err := json.Marshal(name)
			if err != nil {
				panic(err)
			}
			id := fmt.Sprint("name ", i)
			base := t.add(bulk.User{ID: id, CustomFields: fields(fmt.Sprintf(`{%s:1}`, text)), Metadata: fields(`{"stays":1}`)})
			base = t.change(base, bulk.Patch{CustomFields: fields(fmt.Sprintf(`{%s:"new"}`, text)), Metadata: fields(fmt.Sprintf(`{%s:2}`, text))})
			t.change(base, bulk.Patch{CustomFields: fields(fmt.Sprintf(`{%s:null}`, text))})
		}
	},
}}

// fieldNames are names that a store must take as they are.
var fieldNames = []string{
	`a"b`, `a""b`, `"`, `a'b`, `'`, "a`b", "`", `a\b`, `\`, `\"`, "a.b", ".", "..", "a b", " ", " a", "a ", "a\tb", "a\nb", "\x01", `\u0000`,
	`"; DELETE FROM "users"; --`, `x"=1 REMOVE "y`, `'; DROP TABLE users; --`, "/* */", "--",
	"?", "#a", ":a", "$a", "@a", "%s", "{}", "[0]", "a[0]", "a,b", "a=b", "a:b", "a/b", "a|b", "a#b", "*", "&", "<b>",
	"id", "userId", "user_id", "email", "Email", "customFields", "metadata", "version", "mark", "tenant", "pk", "sk", "PK", "ttl", "expiresAt",
	"SELECT", "SET", "REMOVE", "VALUE", "NULL", "null", "size", "contains", "constructor", "__proto__", "NaN", "0", "-1",
	"é", "e\u0301", "É", "ключ", "名前", "😀", "\u2028", "\ufeff", "\u00a0", "İ", "i", "I", "ß", "ss",
	strings.Repeat("n", bulk.MaxFieldName), strings.Repeat(`"`, bulk.MaxFieldName), strings.Repeat("名", bulk.MaxFieldName), strings.Repeat("😀", bulk.MaxFieldName),
}

// keepsValues writes each value in a create, in an update of a user without
// fields and in one that replaces another value, as custom field and as
// metadata, and fails where the value does not come back as it is.
func (t *storeTest) keepsValues(values ...string) {
	t.Helper()
	for i, value := range values {
		f := fields(fmt.Sprintf(`{"value":%s,"%s":%[1]s}`, value, `other \" value`))
		t.add(bulk.User{ID: fmt.Sprint("created ", i), CustomFields: f, Metadata: f})

		base := t.add(bulk.User{ID: fmt.Sprint("updated ", i)})
		base = t.change(base, bulk.Patch{CustomFields: f})
		base = t.change(base, bulk.Patch{Metadata: f})
		base = t.change(base, bulk.Patch{CustomFields: fields(`{"value":{"an":["other"]}}`), Metadata: fields(`{"value":"other"}`)})
		t.change(base, bulk.Patch{CustomFields: f, Metadata: f})
	}
}
