package contracttest

import (
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	"github.com/bulkops/bulkops/bulk"
)

// Two users are there before every situation.
const (
	annRow = `{"userId":"A","email":"ann@example.com","customFields":{"team":"Lakers","n":1},"metadata":{"source":"crm"}}`
	bobRow = `{"userId":"B","email":"bob@example.com"}`
)

var (
	ann = user{"A", "ann@example.com", `{"team":"Lakers","n":1}`, `{"source":"crm"}`}
	bob = user{"B", "bob@example.com", "", ""}
)

// A situation is what rows meet.
type situation struct {
	name string
	rows []string
	// What happens where existing users are updated, where they are skipped, and
	// where they are errors.
	update, skip, refuse effect
}

// An effect is what becomes of the rows of a situation.
type effect struct {
	// results are, in order, "status [code] userId". The id * is one that was
	// generated; in a dry run it is that of nobody, and left out.
	results []string
	users   []user   // that are there afterwards
	free    []string // emails that nobody has afterwards
	absent  []string // ids that nobody has afterwards
}

var situations = []situation{{
	name:   "absent user by id",
	rows:   []string{`{"userId":"N","customFields":{"k":1}}`},
	update: effect{results: []string{"created N"}, users: []user{ann, bob, {"N", "", `{"k":1}`, ""}}},
	skip:   effect{results: []string{"created N"}, users: []user{ann, bob, {"N", "", `{"k":1}`, ""}}},
	refuse: effect{results: []string{"created N"}, users: []user{ann, bob, {"N", "", `{"k":1}`, ""}}},
}, {
	name:   "absent user by email",
	rows:   []string{`{"email":"New@example.com","metadata":{"k":1}}`},
	update: effect{results: []string{"created *"}, users: []user{ann, bob, {anyID, "New@example.com", "", `{"k":1}`}}},
	skip:   effect{results: []string{"created *"}, users: []user{ann, bob, {anyID, "New@example.com", "", `{"k":1}`}}},
	refuse: effect{results: []string{"created *"}, users: []user{ann, bob, {anyID, "New@example.com", "", `{"k":1}`}}},
}, {
	name:   "absent user by id and email",
	rows:   []string{`{"userId":"N","email":"New@example.com"}`},
	update: effect{results: []string{"created N"}, users: []user{ann, bob, {"N", "New@example.com", "", ""}}},
	skip:   effect{results: []string{"created N"}, users: []user{ann, bob, {"N", "New@example.com", "", ""}}},
	refuse: effect{results: []string{"created N"}, users: []user{ann, bob, {"N", "New@example.com", "", ""}}},
}, {
	name:   "present by id",
	rows:   []string{`{"userId":"A","customFields":{"n":2},"metadata":{"k":true}}`},
	update: effect{results: []string{"updated A"}, users: []user{{"A", "ann@example.com", `{"team":"Lakers","n":2}`, `{"source":"crm","k":true}`}, bob}},
	skip:   effect{results: []string{"skipped A"}, users: []user{ann, bob}},
	refuse: effect{results: []string{"failed USER_EXISTS A"}, users: []user{ann, bob}},
}, {
	name:   "present by id with its own email",
	rows:   []string{`{"userId":"A","email":"ann@example.com","customFields":{"n":2}}`},
	update: effect{results: []string{"updated A"}, users: []user{{"A", "ann@example.com", `{"team":"Lakers","n":2}`, ann.metadata}, bob}},
	skip:   effect{results: []string{"skipped A"}, users: []user{ann, bob}},
	refuse: effect{results: []string{"failed USER_EXISTS A"}, users: []user{ann, bob}},
}, {
	name:   "present by id as the row wants it",
	rows:   []string{`{"userId":"A","email":"ann@example.com","customFields":{"n":1.0,"absent":null}}`},
	update: effect{results: []string{"unchanged A"}, users: []user{ann, bob}},
	skip:   effect{results: []string{"skipped A"}, users: []user{ann, bob}},
	refuse: effect{results: []string{"failed USER_EXISTS A"}, users: []user{ann, bob}},
}, {
	name:   "present by id with a new email",
	rows:   []string{`{"userId":"A","email":"new@example.com"}`},
	update: effect{results: []string{"updated A"}, users: []user{{"A", "new@example.com", ann.customFields, ann.metadata}, bob}, free: []string{"ann@example.com"}},
	skip:   effect{results: []string{"skipped A"}, users: []user{ann, bob}, free: []string{"new@example.com"}},
	refuse: effect{results: []string{"failed USER_EXISTS A"}, users: []user{ann, bob}, free: []string{"new@example.com"}},
}, {
	name:   "present by email",
	rows:   []string{`{"email":"ann@example.com","customFields":{"n":2}}`},
	update: effect{results: []string{"updated A"}, users: []user{{"A", "ann@example.com", `{"team":"Lakers","n":2}`, ann.metadata}, bob}},
	skip:   effect{results: []string{"skipped A"}, users: []user{ann, bob}},
	refuse: effect{results: []string{"failed USER_EXISTS A"}, users: []user{ann, bob}},
}, {
	name:   "present by email as the row wants it",
	rows:   []string{`{"email":"ann@example.com"}`},
	update: effect{results: []string{"unchanged A"}, users: []user{ann, bob}},
	skip:   effect{results: []string{"skipped A"}, users: []user{ann, bob}},
	refuse: effect{results: []string{"failed USER_EXISTS A"}, users: []user{ann, bob}},
}, {
	name:   "email of another user, id absent",
	rows:   []string{`{"userId":"N","email":"BOB@example.com"}`},
	update: effect{results: []string{"failed EMAIL_TAKEN N"}, users: []user{ann, bob}, absent: []string{"N"}},
	skip:   effect{results: []string{"failed EMAIL_TAKEN N"}, users: []user{ann, bob}, absent: []string{"N"}},
	refuse: effect{results: []string{"failed EMAIL_TAKEN N"}, users: []user{ann, bob}, absent: []string{"N"}},
}, {
	name:   "email of another user, id present",
	rows:   []string{`{"userId":"A","email":"BOB@example.com","customFields":{"n":2}}`},
	update: effect{results: []string{"failed EMAIL_TAKEN A"}, users: []user{ann, bob}},
	skip:   effect{results: []string{"skipped A"}, users: []user{ann, bob}},
	refuse: effect{results: []string{"failed USER_EXISTS A"}, users: []user{ann, bob}},
}, {
	name:   "twice by id",
	rows:   []string{`{"userId":"N","customFields":{"k":1,"l":1}}`, `{"userId":"N","customFields":{"l":2}}`},
	update: effect{results: []string{"created N", "updated N"}, users: []user{ann, bob, {"N", "", `{"k":1,"l":2}`, ""}}},
	skip:   effect{results: []string{"created N", "skipped N"}, users: []user{ann, bob, {"N", "", `{"k":1,"l":1}`, ""}}},
	refuse: effect{results: []string{"created N", "failed USER_EXISTS N"}, users: []user{ann, bob, {"N", "", `{"k":1,"l":1}`, ""}}},
}, {
	name:   "twice the same row",
	rows:   []string{`{"userId":"N","email":"new@example.com"}`, `{"userId":"N","email":"new@example.com"}`},
	update: effect{results: []string{"created N", "unchanged N"}, users: []user{ann, bob, {"N", "new@example.com", "", ""}}},
	skip:   effect{results: []string{"created N", "skipped N"}, users: []user{ann, bob, {"N", "new@example.com", "", ""}}},
	refuse: effect{results: []string{"created N", "failed USER_EXISTS N"}, users: []user{ann, bob, {"N", "new@example.com", "", ""}}},
}, {
	name:   "twice by email",
	rows:   []string{`{"email":"new@example.com","customFields":{"k":1}}`, `{"email":"NEW@example.com","customFields":{"l":2}}`},
	update: effect{results: []string{"created *", "updated *"}, users: []user{ann, bob, {anyID, "new@example.com", `{"k":1,"l":2}`, ""}}},
	skip:   effect{results: []string{"created *", "skipped *"}, users: []user{ann, bob, {anyID, "new@example.com", `{"k":1}`, ""}}},
	refuse: effect{results: []string{"created *", "failed USER_EXISTS *"}, users: []user{ann, bob, {anyID, "new@example.com", `{"k":1}`, ""}}},
}, {
	name:   "one by id and the other by email, as the first row links them",
	rows:   []string{`{"userId":"N","email":"new@example.com"}`, `{"email":"new@example.com","customFields":{"k":1}}`},
	update: effect{results: []string{"created N", "updated N"}, users: []user{ann, bob, {"N", "new@example.com", `{"k":1}`, ""}}},
	skip:   effect{results: []string{"created N", "skipped N"}, users: []user{ann, bob, {"N", "new@example.com", "", ""}}},
	refuse: effect{results: []string{"created N", "failed USER_EXISTS N"}, users: []user{ann, bob, {"N", "new@example.com", "", ""}}},
}, {
	name:   "one by id and the other by email, as only the store links them",
	rows:   []string{`{"userId":"A","customFields":{"n":2,"first":1}}`, `{"email":"ann@example.com","customFields":{"n":3}}`},
	update: effect{results: []string{"updated A", "updated A"}, users: []user{{"A", "ann@example.com", `{"team":"Lakers","n":3,"first":1}`, ann.metadata}, bob}},
	skip:   effect{results: []string{"skipped A", "skipped A"}, users: []user{ann, bob}},
	refuse: effect{results: []string{"failed USER_EXISTS A", "failed USER_EXISTS A"}, users: []user{ann, bob}},
}, {
	name:   "one by email and the other by id, as only the store links them",
	rows:   []string{`{"email":"ann@example.com","customFields":{"n":2,"first":1}}`, `{"userId":"A","customFields":{"n":3}}`},
	update: effect{results: []string{"updated A", "updated A"}, users: []user{{"A", "ann@example.com", `{"team":"Lakers","n":3,"first":1}`, ann.metadata}, bob}},
	skip:   effect{results: []string{"skipped A", "skipped A"}, users: []user{ann, bob}},
	refuse: effect{results: []string{"failed USER_EXISTS A", "failed USER_EXISTS A"}, users: []user{ann, bob}},
}, {
	name: "the second names the address that the first has left",
	rows: []string{`{"userId":"A","email":"new@example.com"}`, `{"email":"ann@example.com","customFields":{"k":1}}`},
	update: effect{results: []string{"updated A", "created *"}, users: []user{
		{"A", "new@example.com", ann.customFields, ann.metadata}, bob, {anyID, "ann@example.com", `{"k":1}`, ""},
	}},
	skip:   effect{results: []string{"skipped A", "skipped A"}, users: []user{ann, bob}, free: []string{"new@example.com"}},
	refuse: effect{results: []string{"failed USER_EXISTS A", "failed USER_EXISTS A"}, users: []user{ann, bob}, free: []string{"new@example.com"}},
}, {
	name: "the second takes the address that the first has left",
	rows: []string{`{"userId":"A","email":"new@example.com"}`, `{"userId":"B","email":"ann@example.com"}`},
	update: effect{results: []string{"updated A", "updated B"}, users: []user{
		{"A", "new@example.com", ann.customFields, ann.metadata}, {"B", "ann@example.com", "", ""},
	}, free: []string{"bob@example.com"}},
	skip:   effect{results: []string{"skipped A", "skipped B"}, users: []user{ann, bob}, free: []string{"new@example.com"}},
	refuse: effect{results: []string{"failed USER_EXISTS A", "failed USER_EXISTS B"}, users: []user{ann, bob}, free: []string{"new@example.com"}},
}, {
	name:   "two users want the address of each other",
	rows:   []string{`{"userId":"A","email":"bob@example.com"}`, `{"userId":"B","email":"ann@example.com"}`},
	update: effect{results: []string{"failed EMAIL_TAKEN A", "failed EMAIL_TAKEN B"}, users: []user{ann, bob}},
	skip:   effect{results: []string{"skipped A", "skipped B"}, users: []user{ann, bob}},
	refuse: effect{results: []string{"failed USER_EXISTS A", "failed USER_EXISTS B"}, users: []user{ann, bob}},
}, {
	name:   "the second has another id and the address of the first",
	rows:   []string{`{"email":"new@example.com"}`, `{"userId":"N","email":"new@example.com"}`},
	update: effect{results: []string{"created *", "failed EMAIL_TAKEN N"}, users: []user{ann, bob, {anyID, "new@example.com", "", ""}}, absent: []string{"N"}},
	skip:   effect{results: []string{"created *", "failed EMAIL_TAKEN N"}, users: []user{ann, bob, {anyID, "new@example.com", "", ""}}, absent: []string{"N"}},
	refuse: effect{results: []string{"created *", "failed EMAIL_TAKEN N"}, users: []user{ann, bob, {anyID, "new@example.com", "", ""}}, absent: []string{"N"}},
}, {
	name:   "the first of two is invalid",
	rows:   []string{`{"userId":"N","email":"none"}`, `{"userId":"N","email":"new@example.com"}`},
	update: effect{results: []string{"failed INVALID_EMAIL N", "created N"}, users: []user{ann, bob, {"N", "new@example.com", "", ""}}},
	skip:   effect{results: []string{"failed INVALID_EMAIL N", "created N"}, users: []user{ann, bob, {"N", "new@example.com", "", ""}}},
	refuse: effect{results: []string{"failed INVALID_EMAIL N", "created N"}, users: []user{ann, bob, {"N", "new@example.com", "", ""}}},
}}

