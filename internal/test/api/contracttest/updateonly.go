package contracttest

import (
	"fmt"
	"net/http"
	"strings"
)

// testUpdateOnly checks that nobody is created, and that all else stays as it is.
func testUpdateOnly(s *suite) {
	type effects struct{ update, skip []string }
	for _, m := range modes {
		for _, dry := range []bool{false, true} {
			for _, c := range []struct {
				name string
				rows []string
				want effects
				user user // that is there afterwards with upsert
			}{
				{"absent user by id", []string{`{"userId":"N","customFields":{"k":1}}`},
					effects{[]string{"failed USER_NOT_FOUND N"}, []string{"failed USER_NOT_FOUND N"}}, ann},
				{"absent user by email", []string{`{"email":"new@example.com"}`},
					effects{[]string{"failed USER_NOT_FOUND"}, []string{"failed USER_NOT_FOUND"}}, ann},
				{"whoever has the row's email", []string{`{"userId":"N","email":"BOB@example.com"}`},
					effects{[]string{"failed USER_NOT_FOUND N"}, []string{"failed USER_NOT_FOUND N"}}, bob},
				{"present by id", []string{`{"userId":"A","customFields":{"n":2}}`},
					effects{[]string{"updated A"}, []string{"skipped A"}}, user{"A", ann.email, `{"team":"Lakers","n":2}`, ann.metadata}},
				{"present by email", []string{`{"email":"ann@example.com","customFields":{"n":2}}`},
					effects{[]string{"updated A"}, []string{"skipped A"}}, user{"A", ann.email, `{"team":"Lakers","n":2}`, ann.metadata}},
				{"present as the row wants it", []string{`{"userId":"A"}`}, effects{[]string{"unchanged A"}, []string{"skipped A"}}, ann},
				{"absent twice", []string{`{"userId":"N"}`, `{"userId":"N"}`},
					effects{[]string{"failed USER_NOT_FOUND N", "failed USER_NOT_FOUND N"}, []string{"failed USER_NOT_FOUND N", "failed USER_NOT_FOUND N"}}, ann},
			} {
				for _, skip := range []bool{false, true} {
					want, after := c.want.update, c.user
					if skip {
						want = c.want.skip
					}
					if (skip || dry) && after.id == "A" {
						after = ann
					}
					s.run(fmt.Sprintf("%s/skipDuplicates=%v,dryRun=%v/%s", m, skip, dry, c.name), func(w *world) {
						w.seed(annRow, bobRow)
						o := m.send(w, bodyWith(fmt.Sprintf(`{"updateOnly":true,"skipDuplicates":%v,"dryRun":%v}`, skip, dry), c.rows...))
						for i, text := range want {
							fields := strings.Fields(text)
							id := ""
							if n := len(fields); fields[n-1] != "USER_NOT_FOUND" {
								id, fields = fields[n-1], fields[:n-1]
							}
							if got := o.row(i, fields[0], fields[1:]...); got.UserID != id {
								o.errorf("row %d has the userId %q, want %q", i, got.UserID, id)
							}
						}
						w.holds(o.answer, after)
						w.lacks(o.answer, "N")
						w.free(o.answer, "new@example.com")
					})
				}
			}
		}
	}
	for _, options := range []string{
		`{"updateOnly":true,"upsert":false}`, `{"upsert":false,"updateOnly":true,"dryRun":true}`, `{"upsert":false,"updateOnly":true,"skipDuplicates":true}`,
	} {
		for _, header := range [][]string{nil, {respondAsync}} {
			s.run(fmt.Sprintf("%s %v could do nothing", options, header), func(w *world) {
				a := w.post(bodyWith(options, annRow), header...)
				a.refusedWith(http.StatusBadRequest, "INVALID_REQUEST")
				w.lacks(a, "A")
			})
		}
	}
	s.run("updateOnly as a query parameter", func(w *world) {
		a := w.sendText("?updateOnly=true", []string{"Content-Type: text/csv"}, "userId\nN\n")
		o := a.outcome()
		o.row(0, "failed", "USER_NOT_FOUND")
		w.lacks(a, "N")
	})
}

// testConflicts checks that a row which cannot have an address says who has it.
func testConflicts(s *suite) {
	for _, m := range modes {
		for _, dry := range []bool{false, true} {
			s.run(fmt.Sprintf("%s/dryRun=%v", m, dry), func(w *world) {
				w.seed(bobRow)
				o := m.send(w, bodyWith(fmt.Sprintf(`{"dryRun":%v}`, dry),
					`{"userId":"N","email":"n@example.com"}`, `{"email":"made@example.com"}`,
					`{"userId":"X","email":"BOB@example.com"}`, `{"userId":"X","email":"N@example.com"}`, `{"userId":"X","email":"MADE@example.com"}`))
				for i, want := range map[int]string{2: "B", 3: "N", 4: o.results[1].UserID} {
					r := o.row(i, "failed", "EMAIL_TAKEN")
					if got := r.Errors[0].ConflictsWith; got != want {
						o.errorf("row %d conflicts with %q, want %q", i, got, want)
					}
				}
				if dry != (o.results[1].UserID == "") {
					o.errorf("the id of a user that was made is %q", o.results[1].UserID)
				}
			})
		}
	}
}

