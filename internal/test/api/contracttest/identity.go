package contracttest

import (
	"fmt"
	"net/http"

	"github.com/bulkops/bulkops/bulk"
)

func testIdentity(s *suite) {
	for _, m := range modes {
		s.run(string(m)+"/emails are compared without the case of ASCII letters", func(w *world) {
			o := m.send(w, bodyOf(`{"userId":"u","email":"Ann.ZYX@Example.COM"}`))
			o.row(0, "created")
			w.holds(o.answer, user{"u", "Ann.ZYX@Example.COM", "", ""}) // stored as given
			o = m.send(w, bodyOf(
				`{"email":"ann.zyx@example.com","customFields":{"k":1}}`,
				`{"userId":"v","email":"ANN.zyx@EXAMPLE.com"}`,
			))
			if got := o.row(0, "updated").UserID; got != "u" {
				o.errorf("the email led to %q, want u", got)
			}
			o.row(1, "failed", "EMAIL_TAKEN")
			w.lacks(o.answer, "v")
		})
		s.run(string(m)+"/emails are folded no further than ASCII", func(w *world) {
			emails := []string{
				"k@fold.example", "\u212a@fold.example", // Kelvin sign
				"i@fold.example", "\u0130@fold.example", "\u0131@fold.example", // dotted İ, dotless ı
				"s@fold.example", "\u017f@fold.example", "ss@fold.example", "\u00df@fold.example", "\u1e9e@fold.example",
				"\u00e9@fold.example", "\u00c9@fold.example", "e\u0301@fold.example", // é, É, e with an accent
				"\u03c3@fold.example", "\u03c2@fold.example", "\u03a3@fold.example", // σ, ς, Σ
				"\uff41@fold.example", "a@fold.example", // ａ
			}
			var byEmail, byBoth []string
			for i, email := range emails {
				byEmail = append(byEmail, fmt.Sprintf(`{"email":"%s"}`, email))
				byBoth = append(byBoth, fmt.Sprintf(`{"userId":"id%d","email":"both-%s"}`, i, email))
			}
			o := m.send(w, bodyOf(append(byEmail, byBoth...)...))
			ids := map[string]bool{}
			for i, r := range o.results {
				o.row(i, "created")
				ids[r.UserID] = true
			}
			if len(ids) != 2*len(emails) {
				o.errorf("%d addresses make %d users", 2*len(emails), len(ids))
			}
			for i, email := range emails {
				w.holds(o.answer, user{o.results[i].UserID, email, "", ""})
			}
		})
		s.run(string(m)+"/userIds are compared byte by byte", func(w *world) {
			ids := []string{"u", "U", "u u", "u  u", "u\u00a0u", "\u00e9", "e\u0301", "k", "\u212a", "1", "01", "1.0"}
			var rows []string
			for _, id := range ids {
				rows = append(rows, userIDRow(id))
			}
			o := m.send(w, bodyOf(rows...))
			for i, id := range ids {
				o.row(i, "created")
				w.holds(o.answer, user{id: id})
			}
		})
		s.run(string(m)+"/an id is no email and an email no id", func(w *world) {
			o := m.send(w, bodyOf(`{"userId":"x@example.com"}`, `{"email":"x@example.com"}`))
			o.row(0, "created")
			if o.row(1, "created").UserID == "x@example.com" {
				o.errorf("an email was taken for an id")
			}
		})
		s.run(string(m)+"/a row without email leaves the email", func(w *world) {
			w.seed(annRow)
			for _, row := range []string{`{"userId":"A","metadata":{"k":1}}`, `{"userId":"A","email":null,"metadata":{"k":2}}`} {
				o := m.send(w, bodyOf(row))
				o.row(0, "updated")
				if got := w.stored("A").Email; got != "ann@example.com" {
					o.errorf("the email became %q", got)
				}
			}
		})
		s.run(string(m)+"/a user without email gets one", func(w *world) {
			w.seed(`{"userId":"u"}`)
			o := m.send(w, bodyOf(`{"userId":"u","email":"u@example.com"}`))
			o.row(0, "updated")
			w.holds(o.answer, user{"u", "u@example.com", "", ""})
		})
		s.run(string(m)+"/a changed email frees the old one", func(w *world) {
			w.seed(annRow)
			o := m.send(w, bodyOf(`{"userId":"A","email":"new@example.com"}`))
			o.row(0, "updated")
			w.free(o.answer, "ann@example.com")
			o = m.send(w, bodyOf(`{"userId":"C","email":"Ann@example.com"}`))
			o.row(0, "created")
			w.holds(o.answer, user{"C", "Ann@example.com", "", ""})
			// And the new one is taken.
			m.send(w, bodyOf(`{"userId":"D","email":"new@example.com"}`)).row(0, "failed", "EMAIL_TAKEN")
			// There and back again, within one request.
			o = m.send(w, bodyOf(`{"userId":"A","email":"third@example.com"}`, `{"userId":"A","email":"new@example.com"}`))
			o.row(0, "updated")
			o.row(1, "updated")
			w.holds(o.answer, user{"A", "new@example.com", ann.customFields, ann.metadata})
			w.free(o.answer, "third@example.com")
		})
		s.run(string(m)+"/EMAIL_TAKEN names the email and changes nothing", func(w *world) {
			w.seed(annRow, bobRow)
			o := m.send(w, bodyOf(`{"userId":"A","email":"bob@example.com","customFields":{"n":2}}`))
			r := o.row(0, "failed", "EMAIL_TAKEN")
			if len(r.Errors) > 0 && r.Errors[0].Retryable {
				o.errorf("a taken email is marked as retryable")
			}
			w.holds(o.answer, ann)
			w.holds(o.answer, bob)
		})
		s.run(string(m)+"/generated ids differ", func(w *world) {
			rows := make([]string, 60)
			for i := range rows {
				rows[i] = fmt.Sprintf(`{"email":"user%d@example.com"}`, i)
			}
			o := m.send(w, bodyOf(rows...))
			ids := map[string]bool{}
			for i, r := range o.results {
				o.row(i, "created")
				ids[r.UserID] = true
				if owner := w.owner(fmt.Sprintf("user%d@example.com", i)); owner == nil || owner.ID != r.UserID {
					o.errorf("the generated id %q is not that of the stored user", r.UserID)
				}
			}
			if len(ids) != len(rows) {
				o.errorf("%d users have %d ids", len(rows), len(ids))
			}
		})
	}
}