// testOptions walks all combinations of the options that concern users who exist.
func testOptions(s *suite) {
	for _, m := range modes {
		for _, upsert := range []bool{true, false} {
			for _, skip := range []bool{false, true} {
				for _, dry := range []bool{false, true} {
					options := fmt.Sprintf(`{"upsert":%v,"skipDuplicates":%v,"dryRun":%v}`, upsert, skip, dry)
					for _, c := range situations {
						want := c.update
						switch {
						case skip: // wins over upsert
							want = c.skip
						case !upsert:
							want = c.refuse
						}
						s.run(fmt.Sprintf("%s/upsert=%v,skipDuplicates=%v,dryRun=%v/%s", m, upsert, skip, dry, c.name),
							func(w *world) { w.meets(m, options, c.rows, want, dry) })
					}
				}
			}
		}
	}
	for _, m := range modes {
		s.run(string(m)+"/a dry run names what updates would change", func(w *world) {
			w.seed(annRow, bobRow)
			rows := []string{`{"userId":"A","email":"ana@example.com","customFields":{"n":1,"team":null},"metadata":{"batch":2}}`,
				`{"userId":"A","customFields":{"team":null,"n":2}}`, bobRow, `{"userId":"C","email":"cem@example.com"}`}
			want := [][]string{{"email", "customFields.team", "metadata.batch"}, {"customFields.n"}, nil, nil}
			for _, dry := range []bool{true, false} {
				o := m.send(w, bodyWith(fmt.Sprintf(`{"dryRun":%v}`, dry), rows...))
				if !dry {
					want = make([][]string, len(rows))
				}
				for i := range rows {
					if diff := cmp.Diff(want[i], o.results[i].Changes); diff != "" {
						o.errorf("changes of row %d, dryRun=%v (-want +got):\n%s", i, dry, diff)
					}
				}
			}
		})
	}
	s.run("defaults are upsert without the others", func(w *world) {
		for _, body := range []string{bodyOf(annRow), bodyWith(`{}`, annRow)} {
			job := w.job(w.submit(body))
			want := map[string]any{"upsert": true, "skipDuplicates": false, "sendWelcomeEmail": false, "dryRun": false,
				"updateOnly": false, "merge": "merge", "maxFailed": nil}
			if diff := cmp.Diff(want, job.Options); diff != "" {
				job.errorf("options (-want +got):\n%s", diff)
			}
			w.cancel(job.JobID)
		}
	})
}