// testLabel checks the text that a caller gives its job.
func testLabel(s *suite) {
	long := strings.Repeat("é", 128)
	for name, c := range map[string]struct{ option, want string }{
		"none":           {``, ""},
		"empty":          {`"label":""`, ""},
		"text":           {`"label":"payroll \"é\" <b>"`, `payroll "é" <b>`},
		"128 characters": {`"label":"` + long + `"`, long},
	} {
		s.run(name, func(w *world) {
			id := w.submit(bodyWith("{"+c.option+"}", annRow))
			job := w.job(id)
			if job.Label != c.want {
				job.errorf("the label is %q, want %q", job.Label, c.want)
			}
			w.cancel(id)
		})
	}
	s.run("as a query parameter", func(w *world) {
		id := w.sendText("?label=a%20b", []string{"Content-Type: text/csv", respondAsync}, "userId\nN\n").accepted().JobID
		if job := w.job(id); job.Label != "a b" {
			job.errorf("the label is %q, want %q", job.Label, "a b")
		}
		w.cancel(id)
	})
	for name, label := range map[string]string{
		"129 characters": long + "é", "a line feed": `\n`, "a null character": `\u0000`, "DEL": `\u007f`, "a C1 control character": `\u0085`,
	} {
		s.run(name+" is refused", func(w *world) {
			a := w.post(bodyWith(`{"label":"`+label+`"}`, annRow), respondAsync)
			a.refusedWith(http.StatusBadRequest, "INVALID_REQUEST")
		})
	}
}

// testMergeModes checks what an object of a row makes of that of a stored user.
func testMergeModes(s *suite) {
	const base = `{"keep":"x","n":1,"o":{"a":1}}`
	for _, m := range modes {
		for _, f := range objectFields {
			for _, c := range []struct{ mode, name, patch, want, status string }{
				{"merge", "goes key by key", `{"n":2,"new":1,"keep":null}`, `{"n":2,"o":{"a":1},"new":1}`, "updated"},
				{"fill", "writes what is not there", `{"n":2,"new":1}`, `{"keep":"x","n":1,"o":{"a":1},"new":1}`, "updated"},
				{"fill", "changes nothing that is there", `{"n":2,"keep":null,"o":{"b":2}}`, base, "unchanged"},
				{"replace", "puts an object in the place of another", `{"n":2,"gone":null}`, `{"n":2}`, "updated"},
				{"replace", "the same object changes nothing", base, base, "unchanged"},
				{"replace", "an empty object leaves no keys", `{}`, ``, "updated"},
				{"replace", "an object that is null stays", `null`, base, "unchanged"},
			} {
				s.run(fmt.Sprintf("%s/%s/%s/%s", m, f.field, c.mode, c.name), func(w *world) {
					other := "metadata"
					after := user{"u", "", c.want, `{"other":1}`}
					if f.field == "metadata" {
						other, after = "customFields", user{"u", "", `{"other":1}`, c.want}
					}
					w.seed(fmt.Sprintf(`{"userId":"u","%s":%s,"%s":{"other":1}}`, f.field, base, other))
					o := m.send(w, bodyWith(`{"merge":"`+c.mode+`"}`, fmt.Sprintf(`{"userId":"u","%s":%s}`, f.field, c.patch)))
					o.row(0, c.status)
					w.holds(o.answer, after)
				})
			}
		}
		s.run(fmt.Sprintf("%s/fill applies the rest of the row", m), func(w *world) {
			w.seed(annRow)
			o := m.send(w, bodyWith(`{"merge":"fill"}`, `{"userId":"A","email":"new@example.com","customFields":{"n":2,"k":1}}`))
			o.row(0, "updated")
			w.holds(o.answer, user{"A", "new@example.com", `{"team":"Lakers","n":1,"k":1}`, ann.metadata})
		})
	}
	for _, merge := range []string{`""`, `"Merge"`, `"deep"`, `null`, `true`, `1`, `["fill"]`} {
		s.run("merge "+merge+" is refused", func(w *world) {
			a := w.post(bodyWith(`{"merge":`+merge+`}`, annRow))
			a.refusedWith(http.StatusBadRequest, "INVALID_REQUEST")
			w.lacks(a, "A")
		})
	}
}
