package contracttest

import (
	"fmt"
	"net/http"
	"strings"
)

// testMerge checks what an update changes, and what it leaves.
func testMerge(s *suite) {
	const base = `{"keep":"x","n":1,"o":{"a":1,"b":2},"l":[1,2]}`
	for _, m := range modes {
		for _, f := range objectFields {
			for _, c := range []struct{ name, patch, want, status string }{
				{"a key present replaces the value", `{"n":2}`, `{"keep":"x","n":2,"o":{"a":1,"b":2},"l":[1,2]}`, "updated"},
				{"a value of another type replaces it", `{"n":"2"}`, `{"keep":"x","n":"2","o":{"a":1,"b":2},"l":[1,2]}`, "updated"},
				{"a new key is added", `{"new":true}`, `{"keep":"x","n":1,"o":{"a":1,"b":2},"l":[1,2],"new":true}`, "updated"},
				{"an object is replaced as a whole", `{"o":{"a":9}}`, `{"keep":"x","n":1,"o":{"a":9},"l":[1,2]}`, "updated"},
				{"an array is replaced as a whole", `{"l":[]}`, `{"keep":"x","n":1,"o":{"a":1,"b":2},"l":[]}`, "updated"},
				{"null removes a key", `{"n":null}`, `{"keep":"x","o":{"a":1,"b":2},"l":[1,2]}`, "updated"},
				{"null of an object removes it", `{"o":null,"l":null}`, `{"keep":"x","n":1}`, "updated"},
				{"null of all keys leaves none", `{"keep":null,"n":null,"o":null,"l":null}`, ``, "updated"},
				{"null within a value is a value", `{"o":{"a":null}}`, `{"keep":"x","n":1,"o":{"a":null},"l":[1,2]}`, "updated"},
				{"null, a new key and a changed one at once", `{"n":null,"new":1,"keep":"y"}`, `{"keep":"y","o":{"a":1,"b":2},"l":[1,2],"new":1}`, "updated"},
				{"keys of another case are other keys", `{"N":2}`, `{"keep":"x","n":1,"N":2,"o":{"a":1,"b":2},"l":[1,2]}`, "updated"},
				{"an empty text is a value", `{"keep":""}`, `{"keep":"","n":1,"o":{"a":1,"b":2},"l":[1,2]}`, "updated"},
				{"null of an absent key changes nothing", `{"absent":null}`, base, "unchanged"},
				{"no keys change nothing", `{}`, base, "unchanged"},
				{"the field as null changes nothing", `null`, base, "unchanged"},
				{"the same values change nothing", base, base, "unchanged"},
				{"the same values written otherwise change nothing", `{ "l":[1.0,2e0], "o":{"b":2,"a":1}, "n":10e-1, "k\u0065ep":"\u0078" }`, base, "unchanged"},
			} {
				s.run(fmt.Sprintf("%s/%s/%s", m, f.field, c.name), func(w *world) {
					// The other field, the email and the user beside it stay.
					other := "metadata"
					before, after := user{"u", "u@example.com", base, `{"other":1}`}, user{"u", "u@example.com", c.want, `{"other":1}`}
					if f.field == "metadata" {
						other = "customFields"
						before, after = user{"u", "u@example.com", `{"other":1}`, base}, user{"u", "u@example.com", `{"other":1}`, c.want}
					}
					seeded := w.seed(fmt.Sprintf(`{"userId":"u","email":"u@example.com","%s":%s,"%s":{"other":1}}`, f.field, base, other), bobRow)
					version := w.holds(seeded.answer, before).Version
					o := m.send(w, bodyOf(fmt.Sprintf(`{"userId":"u","%s":%s}`, f.field, c.patch)))
					o.row(0, c.status)
					got := w.holds(o.answer, after)
					if c.status == "unchanged" && got.Version != version {
						o.errorf("an update that changes nothing wrote the user")
					}
					if c.status == "updated" && got.Version == version {
						o.errorf("an update did not change the version")
					}
					w.holds(o.answer, bob)
				})
			}
			s.run(fmt.Sprintf("%s/%s/null in a new user is no key", m, f.field), func(w *world) {
				o := m.send(w, bodyOf(fmt.Sprintf(`{"userId":"u","%s":{"a":null,"b":1,"o":{"n":null}}}`, f.field)))
				o.row(0, "created")
				want := user{"u", "", `{"b":1,"o":{"n":null}}`, ""}
				if f.field == "metadata" {
					want.customFields, want.metadata = want.metadata, want.customFields
				}
				w.holds(o.answer, want)
			})
		}
		s.run(fmt.Sprintf("%s/9007199254740993 through create, merge and results", m), func(w *world) {
			const exact = "9007199254740993"
			body := func(n string) string {
				return bodyOf(fmt.Sprintf(`{"userId":"u","customFields":{"n":%s,"o":{"l":[%s]}},"metadata":{"n":%s}}`, n, n, n))
			}
			o := m.send(w, body(exact))
			o.row(0, "created")
			w.holds(o.answer, user{"u", "", `{"n":9007199254740993,"o":{"l":[9007199254740993]}}`, `{"n":9007199254740993}`})
			stored := w.stored("u")
			if text := stored.CustomFields.String() + stored.Metadata.String(); strings.Count(text, exact) != 3 {
				o.errorf("stored are %s", text)
			}
			m.send(w, body(exact)).row(0, "unchanged")
			// Its neighbour, which is the same as a float64.
			m.send(w, body("9007199254740992")).row(0, "updated")
			o = m.send(w, bodyOf(`{"userId":"u","customFields":{"n":9007199254740993}}`))
			o.row(0, "updated")
			w.holds(o.answer, user{"u", "", `{"n":9007199254740993,"o":{"l":[9007199254740992]}}`, `{"n":9007199254740992}`})

			id := w.submit(body(exact))
			w.run(id)
			csv := w.send(request{path: resultsPath(id) + "?format=csv"})
			if csv.status != http.StatusOK || !strings.Contains(string(csv.body), exact) {
				csv.errorf("%s is not in the results", exact)
			}
		})
	}
	s.run("strange keys change nothing else", func(w *world) {
		const strange = `{"a\"b'; DELETE":1,"a.b":2,"a":{"b":3},"#n0":4,":v":5,"l[0]":6,"l":[7]}`
		seeded := w.seed(`{"userId":"u","customFields":` + strange + `}`)
		w.holds(seeded.answer, user{"u", "", strange, ""})
		o := w.post(bodyOf(`{"userId":"u","customFields":{"a.b":null,"l[0]":8,"a\"b'; DELETE":9}}`)).outcome()
		o.row(0, "updated")
		w.holds(o.answer, user{"u", "", `{"a\"b'; DELETE":9,"a":{"b":3},"#n0":4,":v":5,"l[0]":8,"l":[7]}`, ""})
	})
}