// testDuplicates has situations whose rows are far apart, so that they are in
// different batches.
func testDuplicates(s *suite) {
	for _, m := range modes {
		for _, c := range situations {
			if len(c.rows) < 2 {
				continue
			}
			for _, o := range []struct {
				options string
				want    effect
			}{
				{`{"upsert":true}`, c.update}, {`{"skipDuplicates":true}`, c.skip}, {`{"upsert":false}`, c.refuse},
			} {
				s.run(fmt.Sprintf("%s/%s/%s/in different batches", m, o.options, c.name), func(w *world) {
					rows, want := c.rows, o.want
					between := fillers("filler", 60)
					rows = append(append([]string{rows[0]}, between...), rows[1:]...)
					results := []string{want.results[0]}
					for i := range between {
						results = append(results, fmt.Sprintf("created filler%d", i))
					}
					want.results = append(results, want.results[1:]...)
					w.meets(m, o.options, rows, want, false)
				})
			}
		}
	}
	s.run("many rows of one user apply in order", func(w *world) {
		for _, m := range modes {
			id := "many-" + string(m)
			rows := make([]string, 90)
			for i := range rows {
				rows[i] = fmt.Sprintf(`{"userId":"%s","customFields":{"last":%d,"k%d":%d}}`, id, i, i%30, i)
			}
			o := m.send(w, bodyOf(rows...))
			o.row(0, "created")
			for i := range rows[1:] {
				o.row(i+1, "updated")
			}
			custom := `{"last":89`
			for i := range 30 {
				custom += fmt.Sprintf(`,"k%d":%d`, i, 60+i)
			}
			w.holds(o.answer, user{id, "", custom + "}", ""})
		}
	})
}