// testConcurrency has requests at the same time.
func testConcurrency(s *suite) {
	const requests = 8
	s.run("two users never share an email", func(w *world) {
		answers := w.atOnce(requests, func(i int) string {
			return bodyOf(fmt.Sprintf(`{"userId":"u%d","email":"One@example.com"}`, i))
		})
		created := 0
		for _, a := range answers {
			o := a.outcome()
			if o.results[0].Status == "created" {
				created++
				continue
			}
			o.row(0, "failed", "EMAIL_TAKEN")
		}
		owners := 0
		for i := range requests {
			if w.lookup(bulk.Ref{ID: fmt.Sprintf("u%d", i)}).ByID != nil {
				owners++
			}
		}
		if created != 1 || owners != 1 {
			answers[0].errorf("%d requests created the user and %d users are stored, want one", created, owners)
		}
	})
	s.run("one email makes one user", func(w *world) {
		answers := w.atOnce(requests, func(i int) string {
			return bodyOf(fmt.Sprintf(`{"email":"one@example.com","customFields":{"k%d":%d}}`, i, i))
		})
		want, created := `{"k0":0`, 0
		id := w.owner("one@example.com").ID
		for i, a := range answers {
			o := a.outcome()
			if o.results[0].Status == "created" {
				created++
			} else {
				o.row(0, "updated")
			}
			if o.results[0].UserID != id {
				o.errorf("the userId is %q, want %q", o.results[0].UserID, id)
			}
			if i > 0 {
				want += fmt.Sprintf(`,"k%d":%d`, i, i)
			}
		}
		if created != 1 {
			answers[0].errorf("%d requests created the user, want one", created)
		}
		w.holds(answers[0], user{id, "one@example.com", want + "}", ""})
	})
	s.run("no update is lost", func(w *world) {
		w.seed(`{"userId":"u","customFields":{"base":true}}`)
		answers := w.atOnce(requests, func(i int) string {
			return bodyOf(fmt.Sprintf(`{"userId":"u","customFields":{"k%d":%d}}`, i, i))
		})
		want := `{"base":true`
		for i, a := range answers {
			a.outcome().row(0, "updated")
			want += fmt.Sprintf(`,"k%d":%d`, i, i)
		}
		w.holds(answers[0], user{"u", "", want + "}", ""})
	})
}

// atOnce posts the bodies at the same time.
func (w *world) atOnce(n int, body func(i int) string) []*answer {
	w.Helper()
	answers := make([]*answer, n)
	done := make(chan int)
	for i := range n {
		go func() {
			answers[i] = w.send(request{body: body(i)})
			done <- i
		}()
	}
	for range n {
		<-done
	}
	for _, a := range answers {
		if a.status != http.StatusOK {
			a.fatalf("status is %d, want 200", a.status)
		}
	}
	return answers
}