// meets sends rows to a store that has ann and bob, and checks what becomes of
// them.
func (w *world) meets(m mode, options string, rows []string, want effect, dry bool) {
	w.Helper()
	w.seed(annRow, bobRow)
	before := w.snapshot(rows)
	o := m.send(w, bodyWith(options, rows...))
	generated := ""
	for i, text := range want.results {
		wanted := strings.Fields(text)
		id := wanted[len(wanted)-1]
		got := o.row(i, wanted[0], wanted[1:len(wanted)-1]...)
		given := w.given(rows[i])
		if got.Email != given.Email {
			o.errorf("row %d shows the email %q, not %q as it was sent", i, got.Email, given.Email)
		}
		switch {
		case id != anyID:
		case dry:
			id = "" // nobody was created
		case generated == "":
			if got.UserID == "" || got.UserID == given.Email {
				o.errorf("row %d has no generated id", i)
			}
			generated, id = got.UserID, got.UserID
		default:
			id = generated
		}
		// The contract does not say whether a dry run shows the id of a user who
		// would be there only now, to a row that does not give it.
		silent := dry && given.ID == "" && (id == "" || w.lookup(bulk.Ref{ID: id}).ByID == nil)
		if got.UserID != id && !(silent && got.UserID == "") {
			o.errorf("row %d has the userId %q, want %q", i, got.UserID, id)
		}
	}
	if dry {
		if diff := cmp.Diff(before, w.snapshot(rows)); diff != "" {
			o.errorf("a dry run changed users (-before +after):\n%s", diff)
		}
		return
	}
	for _, u := range want.users {
		got := w.holds(o.answer, u)
		if u.id == anyID && got.ID != generated {
			o.errorf("%s has the id %q, but its row %q", u.email, got.ID, generated)
		}
	}
	for _, email := range want.free {
		w.free(o.answer, email)
	}
	for _, id := range want.absent {
		w.lacks(o.answer, id)
	}
}

// given is what a row of a case says of its user's identity.
func (w *world) given(row string) (ref bulk.Ref) {
	w.Helper()
	var r struct {
		UserID string `json:"userId"`
		Email  string `json:"email"`
	}
	if err := json.Unmarshal([]byte(row), &r); err != nil {
		w.Fatal(err)
	}
	return bulk.Ref{ID: r.UserID, Email: r.Email}
}

// snapshot returns what the store holds for ann, bob and the users of rows.
func (w *world) snapshot(rows []string) []bulk.Found {
	w.Helper()
	found := []bulk.Found{w.lookup(w.given(annRow)), w.lookup(w.given(bobRow))}
	for _, row := range rows {
		ref := w.given(row)
		if strings.ContainsAny(ref.Email, " \t\n") || !strings.Contains(ref.Email, "@") {
			ref.Email = "" // no store can be asked for what is no address
		}
		found = append(found, w.lookup(ref))
	}
	return found
}
